/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_gateway_core.c - clients between the listener and a hostd that the test plays
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "base/proto_gateway.h"
#include "base/seq.h"
#include "broker/gateway_core.h"
#include "tests/unit/wait_for.h"

#define TICKET	 "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst"
#define HEAD	 "CONNECT " TICKET ":61000 HTTP/1.0\r\nHost: x\r\n\r\n"
#define SHORT_MS 200

struct scene {
	char *folder;
	char *path;
	int listener; /* hostd's */
	int hostd;
	struct gateway_core *core;
	GSocketListener *tcp;
	guint16 port;
	int client;
	guint accepted;
};

static int
scene_listen(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);

	g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static void
scene_handle_accepted(GObject *listener, GAsyncResult *result, gpointer user_data)
{
	struct scene *scene = user_data;
	g_autoptr(GSocketConnection) connection =
		g_socket_listener_accept_finish(G_SOCKET_LISTENER(listener), result, NULL, NULL);

	assert_non_null(connection);
	gateway_core_add(scene->core, connection);
	scene->accepted++;
}

/* A TCP client whose connection the gateway has taken. */
static int
scene_connect(struct scene *scene)
{
	g_autoptr(GSocketClient) maker = g_socket_client_new();
	g_autoptr(GSocketConnection) connection = NULL;
	guint before = scene->accepted;
	int fd;

	g_socket_listener_accept_async(scene->tcp, NULL, scene_handle_accepted, scene);
	connection = g_socket_client_connect_to_host(maker, "127.0.0.1", scene->port, NULL, NULL);
	assert_non_null(connection);
	WAIT_FOR(scene->accepted != before);
	fd = dup(g_socket_get_fd(g_socket_connection_get_socket(connection)));
	io_set_nonblocking(fd, true);
	return fd;
}

static void
scene_open(struct scene *scene, bool with_hostd, const struct gateway_core_times *times)
{
	memset(scene, 0, sizeof(*scene));
	scene->folder = g_dir_make_tmp("gateway-XXXXXX", NULL);
	scene->path = g_build_filename(scene->folder, "hostd", NULL);
	scene->listener = with_hostd ? scene_listen(scene->path) : -1;
	scene->hostd = -1;
	scene->core = gateway_core_new(scene->path, times);
	scene->tcp = g_socket_listener_new();
	scene->port = g_socket_listener_add_any_inet_port(scene->tcp, NULL, NULL);
	assert_int_not_equal(scene->port, 0);
	scene->client = scene_connect(scene);
}

static void
scene_close(struct scene *scene)
{
	gateway_core_free(scene->core);
	g_socket_listener_close(scene->tcp);
	g_object_unref(scene->tcp);
	close(scene->client);
	if (scene->hostd >= 0)
		close(scene->hostd);
	if (scene->listener >= 0)
		close(scene->listener);
	g_unlink(scene->path);
	g_rmdir(scene->folder);
	g_free(scene->path);
	g_free(scene->folder);
}

static void
scene_say(struct scene *scene, const char *text)
{
	assert_int_equal(send(scene->client, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* The status line's number when it comes; 0: closed without one. */
static int
scene_read_status(struct scene *scene)
{
	char text[256] = "";
	ssize_t got;

	while ((got = recv(scene->client, text, sizeof(text) - 1, 0)) < 0 && errno == EAGAIN)
		g_main_context_iteration(NULL, TRUE);
	if (got <= 0)
		return 0;
	assert_memory_equal(text, "HTTP/1.1 ", 9);
	return (int)g_ascii_strtoll(text + 9, NULL, 10);
}

static void
scene_read_offer(struct scene *scene, struct seq_message *ret_message)
{
	while (scene->hostd < 0) {
		scene->hostd = accept(scene->listener, NULL, NULL);
		if (scene->hostd < 0)
			g_main_context_iteration(NULL, TRUE);
	}
	io_set_nonblocking(scene->hostd, true);
	WAIT_FOR(seq_receive(scene->hostd, ret_message) != -EAGAIN);
	assert_int_equal(ret_message->head.type, GATEWAY_OFFER);
	assert_int_equal(ret_message->n_fds, 1);
}

static void
scene_answer(struct scene *scene, guint32 id, int error, guint32 status)
{
	struct gateway_answer answer = { .http_status = status };
	struct seq_header head = {
		.type = GATEWAY_ANSWER,
		.id = id,
		.status = error,
		.size = sizeof(answer),
	};

	assert_int_equal(seq_send(scene->hostd, &head, &answer, NULL, 0), 0);
}

static void
test_gateway_core__hands_on_all_but_the_head(void **state)
{
	static const struct gateway_core_times times = GATEWAY_CORE_TIMES;
	g_autofree struct seq_message *message = g_new0(struct seq_message, 1);
	struct gateway_offer offer;
	struct scene scene;
	char rest[16];

	(void)state;
	scene_open(&scene, true, &times);
	scene_say(&scene, HEAD "TLS");
	scene_read_offer(&scene, message);
	memcpy(&offer, message->payload, sizeof(offer));
	assert_string_equal(offer.ticket, TICKET);
	assert_string_equal(offer.peer, "127.0.0.1");
	assert_int_equal(recv(message->fds[0], rest, sizeof(rest), MSG_DONTWAIT), 3);
	assert_memory_equal(rest, "TLS", 3);
	scene_answer(&scene, message->head.id + 1, 0, 200); /* nobody's */
	scene_answer(&scene, message->head.id, 0, 200);
	assert_int_equal(scene_read_status(&scene), 200);
	/* The socket lives on in hostd's hands. */
	assert_int_equal(send(message->fds[0], "x", 1, 0), 1);
	seq_close_fds(message);
	scene_close(&scene);
}

static const struct {
	int error;
	guint32 status;
	int expected;
} refusals[] = {
	{ -EACCES, 403, 403 },
	{ -ENOENT, 404, 404 },
	{ -EAGAIN, 503, 503 },
	{ -EIO, 999, 503 },
};

static void
test_gateway_core__tells_refusals(void **state)
{
	static const struct gateway_core_times times = GATEWAY_CORE_TIMES;

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
		g_autofree struct seq_message *message = g_new0(struct seq_message, 1);
		struct scene scene;

		scene_open(&scene, true, &times);
		scene_say(&scene, HEAD);
		scene_read_offer(&scene, message);
		seq_close_fds(message);
		scene_answer(&scene, message->head.id, refusals[i].error, refusals[i].status);
		assert_int_equal(scene_read_status(&scene), refusals[i].expected);
		assert_int_equal(scene_read_status(&scene), 0);
		scene_close(&scene);
	}
}

static void
test_gateway_core__gives_a_head_its_time(void **state)
{
	static const struct gateway_core_times defaults = GATEWAY_CORE_TIMES;
	static const struct gateway_core_times times = { SHORT_MS, SHORT_MS };
	struct scene scene;
	gint64 begin_us;

	(void)state;
	assert_int_equal(defaults.head_ms, 10000); /* docs/PROTOCOL.md */
	scene_open(&scene, true, &times);
	begin_us = g_get_monotonic_time();
	scene_say(&scene, "CONNECT abc");
	assert_int_equal(scene_read_status(&scene), 408);
	assert_in_range(g_get_monotonic_time() - begin_us, (SHORT_MS - 50) * 1000, G_MAXINT);
	assert_int_equal(scene_read_status(&scene), 0);
	scene_close(&scene);
}

static void
test_gateway_core__hostd_late_away_or_lost(void **state)
{
	static const struct gateway_core_times times = { 10000, SHORT_MS };
	static const struct gateway_core_times patient = GATEWAY_CORE_TIMES;
	g_autofree struct seq_message *message = g_new0(struct seq_message, 1);
	struct scene scene;

	(void)state;
	scene_open(&scene, true, &times);
	scene_say(&scene, HEAD);
	scene_read_offer(&scene, message);
	seq_close_fds(message);
	assert_int_equal(scene_read_status(&scene), 503);
	scene_answer(&scene, message->head.id, 0, 200); /* too late: no harm */
	close(scene.client);
	scene.client = scene_connect(&scene);
	scene_close(&scene);

	scene_open(&scene, false, &patient);
	scene_say(&scene, HEAD);
	assert_int_equal(scene_read_status(&scene), 503);
	scene_close(&scene);

	scene_open(&scene, true, &patient);
	scene_say(&scene, HEAD);
	scene_read_offer(&scene, message);
	seq_close_fds(message);
	close(scene.hostd);
	scene.hostd = -1;
	assert_int_equal(scene_read_status(&scene), 503);
	/* The next client finds hostd again. */
	close(scene.client);
	scene.client = scene_connect(&scene);
	scene_say(&scene, HEAD);
	scene_read_offer(&scene, message);
	seq_close_fds(message);
	scene_answer(&scene, message->head.id, -EACCES, 403);
	assert_int_equal(scene_read_status(&scene), 403);
	scene_close(&scene);
}

static void
test_gateway_core__refuses_bad_heads_at_once(void **state)
{
	static const struct gateway_core_times times = GATEWAY_CORE_TIMES;
	struct scene scene;

	(void)state;
	scene_open(&scene, false, &times);
	scene_say(&scene, "GET / HTTP/1.1\r\n\r\n");
	assert_int_equal(scene_read_status(&scene), 405);
	scene_close(&scene);
	/* One that goes away leaves nothing behind. */
	scene_open(&scene, false, &times);
	scene_say(&scene, "CONN");
	shutdown(scene.client, SHUT_WR);
	assert_int_equal(scene_read_status(&scene), 0);
	scene_close(&scene);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gateway_core__hands_on_all_but_the_head),
		cmocka_unit_test(test_gateway_core__tells_refusals),
		cmocka_unit_test(test_gateway_core__gives_a_head_its_time),
		cmocka_unit_test(test_gateway_core__hostd_late_away_or_lost),
		cmocka_unit_test(test_gateway_core__refuses_bad_heads_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
