/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * reseal.c - template versions that this host cannot restore exactly: sealed again, and never silently (carrel-hostd)
 *
 * How it works: an entry is made by the first reseal_want() of a version. Each try is a job; when it has failed, or has ended well
 * and the version cannot be restored still, the next reseal_want() tries again (reseal_begin), until there were RESEAL_TRIES in
 * an hour (reseal_may_try): so that nothing is sealed again and again for ever. While suspended desktops need the version as it is none
 * is begun (reseal_hold). What happens is told once each: that it begins and
 * why, how it ended, and that it has not helped.
 */
#include "host/reseal.h"

#include <assert.h>
#include <string.h>

#include "base/log.h"

#define RESEAL_LATER_TEXT                                                                          \
	"it is tried again when an hour has passed: publish it again, or give the pool a version " \
	"that was sealed on such a host"

/* idle -> sealing -> idle; idle -> exhausted -> sealing, when a try is an hour old; idle or exhausted -> held, and from there as from idle */
enum reseal_state {
	RESEAL_STATE_IDLE,
	RESEAL_STATE_SEALING,
	RESEAL_STATE_EXHAUSTED,
	RESEAL_STATE_HELD,
	RESEAL_STATE_COUNT,
};

static const char *const state_names[] = { "idle", "sealing", "exhausted", "held" };
static_assert(G_N_ELEMENTS(state_names) == RESEAL_STATE_COUNT, "each has a name");

struct reseal_entry {
	enum reseal_state state;
	guint64 tries[RESEAL_TRIES]; /* when they began, 0: never; the oldest first */
	gboolean sealed;	     /* the last one ended well */
};

struct reseal {
	const struct reseal_events *events;
	void *context;
	GHashTable *entries; /* "name@version" -> struct reseal_entry */
};

struct reseal *
reseal_new(const struct reseal_events *events, void *context)
{
	struct reseal *reseal = g_new0(struct reseal, 1);

	reseal->events = events;
	reseal->context = context;
	reseal->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	return reseal;
}

void
reseal_free(struct reseal *reseal)
{
	if (!reseal)
		return;
	g_hash_table_unref(reseal->entries);
	g_free(reseal);
}

static char *
reseal_make_key(const char *name, guint32 version)
{
	return g_strdup_printf("%s@%u", name, version);
}

static void
reseal_set_state(struct reseal_entry *entry, const char *key, enum reseal_state state)
{
	if (entry->state != state)
		log_debug("template '%s': to be sealed again: %s -> %s", key,
			  state_names[entry->state], state_names[state]);
	entry->state = state;
}

/* To the log and to the host's events. */
static void G_GNUC_PRINTF(3, 4)
	reseal_tell(const struct reseal *reseal, const char *kind, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list arguments;

	va_start(arguments, format);
	text = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	log_warning("%s", text);
	if (strlen(text) > RESEAL_MAX_TEXT)
		*g_utf8_find_prev_char(text, text + RESEAL_MAX_TEXT) = '\0';
	reseal->events->tell(reseal->context, kind, text);
}

static gboolean
reseal_may_try(const struct reseal_entry *entry, guint64 now_ms)
{
	return entry->tries[0] == 0 || now_ms - entry->tries[0] >= RESEAL_HOUR_MS;
}

static void
reseal_note_try(struct reseal_entry *entry, guint64 now_ms)
{
	memmove(&entry->tries[0], &entry->tries[1], sizeof(entry->tries) - sizeof(entry->tries[0]));
	entry->tries[RESEAL_TRIES - 1] = now_ms;
}

/* A job that begins may end, as failed, in the same call: it is a try before that. FALSE: none has begun. */
static gboolean
reseal_begin(struct reseal *reseal, struct reseal_entry *entry, const struct reseal_wish *wish,
	     guint64 now_ms)
{
	const struct reseal_entry before = *entry;
	g_autofree char *key = reseal_make_key(wish->name, wish->version);

	reseal_note_try(entry, now_ms);
	reseal_set_state(entry, key, RESEAL_STATE_SEALING);
	if (reseal->events->start(reseal->context, wish))
		return TRUE;
	*entry = before;
	return FALSE;
}

static void
reseal_give_up(const struct reseal *reseal, struct reseal_entry *entry, const char *key,
	       const char *reason)
{
	/* How a try has failed was told. */
	if (entry->sealed && entry->state != RESEAL_STATE_EXHAUSTED)
		reseal_tell(
			reseal, "seal_failed",
			"template '%s' cannot be forked here though it was sealed again %d times, "
			"%s: " RESEAL_LATER_TEXT,
			key, RESEAL_TRIES, reason);
	reseal_set_state(entry, key, RESEAL_STATE_EXHAUSTED);
}

/* What they were forked from would be gone. */
static void
reseal_hold(const struct reseal *reseal, struct reseal_entry *entry, const char *key,
	    const struct reseal_wish *wish)
{
	if (entry->state != RESEAL_STATE_HELD)
		reseal_tell(
			reseal, "seal_waits",
			"template '%s' cannot be forked here, %s, and is not sealed again while "
			"suspended desktops need it: %s; have each resumed and its session ended, or give it up "
			"with 'carrel desktop stop'; new desktops wait",
			key, wish->reason, wish->holders);
	reseal_set_state(entry, key, RESEAL_STATE_HELD);
}

void
reseal_want(struct reseal *reseal, const struct reseal_wish *wish, guint64 now_ms)
{
	g_autofree char *key = reseal_make_key(wish->name, wish->version);
	struct reseal_entry *entry = g_hash_table_lookup(reseal->entries, key);

	if (!entry) {
		entry = g_new0(struct reseal_entry, 1);
		g_hash_table_insert(reseal->entries, g_strdup(key), entry);
	}
	if (entry->state == RESEAL_STATE_SEALING)
		return;
	if (wish->holders) {
		reseal_hold(reseal, entry, key, wish);
		return;
	}
	if (!reseal_may_try(entry, now_ms)) {
		reseal_give_up(reseal, entry, key, wish->reason);
		return;
	}
	if (!reseal_begin(reseal, entry, wish, now_ms))
		return;
	reseal_tell(reseal, "sealing",
		    "template '%s' cannot be forked here, %s: it is sealed again, its new "
		    "desktops wait",
		    key, wish->reason);
}

void
reseal_handle_end(struct reseal *reseal, const char *name, guint32 version, const char *error,
		  guint64 now_ms)
{
	g_autofree char *key = reseal_make_key(name, version);
	struct reseal_entry *entry = g_hash_table_lookup(reseal->entries, key);

	if (!entry)
		return;
	entry->sealed = !error;
	reseal_set_state(entry, key, RESEAL_STATE_IDLE);
	if (!error) {
		reseal_tell(reseal, "sealed", "template '%s' is sealed again for this host", key);
		return;
	}
	reseal_tell(reseal, "seal_failed", "template '%s' could not be sealed again: %s; %s", key,
		    error, reseal_may_try(entry, now_ms) ? "it is tried again" : RESEAL_LATER_TEXT);
}
