/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_agent_message.c - what an agent may say
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/agent_message.h"

static const struct {
	const char *text;
	int result;
} message_table[] = {
	{ "{\"v\":1,\"id\":3,\"verb\":\"quiesce\",\"ok\":true}", 0 },
	{ "{\"v\":1,\"id\":3,\"verb\":\"quiesce\",\"ok\":true,\"body\":{}}", 0 },
	{ "{\"v\":1,\"id\":3,\"verb\":\"quiesce\",\"ok\":true,\"body\":{\"rests\":false}}", 0 },
	{ "{\"v\":1,\"id\":3,\"verb\":\"quiesce\",\"ok\":true,\"body\":{\"rests\":0}}", -1 },
	{ "{\"v\":1,\"id\":3,\"verb\":\"quiesce\",\"ok\":true,\"body\":{\"rest\":true}}", -1 },
	{ "{\"v\":1,\"id\":3,\"verb\":\"ready\",\"ok\":true,\"body\":{\"x\":true}}", 0 },
	{ "{\"v\":1,\"id\":3,\"verb\":\"dance\",\"ok\":false,\"error\":\"unsupported\"}", 0 },
	{ "{\"v\":1,\"id\":0,\"verb\":\"logoff\",\"body\":{\"user\":\"ada\",\"reason\":\"\"}}", 0 },
	{ "{\"v\":1,\"id\":0,\"verb\":\"login\",\"body\":{\"session\":\"1\"}}", -1 },
	{ "{\"v\":1,\"id\":3,\"verb\":\"ready\",\"ok\":true,\"body\":{\"x\":1}}", -1 },
	{ "{\"v\":1,\"id\":3,\"verb\":\"ready\",\"ok\":true}", -1 },
	{ "{\"v\":1,\"id\":3,\"verb\":\"ready\",\"ok\":true,\"body\":{\"x\":true,\"notes\":{\"a\":7}}}",
	  -1 },
	{ "{\"v\":9,\"id\":3,\"verb\":\"quiesce\",\"ok\":true}", -1 },
	{ "{\"v\":1,\"id\":3,\"verb\":\"quiesce\",\"ok\":true,\"extra\":1}", -1 },
	{ "{\"v\":1,\"id\":-3,\"verb\":\"quiesce\",\"ok\":true}", -1 },
	{ "[]", -1 },
	{ "", -1 },
};

static void
test_agent_message__parses_only_what_is_in_its_tables(void **state)
{
	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(message_table); i++) {
		struct agent_message message;
		struct json_problem problem;
		int result = agent_message_parse(message_table[i].text,
						 strlen(message_table[i].text), &message, &problem);

		assert_int_equal(result == 0, message_table[i].result == 0);
		agent_message_done(&message);
	}
}

static gsize
add_frame(guint8 *target, const char *text)
{
	guint32 size = (guint32)strlen(text);

	for (int i = 0; i < 4; i++)
		target[i] = (guint8)(size >> (8 * i));
	memcpy(target + 4, text, size);
	return size + 4;
}

static void
test_agent_message__finds_the_nonce_behind_noise(void **state)
{
	guint8 bytes[1024];
	json_t *body = NULL;
	gsize size = 0;
	gsize end;

	(void)state;
	memcpy(bytes, "rest of a frame that the template began: {\"v\":1,", 48);
	size = 48;
	size += add_frame(
		bytes + size,
		"{\"v\":1,\"id\":1,\"verb\":\"resync\",\"ok\":true,\"body\":{\"nonce\":\"old\"}}");
	size += add_frame(
		bytes + size,
		"{\"v\":1,\"id\":2,\"verb\":\"resync\",\"ok\":true,\"body\":{\"nonce\":\"fresh\",\"state\":\"identified\"}}");
	end = size;
	size += add_frame(
		bytes + size,
		"{\"v\":1,\"id\":0,\"verb\":\"logoff\",\"body\":{\"user\":\"ada\",\"reason\":\"\"}}");
	assert_int_equal(agent_message_find_resync(bytes, end - 1, "fresh", &body), 0);
	assert_int_equal(agent_message_find_resync(bytes, size, "absent", &body), 0);
	assert_null(body);
	assert_int_equal(agent_message_find_resync(bytes, size, "fresh", &body), end);
	assert_string_equal(json_get_text(body, "state", ""), "identified");
	json_decref(body);
}

static void
test_agent_message__ignores_a_nonce_in_another_verb(void **state)
{
	guint8 bytes[256];
	gsize size = add_frame(
		bytes,
		"{\"v\":1,\"id\":1,\"verb\":\"login\",\"ok\":true,\"body\":{\"session\":\"fresh\"}}");

	json_t *body = NULL;

	(void)state;
	assert_int_equal(agent_message_find_resync(bytes, size, "fresh", &body), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agent_message__parses_only_what_is_in_its_tables),
		cmocka_unit_test(test_agent_message__finds_the_nonce_behind_noise),
		cmocka_unit_test(test_agent_message__ignores_a_nonce_in_another_verb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
