/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_qmp.c - one QMP connection with a fake QEMU that may be hostile
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/qmp.h"
#include "tests/unit/link_fixture.h"
#include "tests/unit/wait_for.h"

#define GREETING "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7}}, \"capabilities\": []}}\r\n"
#define LONG_MS	 60000
#define MAX_LINE (1024 * 1024)

static void
note_answer(GObject *source, GAsyncResult *result, gpointer data)
{
	struct fake_answer *answer = data;

	(void)source;
	assert_false(answer->came);
	answer->came = TRUE;
	answer->value = qmp_execute_finish(result, &answer->error);
}

static int
setup(void **state)
{
	int fd;
	struct link_fixture *f = link_fixture_new((GDestroyNotify)qmp_free, &fd);

	f->link = qmp_new(fd, link_fixture_note_event, f);
	*state = f;
	return 0;
}

/* The next command as the fake QEMU reads it; its id. */
static json_int_t
expect_command(struct link_fixture *f, const char *name)
{
	g_autofree char *line = NULL;
	struct json_problem problem;
	json_t *object;
	json_int_t id;

	WAIT_FOR((line = fake_peer_take_line(&f->peer)));
	object = json_parse_strict(line, strlen(line), MAX_LINE, &problem);
	assert_string_equal(json_get_text(object, "execute", ""), name);
	id = json_get_integer(object, "id", -1);
	json_decref(object);
	return id;
}

static void
say_return(struct link_fixture *f, json_int_t id, const char *value)
{
	g_autofree char *text = g_strdup_printf(
		"{\"return\": %s, \"id\": %" JSON_INTEGER_FORMAT "}\r\n", value, id);

	fake_peer_say(&f->peer, text);
}

static json_t *
make_long_arguments(gsize size)
{
	g_autofree char *text = g_strnfill(size, 'x');

	return json_pack("{s:s}", "text", text);
}

static void
make_ready(struct link_fixture *f)
{
	fake_peer_say(&f->peer, GREETING);
	say_return(f, expect_command(f, "qmp_capabilities"), "{}");
	fake_peer_settle();
}

static void
execute(struct link_fixture *f, const char *command, struct fake_answer *answer)
{
	qmp_execute(f->link, command, NULL, -1, LONG_MS, NULL, note_answer, answer);
}

static void
test_qmp__waits_for_greeting_and_capabilities(void **state)
{
	struct link_fixture *f = *state;
	struct fake_answer answer = { 0 };
	json_int_t id;

	execute(f, "query-status", &answer);
	fake_peer_settle();
	assert_int_equal(f->peer.input->len, 0);
	fake_peer_say(&f->peer, GREETING);
	id = expect_command(f, "qmp_capabilities");
	fake_peer_settle();
	assert_int_equal(f->peer.input->len, 0);
	say_return(f, id, "{}");
	say_return(f, expect_command(f, "query-status"), "{\"running\": true}");
	WAIT_FOR(answer.came);
	assert_true(json_get_flag(answer.value, "running", 0));
	fake_answer_clear(&answer);
}

static void
test_qmp__refused_capabilities_end_the_connection(void **state)
{
	struct link_fixture *f = *state;
	g_autofree char *refusal = NULL;
	struct fake_answer answer = { 0 };

	execute(f, "query-status", &answer);
	fake_peer_say(&f->peer, GREETING);
	refusal = g_strdup_printf("{\"id\": %" JSON_INTEGER_FORMAT ", \"error\": {}}\n",
				  expect_command(f, "qmp_capabilities"));
	fake_peer_say(&f->peer, refusal);
	fake_answer_assert_failed(&answer, G_IO_ERROR_CLOSED);
	WAIT_FOR(f->ends == 1);
}

static void
test_qmp__matches_answers_by_id(void **state)
{
	struct link_fixture *f = *state;
	struct fake_answer answers[3] = { 0 };
	json_int_t ids[3];

	make_ready(f);
	for (gsize i = 0; i < G_N_ELEMENTS(answers); i++)
		execute(f, "query-version", &answers[i]);
	for (gsize i = 0; i < G_N_ELEMENTS(answers); i++)
		ids[i] = expect_command(f, "query-version");
	say_return(f, ids[2], "{\"n\": 2}");
	say_return(f, ids[0], "{\"n\": 0}");
	WAIT_FOR(answers[0].came && answers[2].came);
	assert_false(answers[1].came);
	say_return(f, ids[1], "{\"n\": 1}");
	WAIT_FOR(answers[1].came);
	for (gsize i = 0; i < G_N_ELEMENTS(answers); i++) {
		assert_int_equal(json_get_integer(answers[i].value, "n", -1), i);
		fake_answer_clear(&answers[i]);
	}
}

static void
test_qmp__ignores_answers_to_nobody(void **state)
{
	static const char *const lines[] = {
		"{\"return\": {}, \"id\": 999}\n",   "{\"return\": {}, \"id\": -1}\n",
		"{\"return\": {}, \"id\": \"1\"}\n", "{\"return\": {}}\n",
		"{\"error\": {\"desc\": \"x\"}}\n",
	};
	struct link_fixture *f = *state;
	struct fake_answer answer = { 0 };
	json_int_t id;

	make_ready(f);
	execute(f, "stop", &answer);
	id = expect_command(f, "stop");
	for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
		fake_peer_say(&f->peer, lines[i]);
	fake_peer_settle();
	assert_false(answer.came);
	say_return(f, id, "{}");
	WAIT_FOR(answer.came);
	assert_null(answer.error);
	fake_answer_clear(&answer);
	/* A second answer to the same id. */
	say_return(f, id, "{}");
	fake_peer_settle();
	assert_int_equal(f->ends, 0);
}

static const struct {
	const char *error;
	const char *text;
} refusals[] = {
	{ "{\"class\": \"GenericError\", \"desc\": \"no such file\"}",
	  "QEMU refused: no such file" },
	{ "{\"class\": \"GenericError\"}", "QEMU refused: it gave no reason" },
	{ "{\"desc\": 7}", "QEMU refused: it gave no reason" },
	{ "7", "QEMU refused: it gave no reason" },
};

static void
test_qmp__tells_what_qemu_refused(void **state)
{
	struct link_fixture *f = *state;

	make_ready(f);
	for (gsize i = 0; i < G_N_ELEMENTS(refusals); i++) {
		g_autofree char *line = NULL;
		struct fake_answer answer = { 0 };

		execute(f, "getfd", &answer);
		line = g_strdup_printf("{\"id\": %" JSON_INTEGER_FORMAT ", \"error\": %s}\r\n",
				       expect_command(f, "getfd"), refusals[i].error);
		fake_peer_say(&f->peer, line);
		WAIT_FOR(answer.came);
		assert_true(g_error_matches(answer.error, G_IO_ERROR, G_IO_ERROR_FAILED));
		assert_string_equal(answer.error->message, refusals[i].text);
		fake_answer_clear(&answer);
	}
}

static void
test_qmp__tells_events(void **state)
{
	struct link_fixture *f = *state;
	struct fake_answer answer = { 0 };
	json_int_t id;

	make_ready(f);
	execute(f, "cont", &answer);
	id = expect_command(f, "cont");
	fake_peer_say(&f->peer, "{\"timestamp\": {\"seconds\": 1}, \"event\": \"RESUME\", "
				"\"data\": {\"value\": 7}}\r\n\r\n \n");
	WAIT_FOR(f->events == 1);
	assert_string_equal(f->event, "RESUME");
	assert_int_equal(json_get_integer(f->event_body, "value", -1), 7);
	assert_false(answer.came);
	fake_peer_say(&f->peer, "{\"event\": \"STOP\"}\n");
	WAIT_FOR(f->events == 2);
	assert_int_equal(json_get_integer(f->event_body, "value", -1), -1);
	say_return(f, id, "{}");
	WAIT_FOR(answer.came);
	fake_answer_clear(&answer);
	assert_int_equal(f->ends, 0);
}

/* What no QEMU sends: the connection ends, once, and every command hears of it. */
static const struct {
	const char *name;
	gboolean before_greeting;
	const char *text;
	gsize size; /* 0: strlen() */
} bad_lines[] = {
	{ "no greeting", TRUE, "{\"return\": {}}\n", 0 },
	{ "a greeting of another kind", TRUE, "{\"QMP\": 7}\n", 0 },
	{ "an event before the greeting", TRUE, "{\"event\": \"STOP\"}\n", 0 },
	{ "not JSON", FALSE, "HTTP/1.0 200 OK\n", 0 },
	{ "half an object", FALSE, "{\"return\": \n", 0 },
	{ "a list", FALSE, "[]\n", 0 },
	{ "a text", FALSE, "\"return\"\n", 0 },
	{ "neither answer nor event", FALSE, "{\"hello\": 1}\n", 0 },
	{ "two objects on a line", FALSE, "{\"event\": \"A\"}{\"event\": \"B\"}\n", 0 },
	{ "a key twice", FALSE, "{\"id\": 1, \"id\": 1, \"return\": {}}\n", 0 },
	{ "too deep", FALSE,
	  "{\"return\": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}\n", 0 },
	{ "an integer beyond 64 bits", FALSE, "{\"id\": 1, \"return\": 18446744073709551615}\n",
	  0 },
	{ "a NUL byte", FALSE, "{\"event\": \"A\0\"}\n", 16 },
	{ "not UTF-8", FALSE, "{\"event\": \"\xff\xfe\"}\n", 0 },
};

static void
send_and_expect_end(struct link_fixture *f, const char *text, gsize size)
{
	struct fake_answer answers[2] = { 0 };

	execute(f, "query-status", &answers[0]);
	execute(f, "query-version", &answers[1]);
	fake_peer_send(&f->peer, text, size);
	fake_answer_assert_failed(&answers[0], G_IO_ERROR_CLOSED);
	fake_answer_assert_failed(&answers[1], G_IO_ERROR_CLOSED);
	WAIT_FOR(f->peer.ended && f->ends == 1);
	assert_int_equal(f->events, 0);
	/* Afterwards nothing is taken. */
	execute(f, "cont", &answers[0]);
	fake_answer_assert_failed(&answers[0], G_IO_ERROR_CLOSED);
	assert_int_equal(f->ends, 1);
}

static void
test_qmp__ends_at_what_is_no_qmp(void **unused)
{
	(void)unused;
	for (gsize i = 0; i < G_N_ELEMENTS(bad_lines); i++) {
		void *state = NULL;

		print_message("%s\n", bad_lines[i].name);
		setup(&state);
		if (!bad_lines[i].before_greeting)
			make_ready(state);
		send_and_expect_end(state, bad_lines[i].text,
				    bad_lines[i].size ? bad_lines[i].size
						      : strlen(bad_lines[i].text));
		link_fixture_teardown(&state);
	}
}

static void
test_qmp__ends_at_a_line_without_end(void **state)
{
	g_autofree char *line = g_malloc(MAX_LINE + 100000);
	struct link_fixture *f = *state;

	memset(line, ' ', MAX_LINE + 100000);
	make_ready(f);
	send_and_expect_end(f, line, MAX_LINE + 100000);
}

static void
test_qmp__takes_lines_in_pieces(void **state)
{
	static const char text[] = "{\"event\": \"STOP\", \"data\": {\"value\": 3}}\r\n";
	struct link_fixture *f = *state;

	make_ready(f);
	for (gsize i = 0; i < sizeof(text) - 1; i++) {
		assert_int_equal(f->events, 0);
		fake_peer_send(&f->peer, text + i, 1);
		fake_peer_settle();
	}
	assert_int_equal(f->events, 1);
	assert_int_equal(json_get_integer(f->event_body, "value", -1), 3);
	assert_int_equal(f->ends, 0);
}

static void
test_qmp__end_of_qemu_fails_what_waits(void **state)
{
	struct link_fixture *f = *state;
	struct fake_answer sent = { 0 };
	struct fake_answer queued = { 0 };

	make_ready(f);
	execute(f, "screendump", &sent);
	expect_command(f, "screendump");
	execute(f, "cont", &queued);
	fake_peer_say(&f->peer, "{\"return\": {\"half");
	fake_peer_done(&f->peer);
	fake_answer_assert_failed(&sent, G_IO_ERROR_CLOSED);
	fake_answer_assert_failed(&queued, G_IO_ERROR_CLOSED);
	WAIT_FOR(f->ends == 1);
	fake_peer_settle();
	assert_int_equal(f->ends, 1);
}

static void
test_qmp__may_be_freed_in_its_callback(void **state)
{
	struct link_fixture *f = *state;
	struct fake_answer answer = { 0 };

	make_ready(f);
	execute(f, "cont", &answer);
	f->free_on_event = TRUE;
	fake_peer_say(&f->peer, "{\"event\": \"STOP\"}\n{\"event\": \"RESUME\"}\n");
	fake_answer_assert_failed(&answer, G_IO_ERROR_CLOSED);
	fake_peer_settle();
	assert_null(f->link);
	assert_int_equal(f->events, 1);
	assert_int_equal(f->ends, 0);
}

static void
test_qmp__may_be_freed_when_told_of_the_end(void **state)
{
	struct link_fixture *f = *state;

	make_ready(f);
	f->free_on_event = TRUE;
	fake_peer_done(&f->peer);
	WAIT_FOR(f->ends == 1);
	assert_null(f->link);
}

static void
test_qmp__a_late_answer_is_dropped(void **state)
{
	struct link_fixture *f = *state;
	struct fake_answer late = { 0 };
	struct fake_answer next = { 0 };
	json_int_t id;

	make_ready(f);
	qmp_execute(f->link, "screendump", NULL, -1, 20, NULL, note_answer, &late);
	id = expect_command(f, "screendump");
	fake_answer_assert_failed(&late, G_IO_ERROR_TIMED_OUT);
	say_return(f, id, "{}");
	execute(f, "cont", &next);
	say_return(f, expect_command(f, "cont"), "{}");
	WAIT_FOR(next.came);
	assert_null(next.error);
	fake_answer_clear(&next);
	assert_int_equal(f->ends, 0);
}

static void
test_qmp__a_silent_qemu_times_out_before_its_greeting(void **state)
{
	struct link_fixture *f = *state;
	struct fake_answer answer = { 0 };

	qmp_execute(f->link, "query-status", NULL, -1, 20, NULL, note_answer, &answer);
	fake_answer_assert_failed(&answer, G_IO_ERROR_TIMED_OUT);
	/* What was given up is not sent later. */
	make_ready(f);
	assert_int_equal(f->peer.input->len, 0);
}

/* Half of it is written: it is written whole, and the next one is not torn. */
static void
test_qmp__a_command_given_up_half_way_is_written_whole(void **state)
{
	struct link_fixture *f = *state;
	struct fake_answer given_up = { 0 };
	struct fake_answer taken_back = { 0 };
	struct fake_answer next = { 0 };

	make_ready(f);
	fake_peer_read(&f->peer, FALSE);
	qmp_execute(f->link, "torn", make_long_arguments(900000), -1, 20, NULL, note_answer,
		    &given_up);
	qmp_execute(f->link, "unsent", NULL, -1, 20, NULL, note_answer, &taken_back);
	fake_answer_assert_failed(&given_up, G_IO_ERROR_TIMED_OUT);
	fake_answer_assert_failed(&taken_back, G_IO_ERROR_TIMED_OUT);
	execute(f, "cont", &next);
	fake_peer_read(&f->peer, TRUE);
	say_return(f, expect_command(f, "torn"), "{}");
	say_return(f, expect_command(f, "cont"), "{}");
	WAIT_FOR(next.came);
	assert_null(next.error);
	fake_answer_clear(&next);
	assert_int_equal(f->ends, 0);
}

static void
test_qmp__can_be_cancelled(void **state)
{
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	struct link_fixture *f = *state;
	struct fake_answer answer = { 0 };

	make_ready(f);
	qmp_execute(f->link, "cont", NULL, -1, LONG_MS, cancellable, note_answer, &answer);
	expect_command(f, "cont");
	g_cancellable_cancel(cancellable);
	fake_answer_assert_failed(&answer, G_IO_ERROR_CANCELLED);
	assert_int_equal(f->ends, 0);
}

static void
test_qmp__takes_a_bounded_number_of_commands(void **state)
{
	struct fake_answer answers[64] = { 0 };
	struct link_fixture *f = *state;
	struct fake_answer more = { 0 };

	for (gsize i = 0; i < G_N_ELEMENTS(answers); i++)
		execute(f, "cont", &answers[i]);
	execute(f, "cont", &more);
	fake_answer_assert_failed(&more, G_IO_ERROR_CLOSED);
	make_ready(f);
	for (gsize i = 0; i < G_N_ELEMENTS(answers); i++)
		say_return(f, expect_command(f, "cont"), "{}");
	WAIT_FOR(answers[63].came);
	for (gsize i = 0; i < G_N_ELEMENTS(answers); i++)
		fake_answer_clear(&answers[i]);
}

static ino_t
get_inode(int fd)
{
	struct stat status;

	assert_int_equal(fstat(fd, &status), 0);
	return status.st_ino;
}

static void
test_qmp__sends_each_descriptor_with_its_command(void **state)
{
	struct fake_answer answers[3] = { 0 };
	struct link_fixture *f = *state;
	ino_t inodes[2];

	for (gsize i = 0; i < G_N_ELEMENTS(inodes); i++) {
		int fd = memfd_create("test", MFD_CLOEXEC);

		inodes[i] = get_inode(fd);
		qmp_execute(f->link, "getfd", NULL, fd, LONG_MS, NULL, note_answer, &answers[i]);
		close(fd); /* the caller's own: qmp has a copy */
	}
	execute(f, "cont", &answers[2]);
	make_ready(f);
	for (gsize i = 0; i < G_N_ELEMENTS(inodes); i++)
		say_return(f, expect_command(f, "getfd"), "{}");
	say_return(f, expect_command(f, "cont"), "{}");
	WAIT_FOR(answers[2].came);
	assert_int_equal(f->peer.n_fds, 2);
	for (gsize i = 0; i < G_N_ELEMENTS(inodes); i++)
		assert_int_equal(get_inode(f->peer.fds[i]), inodes[i]);
	for (gsize i = 0; i < G_N_ELEMENTS(answers); i++)
		fake_answer_clear(&answers[i]);
}

/* More than the socket holds: it is written when QEMU reads, whole and in order. */
static void
test_qmp__waits_for_a_slow_qemu(void **state)
{
	struct link_fixture *f = *state;
	struct fake_answer answers[3] = { 0 };

	make_ready(f);
	fake_peer_read(&f->peer, FALSE);
	for (gsize i = 0; i < G_N_ELEMENTS(answers); i++)
		qmp_execute(f->link, "slow", make_long_arguments(500000), -1, LONG_MS, NULL,
			    note_answer, &answers[i]);
	fake_peer_settle();
	fake_peer_read(&f->peer, TRUE);
	for (gsize i = 0; i < G_N_ELEMENTS(answers); i++)
		say_return(f, expect_command(f, "slow"), "{}");
	WAIT_FOR(answers[2].came);
	for (gsize i = 0; i < G_N_ELEMENTS(answers); i++)
		fake_answer_clear(&answers[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_qmp__##name, setup, link_fixture_teardown)
		TEST(waits_for_greeting_and_capabilities),
		TEST(refused_capabilities_end_the_connection),
		TEST(matches_answers_by_id),
		TEST(ignores_answers_to_nobody),
		TEST(tells_what_qemu_refused),
		TEST(tells_events),
		cmocka_unit_test(test_qmp__ends_at_what_is_no_qmp),
		TEST(ends_at_a_line_without_end),
		TEST(takes_lines_in_pieces),
		TEST(end_of_qemu_fails_what_waits),
		TEST(may_be_freed_in_its_callback),
		TEST(may_be_freed_when_told_of_the_end),
		TEST(a_late_answer_is_dropped),
		TEST(a_silent_qemu_times_out_before_its_greeting),
		TEST(a_command_given_up_half_way_is_written_whole),
		TEST(can_be_cancelled),
		TEST(takes_a_bounded_number_of_commands),
		TEST(sends_each_descriptor_with_its_command),
		TEST(waits_for_a_slow_qemu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
