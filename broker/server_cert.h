/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * server_cert.h - the HTTPS certificate: made at the first start, kept, its fingerprint for clients to pin
 *
 * The broker's door to GnuTLS.
 */
#ifndef BROKER_SERVER_CERT_H
#define BROKER_SERVER_CERT_H

#include <glib.h>

struct server_cert {
	char *certificate_pem;
	char *key_pem;	   /* wiped by server_cert_clear() */
	char *fingerprint; /* SHA-256 of the certificate: 32 upper-case hexadecimal pairs with colons */
};

/* Reads tls.crt and tls.key in "folder", or makes both. */
gboolean server_cert_load(const char *folder, struct server_cert *ret_cert, GError **error);
void server_cert_clear(struct server_cert *cert);

#endif
