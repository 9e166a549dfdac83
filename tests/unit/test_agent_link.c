/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_agent_link.c - hostd's end of an agent port with a fake agent that may be hostile
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/frame.h"
#include "base/proto_agent.h"
#include "host/agent_link.h"
#include "tests/unit/link_fixture.h"
#include "tests/unit/wait_for.h"

#define LONG_MS	   60000
#define GENERATION 5

static void
note_answer(GObject *source, GAsyncResult *result, gpointer data)
{
	struct fake_answer *answer = data;

	(void)source;
	assert_false(answer->came);
	answer->came = TRUE;
	answer->value = agent_link_finish(result, &answer->error);
}

static int
setup(void **state)
{
	int fd;
	struct link_fixture *f = link_fixture_new((GDestroyNotify)agent_link_free, &fd);

	f->link = agent_link_new(fd, GENERATION, link_fixture_note_event, f);
	*state = f;
	return 0;
}

static void
say_frame(struct link_fixture *f, const char *text)
{
	uint8_t *frame;
	size_t size;

	assert_int_equal(frame_encode(text, strlen(text), &frame, &size), 0);
	fake_peer_send(&f->peer, frame, size);
	free(frame);
}

/* An answer of the agent: "rest" is what comes behind the verb. */
static void
say_answer(struct link_fixture *f, json_int_t id, const char *verb, const char *rest)
{
	g_autofree char *text = g_strdup_printf("{\"v\": 1, \"id\": %" JSON_INTEGER_FORMAT
						", \"verb\": \"%s\", \"generation\": %d, %s}",
						id, verb, GENERATION, rest);

	say_frame(f, text);
}

/* The next request as the agent reads it; its id, and its nonce if ret_nonce is not NULL. */
static json_int_t
expect_request(struct link_fixture *f, const char *verb, char **ret_nonce)
{
	json_t *object;
	json_int_t id;

	WAIT_FOR((object = fake_peer_take_frame(&f->peer)));
	assert_string_equal(json_get_text(object, "verb", ""), verb);
	assert_int_equal(json_get_integer(object, "generation", 0), GENERATION);
	id = json_get_integer(object, "id", -1);
	if (ret_nonce)
		*ret_nonce = g_strdup(json_get_text(json_object_get(object, "body"), "nonce", ""));
	json_decref(object);
	return id;
}

static void
echo_nonce(struct link_fixture *f, json_int_t id, const char *nonce)
{
	g_autofree char *rest =
		g_strdup_printf("\"ok\": true, \"body\": {\"nonce\": \"%s\"}", nonce);

	say_answer(f, id, AGENT_VERB_RESYNC, rest);
}

static void
start_resync(struct link_fixture *f, guint timeout_ms, struct fake_answer *answer)
{
	agent_link_resync(f->link, timeout_ms, NULL, note_answer, answer);
}

static void
make_open(struct link_fixture *f)
{
	g_autofree char *nonce = NULL;
	struct fake_answer answer = { 0 };
	json_int_t id;

	start_resync(f, LONG_MS, &answer);
	id = expect_request(f, AGENT_VERB_RESYNC, &nonce);
	echo_nonce(f, id, nonce);
	WAIT_FOR(answer.came);
	assert_null(answer.error);
	fake_answer_clear(&answer);
}

static void
request(struct link_fixture *f, const char *verb, guint timeout_ms, struct fake_answer *answer)
{
	agent_link_request(f->link, verb, NULL, timeout_ms, NULL, note_answer, answer);
}

/* An event that can be told from others by its number. */
static void
say_logoff(struct link_fixture *f, int number)
{
	g_autofree char *text =
		g_strdup_printf("\"body\": {\"user\": \"%d\", \"reason\": \"\"}", number);

	say_answer(f, 0, AGENT_VERB_LOGOFF, text);
}

static void
test_agent_link__takes_nothing_before_resync(void **state)
{
	struct link_fixture *f = *state;
	struct fake_answer answer = { 0 };

	request(f, AGENT_VERB_READY, LONG_MS, &answer);
	fake_answer_assert_failed(&answer, G_IO_ERROR_CLOSED);
	say_logoff(f, 1);
	fake_peer_settle();
	assert_int_equal(f->events, 0);
	assert_int_equal(f->ends, 0);
}

/* What the template's agent had half sent, another's nonce, and frames that look like the answer but are not. */
static const char *const noises[] = {
	"", "\xff", "{\"v\"", "\x10\0\0\0{\"half\"", "\xff\xff\xff\xff\xff\xff\xff\xff",
};

static void
test_agent_link__resync_discards_what_was_before_the_nonce(void **unused)
{
	(void)unused;
	for (gsize i = 0; i < G_N_ELEMENTS(noises); i++) {
		g_autofree char *nonce = NULL;
		struct fake_answer answer = { 0 };
		void *state = NULL;
		struct link_fixture *f;
		json_int_t id;

		setup(&state);
		f = state;
		fake_peer_say(&f->peer, noises[i]);
		start_resync(f, LONG_MS, &answer);
		id = expect_request(f, AGENT_VERB_RESYNC, &nonce);
		echo_nonce(f, id, "ffffffffffffffffffffffffffffffffffffffffffffffffffff");
		say_answer(f, id, AGENT_VERB_READY, "\"ok\": true, \"body\": {\"x\": true}");
		say_logoff(f, 1);
		fake_peer_say(&f->peer, noises[i]);
		fake_peer_settle();
		assert_false(answer.came);
		echo_nonce(f, id, nonce);
		/* From behind the nonce on, frames count. */
		say_logoff(f, 42);
		WAIT_FOR(answer.came && f->events == 1);
		assert_null(answer.error);
		assert_string_equal(json_get_text(f->event_body, "user", ""), "42");
		fake_answer_clear(&answer);
		link_fixture_teardown(&state);
	}
}

static void
test_agent_link__resync_bears_much_noise(void **state)
{
	g_autofree char *noise = g_malloc(1000000);
	struct link_fixture *f = *state;
	g_autofree char *nonce = NULL;
	struct fake_answer answer = { 0 };
	json_int_t id;

	memset(noise, '{', 1000000);
	start_resync(f, LONG_MS, &answer);
	id = expect_request(f, AGENT_VERB_RESYNC, &nonce);
	fake_peer_send(&f->peer, noise, 1000000);
	echo_nonce(f, id, nonce);
	WAIT_FOR(answer.came);
	assert_null(answer.error);
	fake_answer_clear(&answer);
}

static void
test_agent_link__resync_asks_again_and_takes_one_echo(void **state)
{
	g_autofree char *first = NULL;
	g_autofree char *second = NULL;
	struct link_fixture *f = *state;
	struct fake_answer answer = { 0 };
	json_int_t id;

	start_resync(f, LONG_MS, &answer);
	id = expect_request(f, AGENT_VERB_RESYNC, &first);
	/* The agent's port opened late: the same question comes a second time. */
	assert_int_equal(expect_request(f, AGENT_VERB_RESYNC, &second), id);
	assert_string_equal(first, second);
	echo_nonce(f, id, first);
	echo_nonce(f, id, first);
	WAIT_FOR(answer.came);
	fake_peer_settle();
	assert_int_equal(f->ends, 0);
	fake_answer_clear(&answer);
}

static void
test_agent_link__a_second_resync_has_a_nonce_of_its_own(void **state)
{
	g_autofree char *first = NULL;
	g_autofree char *second = NULL;
	struct link_fixture *f = *state;
	struct fake_answer answer = { 0 };
	json_int_t id;

	make_open(f);
	start_resync(f, LONG_MS, &answer);
	id = expect_request(f, AGENT_VERB_RESYNC, &first);
	echo_nonce(f, id, first);
	WAIT_FOR(answer.came);
	fake_answer_clear(&answer);
	start_resync(f, LONG_MS, &answer);
	id = expect_request(f, AGENT_VERB_RESYNC, &second);
	assert_string_not_equal(first, second);
	echo_nonce(f, id, first);
	fake_peer_settle();
	assert_false(answer.came);
	echo_nonce(f, id, second);
	WAIT_FOR(answer.came);
	fake_answer_clear(&answer);
}

static void
test_agent_link__a_silent_agent_times_out(void **state)
{
	struct link_fixture *f = *state;
	struct fake_answer answer = { 0 };

	start_resync(f, 20, &answer);
	fake_answer_assert_failed(&answer, G_IO_ERROR_TIMED_OUT);
	request(f, AGENT_VERB_READY, LONG_MS, &answer);
	fake_answer_assert_failed(&answer, G_IO_ERROR_CLOSED);
	assert_int_equal(f->ends, 0);
}

static void
test_agent_link__matches_answers_by_id_and_verb(void **state)
{
	struct link_fixture *f = *state;
	struct fake_answer screen = { 0 };
	struct fake_answer ready = { 0 };
	json_int_t screen_id;
	json_int_t ready_id;

	make_open(f);
	request(f, AGENT_VERB_SCREEN, LONG_MS, &screen);
	request(f, AGENT_VERB_READY, LONG_MS, &ready);
	screen_id = expect_request(f, AGENT_VERB_SCREEN, NULL);
	ready_id = expect_request(f, AGENT_VERB_READY, NULL);
	/* Nobody asked for these: an id of no request, and another verb than was asked. */
	say_answer(f, 4711, AGENT_VERB_SCREEN,
		   "\"ok\": true, \"body\": {\"width\": 1, \"height\": 1}");
	say_answer(f, ready_id, AGENT_VERB_SCREEN,
		   "\"ok\": true, \"body\": {\"width\": 1, \"height\": 1}");
	fake_peer_settle();
	assert_false(screen.came || ready.came);
	say_answer(f, ready_id, AGENT_VERB_READY, "\"ok\": true, \"body\": {\"x\": true}");
	WAIT_FOR(ready.came);
	assert_true(json_get_flag(ready.value, "x", 0));
	assert_false(screen.came);
	say_answer(f, screen_id, AGENT_VERB_SCREEN,
		   "\"ok\": true, \"body\": {\"width\": 9, \"height\": 1}");
	WAIT_FOR(screen.came);
	assert_int_equal(json_get_integer(screen.value, "width", 0), 9);
	fake_answer_clear(&screen);
	fake_answer_clear(&ready);
	assert_int_equal(f->ends, 0);
}

static const struct {
	const char *rest;
	int code;
	const char *text;
} refusals[] = {
	{ "\"ok\": false, \"error\": \"unsupported\"", G_IO_ERROR_NOT_SUPPORTED, "unsupported" },
	{ "\"ok\": false, \"error\": \"disk full\"", G_IO_ERROR_FAILED, "disk full" },
	{ "\"ok\": false", G_IO_ERROR_FAILED, "it gave no reason" },
	{ "\"error\": \"no ok\"", G_IO_ERROR_FAILED, "no ok" },
};

static void
test_agent_link__tells_what_the_agent_refused(void **state)
{
	struct link_fixture *f = *state;

	make_open(f);
	for (gsize i = 0; i < G_N_ELEMENTS(refusals); i++) {
		struct fake_answer answer = { 0 };

		request(f, AGENT_VERB_QUIESCE, LONG_MS, &answer);
		say_answer(f, expect_request(f, AGENT_VERB_QUIESCE, NULL), AGENT_VERB_QUIESCE,
			   refusals[i].rest);
		WAIT_FOR(answer.came);
		assert_true(g_error_matches(answer.error, G_IO_ERROR, refusals[i].code));
		assert_non_null(strstr(answer.error->message, refusals[i].text));
		assert_non_null(strstr(answer.error->message, AGENT_VERB_QUIESCE));
		fake_answer_clear(&answer);
	}
}

static void
test_agent_link__a_late_answer_is_dropped(void **state)
{
	struct link_fixture *f = *state;
	struct fake_answer answer = { 0 };
	json_int_t id;

	make_open(f);
	request(f, AGENT_VERB_QUIESCE, 20, &answer);
	id = expect_request(f, AGENT_VERB_QUIESCE, NULL);
	fake_answer_assert_failed(&answer, G_IO_ERROR_TIMED_OUT);
	say_answer(f, id, AGENT_VERB_QUIESCE, "\"ok\": true");
	fake_peer_settle();
	assert_int_equal(f->ends, 0);
}

static void
test_agent_link__can_be_cancelled(void **state)
{
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	struct link_fixture *f = *state;
	struct fake_answer answer = { 0 };

	make_open(f);
	agent_link_request(f->link, AGENT_VERB_QUIESCE, NULL, LONG_MS, cancellable, note_answer,
			   &answer);
	g_cancellable_cancel(cancellable);
	fake_answer_assert_failed(&answer, G_IO_ERROR_CANCELLED);
	agent_link_resync(f->link, LONG_MS, cancellable, note_answer, &answer);
	fake_answer_assert_failed(&answer, G_IO_ERROR_CANCELLED);
	assert_int_equal(f->ends, 0);
}

/* What no agent sends: the link ends, once, and every request hears of it. */
static const struct {
	const char *name;
	const char *bytes;
	gsize size;
} bad_frames[] = {
	{ "an empty frame", "\0\0\0\0", 4 },
	{ "a frame that is too long", "\x01\0\x01\0{", 5 },
	{ "the longest length", "\xff\xff\xff\xff", 4 },
	{ "not JSON", "\x04\0\0\0nope", 8 },
	{ "a list", "\x02\0\0\0[]", 6 },
	{ "an object without anything", "\x02\0\0\0{}", 6 },
	{ "a NUL byte", "\x03\0\0\0{}\0", 7 },
};

/* As frames of a proper length. */
static const char *const bad_texts[] = {
	"{\"v\": 2, \"id\": 1, \"verb\": \"ready\", \"ok\": true, \"body\": {\"x\": true}}",
	"{\"v\": 1, \"id\": -1, \"verb\": \"ready\", \"ok\": true, \"body\": {\"x\": true}}",
	"{\"v\": 1, \"id\": 1, \"id\": 1, \"verb\": \"quiesce\", \"ok\": true}",
	"{\"v\": 1, \"id\": 1, \"verb\": \"format\", \"ok\": true}",
	"{\"v\": 1, \"id\": 1, \"verb\": \"quiesce\", \"ok\": true, \"more\": 1}",
	"{\"v\": 1, \"id\": 1, \"verb\": \"ready\", \"ok\": true, \"body\": {\"x\": 1}}",
	"{\"v\": 1, \"id\": 1, \"verb\": \"ready\", \"ok\": true, \"body\": []}",
	"{\"v\": 1, \"id\": 18446744073709551615, \"verb\": \"quiesce\", \"ok\": true}",
	"{\"v\": 1, \"id\": 0, \"verb\": \"login\", \"body\": {\"session\": \"x\"}}",
	"{\"v\": 1, \"id\": 0, \"verb\": \"logoff\", \"body\": {\"user\": -1}}",
};

static void
expect_end(struct link_fixture *f, struct fake_answer *waiting)
{
	struct fake_answer after = { 0 };

	fake_answer_assert_failed(waiting, G_IO_ERROR_CLOSED);
	WAIT_FOR(f->peer.ended && f->ends == 1);
	assert_int_equal(f->events, 0);
	request(f, AGENT_VERB_READY, LONG_MS, &after);
	fake_answer_assert_failed(&after, G_IO_ERROR_CLOSED);
	agent_link_resync(f->link, LONG_MS, NULL, note_answer, &after);
	fake_answer_assert_failed(&after, G_IO_ERROR_CLOSED);
	assert_int_equal(f->ends, 1);
}

static void
test_agent_link__ends_at_a_bad_frame(void **unused)
{
	(void)unused;
	for (gsize i = 0; i < G_N_ELEMENTS(bad_frames) + G_N_ELEMENTS(bad_texts); i++) {
		struct fake_answer waiting = { 0 };
		void *state = NULL;

		setup(&state);
		make_open(state);
		request(state, AGENT_VERB_QUIESCE, LONG_MS, &waiting);
		if (i < G_N_ELEMENTS(bad_frames)) {
			print_message("%s\n", bad_frames[i].name);
			fake_peer_send(&((struct link_fixture *)state)->peer, bad_frames[i].bytes,
				       bad_frames[i].size);
		} else {
			print_message("%s\n", bad_texts[i - G_N_ELEMENTS(bad_frames)]);
			say_frame(state, bad_texts[i - G_N_ELEMENTS(bad_frames)]);
		}
		expect_end(state, &waiting);
		link_fixture_teardown(&state);
	}
}

static void
test_agent_link__takes_frames_in_pieces(void **state)
{
	static const char text[] =
		"{\"v\": 1, \"id\": 0, \"verb\": \"logoff\", \"body\": {\"user\": \"7\", \"reason\": \"\"}}";
	struct link_fixture *f = *state;
	uint8_t *frame;
	size_t size;

	make_open(f);
	assert_int_equal(frame_encode(text, strlen(text), &frame, &size), 0);
	for (gsize i = 0; i < size; i++) {
		assert_int_equal(f->events, 0);
		fake_peer_send(&f->peer, frame + i, 1);
		fake_peer_settle();
	}
	free(frame);
	assert_int_equal(f->events, 1);
	assert_string_equal(json_get_text(f->event_body, "user", ""), "7");
}

static void
test_agent_link__end_of_the_port_fails_what_waits(void **state)
{
	struct link_fixture *f = *state;
	struct fake_answer answer = { 0 };

	make_open(f);
	request(f, AGENT_VERB_QUIESCE, LONG_MS, &answer);
	fake_peer_send(&f->peer, "\x40\0\0\0{\"half", 10);
	fake_peer_done(&f->peer);
	fake_answer_assert_failed(&answer, G_IO_ERROR_CLOSED);
	WAIT_FOR(f->ends == 1);
	fake_peer_settle();
	assert_int_equal(f->ends, 1);
}

static void
test_agent_link__may_be_freed_in_its_callback(void **state)
{
	struct link_fixture *f = *state;
	struct fake_answer answer = { 0 };

	make_open(f);
	request(f, AGENT_VERB_QUIESCE, LONG_MS, &answer);
	f->free_on_event = TRUE;
	say_logoff(f, 1);
	say_logoff(f, 2);
	fake_answer_assert_failed(&answer, G_IO_ERROR_CLOSED);
	fake_peer_settle();
	assert_null(f->link);
	assert_int_equal(f->events, 1);
	assert_int_equal(f->ends, 0);
}

static void
test_agent_link__takes_a_bounded_number_of_requests(void **state)
{
	struct fake_answer answers[16] = { 0 };
	struct link_fixture *f = *state;
	struct fake_answer more = { 0 };

	make_open(f);
	for (gsize i = 0; i < G_N_ELEMENTS(answers); i++)
		request(f, AGENT_VERB_QUIESCE, LONG_MS, &answers[i]);
	request(f, AGENT_VERB_QUIESCE, LONG_MS, &more);
	fake_answer_assert_failed(&more, G_IO_ERROR_CLOSED);
	for (gsize i = 0; i < G_N_ELEMENTS(answers); i++)
		say_answer(f, expect_request(f, AGENT_VERB_QUIESCE, NULL), AGENT_VERB_QUIESCE,
			   "\"ok\": true");
	WAIT_FOR(answers[15].came);
	for (gsize i = 0; i < G_N_ELEMENTS(answers); i++)
		fake_answer_clear(&answers[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_agent_link__##name, setup, link_fixture_teardown)
		TEST(takes_nothing_before_resync),
		cmocka_unit_test(test_agent_link__resync_discards_what_was_before_the_nonce),
		TEST(resync_bears_much_noise),
		TEST(resync_asks_again_and_takes_one_echo),
		TEST(a_second_resync_has_a_nonce_of_its_own),
		TEST(a_silent_agent_times_out),
		TEST(matches_answers_by_id_and_verb),
		TEST(tells_what_the_agent_refused),
		TEST(a_late_answer_is_dropped),
		TEST(can_be_cancelled),
		cmocka_unit_test(test_agent_link__ends_at_a_bad_frame),
		TEST(takes_frames_in_pieces),
		TEST(end_of_the_port_fails_what_waits),
		TEST(may_be_freed_in_its_callback),
		TEST(takes_a_bounded_number_of_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
