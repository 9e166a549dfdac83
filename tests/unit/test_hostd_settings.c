/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_hostd_settings.c - what of the configuration hostd refuses to start with
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/settings.h"
#include "host/hostd_settings.h"
#include "tests/unit/scratch.h"

static struct settings *
load(const char *text)
{
	g_autofree char *root = scratch_new();
	g_autofree char *path = g_build_filename(root, "carrel.conf", NULL);
	g_autoptr(GError) error = NULL;
	struct settings *settings;

	scratch_put(root, "carrel.conf", text);
	settings = settings_load(path, FALSE, &error);
	if (!settings)
		fail_msg("%s", error->message);
	scratch_remove(root);
	return settings;
}

static void
test_hostd_settings__exchange_is_an_absolute_path(void **state)
{
	static const struct {
		const char *text;
		const char *exchange;
		const char *word; /* of the refusal */
	} cases[] = {
		{ "[host]\n", NULL, NULL },
		{ "[host]\nexchange =\n", NULL, NULL },
		{ "[host]\nexchange = /srv/exchange\n", "/srv/exchange", NULL },
		{ "[host]\nexchange = exchange\n", NULL, "set 'exchange' in [host]" },
	};

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct settings *settings = load(cases[i].text);
		const char *exchange = NULL;
		g_autoptr(GError) error = NULL;
		gboolean ok = hostd_settings_find_exchange(settings, &exchange, &error);

		assert_int_equal(ok, cases[i].word == NULL);
		if (cases[i].word)
			assert_non_null(strstr(error->message, cases[i].word));
		else if (cases[i].exchange)
			assert_string_equal(exchange, cases[i].exchange);
		else
			assert_null(exchange);
		settings_free(settings);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostd_settings__exchange_is_an_absolute_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
