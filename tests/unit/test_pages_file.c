/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_pages_file.c - a fork's own pages in a file: what was put in comes out where it was, and
 * nothing that is wrong with a file gets as far as the memory's outside
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "vmm/pages_file.h"

#define PAGE	 ((size_t)PAGES_FILE_PAGE_BYTES)
#define PAGES	 600 /* more than a block holds */
#define TEMPLATE 0xee

static const struct pages_file_ids test_ids = { "the template's.", "the state's id." };

/* Some single, some in a row across a block's end, two of zeros, the first and the last. */
static const struct {
	uint32_t first, count;
	uint32_t kind;
} test_runs[] = {
	{ 0, 1, PAGES_FILE_KEPT },   { 2, 300, PAGES_FILE_KEPT }, { 302, 2, PAGES_FILE_ZEROS },
	{ 304, 1, PAGES_FILE_KEPT }, { 400, 9, PAGES_FILE_KEPT }, { 599, 1, PAGES_FILE_KEPT },
};

#define N_RUNS (sizeof(test_runs) / sizeof(test_runs[0]))

static uint8_t *
test_make_memory(void)
{
	uint8_t *memory = malloc(PAGES * PAGE);

	assert_non_null(memory);
	memset(memory, TEMPLATE, PAGES * PAGE);
	return memory;
}

static void
test_dirty(uint8_t *memory)
{
	for (size_t i = 0; i < N_RUNS; i++)
		for (size_t number = test_runs[i].first;
		     number < test_runs[i].first + test_runs[i].count; number++)
			for (size_t j = 0; j < PAGE; j++)
				memory[number * PAGE + j] =
					test_runs[i].kind == PAGES_FILE_ZEROS
						? 0
						: (uint8_t)(number * 7 + j / 13);
}

static int
test_open(void)
{
	int fd = memfd_create("pages", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static int
test_save(const uint8_t *memory)
{
	struct pages_writer *writer;
	int fd = test_open();

	assert_int_equal(write(fd, "what was there before", 21), 21);
	assert_int_equal(pages_writer_new(fd, PAGES, &test_ids, &writer), 0);
	for (size_t i = 0; i < N_RUNS; i++)
		for (uint64_t number = test_runs[i].first;
		     number < test_runs[i].first + test_runs[i].count; number++)
			assert_int_equal(pages_writer_add(writer, number, memory + number * PAGE),
					 0);
	assert_int_equal(pages_writer_finish(writer), 0);
	pages_writer_free(writer);
	return fd;
}

static int
test_make(void)
{
	uint8_t *memory = test_make_memory();
	int fd;

	test_dirty(memory);
	fd = test_save(memory);
	free(memory);
	return fd;
}

static struct pages_file_head
test_get_head(int fd)
{
	struct pages_file_head head;

	assert_int_equal(pread(fd, &head, sizeof(head), 0), sizeof(head));
	return head;
}

static void
test_set_head(int fd, struct pages_file_head head)
{
	head.checksum = (uint32_t)crc32_z(0, (const void *)&head,
					  offsetof(struct pages_file_head, checksum));
	assert_int_equal(pwrite(fd, &head, sizeof(head), 0), sizeof(head));
}

static off_t
test_find_runs(int fd)
{
	return (off_t)(sizeof(struct pages_file_head) + test_get_head(fd).kept_pages * PAGE);
}

/* Somebody who knows how the checksums are made. */
static void
test_set_run(int fd, size_t index, struct pages_file_run run)
{
	struct pages_file_head head = test_get_head(fd);
	struct pages_file_run runs[N_RUNS];

	assert_int_equal(pread(fd, runs, sizeof(runs), test_find_runs(fd)), sizeof(runs));
	runs[index] = run;
	assert_int_equal(pwrite(fd, runs, sizeof(runs), test_find_runs(fd)), sizeof(runs));
	head.runs_checksum = (uint32_t)crc32_z(0, (const void *)runs, sizeof(runs));
	test_set_head(fd, head);
}

static struct pages_file_run
test_get_run(int fd, size_t index)
{
	struct pages_file_run run;
	off_t at = test_find_runs(fd) + (off_t)(index * sizeof(run));

	assert_int_equal(pread(fd, &run, sizeof(run), at), sizeof(run));
	return run;
}

static int
test_load(int fd, char problem[PAGES_FILE_PROBLEM_BYTES])
{
	uint8_t *memory = test_make_memory();
	int error = pages_file_load(fd, &test_ids, memory, PAGES * PAGE, problem);

	free(memory);
	return error;
}

static void
test_refuses(int fd, int error, const char *text)
{
	char problem[PAGES_FILE_PROBLEM_BYTES];

	assert_int_equal(test_load(fd, problem), error);
	if (!strstr(problem, text))
		fail_msg("'%s' is to say '%s'", problem, text);
	close(fd);
}

static void
test_pages_file__what_was_put_is_loaded(void **state)
{
	uint8_t *memory = test_make_memory(), *other = test_make_memory();
	char problem[PAGES_FILE_PROBLEM_BYTES];
	int fd;

	(void)state;
	test_dirty(memory);
	fd = test_save(memory);
	assert_int_equal(pages_file_load(fd, &test_ids, other, PAGES * PAGE, problem), 0);
	assert_string_equal(problem, "");
	assert_memory_equal(memory, other, PAGES * PAGE);
	close(fd);
	free(other);
	free(memory);
}

/* Nothing is kept of zeros, and pages in a row are one run. */
static void
test_pages_file__is_as_short_as_said(void **state)
{
	int fd = test_make();
	struct pages_file_head head = test_get_head(fd);

	(void)state;
	assert_int_equal(head.n_runs, N_RUNS);
	assert_int_equal(head.kept_pages, 1 + 300 + 1 + 9 + 1);
	assert_int_equal(lseek(fd, 0, SEEK_END), sizeof(head) + head.kept_pages * PAGE +
							 N_RUNS * sizeof(struct pages_file_run));
	for (size_t i = 0; i < N_RUNS; i++) {
		struct pages_file_run run = test_get_run(fd, i);

		assert_int_equal(run.first, test_runs[i].first);
		assert_int_equal(run.count, test_runs[i].count);
		assert_int_equal(run.kind, test_runs[i].kind);
	}
	close(fd);
}

static void
test_pages_file__may_have_no_pages(void **state)
{
	struct pages_writer *writer;
	char problem[PAGES_FILE_PROBLEM_BYTES];
	int fd = test_open();

	(void)state;
	assert_int_equal(pages_writer_new(fd, PAGES, &test_ids, &writer), 0);
	assert_int_equal(pages_writer_finish(writer), 0);
	pages_writer_free(writer);
	assert_int_equal(test_load(fd, problem), 0);
	close(fd);
}

/* More runs than there is room for at first. */
static void
test_pages_file__may_have_many_runs(void **state)
{
	static const uint8_t page[PAGE] = { 1 };
	const size_t n_pages = 5001;
	uint8_t *memory = calloc(n_pages, PAGE);
	char problem[PAGES_FILE_PROBLEM_BYTES];
	struct pages_writer *writer;
	int fd = test_open();

	(void)state;
	assert_non_null(memory);
	assert_int_equal(pages_writer_new(fd, n_pages, &test_ids, &writer), 0);
	for (size_t i = 0; i < n_pages; i += 2)
		assert_int_equal(pages_writer_add(writer, i, page), 0);
	assert_int_equal(pages_writer_finish(writer), 0);
	pages_writer_free(writer);
	assert_int_equal(pages_file_load(fd, &test_ids, memory, n_pages * PAGE, problem), 0);
	for (size_t i = 0; i < n_pages; i++)
		assert_int_equal(memory[i * PAGE], i % 2 == 0);
	close(fd);
	free(memory);
}

static void
test_pages_file__a_writer_takes_pages_in_order(void **state)
{
	static const uint8_t page[PAGE] = { 1 };
	struct pages_writer *writer;
	int fd = test_open();

	(void)state;
	assert_int_equal(pages_writer_new(fd, PAGES, &test_ids, &writer), 0);
	assert_int_equal(pages_writer_add(writer, 5, page), 0);
	assert_int_equal(pages_writer_add(writer, 5, page), -EINVAL);
	assert_int_equal(pages_writer_add(writer, 4, page), -EINVAL);
	assert_int_equal(pages_writer_add(writer, PAGES, page), -EINVAL);
	pages_writer_free(writer);
	assert_int_equal(pages_writer_new(fd, UINT64_C(1) << 32, &test_ids, &writer), -EINVAL);
	close(fd);
}

/* A process that died before it had finished leaves no file that anyone takes. */
static void
test_pages_file__is_nothing_until_it_is_finished(void **state)
{
	static const uint8_t page[PAGE] = { 1 };
	struct pages_writer *writer;
	int fd = test_make();

	(void)state;
	assert_int_equal(pages_writer_new(fd, PAGES, &test_ids, &writer), 0);
	for (uint64_t i = 0; i < PAGES; i++)
		assert_int_equal(pages_writer_add(writer, i, page), 0);
	pages_writer_free(writer);
	test_refuses(fd, -EBADMSG, "no pages of a machine");
}

/* Wherever it is cut off or a bit of it is another. */
static void
test_pages_file__damage_is_found(void **state)
{
	int fd = test_make();
	off_t bytes = lseek(fd, 0, SEEK_END), pages = sizeof(struct pages_file_head);
	char problem[PAGES_FILE_PROBLEM_BYTES];

	(void)state;
	for (off_t i = 0; i < bytes; i += i < pages || i >= test_find_runs(fd) ? 1 : 4001) {
		uint8_t good, bad;

		assert_int_equal(pread(fd, &good, 1, i), 1);
		bad = good ^ 0x10;
		assert_int_equal(pwrite(fd, &bad, 1, i), 1);
		assert_true(test_load(fd, problem) < 0);
		assert_int_not_equal(problem[0], '\0');
		assert_int_equal(pwrite(fd, &good, 1, i), 1);
	}
	assert_int_equal(test_load(fd, problem), 0);
	for (off_t i = bytes - 1; i >= 0; i -= i < pages ? 1 : 509) {
		assert_int_equal(ftruncate(fd, i), 0);
		assert_int_equal(test_load(fd, problem), -EBADMSG);
		assert_int_not_equal(problem[0], '\0');
	}
	close(fd);
}

static void
test_pages_file__what_is_foreign_is_refused(void **state)
{
	struct pages_file_head head;
	int fd = test_make();

	(void)state;
	head = test_get_head(fd);
	head.version = 2;
	test_set_head(fd, head);
	test_refuses(fd, -ENOTSUP, "format is version 2");
	fd = test_make();
	head = test_get_head(fd);
	head.ids.template[15] ^= 1;
	test_set_head(fd, head);
	test_refuses(fd, -EBADMSG, "another template");
	fd = test_make();
	head = test_get_head(fd);
	head.ids.state[0] ^= 1;
	test_set_head(fd, head);
	test_refuses(fd, -EBADMSG, "another state");
	fd = test_make();
	head = test_get_head(fd);
	head.ram_pages++;
	test_set_head(fd, head);
	test_refuses(fd, -EBADMSG, "memory of another size");
	fd = test_make();
	head = test_get_head(fd);
	head.page_bytes = 8192;
	test_set_head(fd, head);
	test_refuses(fd, -EBADMSG, "memory of another size");
}

/* Numbers that would overflow, or ask for more memory than there is. */
static void
test_pages_file__numbers_fit_the_memory(void **state)
{
	struct pages_file_head head;
	int fd = test_make();

	(void)state;
	head = test_get_head(fd);
	head.kept_pages = UINT64_MAX / PAGE;
	test_set_head(fd, head);
	test_refuses(fd, -EBADMSG, "more pages than the memory");
	fd = test_make();
	head = test_get_head(fd);
	head.n_runs = UINT32_MAX;
	test_set_head(fd, head);
	test_refuses(fd, -EBADMSG, "more pages than the memory");
	fd = test_make();
	head = test_get_head(fd);
	head.n_runs--;
	test_set_head(fd, head);
	test_refuses(fd, -EBADMSG, "not as long as it should be");
}

static void
test_pages_file__runs_are_looked_at_first(void **state)
{
	static const struct {
		size_t index;
		struct pages_file_run run;
		const char *problem;
	} cases[] = {
		{ 1, { 0, 302, PAGES_FILE_KEPT, 0 }, "run 1 is not behind" },
		{ 3, { 303, 1, PAGES_FILE_KEPT, 0 }, "run 3 is not behind" },
		{ 2, { 302, 0, PAGES_FILE_ZEROS, 0 }, "run 2 is not in the memory" },
		{ 5, { 599, 2, PAGES_FILE_KEPT, 0 }, "run 5 is not in the memory" },
		{ 5, { UINT32_MAX, UINT32_MAX, PAGES_FILE_KEPT, 0 }, "run 5 is not in the memory" },
		{ 5, { 599, 1, PAGES_FILE_KIND_COUNT, 0 }, "run 5 is of a kind" },
		{ 5, { 599, 1, PAGES_FILE_ZEROS, 0 }, "not of all its pages" },
		{ 4, { 400, 10, PAGES_FILE_KEPT, 0 }, "not of all its pages" },
		{ 2, { 302, 2, PAGES_FILE_ZEROS, 1 }, "page 302 or one behind it is damaged" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = test_make();

		test_set_run(fd, cases[i].index, cases[i].run);
		test_refuses(fd, -EBADMSG, cases[i].problem);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages_file__what_was_put_is_loaded),
		cmocka_unit_test(test_pages_file__is_as_short_as_said),
		cmocka_unit_test(test_pages_file__may_have_no_pages),
		cmocka_unit_test(test_pages_file__may_have_many_runs),
		cmocka_unit_test(test_pages_file__a_writer_takes_pages_in_order),
		cmocka_unit_test(test_pages_file__is_nothing_until_it_is_finished),
		cmocka_unit_test(test_pages_file__damage_is_found),
		cmocka_unit_test(test_pages_file__what_is_foreign_is_refused),
		cmocka_unit_test(test_pages_file__numbers_fit_the_memory),
		cmocka_unit_test(test_pages_file__runs_are_looked_at_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
