/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_template_touched.c - what forks touch of a template's memory is noted, and read ahead; what is no note is refused
 *
 * What is in the page cache can be told of a file on a disk only: tests of that are skipped where /tmp (TMPDIR) is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/template_touched.h"
#include "tests/unit/fake_peer.h"
#include "tests/unit/scratch.h"
#include "tests/unit/stderr_capture.h"
#include "tests/unit/wait_for.h"

#define PAGE_BYTES TEMPLATE_TOUCHED_PAGE_BYTES
#define PAGES	   4096
#define HOLE_AT	   1024 /* pages without data: this one up to the next */
#define HOLE_END   2048
#define HEAD	   "touched 1\n"
#define READ_MS	   60000
#define PROBE_PAGE 1
#define PROBE_NOTE HEAD "0 2\n" /* would have it read, and the page before it */

struct fixture {
	char *root;
	char *path; /* of the note */
	int folder;
	int memory;
	guint n_fds;
	struct stderr_capture log;
};

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);
	g_autofree char *data = g_malloc(PAGES * PAGE_BYTES);
	g_autofree char *memory = NULL;

	memset(data, 'x', PAGES * PAGE_BYTES);
	f->root = scratch_new();
	scratch_put(f->root, "kvm/user/memory", "");
	memory = g_build_filename(f->root, "kvm/user/memory", NULL);
	f->path = template_touched_make_path(memory);
	f->folder = open(f->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->memory = open(memory, O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(f->memory, data, HOLE_AT * PAGE_BYTES, 0), HOLE_AT * PAGE_BYTES);
	assert_int_equal(
		pwrite(f->memory, data, (PAGES - HOLE_END) * PAGE_BYTES, HOLE_END * PAGE_BYTES),
		(PAGES - HOLE_END) * PAGE_BYTES);
	g_main_context_iteration(NULL, FALSE);
	stderr_capture_begin(&f->log);
	f->n_fds = fake_peer_count_fds();
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	if (f->log.file >= 0)
		free(stderr_capture_end(&f->log));
	close(f->folder);
	close(f->memory);
	scratch_remove(f->root);
	g_free(f->root);
	g_free(f->path);
	g_free(f);
	return 0;
}

static gboolean
drop(const struct fixture *f)
{
	GError *error = NULL;
	gboolean dropped = template_touched_drop(f->memory, &error);

	assert_null(error);
	return dropped;
}

/* Nothing of the memory is in the page cache from now on. */
static void
need_disk(const struct fixture *f)
{
	struct statfs system;

	assert_int_equal(fstatfs(f->memory, &system), 0);
	if (system.f_type == TMPFS_MAGIC) {
		print_message("skipped: %s is on no disk\n", f->root);
		skip();
	}
	assert_true(drop(f));
}

static guint8 *
map_memory(const struct fixture *f)
{
	guint8 *memory = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ, MAP_SHARED, f->memory, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	return memory;
}

/* Is each of them in the page cache where "wanted" says so, and none else? */
static gboolean
is_cached(const struct fixture *f, gboolean (*wanted)(gsize page))
{
	unsigned char cached[PAGES];
	guint8 *memory = map_memory(f);
	gboolean same = TRUE;

	assert_int_equal(mincore(memory, PAGES * PAGE_BYTES, cached), 0);
	munmap(memory, PAGES * PAGE_BYTES);
	for (gsize page = 0; page < PAGES; page++)
		same &= (cached[page] & 1) == wanted(page);
	return same;
}

static gboolean
want_none(gsize page)
{
	(void)page;
	return FALSE;
}

static gboolean
want_probe(gsize page)
{
	return page == PROBE_PAGE;
}

static gboolean
want_data(gsize page)
{
	return page < HOLE_AT || page >= HOLE_END;
}

/* Of test_template_touched__reads_ahead_what_is_noted. */
static gboolean
want_noted(gsize page)
{
	return (page >= 10 && page < 110) || (page >= 2060 && page < 2065) || page == PAGES - 1;
}

static void
write_note(const struct fixture *f, const char *text)
{
	assert_true(g_file_set_contents(f->path, text, -1, NULL));
}

/* Until the thread has ended and its end was told. Standard error of that time, for free(). */
static char *
read_ahead(struct fixture *f)
{
	int folder = fcntl(f->folder, F_DUPFD_CLOEXEC, 0);
	int memory = fcntl(f->memory, F_DUPFD_CLOEXEC, 0);
	char *text;

	template_touched_start_read(folder, "kvm/user/touched", memory, "small@3");
	close(folder);
	close(memory);
	WAIT_FOR(fake_peer_count_fds() == f->n_fds);
	text = stderr_capture_end(&f->log);
	stderr_capture_begin(&f->log);
	return text;
}

static void
touch(guint8 *memory, gsize page)
{
	volatile guint8 *at = memory + page * PAGE_BYTES;

	assert_int_equal(*at, 'x');
}

/*
 * Nothing of the memory was asked for since it was dropped; it is dropped again. mincore(2) tells of
 * pages that were read, not of those that are on their way: so one is waited for. It comes alone, or
 * behind the page before it, where both were asked for in one request.
 */
static void
expect_unread(const struct fixture *f)
{
	guint8 *memory = map_memory(f);

	assert_int_equal(madvise(memory, PAGES * PAGE_BYTES, MADV_RANDOM), 0);
	touch(memory, PROBE_PAGE);
	munmap(memory, PAGES * PAGE_BYTES);
	assert_true(is_cached(f, want_probe));
	assert_true(drop(f));
}

static void
test_template_touched__notes_what_is_touched_after_a_drop(void **state)
{
	struct fixture *f = *state;
	g_autofree char *text = NULL;
	GError *error = NULL;
	struct stat status;
	guint8 *memory;

	need_disk(f);
	write_note(f, "an older one");
	memory = map_memory(f);
	assert_int_equal(madvise(memory, PAGES * PAGE_BYTES, MADV_RANDOM), 0);
	touch(memory, 0);
	touch(memory, 100);
	touch(memory, 116);
	touch(memory, 133);
	touch(memory, PAGES - 1);
	munmap(memory, PAGES * PAGE_BYTES);
	assert_true(template_touched_write(f->memory, f->path, &error));
	assert_true(g_file_get_contents(f->path, &text, NULL, NULL));
	assert_string_equal(text, HEAD "0 1\n100 17\n133 1\n4095 1\n");
	assert_int_equal(stat(f->path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0644);
}

static void
test_template_touched__says_when_pages_stay(void **state)
{
	struct fixture *f = *state;
	int memfd = memfd_create("memory", MFD_CLOEXEC);
	GError *error = NULL;
	void *memory;

	assert_int_equal(pwrite(memfd, "x", 1, PAGES * PAGE_BYTES - 1), 1);
	assert_false(template_touched_drop(memfd, &error));
	assert_null(error);
	close(memfd);
	need_disk(f);
	memory = mmap(NULL, 512 * PAGE_BYTES, PROT_READ, MAP_SHARED | MAP_POPULATE, f->memory, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	assert_false(drop(f));
	munmap(memory, 512 * PAGE_BYTES);
	assert_true(drop(f));
	assert_true(is_cached(f, want_none));
}

static void
test_template_touched__tells_what_it_cannot_write(void **state)
{
	struct fixture *f = *state;
	g_autofree char *path = g_build_filename(f->root, "nowhere", "touched", NULL);
	g_autoptr(GError) error = NULL;
	g_autoptr(GError) second = NULL;

	assert_false(template_touched_write(f->memory, path, &error));
	assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND));
	assert_false(template_touched_drop(-1, &second));
	assert_non_null(second);
}

static void
test_template_touched__reads_all_data(void **state)
{
	struct fixture *f = *state;

	g_autoptr(GCancellable) cancellable = g_cancellable_new();

	need_disk(f);
	template_touched_read_all(f->memory, 0, NULL);
	expect_unread(f);
	template_touched_read_all(f->memory, READ_MS, cancellable);
	WAIT_FOR(is_cached(f, want_data));
	assert_true(drop(f));
	g_cancellable_cancel(cancellable);
	template_touched_read_all(f->memory, READ_MS, cancellable);
	expect_unread(f);
}

static void
test_template_touched__reads_ahead_what_is_noted(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *log = NULL;

	need_disk(f);
	write_note(f, HEAD "10 100\n2060 5\n4095 1\n");
	log = read_ahead(f);
	assert_non_null(strstr(log, "106 pages of the memory of 'small@3' are read ahead"));
	WAIT_FOR(is_cached(f, want_noted));
}

static void
test_template_touched__is_silent_without_a_note(void **state)
{
	CLEANUP_FREE char *log = read_ahead(*state);

	assert_string_equal(log, "");
}

static void
make_link(const char *path)
{
	g_autofree char *target = g_strconcat(path, ".target", NULL);

	assert_true(g_file_set_contents(target, PROBE_NOTE, -1, NULL));
	assert_int_equal(symlink(target, path), 0);
}

static void
make_fifo(const char *path)
{
	assert_int_equal(mkfifo(path, 0600), 0);
}

static void
make_folder(const char *path)
{
	assert_int_equal(mkdir(path, 0700), 0);
}

static void
make_long(const char *path)
{
	assert_true(g_file_set_contents(path, PROBE_NOTE, -1, NULL));
	assert_int_equal(truncate(path, TEMPLATE_TOUCHED_MAX_BYTES + 1), 0);
}

static void
make_other(const char *path)
{
	assert_true(g_file_set_contents(path, PROBE_NOTE "0 1\n", -1, NULL));
}

static void
test_template_touched__reads_nothing_by_what_is_no_note(void **state)
{
	static const struct {
		void (*make)(const char *path);
		const char *why;
	} table[] = {
		{ make_link, "it cannot be opened: Too many levels of symbolic links" },
		{ make_fifo, "it is no plain file" },
		{ make_folder, "it is no plain file" },
		{ make_long, "it is no plain file of 1048576 bytes at most" },
		{ make_other, "its line 3 is no range of pages behind the one before" },
	};
	struct fixture *f = *state;

	need_disk(f);
	for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
		g_autofree char *wanted = g_strconcat(
			"the memory of 'small@3' is not read ahead by its 'kvm/user/touched': ",
			table[i].why, NULL);
		CLEANUP_FREE char *log = NULL;

		table[i].make(f->path);
		log = read_ahead(f);
		assert_non_null(strstr(log, wanted));
		expect_unread(f);
		assert_int_equal(remove(f->path), 0);
	}
}

static GArray *
parse(const char *text, GError **error)
{
	return template_touched_parse(text, strlen(text), PAGES * PAGE_BYTES, error);
}

static void
test_template_touched__takes_notes(void **state)
{
	static const struct {
		const char *text;
		guint n_ranges;
		struct template_touched_range last;
	} table[] = {
		{ HEAD, 0, { 0, 0 } },
		{ HEAD "0 1\n", 1, { 0, 1 } },
		{ HEAD "0 4096\n", 1, { 0, 4096 } },
		{ HEAD "0 1\n2 1\n4000 96\n", 3, { 4000, 96 } },
	};

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
		g_autoptr(GArray) ranges = parse(table[i].text, NULL);

		assert_non_null(ranges);
		assert_int_equal(ranges->len, table[i].n_ranges);
		if (ranges->len > 0)
			assert_memory_equal(&g_array_index(ranges, struct template_touched_range,
							   ranges->len - 1),
					    &table[i].last, sizeof(table[i].last));
	}
}

static void
test_template_touched__refuses_what_is_no_note(void **state)
{
	static const char *const table[] = {
		"",
		"touched 1",
		"touched 2\n",
		"0 1\n",
		HEAD "\n",
		HEAD "0 1",
		HEAD "0 1 \n",
		HEAD " 0 1\n",
		HEAD "0  1\n",
		HEAD "0\t1\n",
		HEAD "0 1\r\n",
		HEAD "0\n",
		HEAD "0 0\n",
		HEAD "00 1\n",
		HEAD "0 01\n",
		HEAD "+0 1\n",
		HEAD "-1 1\n",
		HEAD "0x1 1\n",
		HEAD "0 4097\n",
		HEAD "4095 2\n",
		HEAD "4096 1\n",
		HEAD "0 18446744073709551617\n",
		HEAD "18446744073709551615 2\n",
		HEAD "1 18446744073709551615\n",
		HEAD "5 1\n3 1\n",
		HEAD "5 1\n5 1\n",
		HEAD "5 3\n7 1\n",
		HEAD "5 3\n8 1\n",
		HEAD "5 1\n\n7 1\n",
		HEAD "5 1\n7 1\nmore\n",
	};

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(GArray) ranges = parse(table[i], &error);

		if (ranges)
			fail_msg("taken: %s", table[i]);
		assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA));
	}
}

/* Ranges of one page, as many as are more than the limit. */
static void
test_template_touched__takes_no_more_than_its_limit(void **state)
{
	const guint64 bytes = (guint64)TEMPLATE_TOUCHED_MAX_BYTES * PAGE_BYTES;
	g_autoptr(GString) text = g_string_new(HEAD);
	g_autoptr(GArray) taken = NULL;
	g_autoptr(GArray) refused = NULL;
	gsize before = 0;

	(void)state;
	for (guint64 page = 0; text->len <= TEMPLATE_TOUCHED_MAX_BYTES; page += 2) {
		before = text->len;
		g_string_append_printf(text, "%" G_GUINT64_FORMAT " 1\n", page);
	}
	taken = template_touched_parse(text->str, before, bytes, NULL);
	assert_non_null(taken);
	refused = template_touched_parse(text->str, text->len, bytes, NULL);
	assert_null(refused);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_template_touched__##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(notes_what_is_touched_after_a_drop),
		TEST(says_when_pages_stay),
		TEST(tells_what_it_cannot_write),
		TEST(reads_all_data),
		TEST(reads_ahead_what_is_noted),
		TEST(is_silent_without_a_note),
		TEST(reads_nothing_by_what_is_no_note),
		cmocka_unit_test(test_template_touched__takes_notes),
		cmocka_unit_test(test_template_touched__refuses_what_is_no_note),
		cmocka_unit_test(test_template_touched__takes_no_more_than_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
