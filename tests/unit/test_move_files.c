/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_move_files.c - a desktop's files are in one of two folders, whatever ends in between and whatever lies there
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

#include "host/desktop_folder.h"
#include "host/move_files.h"
#include "tests/unit/scratch.h"

#define DESKTOP	      "d-aaaaaaaaaaaaaaaaaaaa"
#define OWN	      "lib/desktops/" DESKTOP
#define OTHER	      "other/desktops/" DESKTOP
#define AWAY	      "exchange/" DESKTOP
#define OVERLAY_BYTES (64 << 20)

static const char *const names[] = { "origin.json",	"suspended.json",  "session",
				     "suspended.state", "suspended.pages", "overlay.qcow2" };

static const char *const folders[] = { OWN, OTHER, AWAY };

struct fixture {
	char *root;
	struct move_files from;
	struct move_files to; /* of the other host */
	guint checks;
	gboolean refuses;
	gboolean is_here; /* what is checked */
};

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

static char *
get_path(const struct fixture *f, const char *folder, const char *name)
{
	return g_build_filename(f->root, folder, name, NULL);
}

static void
put_desktop(const struct fixture *f, const char *folder, const char *text)
{
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = g_build_filename(folder, names[i], NULL);

		scratch_put(f->root, path, text);
	}
}

static gboolean
is_there(const struct fixture *f, const char *path)
{
	g_autofree char *full = g_build_filename(f->root, path, NULL);

	return g_file_test(full, G_FILE_TEST_EXISTS | G_FILE_TEST_IS_SYMLINK);
}

static void
assert_none_in(const struct fixture *f, const char *folder)
{
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = g_build_filename(folder, names[i], NULL);

		assert_false(is_there(f, path));
	}
}

/* All of it, with this text. */
static void
assert_whole(const struct fixture *f, const char *folder, const char *text)
{
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = get_path(f, folder, names[i]);
		g_autofree char *found = NULL;

		assert_true(g_file_get_contents(path, &found, NULL, NULL));
		assert_string_equal(found, text);
	}
}

static void
assert_only_in(const struct fixture *f, const char *folder, const char *text)
{
	assert_whole(f, folder, text);
	for (gsize i = 0; i < G_N_ELEMENTS(folders); i++)
		if (strcmp(folders[i], folder) != 0)
			assert_none_in(f, folders[i]);
	assert_false(is_there(f, AWAY ".part"));
	assert_false(is_there(f, OWN "/arriving"));
	assert_false(is_there(f, OTHER "/arriving"));
}

static gboolean
check(const struct desktop_folder *folder, const void *context, GError **error)
{
	struct fixture *f = *(struct fixture *const *)context;
	g_autofree char *mark = g_build_filename(folder->path, "suspended.json", NULL);
	g_autofree char *pages = g_build_filename(folder->path, "suspended.pages", NULL);

	f->checks++;
	assert_true(g_file_test(mark, G_FILE_TEST_EXISTS));
	/* before the large ones are copied, unless it was here before */
	assert_true(f->is_here == g_file_test(pages, G_FILE_TEST_EXISTS));
	if (f->refuses)
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "another CPU");
	return !f->refuses;
}

static void export(struct fixture *f)
{
	g_autoptr(GError) error = NULL;

	if (!move_files_export(&f->from, &error))
		fail_msg("%s", error->message);
}

static void
import(struct fixture *f)
{
	g_autoptr(GError) error = NULL;

	if (!move_files_import(&f->to, check, &f, &error))
		fail_msg("%s", error->message);
}

static void
refuse(const struct fixture *f, gboolean ok, const GError *error, const char *word)
{
	(void)f;
	assert_false(ok);
	print_message("%s\n", error->message);
	assert_non_null(strstr(error->message, word));
}

static void
refuse_export(struct fixture *f, const char *word)
{
	g_autoptr(GError) error = NULL;
	gboolean ok = move_files_export(&f->from, &error);

	refuse(f, ok, error, word);
}

static void
refuse_import(struct fixture *f, const char *word)
{
	g_autoptr(GError) error = NULL;
	gboolean ok = move_files_import(&f->to, check, &f, &error);

	refuse(f, ok, error, word);
	assert_null(strstr(error->message, "/'"));
}

/* A file, or the desktop's folder: nobody is told to take as his own what he has not written. */
static void
refuse_strange(struct fixture *f, const char *word)
{
	g_autoptr(GError) error = NULL;
	gboolean ok = move_files_import(&f->to, check, &f, &error);

	refuse(f, ok, error, word);
	assert_non_null(strstr(error->message, "find out who wrote it, or remove it"));
	assert_null(strstr(error->message, "chown"));
	assert_null(strstr(error->message, "mounted"));
}

/* From here on. */
static void
break_disk(const struct fixture *f, enum disk_fault fault)
{
	g_autofree char *path = get_path(f, OWN, NULL);
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
	struct fixture *f = g_new0(struct fixture, 1);
	g_autofree char *other = NULL;

	disk.fault = DISK_WORKS;
	f->root = scratch_new();
	other = get_path(f, OTHER, NULL);
	f->from = (struct move_files){ get_path(f, "lib", NULL), get_path(f, "exchange", NULL),
				       g_strdup(DESKTOP), 0 };
	f->to = (struct move_files){ get_path(f, "other", NULL), f->from.exchange, f->from.id, 0 };
	assert_int_equal(g_mkdir(f->from.exchange, 0700), 0);
	put_desktop(f, OWN, "new");
	/* launch has made it */
	assert_int_equal(g_mkdir_with_parents(other, 0700), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	scratch_remove(f->root);
	g_free(f->from.lib);
	g_free(f->from.exchange);
	g_free(f->from.id);
	g_free(f->to.lib);
	g_free(f->root);
	g_free(f);
	return 0;
}

static void
test_move_files__go_there_and_come_back(void **state)
{
	struct fixture *f = *state;

	scratch_put(f->root, OWN "/qemu.log", "a log");
	export(f);
	assert_only_in(f, AWAY, "new");
	assert_false(is_there(f, AWAY "/qemu.log"));
	import(f);
	assert_only_in(f, OTHER, "new");
	assert_int_equal(f->checks, 1);
	assert_false(is_there(f, OTHER "/network"));
}

static void
test_move_files__keep_their_holes(void **state)
{
	struct fixture *f = *state;
	g_autofree char *from = get_path(f, OWN, "overlay.qcow2");
	g_autofree char *to = get_path(f, AWAY, "overlay.qcow2");
	int fd = open(from, O_WRONLY | O_TRUNC);
	struct stat before;
	struct stat after;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, OVERLAY_BYTES), 0);
	assert_int_equal(pwrite(fd, "middle", 6, OVERLAY_BYTES / 2), 6);
	assert_int_equal(fstat(fd, &before), 0);
	close(fd);
	export(f);
	assert_int_equal(stat(to, &after), 0);
	assert_int_equal(after.st_size, OVERLAY_BYTES);
	assert_true(after.st_blocks <= before.st_blocks);
}

/* What a hostd leaves that ends during the way there; each time it begins again and is done. */
static void
test_move_files__export_is_done_again_after_any_end(void **state)
{
	struct fixture *f = *state;

	/* while it was copying */
	scratch_put(f->root, AWAY ".part/origin.json", "half");
	scratch_put(f->root, AWAY ".part/foreign", "half");
	export(f);
	assert_only_in(f, AWAY, "new");
	/* before the source went: that is the desktop, and perhaps newer */
	put_desktop(f, OWN, "newer");
	export(f);
	assert_only_in(f, AWAY, "newer");
	/* while the source went: it is not to be taken for a desktop */
	scratch_put(f->root, OWN "/suspended.pages", "rest");
	export(f);
	assert_whole(f, AWAY, "newer");
	assert_false(is_there(f, OWN "/suspended.json"));
	/* after all was done, and its folder is gone, too */
	scratch_remove(f->from.lib);
	export(f);
	assert_only_in(f, AWAY, "newer");
}

static void
test_move_files__import_is_done_again_after_any_end(void **state)
{
	struct fixture *f = *state;

	export(f);
	/* while it was copying, and while it put the files in their place */
	scratch_put(f->root, OTHER "/arriving/suspended.json", "half");
	scratch_put(f->root, OTHER "/arriving/foreign", "half");
	scratch_put(f->root, OTHER "/suspended.pages", "half");
	scratch_put(f->root, OTHER "/network", "half");
	import(f);
	assert_only_in(f, OTHER, "new");
	assert_false(is_there(f, OTHER "/network"));
	/* before the copy in the exchange folder went: what is here counts, and is perhaps newer */
	put_desktop(f, AWAY, "old");
	f->is_here = TRUE;
	import(f);
	assert_only_in(f, OTHER, "new");
	assert_int_equal(f->checks, 2);
	import(f);
	assert_only_in(f, OTHER, "new");
	assert_int_equal(f->checks, 3);
}

/* It is not reported as whole, and nobody is told to remove it. */
static void
test_move_files__the_only_one_is_checked_too(void **state)
{
	struct fixture *f = *state;
	g_autoptr(GError) error = NULL;

	put_desktop(f, OTHER, "new");
	f->is_here = TRUE;
	import(f);
	assert_int_equal(f->checks, 1);
	f->refuses = TRUE;
	assert_false(move_files_import(&f->to, check, &f, &error));
	assert_true(g_error_matches(error, MOVE_FILES_ERROR, MOVE_FILES_ERROR_DOUBTFUL));
	assert_string_equal(error->message, "another CPU");
	assert_whole(f, OTHER, "new");
}

/* It goes on being the desktop, and there is no second one. */
static void
test_move_files__a_mark_that_stays_keeps_it_here(void **state)
{
	struct fixture *f = *state;

	break_disk(f, DISK_KEEPS_MARK);
	refuse_export(f, "Input/output error");
	assert_only_in(f, OWN, "new");
}

/* The copy is perhaps all that can be read of it. */
static void
test_move_files__a_mark_that_cannot_be_seen_removes_no_copy(void **state)
{
	struct fixture *f = *state;

	break_disk(f, DISK_HIDES_MARK);
	refuse_export(f, "Input/output error");
	assert_whole(f, AWAY, "new");
	assert_whole(f, OWN, "new");
	disk.fault = DISK_WORKS;
	export(f);
	assert_only_in(f, AWAY, "new");
}

/* The mark may come back, when the host loses its power: then it is not to find its files. */
static void
test_move_files__a_mark_that_is_not_gone_for_good_has_no_files(void **state)
{
	struct fixture *f = *state;

	break_disk(f, DISK_SYNCS_NOT);
	export(f);
	assert_true(disk.has_failed);
	assert_only_in(f, AWAY, "new");
}

/* A mark that is damaged, or is of something else, is no reason to remove the only good copy. */
static void
test_move_files__a_mark_here_is_not_trusted(void **state)
{
	struct fixture *f = *state;

	export(f);
	put_desktop(f, OTHER, "older");
	f->is_here = TRUE;
	f->refuses = TRUE;
	refuse_import(f, "another CPU");
	assert_whole(f, AWAY, "new");
	assert_whole(f, OTHER, "older");
	f->refuses = FALSE;
	scratch_remove(f->to.lib);
	scratch_put(f->root, OTHER "/suspended.json", "older");
	refuse_import(f, "cannot be used, remove that");
	assert_whole(f, AWAY, "new");
}

static void
test_move_files__one_that_lacks_a_file_is_not_whole(void **state)
{
	struct fixture *f = *state;
	g_autofree char *state_file = get_path(f, OWN, "suspended.state");
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
	struct fixture *f = *state;

	scratch_remove(f->from.lib);
	refuse_export(f, "are neither in");
	refuse_export(f, "see that this is mounted");
	refuse_import(f, "see that this is mounted");
	/* launch's folder */
	scratch_remove(f->to.lib);
	refuse_import(f, "No such file");
}

/* What cannot be looked at is not taken for one that is not there. */
static void
test_move_files__what_cannot_be_opened_is_told_as_it_is(void **state)
{
	struct fixture *f = *state;

	scratch_remove(f->from.lib);
	scratch_put(f->root, AWAY, "a file");
	refuse_export(f, "Not a directory");
	refuse_import(f, "Not a directory");
}

static void
test_move_files__refused_ones_stay_where_they_are(void **state)
{
	struct fixture *f = *state;

	export(f);
	f->refuses = TRUE;
	refuse_import(f, "another CPU");
	assert_only_in(f, AWAY, "new");
	f->refuses = FALSE;
	f->to.reserve_bytes = G_MAXUINT64 / 4;
	refuse_import(f, "make room there");
	assert_only_in(f, AWAY, "new");
	f->to.reserve_bytes = 0;
	import(f);
	assert_only_in(f, OTHER, "new");
}

static void
test_move_files__no_room_leaves_the_desktop_here(void **state)
{
	struct fixture *f = *state;

	f->from.reserve_bytes = G_MAXUINT64 / 4;
	refuse_export(f, "make room there");
	assert_only_in(f, OWN, "new");
}

static void
test_move_files__without_a_folder_nothing_moves(void **state)
{
	struct fixture *f = *state;
	g_autofree char *exchange = g_steal_pointer(&f->from.exchange);

	refuse_export(f, "set 'exchange' in [host]");
	f->from.exchange = g_strdup("/nonexistent/exchange");
	refuse_export(f, "'/nonexistent/exchange'");
	assert_only_in(f, OWN, "new");
	g_free(f->from.exchange);
	f->from.exchange = g_steal_pointer(&exchange);
}

/* What somebody else has put there. */
static void
spoil(const struct fixture *f, const char *what, const char *name)
{
	g_autofree char *path = get_path(f, AWAY, name);
	g_autofree char *second = get_path(f, "exchange", "second");

	if (strcmp(what, "second name") == 0) {
		assert_int_equal(link(path, second), 0);
		return;
	}
	if (strcmp(what, "large") == 0) {
		assert_int_equal(truncate(path, 8193), 0);
		return;
	}
	assert_int_equal(g_unlink(path), 0);
	if (strcmp(what, "link") == 0)
		assert_int_equal(symlink("/etc/passwd", path), 0);
	else if (strcmp(what, "pipe") == 0)
		assert_int_equal(mkfifo(path, 0600), 0);
	else if (strcmp(what, "folder") == 0)
		assert_int_equal(g_mkdir(path, 0700), 0);
}

static void
test_move_files__nothing_but_plain_files_is_taken(void **unused)
{
	static const struct {
		const char *what;
		const char *name;
		const char *word;
	} cases[] = {
		{ "link", "overlay.qcow2", "symbolic links" },
		{ "link", "suspended.json", "symbolic links" },
		{ "link", "session", "symbolic links" },
		{ "pipe", "suspended.state", "is no plain file" },
		{ "folder", "suspended.pages", "is no plain file" },
		{ "second name", "overlay.qcow2", "has another name" },
		{ "large", "suspended.json", "too large" },
		{ "large", "session", "too large" },
		{ "missing", "overlay.qcow2", "No such file" },
		{ "missing", "origin.json", "No such file" },
	};

	(void)unused;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		void *state = NULL;
		struct fixture *f;

		setup(&state);
		f = state;
		export(f);
		spoil(f, cases[i].what, cases[i].name);
		refuse_import(f, cases[i].word);
		assert_none_in(f, OTHER);
		assert_false(is_there(f, OTHER "/arriving"));
		assert_true(is_there(f, AWAY));
		teardown(&state);
	}
}

static void
test_move_files__a_folder_that_is_a_link_is_not_followed(void **state)
{
	struct fixture *f = *state;
	g_autofree char *away = get_path(f, AWAY, NULL);
	g_autofree char *part = g_strconcat(away, ".part", NULL);
	g_autofree char *victim = get_path(f, "victim", NULL);

	put_desktop(f, "victim", "theirs");
	assert_int_equal(symlink(victim, away), 0);
	assert_int_equal(symlink(victim, part), 0);
	refuse_import(f, DESKTOP);
	assert_whole(f, "victim", "theirs");
	export(f);
	assert_only_in(f, AWAY, "new");
	assert_whole(f, "victim", "theirs");
}

static void
test_move_files__are_thrown_away(void **state)
{
	struct fixture *f = *state;
	gboolean found = FALSE;

	export(f);
	scratch_put(f->root, AWAY ".part/origin.json", "half");
	scratch_put(f->root, AWAY "/foreign", "x");
	assert_true(move_files_discard(&f->from, &found, NULL));
	assert_true(found);
	assert_false(is_there(f, AWAY));
	assert_false(is_there(f, AWAY ".part"));
	assert_true(move_files_discard(&f->from, &found, NULL));
	assert_false(found);
}

static void
refuse_all(struct fixture *f, const char *word)
{
	g_autoptr(GError) error = NULL;
	gboolean found = FALSE;
	gboolean ok = move_files_discard(&f->from, &found, &error);

	refuse(f, ok, error, word);
	refuse_export(f, word);
	refuse_import(f, word);
}

/* What others may write to, or is another's, is not where a machine's memory comes from; what is not mounted is root's. */
static void
test_move_files__a_folder_of_others_is_not_used(void **state)
{
	struct fixture *f = *state;
	g_autofree char *away = get_path(f, AWAY, NULL);
	g_autofree char *overlay = get_path(f, AWAY, "overlay.qcow2");

	export(f);
	assert_int_equal(g_chmod(f->from.exchange, 0720), 0);
	refuse_all(f, "'chmod go-w'");
	assert_int_equal(g_chmod(f->from.exchange, 0700), 0);
	assert_int_equal(g_chmod(away, 0702), 0);
	refuse_strange(f, "with mode 0702");
	assert_int_equal(g_chmod(away, 0700), 0);
	assert_int_equal(g_chmod(overlay, 0660), 0);
	refuse_strange(f, "overlay.qcow2");
	assert_int_equal(g_chmod(overlay, 0600), 0);
	assert_whole(f, AWAY, "new");
	import(f);
}

/* Only root can give files away. */
static void
test_move_files__files_of_another_uid_are_not_taken(void **state)
{
	struct fixture *f = *state;
	g_autofree char *away = get_path(f, AWAY, NULL);
	g_autofree char *pages = get_path(f, AWAY, "suspended.pages");

	if (geteuid() != 0)
		skip();
	export(f);
	assert_int_equal(chown(f->from.exchange, 1, (gid_t)-1), 0);
	refuse_all(f, "'chown 0'");
	assert_int_equal(chown(f->from.exchange, 0, (gid_t)-1), 0);
	assert_int_equal(chown(away, 1, (gid_t)-1), 0);
	refuse_strange(f, "belongs to uid 1");
	assert_int_equal(chown(away, 0, (gid_t)-1), 0);
	assert_int_equal(chown(pages, 1, (gid_t)-1), 0);
	refuse_strange(f, "suspended.pages");
	assert_none_in(f, OTHER);
	assert_true(is_there(f, AWAY "/suspended.json"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_move_files__##name, setup, teardown)

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
		cmocka_unit_test(test_move_files__nothing_but_plain_files_is_taken),
		TEST(a_folder_that_is_a_link_is_not_followed),
		TEST(are_thrown_away),
		TEST(a_folder_of_others_is_not_used),
		TEST(files_of_another_uid_are_not_taken),
		TEST(what_cannot_be_opened_is_told_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
