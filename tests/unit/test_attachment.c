/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_attachment.c - which links are handed on
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "display/attachment.h"

static void
test_attachment__lets_one_main_and_its_channels_in(void **state)
{
	struct attachment_table table = { 0 };

	(void)state;
	assert_false(attachment_offer(&table, 1, false));
	assert_true(attachment_offer(&table, 1, true));
	assert_false(attachment_offer(&table, 1, true));
	assert_non_null(attachment_link(&table, 1, 2, 0));
	assert_non_null(attachment_link(&table, 1, 1, 77));
	assert_null(attachment_link(&table, 1, 1, 0));
	assert_non_null(attachment_link(&table, 1, 1, 0));
	assert_int_equal(attachment_main_linked(&table, 42), 1);
	assert_int_equal(attachment_live(&table), 1);
	assert_non_null(attachment_link(&table, 1, 1, 0));
	assert_non_null(attachment_link(&table, 1, 2, 43));
	assert_null(attachment_link(&table, 1, 2, 42));
	assert_int_equal(attachment_main_ended(&table, 43), 0);
	assert_int_equal(attachment_main_ended(&table, 42), 1);
	assert_false(attachment_offer(&table, 1, false));
}

static void
test_attachment__newer_one_takes_over_when_linked(void **state)
{
	struct attachment_table table = { 0 };

	(void)state;
	attachment_offer(&table, 1, true);
	attachment_link(&table, 1, 1, 0);
	attachment_main_linked(&table, 42);
	assert_true(attachment_offer(&table, 2, true));
	assert_int_equal(attachment_live(&table), 1);
	assert_null(attachment_link(&table, 2, 1, 0));
	attachment_main_failed(&table, 2);
	assert_null(attachment_link(&table, 2, 1, 0));
	assert_int_equal(attachment_main_ended(&table, 42), 1);
	assert_int_equal(attachment_main_linked(&table, 50), 2);
	assert_int_equal(attachment_live(&table), 2);
	attachment_drop(&table, 0);
	assert_int_equal(attachment_live(&table), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attachment__lets_one_main_and_its_channels_in),
		cmocka_unit_test(test_attachment__newer_one_takes_over_when_linked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
