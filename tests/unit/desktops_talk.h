/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktops_talk.h - what a host's desktops are told to be, and what they tell of themselves
 */
#ifndef TESTS_UNIT_DESKTOPS_TALK_H
#define TESTS_UNIT_DESKTOPS_TALK_H

#include "base/json.h"
#include "host/desktops.h"

#define OTHER	"d-bbbbbbbbbbbbbbbbbbbb" /* a second desktop, beside a stage's DESKTOP */
#define RAM_MIB 1024			 /* of each that is wanted */

/* What they have told: how often, and of foreign versions the last words. Zeroed before it. */
struct desktops_talk {
	guint failures;
	guint unmoved;	   /* move_failed */
	guint unresumed;   /* resume_failed */
	guint unsuspended; /* suspend_failed */
	guint foreign;
	char *foreign_reason;
	char *holders; /* NULL: none */
};

void desktops_talk_clear(struct desktops_talk *talk);

/* For desktops_new(), with a struct desktops_talk as context. A foreign version must be the one that is wanted below. */
extern const struct desktops_events desktops_talk_events;

/* An entry of the broker's list: a desktop of debian-openbox@3 for engine qemu, without a network. A new reference. */
json_t *desktops_talk_make_want(const char *id, guint64 generation, const char *word);

/* Says that these, and nothing else, shall be here; takes the list. */
void desktops_talk_want(struct desktops *desktops, json_t *list);

#endif
