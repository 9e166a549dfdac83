/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tickets.h - who may be shown which desktop: tickets and the attachments made of them (docs/ARCHITECTURE.md, "A ticket")
 *
 * Pure logic: it is told the time (io_boottime_ms()) and does nothing by itself.
 *
 * Wiring: sync calls tickets_add() for each ticket in the broker's answer and tickets_each() for what it reports;
 * gateway_port calls tickets_show() with what a stranger showed, and passes the socket on only afterwards: by then the
 * ticket is spent. display_control's facts go to tickets_note_main(). A revoked session or retired desktop goes through
 * tickets_void(), whose callback drops the attachments.
 */
#ifndef HOST_TICKETS_H
#define HOST_TICKETS_H

#include <glib.h>

#include "base/id.h"
#include "base/name.h"
#include "base/proto_display.h"

#define TICKETS_MAX	   4096
#define TICKETS_MAX_TTL_MS (5 * 60 * 1000)
#define TICKETS_LINK_MS	   (10 * 1000)	    /* later channels without a living main */
#define TICKETS_VAIN_MS	   (60 * 1000)	    /* until a spent one without a main channel has ended */
#define TICKETS_KEEP_MS	   (10 * 60 * 1000) /* how long an ended ticket is remembered and reported */

/*
 * ready -> spent | expired | void;  spent -> void (its attachment may get no more channels). refused is one that was never
 * good here: an older generation, a desktop that is not there.
 */
enum ticket_state {
	TICKET_STATE_READY,
	TICKET_STATE_SPENT,
	TICKET_STATE_EXPIRED,
	TICKET_STATE_VOID,
	TICKET_STATE_REFUSED,
	TICKET_STATE_COUNT,
};

struct ticket_offer {
	const char *hash;     /* SHA-256 of the ticket's text, 64 hexadecimal digits */
	const char *password; /* copied; wiped when the ticket is shown or ends */
	const char *desktop;
	guint64 generation;
	const char *session;
	const char *user;
	enum display_sink_kind sink;
	guint64 ttl_ms;
};

enum ticket_verdict {
	TICKET_VERDICT_FIRST, /* spent now: a new attachment */
	TICKET_VERDICT_LATER, /* one more channel of a living attachment */
	TICKET_VERDICT_UNKNOWN,
	TICKET_VERDICT_EXPIRED,
	TICKET_VERDICT_USED,
	TICKET_VERDICT_VOID,
	TICKET_VERDICT_SINK, /* good for the other protocol; not spent */
	TICKET_VERDICT_COUNT,
};

/* What a good ticket lets in. The caller wipes it with explicit_bzero(3). */
struct ticket_pass {
	char hash[65];
	char desktop[ID_SIZE];
	guint64 generation;
	char session[ID_SIZE];
	char user[NAME_USER_SIZE];
	enum display_sink_kind sink;
	guint64 attachment;
	char password[ID_PASSWORD_SIZE]; /* empty for later channels */
};

struct ticket_view {
	const char *hash;
	const char *desktop;
	guint64 generation;
	const char *session;
	const char *user;
	enum ticket_state state;
	guint64 attachment; /* 0: none */
};

struct ticket_table;

typedef void (*ticket_callback)(void *context, const struct ticket_view *ticket);

/*
 * Attachments count up from the given number + 1. It must be higher than any that an earlier hostd on this machine used:
 * io_boottime_ms() << 16 is.
 */
struct ticket_table *tickets_new(guint64 attachment_base);
void tickets_free(struct ticket_table *table);

/*
 * 0, also for one that is known already (its state and time stay); -EINVAL when a field is not of its form; -ENOSPC when
 * TICKETS_MAX are alive.
 */
int tickets_add(struct ticket_table *table, const struct ticket_offer *offer, guint64 now_ms);

/* The same for a ticket that cannot be good here, so that the broker hears of it. */
int tickets_add_refused(struct ticket_table *table, const struct ticket_offer *offer,
			guint64 now_ms);

/* "shown" is what a stranger sent. ret_pass is filled for FIRST and LATER, zeroed otherwise. */
enum ticket_verdict tickets_show(struct ticket_table *table, const char *shown,
				 enum display_sink_kind sink, guint64 now_ms,
				 struct ticket_pass *ret_pass);

/* The attachment's main channel was linked (TRUE) or has gone: then no channel follows, for good. */
void tickets_note_main(struct ticket_table *table, guint64 attachment, gboolean lives);

/* Of a session, of a desktop (the other NULL): no channel gets in any more. Told for each that changed. */
void tickets_void(struct ticket_table *table, const char *session, const char *desktop,
		  ticket_callback callback, void *context);

/* Expires and forgets what is due. TRUE when a state changed, so that sync has news. */
gboolean tickets_expire(struct ticket_table *table, guint64 now_ms);

void tickets_each(struct ticket_table *table, ticket_callback callback, void *context);

/* The ticket of an attachment: whose facts these are. FALSE when it is forgotten. "view" lives until the next change. */
gboolean tickets_find_attachment(struct ticket_table *table, guint64 attachment,
				 struct ticket_view *ret_view);

const char *tickets_state_name(enum ticket_state state);
const char *tickets_verdict_name(enum ticket_verdict verdict);

#endif
