/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_name.c - names that people choose
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/name.h"

static void
test_name__nouns(void **state)
{
	static const struct {
		const char *name;
		bool good;
	} table[] = {
		{ "a", true },
		{ "debian-openbox", true },
		{ "x1", true },
		{ "", false },
		{ "-a", false },
		{ "a-", false },
		{ "..", false },
		{ "a/b", false },
		{ "A", false },
		{ "a b", false },
		{ "a.b", false },
		{ "a\n", false },
		{ "0123456789012345678901234567890123456789012345678901234567890ab", true },
		{ "0123456789012345678901234567890123456789012345678901234567890abc", false },
	};

	(void)state;
	assert_false(name_valid(NULL));
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(name_valid(table[i].name), table[i].good);
}

static void
test_name__users(void **state)
{
	static const struct {
		const char *name;
		bool good;
	} table[] = {
		{ "ada", true },
		{ "_svc", true },
		{ "a.b-c_d", true },
		{ "root", true },
		{ "", false },
		{ "1ada", false },
		{ "Ada", false },
		{ "a:b", false },
		{ "-a", false },
		{ "a\tb", false },
		{ "../a", false },
		{ "a2345678901234567890123456789012", true },
		{ "a23456789012345678901234567890123", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(name_user_valid(table[i].name), table[i].good);
}

static void
test_name__versions(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint32_t version;
	} table[] = {
		{ "debian", 0, 0 },	  { "debian@3", 0, 3 },	   { "d@999999999", 0, 999999999 },
		{ "d@", -EINVAL, 0 },	  { "d@0", -EINVAL, 0 },   { "d@01", -EINVAL, 0 },
		{ "d@-1", -EINVAL, 0 },	  { "d@1x", -EINVAL, 0 },  { "@1", -EINVAL, 0 },
		{ "../d@1", -EINVAL, 0 }, { "d@1@2", -EINVAL, 0 }, { "d@9999999999", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char name[NAME_SIZE];
		uint32_t version = 77;

		assert_int_equal(name_parse_version(table[i].text, name, &version),
				 table[i].result);
		if (table[i].result == 0)
			assert_int_equal(version, table[i].version);
		else
			assert_int_equal(version, 77);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name__nouns),
		cmocka_unit_test(test_name__users),
		cmocka_unit_test(test_name__versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
