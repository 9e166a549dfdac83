/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_client_settings.c - which keyboard layout is read out of the X server's property
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "viewer/client_settings.h"

static void
test_client_settings__reads_first_layout(void **state)
{
	static const struct {
		const char *data;
		gsize size;
		const char *layout; /* NULL: refused */
		const char *variant;
	} cases[] = {
		{ "evdev\0pc105\0us\0\0\0", 17, "us", "" },
		{ "evdev\0pc105\0de,us\0nodeadkeys,\0\0", 31, "de", "nodeadkeys" },
		{ "evdev\0pc105\0fr\0", 15, "fr", "" },
		{ "evdev\0pc105\0", 12, NULL, NULL },
		{ "evdev\0pc105\0\0\0\0", 15, NULL, NULL },
		{ "evdev\0pc105\0u s\0\0\0", 18, NULL, NULL },
		{ "evdev\0pc105\0us", 14, NULL, NULL },
		{ "", 0, NULL, NULL },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *layout = NULL;
		g_autofree char *variant = NULL;

		assert_int_equal(
			client_settings_parse_xkb(cases[i].data, cases[i].size, &layout, &variant),
			cases[i].layout != NULL);
		if (!cases[i].layout)
			continue;
		assert_string_equal(layout, cases[i].layout);
		assert_string_equal(variant, cases[i].variant);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_client_settings__reads_first_layout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
