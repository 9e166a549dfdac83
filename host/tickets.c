/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tickets.c - who may be shown which desktop: tickets and the attachments made of them (carrel-hostd)
 *
 * How it works: one array of entries. Only the hash of a ticket is ever here; tickets_show() hashes what it is shown and
 * compares it with every entry, each in constant time, so that neither order nor contents can be learned from how long
 * it takes. ticket_move() is the only writer of a state. Spending comes before anything is passed on: whoever shows the
 * same ticket again gets either one more channel to the same attachment (ticket_allows_later()) or nothing.
 */
#include "host/tickets.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "common/hash.h"

#define TICKETS_HASH_BYTES (HASH_TEXT_LENGTH / 2)

/* waiting -> lives -> gone; waiting -> gone */
enum ticket_main {
	TICKET_MAIN_WAITING,
	TICKET_MAIN_LIVES,
	TICKET_MAIN_GONE,
};

struct ticket {
	guint8 digest[TICKETS_HASH_BYTES];
	char hash[HASH_TEXT_LENGTH + 1];
	char password[ID_PASSWORD_SIZE];
	char desktop[ID_SIZE];
	guint64 generation;
	char session[ID_SIZE];
	char user[NAME_USER_SIZE];
	enum display_sink_kind sink;
	enum ticket_state state;
	guint64 expires_ms;
	guint64 changed_ms; /* when it was added, spent or ended */
	guint64 attachment; /* from being spent on */
	enum ticket_main main;
};

struct ticket_table {
	GPtrArray *tickets; /* in the order of their coming */
	guint64 last_attachment;
};

static const char *const state_names[] = { "ready", "spent", "expired", "void", "refused" };
static const char *const verdict_names[] = {
	"first", "later", "unknown", "expired", "used", "void", "for another protocol"
};

G_STATIC_ASSERT(G_N_ELEMENTS(state_names) == TICKET_STATE_COUNT);
G_STATIC_ASSERT(G_N_ELEMENTS(verdict_names) == TICKET_VERDICT_COUNT);

/* The states that may follow each state. */
static const guint8 legal_moves[TICKET_STATE_COUNT] = {
	[TICKET_STATE_READY] = 1 << TICKET_STATE_SPENT | 1 << TICKET_STATE_EXPIRED |
			       1 << TICKET_STATE_VOID | 1 << TICKET_STATE_REFUSED,
	[TICKET_STATE_SPENT] = 1 << TICKET_STATE_VOID,
};

const char *
tickets_state_name(enum ticket_state state)
{
	return state_names[state];
}

const char *
tickets_verdict_name(enum ticket_verdict verdict)
{
	return verdict_names[verdict];
}

static gboolean
ticket_move(struct ticket *ticket, enum ticket_state state, guint64 now_ms)
{
	if (!(legal_moves[ticket->state] & 1 << state)) {
		log_error("desktop=%s: a ticket cannot go from '%s' to '%s'", ticket->desktop,
			  state_names[ticket->state], state_names[state]);
		return FALSE;
	}
	log_debug("desktop=%s session=%s: ticket '%s' -> '%s'", ticket->desktop, ticket->session,
		  state_names[ticket->state], state_names[state]);
	ticket->state = state;
	ticket->changed_ms = now_ms;
	return TRUE;
}

static void
ticket_free(gpointer data)
{
	explicit_bzero(data, sizeof(struct ticket));
	g_free(data);
}

static struct ticket_view
ticket_get_view(const struct ticket *ticket)
{
	return (struct ticket_view){
		.hash = ticket->hash,
		.desktop = ticket->desktop,
		.generation = ticket->generation,
		.session = ticket->session,
		.user = ticket->user,
		.state = ticket->state,
		.attachment = ticket->attachment,
	};
}

static gboolean
ticket_read_digest(const char *hash, guint8 ret_digest[TICKETS_HASH_BYTES])
{
	if (strlen(hash) != HASH_TEXT_LENGTH)
		return FALSE;
	for (gsize i = 0; i < HASH_TEXT_LENGTH; i++)
		if (!g_ascii_isdigit(hash[i]) && !(hash[i] >= 'a' && hash[i] <= 'f'))
			return FALSE;
	for (gsize i = 0; i < TICKETS_HASH_BYTES; i++)
		ret_digest[i] = (guint8)(g_ascii_xdigit_value(hash[2 * i]) << 4 |
					 g_ascii_xdigit_value(hash[2 * i + 1]));
	return TRUE;
}

/* Touches every byte of every entry, whichever matches. */
static struct ticket *
tickets_find(struct ticket_table *table, const guint8 digest[TICKETS_HASH_BYTES])
{
	struct ticket *found = NULL;

	for (guint i = 0; i < table->tickets->len; i++) {
		struct ticket *ticket = g_ptr_array_index(table->tickets, i);
		volatile guint8 difference = 0;

		for (gsize j = 0; j < TICKETS_HASH_BYTES; j++)
			difference |= ticket->digest[j] ^ digest[j];
		if (difference == 0)
			found = ticket;
	}
	return found;
}

struct ticket_table *
tickets_new(guint64 attachment_base)
{
	struct ticket_table *table = g_new0(struct ticket_table, 1);

	table->tickets = g_ptr_array_new_with_free_func(ticket_free);
	table->last_attachment = attachment_base;
	return table;
}

void
tickets_free(struct ticket_table *table)
{
	if (!table)
		return;
	g_ptr_array_unref(table->tickets);
	g_free(table);
}

/* Spent, and nobody was ever linked with it: a display gives such a client up after 20 s. */
static gboolean
ticket_was_in_vain(const struct ticket *ticket, guint64 now_ms)
{
	return ticket->main == TICKET_MAIN_WAITING &&
	       now_ms - ticket->changed_ms >= TICKETS_VAIN_MS;
}

static gboolean
ticket_has_ended(const struct ticket *ticket, guint64 now_ms)
{
	if (ticket->state == TICKET_STATE_SPENT)
		return ticket->main == TICKET_MAIN_GONE || ticket_was_in_vain(ticket, now_ms);
	return ticket->state != TICKET_STATE_READY;
}

/* Room for one more: the oldest ended one goes. */
static gboolean
tickets_make_room(struct ticket_table *table, guint64 now_ms)
{
	if (table->tickets->len < TICKETS_MAX)
		return TRUE;
	for (guint i = 0; i < table->tickets->len; i++) {
		if (ticket_has_ended(g_ptr_array_index(table->tickets, i), now_ms)) {
			g_ptr_array_remove_index(table->tickets, i);
			return TRUE;
		}
	}
	return FALSE;
}

static int
ticket_fill(struct ticket *ticket, const struct ticket_offer *offer, guint64 now_ms)
{
	if (!ticket_read_digest(offer->hash, ticket->digest) ||
	    !id_valid(ID_KIND_DESKTOP, offer->desktop) ||
	    !id_valid(ID_KIND_SESSION, offer->session) || !name_user_valid(offer->user) ||
	    !id_secret_valid(offer->password))
		return -EINVAL;
	if (offer->sink >= DISPLAY_SINK_COUNT || offer->ttl_ms == 0 ||
	    offer->ttl_ms > TICKETS_MAX_TTL_MS)
		return -EINVAL;
	g_strlcpy(ticket->hash, offer->hash, sizeof(ticket->hash));
	g_strlcpy(ticket->password, offer->password, sizeof(ticket->password));
	g_strlcpy(ticket->desktop, offer->desktop, sizeof(ticket->desktop));
	g_strlcpy(ticket->session, offer->session, sizeof(ticket->session));
	g_strlcpy(ticket->user, offer->user, sizeof(ticket->user));
	ticket->generation = offer->generation;
	ticket->sink = offer->sink;
	ticket->expires_ms = now_ms + offer->ttl_ms;
	ticket->changed_ms = now_ms;
	return 0;
}

static int
tickets_insert(struct ticket_table *table, const struct ticket_offer *offer, guint64 now_ms,
	       struct ticket **ret_ticket)
{
	struct ticket *ticket = g_new0(struct ticket, 1);
	int error = ticket_fill(ticket, offer, now_ms);

	*ret_ticket = NULL;
	if (error == 0 && tickets_find(table, ticket->digest)) {
		ticket_free(ticket);
		return 0;
	}
	if (error == 0 && !tickets_make_room(table, now_ms))
		error = -ENOSPC;
	if (error < 0) {
		ticket_free(ticket);
		return error;
	}
	g_ptr_array_add(table->tickets, ticket);
	*ret_ticket = ticket;
	return 0;
}

int
tickets_add(struct ticket_table *table, const struct ticket_offer *offer, guint64 now_ms)
{
	struct ticket *ticket;

	return tickets_insert(table, offer, now_ms, &ticket);
}

int
tickets_add_refused(struct ticket_table *table, const struct ticket_offer *offer, guint64 now_ms)
{
	struct ticket *ticket;
	int error = tickets_insert(table, offer, now_ms, &ticket);

	if (ticket) {
		explicit_bzero(ticket->password, sizeof(ticket->password));
		ticket_move(ticket, TICKET_STATE_REFUSED, now_ms);
	}
	return error;
}

static gboolean
ticket_end_if_due(struct ticket *ticket, guint64 now_ms)
{
	if (ticket->state != TICKET_STATE_READY || now_ms < ticket->expires_ms)
		return FALSE;
	explicit_bzero(ticket->password, sizeof(ticket->password));
	return ticket_move(ticket, TICKET_STATE_EXPIRED, now_ms);
}

static gboolean
ticket_allows_later(const struct ticket *ticket, guint64 now_ms)
{
	if (ticket->main == TICKET_MAIN_LIVES)
		return TRUE;
	return ticket->main == TICKET_MAIN_WAITING && now_ms - ticket->changed_ms < TICKETS_LINK_MS;
}

static void
ticket_fill_pass(const struct ticket *ticket, struct ticket_pass *pass)
{
	g_strlcpy(pass->hash, ticket->hash, sizeof(pass->hash));
	g_strlcpy(pass->desktop, ticket->desktop, sizeof(pass->desktop));
	g_strlcpy(pass->session, ticket->session, sizeof(pass->session));
	g_strlcpy(pass->user, ticket->user, sizeof(pass->user));
	pass->generation = ticket->generation;
	pass->sink = ticket->sink;
	pass->attachment = ticket->attachment;
}

static void
tickets_spend(struct ticket_table *table, struct ticket *ticket, guint64 now_ms,
	      struct ticket_pass *pass)
{
	ticket_move(ticket, TICKET_STATE_SPENT, now_ms);
	ticket->attachment = ++table->last_attachment;
	ticket_fill_pass(ticket, pass);
	g_strlcpy(pass->password, ticket->password, sizeof(pass->password));
	explicit_bzero(ticket->password, sizeof(ticket->password));
}

static enum ticket_verdict
tickets_judge(struct ticket_table *table, struct ticket *ticket, enum display_sink_kind sink,
	      guint64 now_ms, struct ticket_pass *pass)
{
	if (!ticket)
		return TICKET_VERDICT_UNKNOWN;
	ticket_end_if_due(ticket, now_ms);
	switch (ticket->state) {
	case TICKET_STATE_EXPIRED:
		return TICKET_VERDICT_EXPIRED;
	case TICKET_STATE_READY:
		if (ticket->sink != sink)
			return TICKET_VERDICT_SINK;
		tickets_spend(table, ticket, now_ms, pass);
		return TICKET_VERDICT_FIRST;
	case TICKET_STATE_SPENT:
		if (ticket->sink != sink || !ticket_allows_later(ticket, now_ms))
			return TICKET_VERDICT_USED;
		ticket_fill_pass(ticket, pass);
		return TICKET_VERDICT_LATER;
	case TICKET_STATE_VOID:
	case TICKET_STATE_REFUSED:
	case TICKET_STATE_COUNT:
		break;
	}
	return TICKET_VERDICT_VOID;
}

enum ticket_verdict
tickets_show(struct ticket_table *table, const char *shown, enum display_sink_kind sink,
	     guint64 now_ms, struct ticket_pass *ret_pass)
{
	g_autofree char *hash = NULL;
	guint8 digest[TICKETS_HASH_BYTES];

	memset(ret_pass, 0, sizeof(*ret_pass));
	if (!id_secret_valid(shown))
		return TICKET_VERDICT_UNKNOWN;
	hash = hash_text(shown);
	if (!ticket_read_digest(hash, digest))
		return TICKET_VERDICT_UNKNOWN;
	return tickets_judge(table, tickets_find(table, digest), sink, now_ms, ret_pass);
}

static struct ticket *
tickets_find_by_attachment(struct ticket_table *table, guint64 attachment)
{
	for (guint i = 0; attachment && i < table->tickets->len; i++) {
		struct ticket *ticket = g_ptr_array_index(table->tickets, i);

		if (ticket->attachment == attachment)
			return ticket;
	}
	return NULL;
}

void
tickets_note_main(struct ticket_table *table, guint64 attachment, gboolean lives)
{
	struct ticket *ticket = tickets_find_by_attachment(table, attachment);

	if (ticket && ticket->main != TICKET_MAIN_GONE)
		ticket->main = lives ? TICKET_MAIN_LIVES : TICKET_MAIN_GONE;
}

void
tickets_void(struct ticket_table *table, const char *session, const char *desktop,
	     ticket_callback callback, void *context)
{
	for (guint i = 0; i < table->tickets->len; i++) {
		struct ticket *ticket = g_ptr_array_index(table->tickets, i);
		struct ticket_view view;

		if (session && strcmp(session, ticket->session) != 0)
			continue;
		if (desktop && strcmp(desktop, ticket->desktop) != 0)
			continue;
		if (ticket->state != TICKET_STATE_READY && ticket->state != TICKET_STATE_SPENT)
			continue;
		explicit_bzero(ticket->password, sizeof(ticket->password));
		ticket_move(ticket, TICKET_STATE_VOID, ticket->changed_ms);
		view = ticket_get_view(ticket);
		if (callback)
			callback(context, &view);
	}
}

gboolean
tickets_expire(struct ticket_table *table, guint64 now_ms)
{
	gboolean changed = FALSE;

	for (guint i = 0; i < table->tickets->len;) {
		struct ticket *ticket = g_ptr_array_index(table->tickets, i);

		if (ticket_end_if_due(ticket, now_ms))
			changed = TRUE;
		if (ticket_has_ended(ticket, now_ms) &&
		    now_ms - ticket->changed_ms >= TICKETS_KEEP_MS)
			g_ptr_array_remove_index(table->tickets, i);
		else
			i++;
	}
	return changed;
}

void
tickets_each(struct ticket_table *table, ticket_callback callback, void *context)
{
	for (guint i = 0; i < table->tickets->len; i++) {
		struct ticket_view view = ticket_get_view(g_ptr_array_index(table->tickets, i));

		callback(context, &view);
	}
}

gboolean
tickets_find_attachment(struct ticket_table *table, guint64 attachment,
			struct ticket_view *ret_view)
{
	const struct ticket *ticket = tickets_find_by_attachment(table, attachment);

	if (!ticket)
		return FALSE;
	*ret_view = ticket_get_view(ticket);
	return TRUE;
}
