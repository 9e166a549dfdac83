/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * folders_stage.h - the folders of a desktop's files on two hosts, and the one between them; with cmocka's assertions
 */
#ifndef TESTS_UNIT_FOLDERS_STAGE_H
#define TESTS_UNIT_FOLDERS_STAGE_H

#include "host/move_files.h"

#define DESKTOP "d-aaaaaaaaaaaaaaaaaaaa"
#define OWN	"lib/desktops/" DESKTOP
#define OTHER	"other/desktops/" DESKTOP
#define AWAY	"exchange/" DESKTOP

struct folders_stage {
	char *root; /* of these folders */
	struct move_files from;
	struct move_files to; /* of the other host */
	guint checks;	      /* of what has come */
	gboolean refuses;
	gboolean is_here; /* what is checked */
};

/* cmocka's; the state is the stage. The desktop's files are in OWN, with the text "new". */
int folders_stage_setup(void **state);
int folders_stage_teardown(void **state);

/* Below the root; name NULL: the folder. For g_free(). */
char *folders_stage_get_path(const struct folders_stage *f, const char *folder, const char *name);
/* All files of a desktop, with this text. */
void folders_stage_put(const struct folders_stage *f, const char *folder, const char *text);

/* Whatever it is. */
gboolean folders_stage_has(const struct folders_stage *f, const char *path);
void folders_stage_expect_none(const struct folders_stage *f, const char *folder);
/* All of the desktop's files, with this text. */
void folders_stage_expect_whole(const struct folders_stage *f, const char *folder,
				const char *text);
/* The same, and no other folder has any of them, nor anything that was being copied. */
void folders_stage_expect_only(const struct folders_stage *f, const char *folder, const char *text);

/* A move_files_check, of a pointer to the stage's address. */
gboolean folders_stage_check(const struct desktop_folder *folder, const void *context,
			     GError **error);

void folders_stage_export(struct folders_stage *f);
void folders_stage_import(struct folders_stage *f);
/* It was, and that word is in what is said. */
void folders_stage_expect_refused(gboolean ok, const GError *error, const char *word);
void folders_stage_refuse_export(struct folders_stage *f, const char *word);
void folders_stage_refuse_import(struct folders_stage *f, const char *word);

#endif
