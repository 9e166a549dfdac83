/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_state_file.c - a machine's state file: what is put in comes out, and what is wrong with it
 * is said by the section's name
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "tests/unit/state_edit.h"
#include "vmm/state_file.h"

#define WORD UINT64_C(0x8877665544332211)

/* Where test_state_file_make()'s sections begin, and how long its file is. */
#define CLOCK_BYTES 19
#define DISK_BYTES  4
#define CLOCK_AT    sizeof(struct state_file_head)
#define DISK_AT	    (CLOCK_AT + sizeof(struct state_file_section) + CLOCK_BYTES)
#define WHOLE_BYTES (DISK_AT + sizeof(struct state_file_section) + DISK_BYTES)

static int
test_state_file_make(void)
{
	struct state_writer *writer;
	int fd = state_edit_new();

	assert_int_equal(state_writer_new(&writer), 0);
	state_writer_begin(writer, 1, "clock");
	state_put_u8(writer, 0x11);
	state_put_u16(writer, 0x2211);
	state_put_u32(writer, 0x44332211);
	state_put_u64(writer, WORD);
	state_put_bool(writer, true);
	state_put_bytes(writer, "abc", 3);
	state_writer_end(writer);
	state_writer_begin(writer, 3, "disk %02u", 7);
	state_put_u32(writer, 2);
	state_writer_end(writer);
	assert_int_equal(state_writer_finish(writer, fd), 0);
	state_writer_free(writer);
	return fd;
}

static struct state_reader *
test_state_file_read(int fd)
{
	struct state_reader *reader;
	char problem[STATE_PROBLEM_BYTES];

	assert_int_equal(state_reader_new(fd, &reader, problem), 0);
	assert_string_equal(problem, "");
	return reader;
}

static void
test_state_file_refuses(int fd, int error, const char *text)
{
	struct state_reader *reader = NULL;
	char problem[STATE_PROBLEM_BYTES];

	assert_int_equal(state_reader_new(fd, &reader, problem), error);
	assert_non_null(strstr(problem, text));
	assert_null(reader);
	close(fd);
}

static void
test_state_file__what_was_put_is_taken(void **state)
{
	int fd = test_state_file_make();
	struct state_reader *reader = test_state_file_read(fd);
	char text[4] = "";

	(void)state;
	state_reader_open(reader, 1, "clock");
	assert_int_equal(state_take_u8(reader), 0x11);
	assert_int_equal(state_take_u16(reader), 0x2211);
	assert_int_equal(state_take_u32(reader), 0x44332211);
	assert_true(state_take_u64(reader) == WORD);
	assert_true(state_take_bool(reader));
	state_take_bytes(reader, text, 3);
	assert_string_equal(text, "abc");
	assert_int_equal(state_reader_close(reader), 0);
	state_reader_open(reader, 3, "disk %02u", 7);
	assert_int_equal(state_take_count(reader, 2), 2);
	assert_int_equal(state_reader_close(reader), 0);
	assert_int_equal(state_reader_finish(reader), 0);
	assert_string_equal(state_reader_get_problem(reader), "");
	state_reader_free(reader);
	close(fd);
}

/* More than the buffer begins with, and into a file that held something longer. */
static void
test_state_file__it_may_be_long(void **state)
{
	static uint8_t block[1000000], back[sizeof(block)];
	struct state_writer *writer;
	struct state_reader *reader;
	int fd = state_edit_new();

	(void)state;
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)(i * 7 + i / 256);
	assert_int_equal(ftruncate(fd, 5000000), 0);
	assert_int_equal(state_writer_new(&writer), 0);
	state_writer_begin(writer, 1, "block");
	state_put_bytes(writer, block, sizeof(block));
	state_writer_end(writer);
	assert_int_equal(state_writer_finish(writer, fd), 0);
	state_writer_free(writer);
	reader = test_state_file_read(fd);
	state_reader_open(reader, 1, "block");
	state_take_bytes(reader, back, sizeof(back));
	assert_int_equal(state_reader_close(reader), 0);
	assert_memory_equal(block, back, sizeof(block));
	state_reader_free(reader);
	close(fd);
}

/* Cut off anywhere, or with any byte of it changed, it is refused before anything is taken. */
static void
test_state_file__damage_is_found(void **state)
{
	int whole = test_state_file_make();
	off_t bytes = lseek(whole, 0, SEEK_END);

	(void)state;
	for (off_t i = 0; i < bytes; i++) {
		struct state_reader *reader;
		char problem[STATE_PROBLEM_BYTES];
		int cut = state_edit_copy(whole), changed = state_edit_copy(whole);
		uint8_t byte;

		assert_int_equal(ftruncate(cut, i), 0);
		assert_true(state_reader_new(cut, &reader, problem) < 0);
		assert_int_not_equal(problem[0], '\0');
		assert_int_equal(pread(changed, &byte, 1, i), 1);
		byte ^= 0x40;
		assert_int_equal(pwrite(changed, &byte, 1, i), 1);
		assert_true(state_reader_new(changed, &reader, problem) < 0);
		assert_int_not_equal(problem[0], '\0');
		close(cut);
		close(changed);
	}
	close(whole);
}

static void
test_state_file__damage_is_said_by_name(void **state)
{
	struct state_file_head head;
	int fd = test_state_file_make();
	uint8_t byte = 0xff;

	(void)state;
	assert_int_equal(pwrite(fd, &byte, 1, sizeof(head) + sizeof(struct state_file_section) + 2),
			 1);
	test_state_file_refuses(fd, -EBADMSG, "section 'clock': it is damaged");
	fd = test_state_file_make();
	state_edit_rename(fd, "disk 07", "clock");
	test_state_file_refuses(fd, -EBADMSG, "section 'clock': it is there twice");
	fd = test_state_file_make();
	state_edit_rename(fd, "disk 07", "disk\n");
	test_state_file_refuses(fd, -EBADMSG, "has no name");
	fd = state_edit_new();
	test_state_file_refuses(fd, -EBADMSG, "no machine's state");
}

/* The section in which it ends, or, where that has no name yet, the one before. */
static void
test_state_file__what_is_cut_off_is_named(void **state)
{
	static const struct {
		size_t bytes; /* so long, or longer up to the next */
		const char *problem;
	} cases[] = {
		{ 0, "is no machine's state" },
		{ CLOCK_AT, "it is cut off behind its head" },
		{ CLOCK_AT + STATE_FILE_NAME_BYTES, "section 'clock': it is cut off" },
		{ DISK_AT, "it is cut off behind section 'clock'" },
		{ DISK_AT + STATE_FILE_NAME_BYTES, "section 'disk 07': it is cut off" },
		{ WHOLE_BYTES, NULL },
	};
	int whole = test_state_file_make();

	(void)state;
	assert_int_equal(lseek(whole, 0, SEEK_END), WHOLE_BYTES);
	for (size_t i = 0; cases[i].problem; i++) {
		for (size_t bytes = cases[i].bytes; bytes < cases[i + 1].bytes; bytes++) {
			int cut = state_edit_copy(whole);

			assert_int_equal(ftruncate(cut, (off_t)bytes), 0);
			test_state_file_refuses(cut, -EBADMSG, cases[i].problem);
		}
	}
	close(whole);
}

/* Its sections are whole, but not all that it should have; or there is more. */
static void
test_state_file__a_length_that_is_another_is_refused(void **state)
{
	struct state_file_head head;
	int fd = test_state_file_make();

	(void)state;
	assert_int_equal(pread(fd, &head, sizeof(head), 0), sizeof(head));
	head.bytes++;
	head.checksum = (uint32_t)crc32_z(0, (const void *)&head,
					  offsetof(struct state_file_head, checksum));
	assert_int_equal(pwrite(fd, &head, sizeof(head), 0), sizeof(head));
	test_state_file_refuses(fd, -EBADMSG, "it has 143 bytes and should have 144");
	fd = test_state_file_make();
	assert_int_equal(pwrite(fd, "x", 1, WHOLE_BYTES), 1);
	test_state_file_refuses(fd, -EBADMSG, "it goes on after its last section");
}

static void
test_state_file__another_format_is_refused(void **state)
{
	struct state_file_head head;
	int fd = test_state_file_make();

	(void)state;
	assert_int_equal(pread(fd, &head, sizeof(head), 0), sizeof(head));
	head.version = STATE_FILE_VERSION + 1;
	assert_int_equal(pwrite(fd, &head, sizeof(head), 0), sizeof(head));
	state_edit_set_version(fd, "clock", 1); /* signs the head again */
	test_state_file_refuses(fd, -ENOTSUP, "its format is version 2");
}

/* How a section is read, and what comes of it. */
struct test_state_file_case {
	const char *name;
	uint32_t version;
	size_t bytes;
	int error;
	const char *problem;
};

static void
test_state_file__what_does_not_fit_is_refused(void **state)
{
	static const struct test_state_file_case cases[] = {
		{ "disk 07", 3, 4, 0, "" },
		{ "disk 07", 3, 3, -EBADMSG, "section 'disk 07': 1 bytes too long" },
		{ "disk 07", 3, 5, -EBADMSG, "section 'disk 07': it is too short" },
		{ "disk 07", 2, 4, -ENOTSUP,
		  "section 'disk 07': it is version 3, this carrel-vmm reads 2" },
		{ "disk 07", 4, 4, -ENOTSUP,
		  "section 'disk 07': it is version 3, this carrel-vmm reads 4" },
		{ "disk 08", 3, 4, -EBADMSG, "section 'disk 08': it is missing" },
	};
	int fd = test_state_file_make();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct state_reader *reader = test_state_file_read(fd);
		uint8_t bytes[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };

		state_reader_open(reader, cases[i].version, "%s", cases[i].name);
		state_take_bytes(reader, bytes, cases[i].bytes);
		assert_int_equal(state_reader_close(reader), cases[i].error);
		assert_string_equal(state_reader_get_problem(reader), cases[i].problem);
		if (cases[i].error < 0 && cases[i].bytes >= 4)
			assert_int_equal(bytes[0], 0);
		state_reader_free(reader);
	}
	close(fd);
}

static void
test_state_file__the_first_refusal_stays(void **state)
{
	int fd = test_state_file_make();
	struct state_reader *reader = test_state_file_read(fd);

	(void)state;
	state_reader_open(reader, 1, "clock");
	state_reader_want(reader, true, "never said");
	assert_int_equal(state_reader_check(reader), 0);
	assert_int_equal(state_take_count(reader, 0x11221110), 0);
	assert_int_equal(state_reader_check(reader), -EBADMSG);
	assert_int_equal(state_take_u32(reader), 0);
	assert_int_equal(state_reader_refuse(reader, "%s", "too late"), -EBADMSG);
	assert_int_equal(state_reader_close(reader), -EBADMSG);
	assert_non_null(strstr(state_reader_get_problem(reader), "section 'clock': "));
	assert_null(strstr(state_reader_get_problem(reader), "too late"));
	assert_int_equal(state_reader_finish(reader), -EBADMSG);
	state_reader_free(reader);
	close(fd);
}

static void
test_state_file__a_bool_is_one_or_zero(void **state)
{
	int fd = test_state_file_make();
	struct state_reader *reader;

	(void)state;
	state_edit_patch(fd, "disk 07", 0, "\2", 1);
	reader = test_state_file_read(fd);
	state_reader_open(reader, 3, "disk 07");
	assert_false(state_take_bool(reader));
	assert_int_equal(state_reader_check(reader), -EBADMSG);
	state_reader_free(reader);
	close(fd);
}

static void
test_state_file__a_section_that_nobody_knows_is_named(void **state)
{
	int fd = test_state_file_make();
	struct state_reader *reader = test_state_file_read(fd);
	uint8_t bytes[CLOCK_BYTES];

	(void)state;
	assert_int_equal(state_edit_measure(fd, "clock"), sizeof(bytes));
	state_reader_open(reader, 1, "clock");
	state_take_bytes(reader, bytes, sizeof(bytes));
	assert_int_equal(state_reader_close(reader), 0);
	assert_int_equal(state_reader_finish(reader), -EBADMSG);
	assert_string_equal(state_reader_get_problem(reader),
			    "section 'disk 07': this machine has nothing of that name");
	state_reader_free(reader);
	close(fd);
}

/* What a writer was told that cannot be is not written. */
static void
test_state_file__a_writer_keeps_its_error(void **state)
{
	int fd = test_state_file_make();
	int before = state_edit_copy(fd);
	struct state_writer *writer;

	(void)state;
	assert_int_equal(state_writer_new(&writer), 0);
	state_writer_begin(writer, 1, "disk");
	state_writer_fail(writer, -EBUSY);
	state_put_u32(writer, 1);
	state_writer_end(writer);
	state_writer_fail(writer, -EIO);
	assert_int_equal(state_writer_finish(writer, fd), -EBUSY);
	state_writer_free(writer);
	assert_true(state_edit_is_same(fd, before));
	assert_int_equal(state_writer_new(&writer), 0);
	state_writer_begin(writer, 1, "a name that is longer than any section's");
	state_writer_end(writer);
	assert_int_equal(state_writer_finish(writer, fd), -EINVAL);
	state_writer_free(writer);
	close(before);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state_file__what_was_put_is_taken),
		cmocka_unit_test(test_state_file__it_may_be_long),
		cmocka_unit_test(test_state_file__damage_is_found),
		cmocka_unit_test(test_state_file__damage_is_said_by_name),
		cmocka_unit_test(test_state_file__what_is_cut_off_is_named),
		cmocka_unit_test(test_state_file__a_length_that_is_another_is_refused),
		cmocka_unit_test(test_state_file__another_format_is_refused),
		cmocka_unit_test(test_state_file__what_does_not_fit_is_refused),
		cmocka_unit_test(test_state_file__the_first_refusal_stays),
		cmocka_unit_test(test_state_file__a_bool_is_one_or_zero),
		cmocka_unit_test(test_state_file__a_section_that_nobody_knows_is_named),
		cmocka_unit_test(test_state_file__a_writer_keeps_its_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
