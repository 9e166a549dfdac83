/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * move_stage.h - a desktop that is suspended, and two hosts with a folder between them
 */
#ifndef TESTS_UNIT_MOVE_STAGE_H
#define TESTS_UNIT_MOVE_STAGE_H

#include "tests/unit/desktop_stage.h"

struct move_stage {
	struct desktop_stage *stage;
	char *root;
	char *exchange;
	char *lib;		   /* of the other host */
	struct desktop_host other; /* with the same launch and QEMU */
	struct move_clear *clear;
};

/* cmocka's; the state is the stage. What is removed from the exchange folder waits for fake_exchange.h. */
int move_stage_setup(void **state);
int move_stage_teardown(void **state);

/* In this state, and nothing else is under way with it. */
gboolean move_stage_is_in(const struct move_stage *f, enum desktop_state state);
gboolean move_stage_has(const char *folder, const char *name);

/* The desktop is forked, and is suspended, or has left for the exchange folder, in the end. */
void move_stage_start_suspended(struct move_stage *f);
void move_stage_start_exported(struct move_stage *f);

/* A hostd begins, which knows nothing of it. */
void move_stage_begin(struct move_stage *f, const struct desktop_host *host, guint64 generation);

/* It begins to come; it is resumed, and is what it was. */
void move_stage_arrive(struct move_stage *f);
void move_stage_resume(struct move_stage *f);

#endif
