/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_problem.c - errors have a code and text, and never the broker's own error
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <gio/gio.h>
#include <string.h>

#include "broker/problem.h"
#include "tests/unit/broker_stage.h"

static void
test_problem__is_rfc_9457(void **state)
{
	struct stage_request *request = stage_request_new("ada", "x", NULL);

	(void)state;
	problem_respond(&request->request, 409, "pool.empty", "no desktop of '%s' is free",
			"a\xff");
	assert_int_equal(request->answers, 1);
	assert_int_equal(request->status, 409);
	assert_int_equal(json_get_integer(request->body, "status", 0), 409);
	assert_string_equal(json_get_text(request->body, "type", ""), "about:blank");
	assert_string_equal(stage_request_code(request), "pool.empty");
	assert_true(
		g_str_has_prefix(json_get_text(request->body, "title", ""), "no desktop of 'a"));
	stage_request_free(request);
}

static void
test_problem__own_errors_stay_in_the_log(void **state)
{
	struct stage_request *request = stage_request_new("ada", "x", NULL);
	g_autoptr(GError) error = g_error_new(G_IO_ERROR, G_IO_ERROR_FAILED, "SELECT hash");

	(void)state;
	problem_respond_error(&request->request, error);
	assert_int_equal(request->status, 500);
	assert_string_equal(stage_request_code(request), "server.error");
	assert_null(strstr(json_get_text(request->body, "title", ""), "SELECT"));
	problem_respond_error(&request->request, NULL);
	assert_int_equal(request->answers, 2);
	stage_request_free(request);
}

static void
test_problem__what_is_not_there_is_told_from_what_failed(void **state)
{
	struct stage_request *request = stage_request_new("ada", "p-9", NULL);
	g_autoptr(GError) error = g_error_new(G_IO_ERROR, G_IO_ERROR_FAILED, "SELECT hash");

	(void)state;
	problem_respond_unknown(&request->request, "pool", NULL);
	assert_int_equal(request->status, 404);
	assert_string_equal(stage_request_code(request), "pool.unknown");
	assert_string_equal(json_get_text(request->body, "title", ""),
			    "there is no pool 'p-9' that you may see (carrel pool list)");
	problem_respond_unknown(&request->request, "pool", error);
	assert_int_equal(request->status, 500);
	assert_string_equal(stage_request_code(request), "server.error");
	stage_request_free(request);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_problem__is_rfc_9457),
		cmocka_unit_test(test_problem__own_errors_stay_in_the_log),
		cmocka_unit_test(test_problem__what_is_not_there_is_told_from_what_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
