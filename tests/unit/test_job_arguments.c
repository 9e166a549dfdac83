/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_job_arguments.c - what a job's START and DONE say
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "host/job_arguments.h"

static const struct job_places places = { "/nowhere/lib", "/nowhere/recipes",
					  "j-aaaaaaaaaaaaaaaaaaaa", "kvm" };

static const struct {
	enum job_kind kind;
	const char *wanted;
	const char *made; /* NULL: refused */
	guint32 version;
} table[] = {
	{ JOB_KIND_BUILD, "{\"template\": \"a\"}",
	  "{\"template\":\"a\",\"recipe\":\"/nowhere/recipes/a\","
	  "\"staging\":\"/nowhere/lib/staging/j-aaaaaaaaaaaaaaaaaaaa\"}",
	  0 },
	{ JOB_KIND_VERIFY, "{\"template\": \"a\", \"version\": 3}",
	  "{\"template\":\"a\",\"version\":3,\"folder\":\"/nowhere/lib/templates/a/3\","
	  "\"staging\":\"/nowhere/lib/staging/j-aaaaaaaaaaaaaaaaaaaa\","
	  "\"engine\":\"qemu\"}",
	  3 },
	{ JOB_KIND_PUBLISH, "{\"template\": \"a\", \"image\": \"b\"}",
	  "{\"template\":\"a\",\"version\":1,\"image\":\"/nowhere/lib/images/b\","
	  "\"staging\":\"/nowhere/lib/staging/j-aaaaaaaaaaaaaaaaaaaa\",\"author\":\"\","
	  "\"engine\":\"kvm\",\"ram_mib\":1024,\"note\":\"\"}",
	  1 },
	{ JOB_KIND_PUBLISH, "{\"template\": \"a\", \"version\": 2, \"engine\": \"qemu\"}",
	  "{\"template\":\"a\",\"version\":2,\"image\":\"/nowhere/lib/images/a\","
	  "\"staging\":\"/nowhere/lib/staging/j-aaaaaaaaaaaaaaaaaaaa\",\"author\":\"\","
	  "\"engine\":\"qemu\",\"ram_mib\":1024,\"note\":\"\"}",
	  2 },
	{ JOB_KIND_BUILD, "{}", NULL, 0 },
	{ JOB_KIND_BUILD, "{\"template\": \"a\", \"recipe\": \"../b\"}", NULL, 0 },
	{ JOB_KIND_BUILD, "{\"template\": \"a\", \"staging\": \"/etc\"}", NULL, 0 },
	{ JOB_KIND_PUBLISH, "{\"template\": \"a\", \"image\": \".\"}", NULL, 0 },
	{ JOB_KIND_PUBLISH, "{\"template\": \"a\", \"ram_mib\": 1}", NULL, 0 },
	{ JOB_KIND_PUBLISH, "{\"template\": \"a\", \"version\": -1}", NULL, 0 },
	{ JOB_KIND_VERIFY, "{\"template\": \"a\"}", NULL, 0 },
	{ JOB_KIND_VERIFY, "[]", NULL, 0 },
};

static void
test_job_arguments__makes_folders_of_names_only(void **state)
{
	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
		struct json_problem problem = { "" };
		struct job_subject subject = { 0 };
		json_t *wanted =
			json_parse_strict(table[i].wanted, strlen(table[i].wanted), 4096, &problem);
		json_t *made =
			job_arguments_make(table[i].kind, wanted, &places, &subject, &problem);
		char *text = made ? json_dumps(made, JSON_COMPACT) : NULL;

		if (table[i].made) {
			assert_string_equal(text, table[i].made);
			assert_int_equal(subject.version, table[i].version);
		} else {
			assert_null(made);
			assert_int_not_equal(problem.text[0], '\0');
		}
		free(text);
		json_decref(made);
		json_decref(wanted);
	}
}

static void
test_job_arguments__reads_results_strictly(void **state)
{
	static const struct {
		const char *text;
		gboolean ok;
	} results[] = {
		{ "", TRUE },
		{ "{}", TRUE },
		{ "{\"size_bytes\": 5, \"steps\": [{\"name\": \"seal\", \"ms\": 3}]}", TRUE },
		{ "[]", FALSE },
		{ "{\"size_bytes\": -1}", FALSE },
		{ "{\"size_bytes\": 1, \"size_bytes\": 2}", FALSE },
		{ "{\"steps\": [{\"name\": \"seal\"}]}", FALSE },
		{ "{\"steps\": [3]}", FALSE },
		{ "{} {}", FALSE },
	};

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(results); i++) {
		struct json_problem problem;
		json_t *result = job_arguments_read_result(JOB_KIND_PUBLISH, results[i].text,
							   strlen(results[i].text), &problem);

		assert_int_equal(result != NULL, results[i].ok);
		json_decref(result);
	}
}

static void
test_job_arguments__knows_its_kinds_by_name(void **state)
{
	enum job_kind kind;

	(void)state;
	for (guint i = 0; i < JOB_KIND_COUNT; i++) {
		assert_true(
			job_arguments_find_kind(job_arguments_kind_name((enum job_kind)i), &kind));
		assert_int_equal(kind, i);
	}
	assert_false(job_arguments_find_kind("import", &kind));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_job_arguments__makes_folders_of_names_only),
		cmocka_unit_test(test_job_arguments__reads_results_strictly),
		cmocka_unit_test(test_job_arguments__knows_its_kinds_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
