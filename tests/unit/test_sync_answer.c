/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_sync_answer.c - what the broker wants of a host: taken whole, or not at all
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "host/sync_answer.h"

#define DESKTOP "d-aaaaaaaaaaaaaaaaaaaa"
#define SESSION "s-aaaaaaaaaaaaaaaaaaaa"
#define HASH	"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const char good[] =
	"{\"v\": 1, \"number\": 18, \"acknowledged\": 5,"
	" \"desktops\": [{\"id\": \"" DESKTOP "\", \"generation\": 1, \"pool\": \"p\","
	" \"template\": \"debian-openbox\", \"version\": 1, \"engine\": \"qemu\", \"kind\": \"user\","
	" \"ram_mib\": 1024, \"network\": \"none\", \"want\": \"ready\", \"session\": {\"id\": \"" SESSION
	"\", \"user\": \"ada\", \"groups\": [\"staff\"], \"keyboard\": {\"layout\": \"de\","
	" \"variant\": \"\"}, \"locale\": \"C.UTF-8\", \"timezone\": \"UTC\"}}],"
	" \"left\": [{\"id\": \"d-bbbbbbbbbbbbbbbbbbbb\", \"template\": \"debian-openbox\","
	" \"version\": 1, \"kind\": \"user\"}],"
	" \"jobs\": [{\"id\": \"j-aaaaaaaaaaaaaaaaaaaa\", \"kind\": \"build\", \"arguments\": {},"
	" \"cancel\": false}],"
	" \"tickets\": [{\"hash\": \"" HASH "\", \"password\": \"secret\", \"desktop\": \"" DESKTOP
	"\", \"generation\": 1, \"session\": \"" SESSION "\", \"user\": \"ada\","
	" \"protocol\": \"spice\", \"ttl_ms\": 30000}],"
	" \"requests\": [{\"id\": 3, \"verb\": \"stop\", \"desktop\": \"" DESKTOP "\"}],"
	" \"revoked\": [\"" SESSION "\"]}";

static int
check(const char *text, struct json_problem *ret_problem)
{
	json_t *answer = json_parse_strict(text, strlen(text), 65536, ret_problem);
	int error = answer ? sync_answer_check(answer, ret_problem) : -EBADMSG;

	json_decref(answer);
	return error;
}

static void
test_sync_answer__takes_a_good_one(void **state)
{
	struct json_problem problem = { "" };

	(void)state;
	assert_int_equal(check(good, &problem), 0);
}

static void
test_sync_answer__refuses_what_is_not_of_its_form(void **state)
{
	static const struct {
		const char *from;
		const char *to;
		const char *says;
	} cases[] = {
		{ "\"v\": 1", "\"v\": 2", "'v'" },
		{ "\"number\": 18", "\"number\": \"18\"", "'number'" },
		{ "\"number\": 18", "\"number\": 18, \"more\": 1", "'more'" },
		{ "\"id\": \"" DESKTOP "\", \"gen", "\"id\": \"d-../../etc/passwd\", \"gen", "id" },
		{ "\"debian-openbox\"", "\"../debian\"", "template" },
		{ "\"want\": \"ready\"", "\"want\": \"maybe\"", "want" },
		{ "\"network\": \"none\"", "\"network\": \"lan\"", "network" },
		{ "\"ram_mib\": 1024", "\"ram_mib\": -1", "'ram_mib'" },
		{ "\"user\": \"ada\", \"groups\"", "\"user\": \"ada:x\", \"groups\"", "user" },
		{ "[\"staff\"]", "[7]", "group" },
		{ "\"variant\": \"\"", "\"variants\": \"\"", "'variant" },
		{ "\"d-bbbbbbbbbbbbbbbbbbbb\"", "\"d-B\"", "has left" },
		{ "\"version\": 1, \"kind\": \"user\"}],", "\"kind\": \"user\"}],", "'version'" },
		{ "\"j-aaaaaaaaaaaaaaaaaaaa\"", "\"j-A\"", "job" },
		{ "\"hash\": \"0", "\"hash\": \"", "'hash'" },
		{ "\"protocol\": \"spice\"", "\"protocol\": \"rdp\"", "protocol" },
		{ "\"ttl_ms\": 30000", "\"ttl_ms\": 99999999", "'ttl_ms'" },
		{ "\"verb\": \"stop\"", "\"verb\": \"format\"", "verb" },
		{ "[\"" SESSION "\"]", "[\"s-?\"]", "revoked" },
		{ "[\"" SESSION "\"]", "[3]", "revoked" },
	};

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_auto(GStrv) parts = g_strsplit(good, cases[i].from, 2);
		g_autofree char *text = g_strjoinv(cases[i].to, parts);
		struct json_problem problem = { "" };

		assert_int_equal(g_strv_length(parts), 2);
		print_message("%s\n", cases[i].to);
		assert_int_equal(check(text, &problem), -EINVAL);
		assert_non_null(strstr(problem.text, cases[i].says));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sync_answer__takes_a_good_one),
		cmocka_unit_test(test_sync_answer__refuses_what_is_not_of_its_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
