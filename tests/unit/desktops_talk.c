/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktops_talk.c - what a host's desktops are told to be, and what they tell of themselves (unit tests)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tests/unit/desktops_talk.h"

#define TEMPLATE "debian-openbox"
#define VERSION	 3
#define ENGINE	 "qemu"

static void
note_event(void *context, const struct desktop *desktop, const char *kind, gint64 value,
	   const char *text)
{
	struct desktops_talk *talk = context;

	(void)desktop, (void)value;
	print_message("%s: %s\n", kind, text ? text : "");
	talk->failures += strcmp(kind, "failed") == 0;
	talk->unmoved += strcmp(kind, "move_failed") == 0;
	talk->unresumed += strcmp(kind, "resume_failed") == 0;
	talk->unsuspended += strcmp(kind, "suspend_failed") == 0;
}

static void
note_changed(void *context)
{
	(void)context;
}

static void
note_fact(void *context, struct desktop *desktop, const struct display_fact *fact)
{
	(void)context, (void)desktop, (void)fact;
}

static void
note_foreign(void *context, const char *name, guint32 version, const char *engine,
	     const char *reason, const char *holders)
{
	struct desktops_talk *talk = context;

	assert_string_equal(name, TEMPLATE);
	assert_int_equal(version, VERSION);
	assert_string_equal(engine, ENGINE);
	talk->foreign++;
	g_free(talk->foreign_reason);
	talk->foreign_reason = g_strdup(reason);
	g_free(talk->holders);
	talk->holders = g_strdup(holders);
}

const struct desktops_events desktops_talk_events = { note_event, note_changed, note_fact,
						      note_foreign };

void
desktops_talk_clear(struct desktops_talk *talk)
{
	g_free(talk->foreign_reason);
	g_free(talk->holders);
	*talk = (struct desktops_talk){ 0 };
}

json_t *
desktops_talk_make_want(const char *id, guint64 generation, const char *word)
{
	return json_pack("{s:s, s:I, s:s, s:s, s:i, s:s, s:s, s:i, s:s, s:s, s:n}", "id", id,
			 "generation", (json_int_t)generation, "pool", "p", "template", TEMPLATE,
			 "version", VERSION, "engine", ENGINE, "kind", "user", "ram_mib", RAM_MIB,
			 "network", "none", "want", word, "session");
}

void
desktops_talk_want(struct desktops *desktops, json_t *list)
{
	desktops_want(desktops, list);
	json_decref(list);
}
