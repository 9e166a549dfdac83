/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * suspend_stage.h - the desktop of desktop_stage.h goes to its folder and comes back; with cmocka's assertions
 */
#ifndef TESTS_UNIT_SUSPEND_STAGE_H
#define TESTS_UNIT_SUSPEND_STAGE_H

#include "tests/unit/desktop_stage.h"

#define SUSPEND_STAGE_RAM_BYTES (1024 * 1024)

/* A file in the desktop's folder; the path for g_free(). */
char *suspend_stage_get_path(const struct desktop_stage *f, const char *name);
gboolean suspend_stage_has(const struct desktop_stage *f, const char *name);

/* It is forked, and has its user in the end. */
void suspend_stage_start_with_user(struct desktop_stage *f);
/* It is suspended in the end, whole. */
void suspend_stage_suspend(struct desktop_stage *f);
/* It begins to be resumed. */
void suspend_stage_resume(struct desktop_stage *f);
/* After that, the first time: nothing is left of what was suspended. */
void suspend_stage_check_user_is_back(struct desktop_stage *f);

#endif
