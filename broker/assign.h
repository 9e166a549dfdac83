/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * assign.h - who gets which desktop: one transaction each way
 */
#ifndef BROKER_ASSIGN_H
#define BROKER_ASSIGN_H

#include <glib.h>

#include "base/json.h"

struct store;

enum assign_result {
	ASSIGN_NEW,
	ASSIGN_EXISTING,
	ASSIGN_EMPTY,
	ASSIGN_FAILED,
	ASSIGN_RESULT_COUNT
};

/*
 * What a session says of itself, for "session s JOIN desktop d": its desktop's state, but a desktop that is ready still has
 * to log this user in. Only "assigned" and what follows it can be looked at.
 */
#define ASSIGN_SESSION_STATE                                                                       \
	"CASE WHEN s.closed_ms IS NOT NULL THEN 'closed' WHEN d.state = 'ready' THEN 'logging-in'" \
	" ELSE d.state END"

/*
 * What a desktop's host is told that it shall be, for "desktop d": one in maintenance suspends what it has; what moves is neither
 * wanted running nor suspended before it has come (broker/moves.h).
 */
#define ASSIGN_DESKTOP_WANT                                                                     \
	"CASE WHEN d.want <> 'ready' THEN d.want WHEN d.move_to IS NOT NULL THEN 'exported'"    \
	" WHEN d.move_from = d.host THEN 'returns' WHEN d.move_from IS NOT NULL THEN 'arrives'" \
	" WHEN d.suspend = 1 OR EXISTS (SELECT 1 FROM host WHERE host.name = d.host AND"        \
	" host.maintenance = 1) THEN 'suspended' ELSE d.want END"

struct assign_request {
	const char *user;
	const char *groups; /* JSON text */
	const char *pool;
	const char *key; /* Idempotency-Key, or NULL */
	const char *keyboard;
	const char *variant;
	const char *locale;
	const char *timezone;
	gint64 authenticate_ms;
	gint64 begun_us; /* monotonic time at which the request came */
};

/*
 * Gives the user a desktop of the pool: the session that this key made, else the open one, else a new one on a desktop
 * that nobody has, which is made now if the pool may have one more; a suspended one is woken. ret_session (a new
 * reference): {"session", "desktop", "state"}, set for NEW and EXISTING.
 */
enum assign_result assign_take(struct store *store, const struct assign_request *request,
			       json_t **ret_session, GError **error);

/*
 * Closes an open session and gives its desktop up for destruction, inside the caller's transaction. Closing one that is
 * closed changes nothing. FALSE only on error.
 */
gboolean assign_release(struct store *store, const char *session, const char *reason,
			gboolean revoked, GError **error);

/* Somebody comes to a desktop that was suspended: it shall run. Others stay as they are; so do those of a host in maintenance. */
gboolean assign_wake(struct store *store, const char *desktop, GError **error);

/* Notes a step's time for a session or a desktop; the first note counts. */
gboolean assign_note_time(struct store *store, const char *subject, const char *step, gint64 ms,
			  GError **error);

#endif
