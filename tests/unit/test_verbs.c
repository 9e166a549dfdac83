/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_verbs.c - frames of a host, good and bad, and the one answer to each
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/verbs.h"
#include "base/io.h"

/* What the agent answers to one frame: a new reference, NULL for nothing. */
static json_t *
test_ask(struct agent *agent, int peer, const char *text)
{
	struct json_problem problem;
	char data[8192];
	ssize_t n;

	verbs_handle_frame(agent, text, strlen(text));
	n = recv(peer, data, sizeof(data), MSG_DONTWAIT);
	if (n <= FRAME_HEAD_BYTES)
		return NULL;
	return json_parse_strict(data + FRAME_HEAD_BYTES, (size_t)n - FRAME_HEAD_BYTES,
				 sizeof(data), &problem);
}

static int
test_setup(void **state)
{
	static struct {
		struct agent agent;
		int peer;
	} all;
	int ends[2];

	assert_int_equal(io_socketpair(SOCK_STREAM, ends), 0);
	agent_init(&all.agent);
	assert_int_equal(port_adopt(&all.agent.port, ends[0], false), 0);
	all.peer = ends[1];
	*state = &all;
	return 0;
}

static int
test_teardown(void **state)
{
	struct agent *agent = *state;

	close(*(int *)(agent + 1));
	agent_done(agent);
	return 0;
}

#define FRAME(verb, body) \
	"{\"v\":1,\"id\":7,\"verb\":\"" verb "\",\"generation\":3,\"body\":" body "}"
#define SEED16	"0123456789abcdef"
#define SEED128 SEED16 SEED16 SEED16 SEED16 SEED16 SEED16 SEED16 SEED16

static void
test_verbs__errors_table(void **state)
{
	static const struct {
		const char *text;
		const char *error; /* part of it */
	} rows[] = {
		{ FRAME("fly", "{}"), "unsupported" },
		{ "{\"v\":2,\"id\":7,\"verb\":\"ready\"}", "unsupported version" },
		{ FRAME("hello", "{}"), "'version' is missing" },
		{ FRAME("hello", "{\"version\":1,\"x\":1}"), "unknown key 'x'" },
		{ FRAME("resync", "{\"nonce\":\"short\"}"), "out of range" },
		{ FRAME("resync", "{\"nonce\":12345678}"), "must be a string" },
		{ FRAME("ready", "{\"x\":true}"), "unknown key" },
		{ FRAME("login", "{\"user\":\"ada\",\"uid\":1500}"), "not possible while fresh" },
		{ FRAME("login", "{\"user\":\"root\",\"uid\":0}"), "out of range" },
		{ FRAME("login", "{\"user\":\"../x\",\"uid\":1500}"), "no user name" },
		{ FRAME("logoff", "{}"), "not possible while fresh" },
		{ FRAME("screen", "{\"width\":1,\"height\":1}"), "out of range" },
		{ FRAME("shutdown", "{\"mode\":\"explode\"}"), "'mode' must be" },
		{ FRAME("clock", "{}"), "'time_us' is missing" },
		{ FRAME("clock", "{\"time_us\":0}"), "out of range" },
		{ FRAME("identify", "{\"seed\":\"00\",\"time_us\":1,\"hostname\":\"d\","
				    "\"machine_id\":\"00\",\"mac\":\"\",\"link\":true}"),
		  "out of range" },
		{ FRAME("identify", "{\"seed\":\"" SEED128 "\",\"time_us\":1,\"hostname\":\"a b\","
				    "\"machine_id\":\"" SEED16 SEED16 "\",\"link\":true}"),
		  "'hostname'" },
		{ FRAME("identify", "{\"seed\":\"" SEED128 "\",\"time_us\":1,\"hostname\":\"d\","
				    "\"machine_id\":\"" SEED16 "xxxxxxxxxxxxxxxx\",\"link\":true}"),
		  "'machine_id'" },
		{ FRAME("identify", "{\"seed\":\"" SEED128 "\",\"time_us\":1,\"hostname\":\"d\","
				    "\"machine_id\":\"" SEED16 SEED16
				    "\",\"mac\":\"01:00:5e:00:00:01\",\"link\":true}"),
		  "'mac'" },
	};
	struct agent *agent = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *answer = test_ask(agent, *(int *)(agent + 1), rows[i].text);

		assert_non_null(answer);
		assert_int_equal(json_get_integer(answer, "id", 0), 7);
		assert_false(json_get_flag(answer, "ok", 1));
		assert_non_null(strstr(json_get_text(answer, "error", ""), rows[i].error));
		json_decref(answer);
	}
	assert_int_equal(agent->state, AGENT_STATE_FRESH);
}

static void
test_verbs__nonsense_is_not_answered(void **state)
{
	static const char *const rows[] = {
		"{",
		"[]",
		"null",
		"\"hello\"",
		"{}",
		"{\"v\":1,\"id\":0,\"verb\":\"hello\"}",
		"{\"v\":1,\"id\":-1,\"verb\":\"hello\"}",
		"{\"v\":1,\"id\":1,\"verb\":\"\"}",
		"{\"v\":1,\"id\":1,\"verb\":[\"hello\"]}",
		"{\"v\":1,\"id\":1,\"id\":2,\"verb\":\"hello\"}",
		"{\"v\":1,\"id\":1,\"verb\":\"hello\",\"body\":[]}",
		"{\"v\":1,\"id\":1,\"verb\":\"hello\",\"extra\":1}",
		"{\"v\":1,\"id\":1,\"verb\":\"hello\"} trailing",
		"[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]",
	};
	struct agent *agent = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_null(test_ask(agent, *(int *)(agent + 1), rows[i]));
}

static void
test_verbs__hello_and_resync_answer(void **state)
{
	struct agent *agent = *state;
	int peer = *(int *)(agent + 1);
	json_t *answer = test_ask(agent, peer, FRAME("hello", "{\"version\":9}"));
	json_t *body = json_object_get(answer, "body");

	assert_true(json_get_flag(answer, "ok", 0));
	assert_int_equal(json_get_integer(answer, "generation", 0), 3);
	assert_int_equal(json_get_integer(body, "version", 0), 1);
	assert_true(json_array_size(json_object_get(body, "verbs")) >= 9);
	json_decref(answer);
	answer = test_ask(agent, peer, FRAME("resync", "{\"nonce\":\"abcdefgh\"}"));
	body = json_object_get(answer, "body");
	assert_string_equal(json_get_text(body, "nonce", ""), "abcdefgh");
	assert_string_equal(json_get_text(body, "state", ""), "fresh");
	json_decref(answer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_verbs__errors_table, test_setup,
						test_teardown),
		cmocka_unit_test_setup_teardown(test_verbs__nonsense_is_not_answered, test_setup,
						test_teardown),
		cmocka_unit_test_setup_teardown(test_verbs__hello_and_resync_answer, test_setup,
						test_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
