/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_cert.c - a display's certificate
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <gnutls/x509.h>
#include <string.h>

#include "host/cert.h"

#define DESKTOP "d-aaaaaaaaaaaaaaaaaaaa"
#define NOW	1800000000

static void
test_cert__names_o_before_cn_as_the_subject_says(void **state)
{
	struct cert *cert = cert_new(DESKTOP, NOW, NULL);
	gnutls_x509_crt_t crt;
	gnutls_datum_t pem;
	char oid[64];
	size_t size = sizeof(oid);

	(void)state;
	assert_non_null(cert);
	assert_string_equal(cert->subject, "O=Carrel,CN=" DESKTOP);
	pem = (gnutls_datum_t){ (unsigned char *)cert->certificate,
				(unsigned int)strlen(cert->certificate) };
	assert_int_equal(gnutls_x509_crt_init(&crt), 0);
	assert_int_equal(gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM), 0);
	assert_int_equal(gnutls_x509_crt_get_dn_oid(crt, 0, oid, &size), 0);
	assert_string_equal(oid, GNUTLS_OID_X520_ORGANIZATION_NAME);
	size = sizeof(oid);
	assert_int_equal(gnutls_x509_crt_get_dn_oid(crt, 1, oid, &size), 0);
	assert_string_equal(oid, GNUTLS_OID_X520_COMMON_NAME);
	assert_int_equal(gnutls_x509_crt_get_expiration_time(crt), NOW + CERT_LIFE_S);
	assert_true(gnutls_x509_crt_get_activation_time(crt) < NOW);
	gnutls_x509_crt_deinit(crt);
	cert_free(cert);
}

static void
test_cert__is_what_gio_takes_and_its_own_ca(void **state)
{
	gint64 now_s = g_get_real_time() / G_USEC_PER_SEC;
	struct cert *cert = cert_new(DESKTOP, now_s, NULL);
	g_autofree char *both = g_strconcat(cert->certificate, cert->key, NULL);
	g_autoptr(GError) error = NULL;
	g_autoptr(GTlsCertificate) tls = g_tls_certificate_new_from_pem(both, -1, &error);

	(void)state;
	assert_non_null(tls);
	assert_int_equal(g_tls_certificate_verify(tls, NULL, tls), 0);
	cert_free(cert);
}

static void
test_cert__is_another_each_time(void **state)
{
	struct cert *one = cert_new(DESKTOP, NOW, NULL);
	struct cert *two = cert_new(DESKTOP, NOW, NULL);

	(void)state;
	assert_string_not_equal(one->certificate, two->certificate);
	assert_string_not_equal(one->key, two->key);
	cert_free(one);
	cert_free(two);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cert__names_o_before_cn_as_the_subject_says),
		cmocka_unit_test(test_cert__is_what_gio_takes_and_its_own_ca),
		cmocka_unit_test(test_cert__is_another_each_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
