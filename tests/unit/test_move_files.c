/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_move_files.c - a desktop's files are in one of two folders, whatever ends in between
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/folders_stage.h"
#include "tests/unit/scratch.h"

#define OVERLAY_BYTES (64 << 20)

/* A disk that fails: what becomes of calls that concern this folder. */
enum disk_fault {
	DISK_WORKS,
	DISK_KEEPS_MARK, /* its mark cannot be removed */
	DISK_HIDES_MARK, /* nor does anybody see then whether it is there */
	DISK_SYNCS_NOT,	 /* once */
};

static struct {
	enum disk_fault fault;
	gboolean has_failed;
	dev_t device;
	ino_t inode;
} disk;

static gboolean
disk_is_faulty(int fd, const char *name)
{
	struct stat about;

	return disk.fault != DISK_WORKS && (!name || strcmp(name, "suspended.json") == 0) &&
	       fstat(fd, &about) == 0 && about.st_dev == disk.device && about.st_ino == disk.inode;
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags);
int __real_fstatat(int fd, const char *name, struct stat *about, int flags);
int __wrap_fstatat(int fd, const char *name, struct stat *about, int flags);

int
__wrap_fsync(int fd)
{
	if (disk.fault != DISK_SYNCS_NOT || disk.has_failed || !disk_is_faulty(fd, NULL))
		return __real_fsync(fd);
	disk.has_failed = TRUE;
	errno = EIO;
	return -1;
}

int
__wrap_unlinkat(int fd, const char *name, int flags)
{
	if (disk.fault == DISK_SYNCS_NOT || !disk_is_faulty(fd, name))
		return __real_unlinkat(fd, name, flags);
	disk.has_failed = TRUE;
	errno = EIO;
	return -1;
}

int
__wrap_fstatat(int fd, const char *name, struct stat *about, int flags)
{
	if (disk.fault != DISK_HIDES_MARK || !disk.has_failed || !disk_is_faulty(fd, name))
		return __real_fstatat(fd, name, about, flags);
	errno = EIO;
	return -1;
}

/* From here on. */
static void
break_disk(const struct folders_stage *f, enum disk_fault fault)
{
	g_autofree char *path = folders_stage_get_path(f, OWN, NULL);
	struct stat about;

	assert_int_equal(stat(path, &about), 0);
	disk.fault = fault;
	disk.has_failed = FALSE;
	disk.device = about.st_dev;
	disk.inode = about.st_ino;
}

static int
setup(void **state)
{
	disk.fault = DISK_WORKS;
	return folders_stage_setup(state);
}

static void
test_move_files__go_there_and_come_back(void **state)
{
	struct folders_stage *f = *state;

	scratch_put(f->root, OWN "/qemu.log", "a log");
	folders_stage_export(f);
	folders_stage_expect_only(f, AWAY, "new");
	assert_false(folders_stage_has(f, AWAY "/qemu.log"));
	folders_stage_import(f);
	folders_stage_expect_only(f, OTHER, "new");
	assert_int_equal(f->checks, 1);
	assert_false(folders_stage_has(f, OTHER "/network"));
}

static void
test_move_files__keep_their_holes(void **state)
{
	struct folders_stage *f = *state;
	g_autofree char *from = folders_stage_get_path(f, OWN, "overlay.qcow2");
	g_autofree char *to = folders_stage_get_path(f, AWAY, "overlay.qcow2");
	int fd = open(from, O_WRONLY | O_TRUNC);
	struct stat before;
	struct stat after;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, OVERLAY_BYTES), 0);
	assert_int_equal(pwrite(fd, "middle", 6, OVERLAY_BYTES / 2), 6);
	assert_int_equal(fstat(fd, &before), 0);
	close(fd);
	folders_stage_export(f);
	assert_int_equal(stat(to, &after), 0);
	assert_int_equal(after.st_size, OVERLAY_BYTES);
	assert_true(after.st_blocks <= before.st_blocks);
}

/* What a hostd leaves that ends during the way there; each time it begins again and is done. */
static void
test_move_files__export_is_done_again_after_any_end(void **state)
{
	struct folders_stage *f = *state;

	/* while it was copying */
	scratch_put(f->root, AWAY ".part/origin.json", "half");
	scratch_put(f->root, AWAY ".part/foreign", "half");
	folders_stage_export(f);
	folders_stage_expect_only(f, AWAY, "new");
	/* before the source went: that is the desktop, and perhaps newer */
	folders_stage_put(f, OWN, "newer");
	folders_stage_export(f);
	folders_stage_expect_only(f, AWAY, "newer");
	/* while the source went: it is not to be taken for a desktop */
	scratch_put(f->root, OWN "/suspended.pages", "rest");
	folders_stage_export(f);
	folders_stage_expect_whole(f, AWAY, "newer");
	assert_false(folders_stage_has(f, OWN "/suspended.json"));
	/* after all was done, and its folder is gone, too */
	scratch_remove(f->from.lib);
	folders_stage_export(f);
	folders_stage_expect_only(f, AWAY, "newer");
}

static void
test_move_files__import_is_done_again_after_any_end(void **state)
{
	struct folders_stage *f = *state;

	folders_stage_export(f);
	/* while it was copying, and while it put the files in their place */
	scratch_put(f->root, OTHER "/arriving/suspended.json", "half");
	scratch_put(f->root, OTHER "/arriving/foreign", "half");
	scratch_put(f->root, OTHER "/suspended.pages", "half");
	scratch_put(f->root, OTHER "/network", "half");
	folders_stage_import(f);
	folders_stage_expect_only(f, OTHER, "new");
	assert_false(folders_stage_has(f, OTHER "/network"));
	/* before the copy in the exchange folder went: what is here counts, and is perhaps newer */
	folders_stage_put(f, AWAY, "old");
	f->is_here = TRUE;
	folders_stage_import(f);
	folders_stage_expect_only(f, OTHER, "new");
	assert_int_equal(f->checks, 2);
	folders_stage_import(f);
	folders_stage_expect_only(f, OTHER, "new");
	assert_int_equal(f->checks, 3);
}

/* It is not reported as whole, and nobody is told to remove it. */
static void
test_move_files__the_only_one_is_checked_too(void **state)
{
	struct folders_stage *f = *state;
	g_autoptr(GError) error = NULL;

	folders_stage_put(f, OTHER, "new");
	f->is_here = TRUE;
	folders_stage_import(f);
	assert_int_equal(f->checks, 1);
	f->refuses = TRUE;
	assert_false(move_files_import(&f->to, folders_stage_check, &f, &error));
	assert_true(g_error_matches(error, MOVE_FILES_ERROR, MOVE_FILES_ERROR_DOUBTFUL));
	assert_string_equal(error->message, "another CPU");
	folders_stage_expect_whole(f, OTHER, "new");
}

/* It goes on being the desktop, and there is no second one. */
static void
test_move_files__a_mark_that_stays_keeps_it_here(void **state)
{
	struct folders_stage *f = *state;

	break_disk(f, DISK_KEEPS_MARK);
	folders_stage_refuse_export(f, "Input/output error");
	folders_stage_expect_only(f, OWN, "new");
}

/* The copy is perhaps all that can be read of it. */
static void
test_move_files__a_mark_that_cannot_be_seen_removes_no_copy(void **state)
{
	struct folders_stage *f = *state;

	break_disk(f, DISK_HIDES_MARK);
	folders_stage_refuse_export(f, "Input/output error");
	folders_stage_expect_whole(f, AWAY, "new");
	folders_stage_expect_whole(f, OWN, "new");
	disk.fault = DISK_WORKS;
	folders_stage_export(f);
	folders_stage_expect_only(f, AWAY, "new");
}

/* The mark may come back, when the host loses its power: then it is not to find its files. */
static void
test_move_files__a_mark_that_is_not_gone_for_good_has_no_files(void **state)
{
	struct folders_stage *f = *state;

	break_disk(f, DISK_SYNCS_NOT);
	folders_stage_export(f);
	assert_true(disk.has_failed);
	folders_stage_expect_only(f, AWAY, "new");
}

/* A mark that is damaged, or is of something else, is no reason to remove the only good copy. */
static void
test_move_files__a_mark_here_is_not_trusted(void **state)
{
	struct folders_stage *f = *state;

	folders_stage_export(f);
	folders_stage_put(f, OTHER, "older");
	f->is_here = TRUE;
	f->refuses = TRUE;
	folders_stage_refuse_import(f, "another CPU");
	folders_stage_expect_whole(f, AWAY, "new");
	folders_stage_expect_whole(f, OTHER, "older");
	f->refuses = FALSE;
	scratch_remove(f->to.lib);
	scratch_put(f->root, OTHER "/suspended.json", "older");
	folders_stage_refuse_import(f, "cannot be used, remove that");
	folders_stage_expect_whole(f, AWAY, "new");
}

static void
test_move_files__one_that_lacks_a_file_is_not_whole(void **state)
{
	struct folders_stage *f = *state;
	g_autofree char *state_file = folders_stage_get_path(f, OWN, "suspended.state");
	g_autoptr(GError) error = NULL;

	assert_true(move_files_is_whole(f->from.lib, DESKTOP, NULL));
	assert_int_equal(g_unlink(state_file), 0);
	assert_false(move_files_is_whole(f->from.lib, DESKTOP, &error));
	assert_non_null(strstr(error->message, "suspended.state"));
	g_clear_error(&error);
	scratch_remove(f->from.lib);
	assert_false(move_files_is_whole(f->from.lib, DESKTOP, &error));
	assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND));
}

static void
test_move_files__what_is_nowhere_is_not_exported(void **state)
{
	struct folders_stage *f = *state;

	scratch_remove(f->from.lib);
	folders_stage_refuse_export(f, "are neither in");
	folders_stage_refuse_export(f, "see that this is mounted");
	folders_stage_refuse_import(f, "see that this is mounted");
	/* launch's folder */
	scratch_remove(f->to.lib);
	folders_stage_refuse_import(f, "No such file");
}

static void
test_move_files__refused_ones_stay_where_they_are(void **state)
{
	struct folders_stage *f = *state;

	folders_stage_export(f);
	f->refuses = TRUE;
	folders_stage_refuse_import(f, "another CPU");
	folders_stage_expect_only(f, AWAY, "new");
	f->refuses = FALSE;
	f->to.reserve_bytes = G_MAXUINT64 / 4;
	folders_stage_refuse_import(f, "make room there");
	folders_stage_expect_only(f, AWAY, "new");
	f->to.reserve_bytes = 0;
	folders_stage_import(f);
	folders_stage_expect_only(f, OTHER, "new");
}

static void
test_move_files__no_room_leaves_the_desktop_here(void **state)
{
	struct folders_stage *f = *state;

	f->from.reserve_bytes = G_MAXUINT64 / 4;
	folders_stage_refuse_export(f, "make room there");
	folders_stage_expect_only(f, OWN, "new");
}

static void
test_move_files__without_a_folder_nothing_moves(void **state)
{
	struct folders_stage *f = *state;
	g_autofree char *exchange = g_steal_pointer(&f->from.exchange);

	folders_stage_refuse_export(f, "set 'exchange' in [host]");
	f->from.exchange = g_strdup("/nonexistent/exchange");
	folders_stage_refuse_export(f, "'/nonexistent/exchange'");
	folders_stage_expect_only(f, OWN, "new");
	g_free(f->from.exchange);
	f->from.exchange = g_steal_pointer(&exchange);
}

static void
test_move_files__are_thrown_away(void **state)
{
	struct folders_stage *f = *state;
	gboolean found = FALSE;

	folders_stage_export(f);
	scratch_put(f->root, AWAY ".part/origin.json", "half");
	scratch_put(f->root, AWAY "/foreign", "x");
	assert_true(move_files_discard(&f->from, &found, NULL));
	assert_true(found);
	assert_false(folders_stage_has(f, AWAY));
	assert_false(folders_stage_has(f, AWAY ".part"));
	assert_true(move_files_discard(&f->from, &found, NULL));
	assert_false(found);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_move_files__##name, setup, folders_stage_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(go_there_and_come_back),
		TEST(keep_their_holes),
		TEST(export_is_done_again_after_any_end),
		TEST(import_is_done_again_after_any_end),
		TEST(the_only_one_is_checked_too),
		TEST(a_mark_that_stays_keeps_it_here),
		TEST(a_mark_that_cannot_be_seen_removes_no_copy),
		TEST(a_mark_that_is_not_gone_for_good_has_no_files),
		TEST(a_mark_here_is_not_trusted),
		TEST(one_that_lacks_a_file_is_not_whole),
		TEST(what_is_nowhere_is_not_exported),
		TEST(refused_ones_stay_where_they_are),
		TEST(no_room_leaves_the_desktop_here),
		TEST(without_a_folder_nothing_moves),
		TEST(are_thrown_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
