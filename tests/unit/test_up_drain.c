/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_up_drain.c - "carrel up" ends: what the broker is asked, and what a broker does that answers late or wrong
 *
 * How it works: the stage is a broker on a unix socket: it writes down each request and answers what the test has put into
 * it. A desktop is gone when it was told to stop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <string.h>

#include "cli/up_drain.h"

#define PATIENCE_S   60
#define REQUEST_SIZE 8192

struct stage {
	char *folder;
	char *path;
	char *note;
	GSocketService *service;
	GCancellable *ended;
	GMainLoop *loop;
	GString *asked; /* "GET /api/v1/hosts\n" ... */
	const char *hosts;
	const char *desktops;
	guint n_refused;     /* so many requests are answered with 503 first */
	const char *refuses; /* and those that begin so; NULL: none */
	gboolean once;	     /* only the first of them */
	gboolean stopped;
	guint n_drained;
};

static gboolean
stage_refuses(struct stage *stage, const char *line)
{
	gboolean refuses = stage->refuses && g_str_has_prefix(line, stage->refuses);

	if (stage->n_refused > 0 && stage->n_refused--)
		return TRUE;
	if (refuses && stage->once)
		stage->refuses = NULL;
	return refuses;
}

static const char *
stage_find_answer(struct stage *stage, const char *line)
{
	if (stage_refuses(stage, line))
		return "HTTP/1.1 503 Away\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	if (g_str_has_prefix(line, "GET /api/v1/hosts"))
		return stage->hosts;
	if (g_str_has_prefix(line, "GET /api/v1/desktops"))
		return stage->stopped ? "[]" : stage->desktops;
	stage->stopped = stage->stopped || strstr(line, "/stop");
	return "{}";
}

/* One request a connection, which may come in pieces. */
struct stage_request {
	struct stage *stage;
	GSocketConnection *connection;
	gsize size;
	char text[REQUEST_SIZE];
};

static void
stage_request_free(struct stage_request *request)
{
	g_object_unref(request->connection);
	g_free(request);
}

static void
stage_answer(struct stage_request *request)
{
	GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(request->connection));
	const char *end = strstr(request->text, " HTTP/");
	const char *answer = stage_find_answer(request->stage, request->text);
	g_autofree char *whole = NULL;

	g_string_append_len(request->stage->asked, request->text, (gssize)(end - request->text));
	g_string_append_c(request->stage->asked, '\n');
	if (g_str_has_prefix(answer, "HTTP/"))
		whole = g_strdup(answer);
	else
		whole = g_strdup_printf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
					"Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
					strlen(answer), answer);
	g_output_stream_write_all(out, whole, strlen(whole), NULL, NULL, NULL);
	g_io_stream_close(G_IO_STREAM(request->connection), NULL, NULL);
}

/* What is left of it unread when the connection ends would undo the answer. */
static gboolean
stage_is_whole(const struct stage_request *request)
{
	const char *end = strstr(request->text, "\r\n\r\n");
	const char *length = strstr(request->text, "Content-Length: ");
	guint64 size = length ? g_ascii_strtoull(strchr(length, ' '), NULL, 10) : 0;

	return end && request->size >= (gsize)(end + 4 - request->text) + size;
}

static void stage_handle_read(GObject *source, GAsyncResult *result, gpointer data);

static void
stage_read(struct stage_request *request)
{
	GInputStream *in = g_io_stream_get_input_stream(G_IO_STREAM(request->connection));

	g_input_stream_read_async(in, request->text + request->size,
				  sizeof(request->text) - 1 - request->size, G_PRIORITY_DEFAULT,
				  request->stage->ended, stage_handle_read, request);
}

/* After the end of its test it comes once more, with an error: the stage is not there any more. */
static void
stage_handle_read(GObject *source, GAsyncResult *result, gpointer data)
{
	struct stage_request *request = data;
	gssize n = g_input_stream_read_finish(G_INPUT_STREAM(source), result, NULL);

	if (n <= 0) {
		stage_request_free(request);
		return;
	}
	request->size += (gsize)n;
	if (!stage_is_whole(request)) {
		stage_read(request);
		return;
	}
	stage_answer(request);
	stage_request_free(request);
}

static gboolean
stage_handle_incoming(GSocketService *service, GSocketConnection *connection, GObject *source,
		      gpointer data)
{
	struct stage_request *request = g_new0(struct stage_request, 1);

	(void)service, (void)source;
	request->stage = data;
	request->connection = g_object_ref(connection);
	stage_read(request);
	return TRUE;
}

static void
stage_listen(struct stage *stage)
{
	g_autoptr(GSocketAddress) address = g_unix_socket_address_new(stage->path);

	stage->service = g_socket_service_new();
	assert_true(g_socket_listener_add_address(G_SOCKET_LISTENER(stage->service), address,
						  G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT,
						  NULL, NULL, NULL));
	g_signal_connect(stage->service, "incoming", G_CALLBACK(stage_handle_incoming), stage);
}

static int
stage_setup(void **state)
{
	struct stage *stage = g_new0(struct stage, 1);

	stage->folder = g_dir_make_tmp("up_drain.XXXXXX", NULL);
	stage->path = g_build_filename(stage->folder, "broker.sock", NULL);
	stage->loop = g_main_loop_new(NULL, FALSE);
	stage->asked = g_string_new(NULL);
	stage->note = g_build_filename(stage->folder, "drained", NULL);
	stage->hosts =
		"[{\"name\": \"one\", \"drain\": false}, {\"name\": \"two\", \"drain\": false}]";
	stage->desktops = "[]";
	stage->ended = g_cancellable_new();
	*state = stage;
	return 0;
}

static int
stage_teardown(void **state)
{
	struct stage *stage = *state;

	g_cancellable_cancel(stage->ended);
	if (stage->service)
		g_socket_service_stop(stage->service);
	while (g_main_context_iteration(NULL, FALSE))
		;
	g_clear_object(&stage->service);
	g_object_unref(stage->ended);
	g_unlink(stage->path);
	g_unlink(stage->note);
	g_rmdir(stage->folder);
	g_main_loop_unref(stage->loop);
	g_string_free(stage->asked, TRUE);
	g_free(stage->note);
	g_free(stage->path);
	g_free(stage->folder);
	g_free(stage);
	return 0;
}

static void
stage_handle_drained(void *context)
{
	struct stage *stage = context;

	stage->n_drained++;
	g_main_loop_quit(stage->loop);
}

static gboolean
stage_handle_late(gpointer data)
{
	(void)data;
	fail_msg("it was not drained after %d s", PATIENCE_S);
	return G_SOURCE_REMOVE;
}

static void
stage_drain(struct stage *stage)
{
	guint late = g_timeout_add_seconds(PATIENCE_S, stage_handle_late, NULL);
	struct up_drain *drain = up_drain_new(stage->path, stage->note);

	up_drain_begin(drain, stage_handle_drained, stage);
	g_main_loop_run(stage->loop);
	g_source_remove(late);
	up_drain_free(drain);
	while (g_main_context_iteration(NULL, FALSE))
		;
}

static guint
stage_count(const struct stage *stage, const char *request)
{
	g_auto(GStrv) parts = g_strsplit(stage->asked->str, request, -1);

	return g_strv_length(parts) - 1;
}

static void
test_up_drain__tells_hosts_then_stops_each_desktop_once(void **state)
{
	struct stage *stage = *state;

	stage->desktops = "[{\"id\": \"d-a\", \"state\": \"ready\"}, {\"id\": \"d-b\", \"state\": "
			  "\"gone\"}, {\"id\": \"d-c\", \"state\": \"failed\"}]";
	stage_listen(stage);
	stage_drain(stage);
	assert_int_equal(stage->n_drained, 1);
	assert_true(g_str_has_prefix(stage->asked->str, "GET /api/v1/hosts\n"));
	assert_int_equal(stage_count(stage, "PATCH /api/v1/hosts/one\n"), 1);
	assert_int_equal(stage_count(stage, "PATCH /api/v1/hosts/two\n"), 1);
	assert_int_equal(stage_count(stage, "POST /api/v1/desktops/d-a/stop\n"), 1);
	assert_int_equal(stage_count(stage, "/stop"), 1);
}

/* A stop would throw away what its user has open. */
static void
test_up_drain__leaves_what_lies_on_the_disk(void **state)
{
	struct stage *stage = *state;

	stage->desktops =
		"[{\"id\": \"d-a\", \"state\": \"suspended\"}, {\"id\": \"d-b\", \"state\": "
		"\"exporting\"}, {\"id\": \"d-c\", \"state\": \"exported\"},"
		" {\"id\": \"d-d\", \"state\": \"arriving\"}]";
	stage_listen(stage);
	stage_drain(stage);
	assert_int_equal(stage->n_drained, 1);
	assert_int_equal(stage_count(stage, "/stop"), 0);
}

static void
test_up_drain__ends_at_once_without_desktops(void **state)
{
	struct stage *stage = *state;

	stage_listen(stage);
	stage_drain(stage);
	assert_int_equal(stage_count(stage, "GET /api/v1/desktops\n"), 1);
	assert_int_equal(stage_count(stage, "/stop"), 0);
}

static void
test_up_drain__asks_a_broker_again_that_is_away(void **state)
{
	struct stage *stage = *state;

	stage->desktops = "[{\"id\": \"d-a\", \"state\": \"ready\"}]";
	stage->n_refused = 2;
	stage_listen(stage);
	stage_drain(stage);
	assert_int_equal(stage_count(stage, "GET /api/v1/hosts\n"), 3);
	assert_int_equal(stage_count(stage, "POST /api/v1/desktops/d-a/stop\n"), 1);
}

static void
test_up_drain__does_not_wait_for_ever_for_no_broker(void **state)
{
	stage_drain(*state);
	assert_int_equal(((struct stage *)*state)->n_drained, 1);
}

/* note: what it says in the end; NULL: there is none. */
static gboolean
stage_has_note(const struct stage *stage, const char *note)
{
	g_autofree char *text = NULL;

	g_file_get_contents(stage->note, &text, NULL, NULL);
	return g_strcmp0(text, note) == 0;
}

/* Ends when the last one was asked, and the note says so. */
static void
stage_resume(struct stage *stage, const char *last, const char *note)
{
	guint late = g_timeout_add_seconds(PATIENCE_S, stage_handle_late, NULL);
	struct up_drain *drain = up_drain_new(stage->path, stage->note);

	g_string_truncate(stage->asked, 0);
	up_drain_resume(drain);
	while (!strstr(stage->asked->str, last) || !stage_has_note(stage, note))
		g_main_context_iteration(NULL, TRUE);
	g_source_remove(late);
	up_drain_free(drain);
	while (g_main_context_iteration(NULL, FALSE))
		;
}

/* The operator's are first in the list: they would have been asked by then. */
static void
test_up_drain__resumes_what_it_has_drained_and_no_other(void **state)
{
	struct stage *stage = *state;

	stage->hosts = "[{\"name\": \"one\", \"drain\": true, \"maintenance\": true},"
		       " {\"name\": \"two\", \"drain\": false}]";
	stage_listen(stage);
	stage_drain(stage);
	stage->hosts = "[{\"name\": \"one\", \"drain\": true, \"maintenance\": true},"
		       " {\"name\": \"two\", \"drain\": true}]";
	/* an end before the start had come to it */
	stage->stopped = FALSE;
	stage_drain(stage);
	stage_resume(stage, "PATCH /api/v1/hosts/two\n", "");
	assert_int_equal(stage_count(stage, "PATCH"), 1);
	/* from here on they are an operator's */
	stage_drain(stage);
	stage->hosts =
		"[{\"name\": \"one\", \"drain\": true}, {\"name\": \"two\", \"drain\": true},"
		" {\"name\": \"three\", \"drain\": false}]";
	stage_drain(stage);
	stage->hosts =
		"[{\"name\": \"one\", \"drain\": true}, {\"name\": \"two\", \"drain\": true},"
		" {\"name\": \"three\", \"drain\": true}]";
	stage_resume(stage, "PATCH /api/v1/hosts/three\n", "");
	assert_int_equal(stage_count(stage, "PATCH"), 1);
}

static void
test_up_drain__resumes_all_that_an_older_carrel_has_drained(void **state)
{
	struct stage *stage = *state;

	stage->hosts =
		"[{\"name\": \"one\", \"drain\": true}, {\"name\": \"two\", \"drain\": true},"
		" {\"name\": \"three\", \"drain\": false}]";
	stage_listen(stage);
	stage_resume(stage, "PATCH /api/v1/hosts/two\n", "");
	assert_int_equal(stage_count(stage, "PATCH"), 2);
}

/* It was being started, or could not do it just then: the hosts are not drained for the whole run. */
static void
test_up_drain__asks_until_all_is_taken_back(void **state)
{
	struct stage *stage = *state;

	stage_listen(stage);
	stage_drain(stage);
	stage->hosts =
		"[{\"name\": \"one\", \"drain\": true}, {\"name\": \"two\", \"drain\": true}]";
	stage->n_refused = 1;
	stage->refuses = "PATCH /api/v1/hosts/two";
	stage->once = TRUE;
	stage_resume(stage, "PATCH /api/v1/hosts/two\n", "");
	assert_int_equal(stage_count(stage, "GET /api/v1/hosts\n"), 3);
	assert_int_equal(stage_count(stage, "PATCH /api/v1/hosts/one\n"), 1);
	assert_int_equal(stage_count(stage, "PATCH /api/v1/hosts/two\n"), 2);
}

/* What he drains later is his. */
static void
test_up_drain__forgets_what_an_operator_has_taken_back(void **state)
{
	struct stage *stage = *state;

	stage_listen(stage);
	stage_drain(stage);
	stage->hosts =
		"[{\"name\": \"one\", \"drain\": true}, {\"name\": \"two\", \"drain\": false}]";
	stage_resume(stage, "PATCH /api/v1/hosts/one\n", "");
	assert_int_equal(stage_count(stage, "PATCH"), 1);
}

/* The next start does, and leaves alone what is an operator's by then. */
static void
test_up_drain__takes_back_later_what_the_broker_refuses(void **state)
{
	struct stage *stage = *state;

	stage_listen(stage);
	stage_drain(stage);
	stage->hosts =
		"[{\"name\": \"one\", \"drain\": true}, {\"name\": \"two\", \"drain\": true}]";
	stage->refuses = "PATCH /api/v1/hosts/two";
	stage_resume(stage, "PATCH /api/v1/hosts/two\n", "two\n");
	assert_int_equal(stage_count(stage, "PATCH"), 2);
	stage->refuses = NULL;
	stage_resume(stage, "PATCH /api/v1/hosts/two\n", "");
	assert_int_equal(stage_count(stage, "PATCH"), 1);
}

/* It was ended, or the broker was, before the answers came. */
static void
test_up_drain__takes_back_later_what_has_no_answer(void **state)
{
	struct stage *stage = *state;
	struct up_drain *drain;

	stage_listen(stage);
	stage_drain(stage);
	stage->hosts =
		"[{\"name\": \"one\", \"drain\": true}, {\"name\": \"two\", \"drain\": true}]";
	g_string_truncate(stage->asked, 0);
	drain = up_drain_new(stage->path, stage->note);
	up_drain_resume(drain);
	while (!strstr(stage->asked->str, "PATCH"))
		g_main_context_iteration(NULL, TRUE);
	up_drain_free(drain);
	while (g_main_context_iteration(NULL, FALSE))
		;
	stage_resume(stage, "PATCH /api/v1/hosts/two\n", "");
}

/* A name that has no room for the suffix of a file that is to take its place. */
static void
test_up_drain__resumes_all_when_the_note_could_not_be_written(void **state)
{
	struct stage *stage = *state;
	g_autofree char *name = g_strnfill(250, 'n');
	int note;

	g_free(stage->note);
	stage->note = g_build_filename(stage->folder, name, NULL);
	note = g_open(stage->note, O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(g_close(note, NULL));
	stage_listen(stage);
	stage_drain(stage);
	assert_true(stage_has_note(stage, NULL));
	stage->hosts =
		"[{\"name\": \"one\", \"drain\": true}, {\"name\": \"two\", \"drain\": true}]";
	stage_resume(stage, "PATCH /api/v1/hosts/two\n", NULL);
	assert_int_equal(stage_count(stage, "PATCH"), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_up_drain__tells_hosts_then_stops_each_desktop_once, stage_setup,
			stage_teardown),
		cmocka_unit_test_setup_teardown(test_up_drain__leaves_what_lies_on_the_disk,
						stage_setup, stage_teardown),
		cmocka_unit_test_setup_teardown(test_up_drain__ends_at_once_without_desktops,
						stage_setup, stage_teardown),
		cmocka_unit_test_setup_teardown(test_up_drain__asks_a_broker_again_that_is_away,
						stage_setup, stage_teardown),
		cmocka_unit_test_setup_teardown(test_up_drain__does_not_wait_for_ever_for_no_broker,
						stage_setup, stage_teardown),
		cmocka_unit_test_setup_teardown(
			test_up_drain__resumes_what_it_has_drained_and_no_other, stage_setup,
			stage_teardown),
		cmocka_unit_test_setup_teardown(
			test_up_drain__resumes_all_that_an_older_carrel_has_drained, stage_setup,
			stage_teardown),
		cmocka_unit_test_setup_teardown(test_up_drain__asks_until_all_is_taken_back,
						stage_setup, stage_teardown),
		cmocka_unit_test_setup_teardown(
			test_up_drain__forgets_what_an_operator_has_taken_back, stage_setup,
			stage_teardown),
		cmocka_unit_test_setup_teardown(
			test_up_drain__takes_back_later_what_the_broker_refuses, stage_setup,
			stage_teardown),
		cmocka_unit_test_setup_teardown(test_up_drain__takes_back_later_what_has_no_answer,
						stage_setup, stage_teardown),
		cmocka_unit_test_setup_teardown(
			test_up_drain__resumes_all_when_the_note_could_not_be_written, stage_setup,
			stage_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
