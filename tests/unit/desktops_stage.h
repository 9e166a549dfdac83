/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktops_stage.h - all desktops of a host on a fake launch, with a template; its machines never come up
 *
 * desktop_stage.h is one desktop whose machine does, and which needs no host around it.
 */
#ifndef TESTS_UNIT_DESKTOPS_STAGE_H
#define TESTS_UNIT_DESKTOPS_STAGE_H

#include "tests/unit/desktops_talk.h"
#include "tests/unit/fake_launch.h"

#define DESKTOP "d-aaaaaaaaaaaaaaaaaaaa"

struct desktops_stage {
	struct fake_launch *launch;
	struct launch_client *client;
	struct desktops *desktops;
	struct desktops_talk told;
	char *lib;
	char *version;	/* the template's folder below it */
	char *exchange; /* through which desktops move */
	char *mark;	/* suspended.json of DESKTOP, which is not there at first */
};

/* cmocka's; the state is the stage. */
int desktops_stage_setup(void **state);
int desktops_stage_teardown(void **state);

/* hostd begins anew, and keeps so much memory to itself. */
void desktops_stage_begin(struct desktops_stage *f, guint ram_reserve_mib);

/* DESKTOP is all that shall be here; nothing shall. */
void desktops_stage_want(struct desktops_stage *f, guint64 generation, const char *word);
void desktops_stage_want_nothing(struct desktops_stage *f);

/* For desktops_talk_want(): DESKTOP by this word, and OTHER, a new one that shall be ready. A new reference. */
json_t *desktops_stage_make_two(const char *word);

/* DESKTOP is here in this state, and no move of it is under way. */
gboolean desktops_stage_is_in(const struct desktops_stage *f, enum desktop_state state);

/* The version is sealed again, for this type of machine; pc-q35-7.2 is what it is sealed for at first and can run here. */
void desktops_stage_seal(const struct desktops_stage *f, const char *machine);

/* A suspended.json as it shall be, of DESKTOP's generation 1 and of no seal that there is. */
extern const char desktops_stage_suspended[];

/* Writes DESKTOP's mark, and makes its folder for it. */
void desktops_stage_put_mark(const struct desktops_stage *f, const char *text);

/* Another host has let DESKTOP go. Returns its folder in the exchange folder, for g_free(). */
char *desktops_stage_put_exported(const struct desktops_stage *f);

#endif
