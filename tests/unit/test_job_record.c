/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_job_record.c - what hostd writes down of a job comes back, and nothing else does
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib/gstdio.h>

#include "host/job_record.h"

#define JOB "j-aaaaaaaaaaaaaaaaaaaa"

static const char good[] =
	"{\"v\":1,\"id\":\"" JOB "\",\"kind\":\"publish\",\"state\":\"running\",\"error\":\"\","
	"\"result\":{}}";

static const struct {
	const char *from;
	const char *to;
} bad_table[] = {
	{ "\"v\":1", "\"v\":2" },
	{ JOB, "../../../etc/x" },
	{ JOB, "d-aaaaaaaaaaaaaaaaaaaa" },
	{ "publish", "destroy" },
	{ "\"state\":\"running\",", "" },
	{ "\"result\":{}", "\"result\":[]" },
	{ "\"result\":{}", "\"result\":{},\"more\":1" },
	{ "}}", "" },
};

static int
setup(void **state)
{
	*state = g_dir_make_tmp("test-record-XXXXXX", NULL);
	return *state ? 0 : -1;
}

static int
teardown(void **state)
{
	g_autofree char *path = g_build_filename(*state, JOB ".json", NULL);

	g_unlink(path);
	assert_int_equal(g_rmdir(*state), 0);
	g_free(*state);
	return 0;
}

static void
write_text(const char *folder, const char *text)
{
	g_autofree char *path = g_build_filename(folder, JOB ".json", NULL);

	assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void
test_job_record__comes_back(void **state)
{
	json_t *result = json_pack("{s:i}", "size_bytes", 7);
	struct job_record read;

	job_record_write(*state, &(struct job_record){ .id = JOB,
						       .kind = JOB_KIND_VERIFY,
						       .state = "failed",
						       .error = "disk full",
						       .result = result });
	json_decref(result);
	assert_true(job_record_read(*state, JOB ".json", &read));
	assert_string_equal(read.id, JOB);
	assert_int_equal(read.kind, JOB_KIND_VERIFY);
	assert_string_equal(read.state, "failed");
	assert_string_equal(read.error, "disk full");
	assert_int_equal(json_get_integer(read.result, "size_bytes", 0), 7);
	job_record_done(&read);
	job_record_remove(*state, JOB);
	assert_false(job_record_read(*state, JOB ".json", &read));
}

static void
test_job_record__leaves_out_what_is_none(void **state)
{
	struct job_record read;

	write_text(*state, good);
	assert_true(job_record_read(*state, JOB ".json", &read));
	job_record_done(&read);
	for (gsize i = 0; i < G_N_ELEMENTS(bad_table); i++) {
		g_autoptr(GString) text = g_string_new(good);

		assert_int_equal(g_string_replace(text, bad_table[i].from, bad_table[i].to, 1), 1);
		write_text(*state, text->str);
		print_message("%s\n", text->str);
		assert_false(job_record_read(*state, JOB ".json", &read));
	}
	write_text(*state, "");
	assert_false(job_record_read(*state, JOB ".json", &read));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_job_record__comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_job_record__leaves_out_what_is_none, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
