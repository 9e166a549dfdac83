/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_sync.c - the conversation with the broker, played by a small HTTP server
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <libsoup/soup.h>
#include <string.h>

#include "host/sync.h"
#include "tests/unit/wait_for.h"

struct fixture {
	char *folder;
	char *path;
	SoupServer *server;
	SoupServerMessage *waiting; /* the last request, not answered */
	json_t *report;		    /* its body */
	guint n_requests;
	guint n_described;
	guint n_applied;
	gint64 applied; /* "acknowledged" of the last answer */
	struct sync *sync;
};

static void
handle_request(SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query,
	       gpointer data)
{
	struct fixture *f = data;
	SoupMessageBody *body = soup_server_message_get_request_body(message);
	g_autoptr(GBytes) bytes = soup_message_body_flatten(body);
	struct json_problem problem;

	(void)server;
	(void)query;
	assert_string_equal(path, "/api/v1/hosts/desk/sync");
	json_decref(f->report);
	f->report = json_parse_strict(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), 65536,
				      &problem);
	assert_non_null(f->report);
	g_set_object(&f->waiting, message);
	soup_server_message_pause(message);
	f->n_requests++;
}

static void
answer(struct fixture *f, guint status, const char *text)
{
	SoupServerMessage *message = g_steal_pointer(&f->waiting);

	assert_non_null(message);
	soup_server_message_set_status(message, status, NULL);
	soup_server_message_set_response(message, "application/json", SOUP_MEMORY_COPY, text,
					 strlen(text));
	soup_server_message_unpause(message);
	g_object_unref(message);
}

static void
answer_number(struct fixture *f, gint64 number, gint64 acknowledged)
{
	g_autofree char *text = g_strdup_printf(
		"{\"v\": 1, \"number\": %d, \"acknowledged\": %d, \"desktops\": [], \"jobs\": [],"
		" \"tickets\": [], \"requests\": [], \"revoked\": []}",
		(int)number, (int)acknowledged);

	answer(f, 200, text);
}

static json_t *
describe(void *context)
{
	struct fixture *f = context;

	f->n_described++;
	return json_pack("{s:i}", "count", (int)f->n_described);
}

static void
apply(void *context, const json_t *answer)
{
	struct fixture *f = context;

	f->n_applied++;
	f->applied = json_get_integer(answer, "acknowledged", -1);
}

static const struct sync_events events = { describe, apply };

static void
listen_on(struct fixture *f)
{
	g_autoptr(GSocketAddress) address = g_unix_socket_address_new(f->path);
	g_autoptr(GError) error = NULL;

	f->server = soup_server_new(NULL, NULL);
	soup_server_add_handler(f->server, NULL, handle_request, f, NULL);
	assert_true(soup_server_listen(f->server, address, 0, &error));
}

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->folder = g_dir_make_tmp("carrel-test-XXXXXX", NULL);
	f->path = g_build_filename(f->folder, "broker.sock", NULL);
	f->sync = sync_new(f->path, "desk", &events, f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	sync_free(f->sync);
	g_clear_object(&f->waiting);
	g_clear_object(&f->server);
	/* What was cancelled still calls back. */
	while (g_main_context_iteration(NULL, FALSE))
		;
	json_decref(f->report);
	g_unlink(f->path);
	g_rmdir(f->folder);
	g_free(f->path);
	g_free(f->folder);
	g_free(f);
	return 0;
}

static void
test_sync__applies_an_answer_and_asks_again(void **state)
{
	struct fixture *f = *state;

	listen_on(f);
	assert_int_equal(sync_get_state(f->sync), SYNC_STATE_IDLE);
	sync_start(f->sync);
	WAIT_FOR(f->n_requests == 1);
	assert_int_equal(json_get_integer(f->report, "seen", -1), 0);
	assert_int_equal(json_get_integer(f->report, "v", -1), 1);
	answer_number(f, 7, 3);
	WAIT_FOR(f->n_requests == 2);
	assert_int_equal(f->n_applied, 1);
	assert_int_equal(f->applied, 3);
	assert_int_equal(json_get_integer(f->report, "seen", -1), 7);
}

static void
test_sync__gives_a_waiting_request_up_for_news(void **state)
{
	struct fixture *f = *state;

	listen_on(f);
	sync_start(f->sync);
	WAIT_FOR(f->n_requests == 1);
	sync_tell(f->sync);
	sync_tell(f->sync);
	WAIT_FOR(f->n_requests == 2);
	assert_int_equal(json_get_integer(f->report, "count", 0), 2);
	assert_int_equal(f->n_applied, 0);
	answer_number(f, 1, 0);
	WAIT_FOR(f->n_requests == 3);
	assert_int_equal(f->n_applied, 1);
}

static void
test_sync__applies_nothing_of_a_bad_answer(void **state)
{
	static const struct {
		guint status;
		const char *text;
	} cases[] = {
		{ 200, "{\"v\": 1}" },
		{ 200, "nonsense" },
		{ 503, "{\"title\": \"busy\", \"code\": \"broker.busy\", \"status\": 503}" },
	};
	struct fixture *f = *state;

	listen_on(f);
	sync_start(f->sync);
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		WAIT_FOR(f->waiting);
		answer(f, cases[i].status, cases[i].text);
		WAIT_FOR(sync_get_state(f->sync) == SYNC_STATE_PAUSING);
		assert_int_equal(f->n_applied, 0);
	}
	WAIT_FOR(f->waiting);
	assert_int_equal(json_get_integer(f->report, "seen", -1), 0);
	answer_number(f, 2, 0);
	WAIT_FOR(f->n_applied == 1);
}

static void
test_sync__asks_until_the_broker_is_there(void **state)
{
	struct fixture *f = *state;

	sync_start(f->sync);
	WAIT_FOR(sync_get_state(f->sync) == SYNC_STATE_PAUSING);
	sync_tell(f->sync);
	listen_on(f);
	WAIT_FOR(f->n_requests == 1);
}

static void
test_sync__is_silent_after_stop(void **state)
{
	struct fixture *f = *state;

	listen_on(f);
	sync_start(f->sync);
	WAIT_FOR(f->n_requests == 1);
	sync_stop(f->sync);
	answer_number(f, 1, 0);
	sync_tell(f->sync);
	while (g_main_context_iteration(NULL, FALSE))
		;
	assert_int_equal(sync_get_state(f->sync), SYNC_STATE_IDLE);
	assert_int_equal(f->n_requests, 1);
	assert_int_equal(f->n_applied, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sync__applies_an_answer_and_asks_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_sync__gives_a_waiting_request_up_for_news,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_sync__applies_nothing_of_a_bad_answer, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_sync__asks_until_the_broker_is_there, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_sync__is_silent_after_stop, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
