/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cert.h - a short-lived certificate for one display (the one GnuTLS file of host/)
 *
 * Wiring: each display_control makes its own when it starts a display; sync reports certificate and subject with
 * the ticket as "ca" and "host_subject", which the viewer gets in the .vv file.
 */
#ifndef HOST_CERT_H
#define HOST_CERT_H

#include <gio/gio.h>

#include "base/id.h"

#define CERT_LIFE_S (24 * 60 * 60)

struct cert {
	char *certificate; /* PEM; it is its own CA */
	char *key;	   /* PEM, PKCS #8; wiped by cert_free() */
	char *subject;	   /* what a SPICE client compares: "O=Carrel,CN=d-..." */
	gint64 not_after;  /* seconds since 1970 */
};

/* ECDSA P-256, self-signed, good from an hour ago (clocks differ) for CERT_LIFE_S. */
struct cert *cert_new(const char *desktop, gint64 now_s, GError **error);
void cert_free(struct cert *cert);

#endif
