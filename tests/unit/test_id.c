/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_id.c - identifiers and secrets
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/id.h"

static void
test_id__has_the_form_of_its_kind(void **state)
{
	char id[ID_SIZE];

	(void)state;
	for (int kind = 0; kind < ID_KIND_COUNT; kind++) {
		assert_int_equal(id_new((enum id_kind)kind, id), 0);
		assert_true(id_valid((enum id_kind)kind, id));
		assert_false(id_valid((enum id_kind)((kind + 1) % ID_KIND_COUNT), id));
	}
}

static void
test_id__refuses_what_is_no_id(void **state)
{
	static const char *const bad[] = { "",
					   "d-",
					   "d-abc",
					   "../../etc/passwd",
					   "d-ABCDEFGHIJKLMNOPQRST",
					   "d-aaaaaaaaaaaaaaaaaaa/",
					   "d-aaaaaaaaaaaaaaaaaaaaa" };

	(void)state;
	assert_false(id_valid(ID_KIND_DESKTOP, NULL));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(id_valid(ID_KIND_DESKTOP, bad[i]));
}

static void
test_id__base32_as_in_rfc_4648(void **state)
{
	static const struct {
		const char *bytes;
		const char *text;
	} table[] = { { "", "" },
		      { "f", "my" },
		      { "fo", "mzxq" },
		      { "foo", "mzxw6" },
		      { "foob", "mzxw6yq" },
		      { "fooba", "mzxw6ytb" },
		      { "foobar", "mzxw6ytboi" } };
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		id_encode_base32((const uint8_t *)table[i].bytes, strlen(table[i].bytes), text);
		assert_string_equal(text, table[i].text);
	}
}

static void
test_id__secrets_are_whole_and_differ(void **state)
{
	char first[ID_SECRET_SIZE];
	char second[ID_SECRET_SIZE];

	(void)state;
	assert_int_equal(id_new_secret(first), 0);
	assert_int_equal(id_new_secret(second), 0);
	assert_true(id_secret_valid(first));
	assert_string_not_equal(first, second);
	first[0] = 'A';
	assert_false(id_secret_valid(first));
	second[51] = '\0';
	assert_false(id_secret_valid(second));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_id__has_the_form_of_its_kind),
		cmocka_unit_test(test_id__refuses_what_is_no_id),
		cmocka_unit_test(test_id__base32_as_in_rfc_4648),
		cmocka_unit_test(test_id__secrets_are_whole_and_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
