/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_notes.c - a folder that anybody may fill
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/notes.h"

static void
test_write(const char *folder, const char *name, const char *text, size_t size)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fwrite(text, 1, size, file);
	fclose(file);
}

static void
test_notes__only_plain_small_files(void **state)
{
	char folder[] = "/tmp/test-notes-XXXXXX";
	char big[NOTES_MAX_BYTES + 1];
	char path[128];
	json_t *notes;

	(void)state;
	assert_non_null(mkdtemp(folder));
	memset(big, 'x', sizeof(big));
	test_write(folder, "good", "token-123\n", 10);
	test_write(folder, "full", big, NOTES_MAX_BYTES);
	test_write(folder, "big", big, sizeof(big));
	test_write(folder, "latin", "\xe4\xf6", 2);
	test_write(folder, "Bad_name", "x", 1);
	snprintf(path, sizeof(path), "%s/link", folder);
	assert_int_equal(symlink("/etc/hostname", path), 0);
	snprintf(path, sizeof(path), "%s/fifo", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/folder", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	notes = notes_read(folder);
	assert_int_equal(json_object_size(notes), 2);
	assert_string_equal(json_get_text(notes, "good", ""), "token-123");
	assert_int_equal(strlen(json_get_text(notes, "full", "")), NOTES_MAX_BYTES);
	json_decref(notes);
	snprintf(path, sizeof(path), "rm -rf %s", folder);
	assert_int_equal(system(path), 0);
}

static void
test_notes__are_few_and_may_be_none(void **state)
{
	char folder[] = "/tmp/test-notes-XXXXXX";
	char text[64];
	json_t *notes = notes_read("/nonexistent/notes");

	(void)state;
	assert_int_equal(json_object_size(notes), 0);
	json_decref(notes);
	assert_non_null(mkdtemp(folder));
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "n%d", i);
		test_write(folder, text, text, strlen(text));
	}
	notes = notes_read(folder);
	assert_int_equal(json_object_size(notes), NOTES_MAX);
	json_decref(notes);
	snprintf(text, sizeof(text), "rm -rf %s", folder);
	assert_int_equal(system(text), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_notes__only_plain_small_files),
		cmocka_unit_test(test_notes__are_few_and_may_be_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
