/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cert.c - a short-lived certificate for one display (carrel-hostd)
 *
 * A SPICE client reads host-subject from left to right into an X.509 name and compares it entry by entry with the
 * certificate's (spice-common, verify_subject): the order of the text is the order in the certificate, O before CN.
 */
#include "host/cert.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

#define CERT_ORGANIZATION "Carrel"
#define CERT_BACKDATE_S	  3600
#define CERT_SERIAL_BYTES 16
#define CERT_KEY_ID_BYTES 20

struct cert_work {
	gnutls_x509_crt_t certificate;
	gnutls_x509_privkey_t key;
};

static int
cert_set_name(gnutls_x509_crt_t certificate, const char *desktop)
{
	int error = gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_ORGANIZATION_NAME, 0,
						  CERT_ORGANIZATION, strlen(CERT_ORGANIZATION));

	if (error < 0)
		return error;
	return gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, desktop,
					     (unsigned int)strlen(desktop));
}

static int
cert_set_serial(gnutls_x509_crt_t certificate)
{
	guint8 serial[CERT_SERIAL_BYTES];
	int error = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));

	if (error < 0)
		return error;
	serial[0] = (serial[0] & 0x7f) |
		    0x01; /* positive and of full length (RFC 5280 section 4.1.2.2) */
	return gnutls_x509_crt_set_serial(certificate, serial, sizeof(serial));
}

static int
cert_set_uses(gnutls_x509_crt_t certificate)
{
	guint8 key_id[CERT_KEY_ID_BYTES];
	size_t size = sizeof(key_id);
	/* Its own CA and its own server: what ca= in the .vv verifies is this certificate itself. */
	int error = gnutls_x509_crt_set_basic_constraints(certificate, 1, 0);

	if (error == 0)
		error = gnutls_x509_crt_set_key_usage(
			certificate, GNUTLS_KEY_DIGITAL_SIGNATURE | GNUTLS_KEY_KEY_CERT_SIGN);
	if (error == 0)
		error = gnutls_x509_crt_set_key_purpose_oid(certificate, GNUTLS_KP_TLS_WWW_SERVER,
							    0);
	if (error == 0)
		error = gnutls_x509_crt_get_key_id(certificate, 0, key_id, &size);
	if (error == 0)
		error = gnutls_x509_crt_set_subject_key_id(certificate, key_id, size);
	return error;
}

static int
cert_fill(struct cert_work *work, const char *desktop, gint64 now_s)
{
	int error = gnutls_x509_privkey_generate(
		work->key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);

	if (error == 0)
		error = gnutls_x509_crt_set_version(work->certificate, 3);
	if (error == 0)
		error = cert_set_name(work->certificate, desktop);
	if (error == 0)
		error = cert_set_serial(work->certificate);
	if (error == 0)
		error = gnutls_x509_crt_set_activation_time(work->certificate,
							    (time_t)(now_s - CERT_BACKDATE_S));
	if (error == 0)
		error = gnutls_x509_crt_set_expiration_time(work->certificate,
							    (time_t)(now_s + CERT_LIFE_S));
	if (error == 0)
		error = gnutls_x509_crt_set_key(work->certificate, work->key);
	if (error == 0)
		error = cert_set_uses(work->certificate);
	if (error == 0)
		error = gnutls_x509_crt_sign2(work->certificate, work->certificate, work->key,
					      GNUTLS_DIG_SHA256, 0);
	return error;
}

static int
cert_export(const struct cert_work *work, struct cert *cert)
{
	gnutls_datum_t pem = { 0 };
	int error = gnutls_x509_crt_export2(work->certificate, GNUTLS_X509_FMT_PEM, &pem);

	if (error < 0)
		return error;
	cert->certificate = g_strndup((const char *)pem.data, pem.size);
	gnutls_free(pem.data);
	pem.data = NULL;
	error = gnutls_x509_privkey_export2_pkcs8(work->key, GNUTLS_X509_FMT_PEM, NULL,
						  GNUTLS_PKCS_PLAIN, &pem);
	if (error < 0)
		return error;
	cert->key = g_strndup((const char *)pem.data, pem.size);
	explicit_bzero(pem.data, pem.size);
	gnutls_free(pem.data);
	return 0;
}

struct cert *
cert_new(const char *desktop, gint64 now_s, GError **error)
{
	struct cert *cert = g_new0(struct cert, 1);
	struct cert_work work = { 0 };
	int result = gnutls_x509_crt_init(&work.certificate);

	if (result == 0)
		result = gnutls_x509_privkey_init(&work.key);
	if (result == 0)
		result = cert_fill(&work, desktop, now_s);
	if (result == 0)
		result = cert_export(&work, cert);
	if (work.key)
		gnutls_x509_privkey_deinit(work.key);
	if (work.certificate)
		gnutls_x509_crt_deinit(work.certificate);
	if (result < 0) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
			    "cannot make a certificate for the display of '%s': %s", desktop,
			    gnutls_strerror(result));
		cert_free(cert);
		return NULL;
	}
	cert->subject = g_strdup_printf("O=%s,CN=%s", CERT_ORGANIZATION, desktop);
	cert->not_after = now_s + CERT_LIFE_S;
	return cert;
}

void
cert_free(struct cert *cert)
{
	if (!cert)
		return;
	if (cert->key)
		explicit_bzero(cert->key, strlen(cert->key));
	g_free(cert->key);
	g_free(cert->certificate);
	g_free(cert->subject);
	g_free(cert);
}
