/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * server_cert.c - the HTTPS certificate (carrel-broker)
 *
 * A first start makes an ECDSA key and a certificate signed by itself, for this host's name and the loopback addresses.
 * Clients pin its fingerprint on first use, so it is valid for long and is replaced only by an admin who puts
 * others in its place.
 */
#include "broker/server_cert.h"

#include <gio/gio.h>
#include <gnutls/gnutls.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"

#define CERT_MAX_BYTES	  (64 * 1024)
#define CERT_DAYS	  3650
#define CERT_DIGEST_BYTES 32

static gboolean
server_cert_check(int code, const char *what, GError **error)
{
	if (code >= 0)
		return TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot %s: %s", what,
		    gnutls_strerror(code));
	return FALSE;
}

static int
server_cert_fill(gnutls_x509_crt_t cert, gnutls_x509_privkey_t key)
{
	static const unsigned char loopback[] = { 127, 0, 0, 1 };
	const char *name = g_get_host_name();
	const time_t now = time(NULL);
	guint8 serial[16];

	if (gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial)) < 0)
		return GNUTLS_E_RANDOM_FAILED;
	serial[0] &= 0x7f;
	gnutls_x509_crt_set_version(cert, 3);
	gnutls_x509_crt_set_serial(cert, serial, sizeof(serial));
	gnutls_x509_crt_set_activation_time(cert, now - 3600);
	gnutls_x509_crt_set_expiration_time(cert, now + (time_t)CERT_DAYS * 86400);
	gnutls_x509_crt_set_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, name,
				      (unsigned int)strlen(name));
	gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_DNSNAME, name,
					     (unsigned int)strlen(name), GNUTLS_FSAN_SET);
	gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_DNSNAME, "localhost", 9,
					     GNUTLS_FSAN_APPEND);
	gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_IPADDRESS, loopback, sizeof(loopback),
					     GNUTLS_FSAN_APPEND);
	gnutls_x509_crt_set_key_usage(cert, GNUTLS_KEY_DIGITAL_SIGNATURE);
	gnutls_x509_crt_set_key_purpose_oid(cert, GNUTLS_KP_TLS_WWW_SERVER, 0);
	gnutls_x509_crt_set_basic_constraints(cert, 0, -1);
	gnutls_x509_crt_set_key(cert, key);
	return gnutls_x509_crt_sign2(cert, cert, key, GNUTLS_DIG_SHA256, 0);
}

static gboolean
server_cert_save(const char *path, const gnutls_datum_t *pem, mode_t mode, GError **error)
{
	int code = io_write_file_durably(path, pem->data, pem->size, mode);

	if (code == 0)
		return TRUE;
	g_set_error(
		error, G_IO_ERROR, g_io_error_from_errno(-code),
		"cannot write '%s': %s; the folder must exist and belong to carrel-broker's user",
		path, g_strerror(-code));
	return FALSE;
}

static gboolean
server_cert_export(gnutls_x509_crt_t cert, gnutls_x509_privkey_t key, const char *cert_path,
		   const char *key_path, GError **error)
{
	gnutls_datum_t cert_pem = { 0 };
	gnutls_datum_t key_pem = { 0 };
	/* The key first: a certificate without its key would be believed at the next start. */
	gboolean ok =
		server_cert_check(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &key_pem),
				  "export the TLS key", error) &&
		server_cert_check(gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &cert_pem),
				  "export the TLS certificate", error) &&
		server_cert_save(key_path, &key_pem, 0600, error) &&
		server_cert_save(cert_path, &cert_pem, 0644, error);

	if (key_pem.data)
		explicit_bzero(key_pem.data, key_pem.size);
	gnutls_free(key_pem.data);
	gnutls_free(cert_pem.data);
	return ok;
}

static gboolean
server_cert_make(const char *cert_path, const char *key_path, GError **error)
{
	gnutls_x509_privkey_t key = NULL;
	gnutls_x509_crt_t cert = NULL;
	gboolean ok =
		server_cert_check(gnutls_x509_privkey_init(&key), "make a TLS key", error) &&
		server_cert_check(gnutls_x509_crt_init(&cert), "make a TLS certificate", error) &&
		server_cert_check(gnutls_x509_privkey_generate(
					  key, GNUTLS_PK_ECDSA,
					  GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
				  "make a TLS key", error) &&
		server_cert_check(server_cert_fill(cert, key), "sign the TLS certificate", error) &&
		server_cert_export(cert, key, cert_path, key_path, error);

	if (cert)
		gnutls_x509_crt_deinit(cert);
	if (key)
		gnutls_x509_privkey_deinit(key);
	return ok;
}

static gboolean
server_cert_read(const char *path, char **ret_text, GError **error)
{
	size_t size;
	int code = io_read_file(path, CERT_MAX_BYTES, ret_text, &size);

	if (code == 0)
		return TRUE;
	g_set_error(
		error, G_IO_ERROR, g_io_error_from_errno(-code),
		"cannot read '%s': %s; put it back, or remove tls.crt and tls.key to have new ones made",
		path, g_strerror(-code));
	return FALSE;
}

static gboolean
server_cert_compute_fingerprint(struct server_cert *cert, GError **error)
{
	const gnutls_datum_t pem = { (unsigned char *)cert->certificate_pem,
				     (unsigned int)strlen(cert->certificate_pem) };
	guint8 digest[CERT_DIGEST_BYTES];
	size_t size = sizeof(digest);
	g_autoptr(GString) text = g_string_new(NULL);
	gnutls_x509_crt_t parsed = NULL;
	gboolean ok = server_cert_check(gnutls_x509_crt_init(&parsed), "read tls.crt", error) &&
		      server_cert_check(gnutls_x509_crt_import(parsed, &pem, GNUTLS_X509_FMT_PEM),
					"read tls.crt", error) &&
		      server_cert_check(gnutls_x509_crt_get_fingerprint(parsed, GNUTLS_DIG_SHA256,
									digest, &size),
					"take the fingerprint of tls.crt", error);

	for (size_t i = 0; ok && i < size; i++)
		g_string_append_printf(text, "%s%02X", i > 0 ? ":" : "", digest[i]);
	if (parsed)
		gnutls_x509_crt_deinit(parsed);
	if (ok)
		cert->fingerprint = g_string_free(g_steal_pointer(&text), FALSE);
	return ok;
}

gboolean
server_cert_load(const char *folder, struct server_cert *ret_cert, GError **error)
{
	g_autofree char *cert_path = g_build_filename(folder, "tls.crt", NULL);
	g_autofree char *key_path = g_build_filename(folder, "tls.key", NULL);

	memset(ret_cert, 0, sizeof(*ret_cert));
	if (!g_file_test(cert_path, G_FILE_TEST_EXISTS)) {
		if (!server_cert_make(cert_path, key_path, error))
			return FALSE;
		log_info("made a TLS key and certificate in '%s'", folder);
	}
	if (server_cert_read(cert_path, &ret_cert->certificate_pem, error) &&
	    server_cert_read(key_path, &ret_cert->key_pem, error)) {
		if (server_cert_compute_fingerprint(ret_cert, error))
			return TRUE;
		g_prefix_error(error,
			       "'%s' is no certificate (put a PEM one there, or remove it and '%s' "
			       "to have new ones made): ",
			       cert_path, key_path);
	}
	server_cert_clear(ret_cert);
	return FALSE;
}

void
server_cert_clear(struct server_cert *cert)
{
	if (cert->key_pem)
		explicit_bzero(cert->key_pem, strlen(cert->key_pem));
	free(cert->key_pem);
	free(cert->certificate_pem);
	g_free(cert->fingerprint);
	memset(cert, 0, sizeof(*cert));
}
