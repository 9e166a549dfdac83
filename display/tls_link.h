/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tls_link.h - one link of a client: TLS ends here, its first words are judged here, then its bytes flow on
 *
 * A SPICE client's first words are its link message. A VNC client's are the ticket's password and a line feed, TLS_LINK_PASSWORD_BYTES in all; then
 * RFB begins, in which the server speaks first.
 */
#ifndef DISPLAY_TLS_LINK_H
#define DISPLAY_TLS_LINK_H

#include <gio/gio.h>

#include "base/id.h"
#include "base/proto_display.h"
#include "display/link_message.h"

#define TLS_LINK_DEADLINE_MS	10000 /* for the handshake and the first words together */
#define TLS_LINK_PASSWORD_BYTES ID_PASSWORD_SIZE

struct tls_link;

struct tls_link_events {
	/* NULL: hand it on; else why not. */
	const char *(*judge)(void *context, struct tls_link *link);
	/* One end of a socket pair that speaks clear text: the callee owns it. 0 or a negative errno. */
	int (*hand_on)(void *context, struct tls_link *link, int fd);
	/* A display channel's draw message was written to its client. */
	void (*drawn)(void *context, struct tls_link *link);
	/*
	 * It is over: "why" is NULL for an end in good order, else the reason of a refusal. The callee frees the
	 * link before it returns.
	 */
	void (*ended)(void *context, struct tls_link *link, const char *why);
};

/* The certificate in PEM and its key, parsed in memory. */
GTlsCertificate *tls_link_load_certificate(const char *pem, gsize size, GError **error);

/* Owns "fd". NULL and an error when it is no socket. */
struct tls_link *tls_link_new(int fd, GTlsCertificate *certificate, enum display_sink_kind sink,
			      uint64_t attachment, const struct tls_link_events *events,
			      void *context, GError **error);
void tls_link_free(struct tls_link *link);

uint64_t tls_link_get_attachment(const struct tls_link *link);
enum display_sink_kind tls_link_get_sink(const struct tls_link *link);
/* A VNC client's, in judge(); it is compared in constant time, and once. */
bool tls_link_take_password(struct tls_link *link, const char *password);
/* NULL until it was read, and for a VNC client. */
const struct link_message *tls_link_get_message(const struct tls_link *link);
uint64_t tls_link_get_sent_bytes(const struct tls_link *link);
/* What the sink has written and the client has not taken yet, as far as it is ours. */
uint32_t tls_link_get_backlog(const struct tls_link *link);
/* The kernel's estimate (tcp(7), TCP_INFO), microseconds; 0: no TCP socket. */
uint32_t tls_link_get_round_trip_us(const struct tls_link *link);

#endif
