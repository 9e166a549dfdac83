/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_qemu.c - a spawner whose QEMU only waits, and a QMP server (unit tests)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib-unix.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "tests/unit/fake_qemu.h"

static const struct {
	const char *name;
	int type;
} socket_table[LAUNCH_SOCKET_COUNT] = {
	[LAUNCH_SOCKET_CONTROL] = { "control", SOCK_STREAM },
	[LAUNCH_SOCKET_AGENT] = { "agent", SOCK_STREAM },
	[LAUNCH_SOCKET_VDAGENT] = { "vdagent", SOCK_STREAM },
	[LAUNCH_SOCKET_DISPLAY] = { "display", SOCK_SEQPACKET },
	[LAUNCH_SOCKET_WATCH] = { "watch", SOCK_SEQPACKET },
	[LAUNCH_SOCKET_VMM] = { "vmm", SOCK_SEQPACKET },
};

static void
fake_qemu_make_child(struct fake_qemu *qemu)
{
	qemu->child = fork();
	assert_true(qemu->child >= 0);
	if (qemu->child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		syscall(SYS_close_range, 3, ~0U, 0);
		for (;;)
			pause();
	}
}

static void
fake_qemu_answer_spawn(struct fake_qemu *qemu, engine_spawned_callback callback, void *data)
{
	int pidfd;

	assert_int_equal(io_pidfd_open(qemu->child, &pidfd), 0);
	callback(data, pidfd, NULL);
}

static void
fake_qemu_spawn(void *context, const char *name, guint64 generation, enum launch_role role,
		const char *const *argv, const int *fds, const int *targets, gsize n_fds,
		guint64 memory_max_bytes, engine_spawned_callback callback, void *data)
{
	struct fake_qemu *qemu = context;

	(void)name, (void)generation, (void)argv, (void)targets, (void)memory_max_bytes;
	assert_int_equal(role, qemu->role);
	assert_in_range(n_fds, 1, LAUNCH_MAX_FDS);
	for (gsize i = 0; i < n_fds; i++)
		assert_true(fds[i] >= 0);
	qemu->spawns++;
	if (qemu->fault == FAKE_QEMU_NO_SPAWN) {
		g_autoptr(GError) error = g_error_new_literal(G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
							      "there is no such program");

		callback(data, -1, error);
		return;
	}
	fake_qemu_make_child(qemu);
	qemu->held = callback;
	qemu->held_data = data;
	if (!qemu->hold_spawn)
		fake_qemu_release(qemu);
}

void
fake_qemu_release(struct fake_qemu *qemu)
{
	engine_spawned_callback callback = qemu->held;

	assert_non_null(callback);
	qemu->held = NULL;
	fake_qemu_answer_spawn(qemu, callback, qemu->held_data);
}

void
fake_qemu_die(struct fake_qemu *qemu)
{
	if (qemu->child > 0) {
		kill(qemu->child, SIGKILL);
		waitpid(qemu->child, NULL, 0);
	}
	qemu->child = 0;
	qemu->quits = FALSE;
	fake_peer_done(&qemu->peer);
}

gboolean
fake_qemu_lives(const struct fake_qemu *qemu)
{
	/* Who was killed by others is a zombie until it is waited for. */
	return qemu->child > 0 && waitpid(qemu->child, NULL, WNOHANG | __WALL) == 0;
}

gboolean
fake_qemu_ends(const struct fake_qemu *qemu)
{
	struct pollfd end = { .events = POLLIN };
	int n;

	assert_int_equal(io_pidfd_open(qemu->child, &end.fd), 0);
	n = poll(&end, 1, 10000);
	close(end.fd);
	return n == 1;
}

static gboolean
fake_qemu_handle_connection(gint fd, GIOCondition condition, gpointer data)
{
	struct fake_qemu *qemu = data;
	// cppcheck-suppress nullPointer ; accept4(2) allows it
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	(void)condition;
	assert_true(peer >= 0);
	fake_peer_done(&qemu->peer);
	fake_peer_init(&qemu->peer, peer);
	if (qemu->fault == FAKE_QEMU_DIES && !qemu->command)
		fake_qemu_die(qemu);
	else if (qemu->fault == FAKE_QEMU_NONSENSE && !qemu->command)
		fake_peer_say(&qemu->peer, "hello\n");
	else
		fake_peer_say(&qemu->peer, "{\"QMP\": {\"version\": {}}}\r\n");
	return G_SOURCE_CONTINUE;
}

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

const char fake_qemu_manifest[] =
	"{\"v\":1,\"name\":\"debian-openbox\",\"version\":3,\"parent\":\"\",\"created_ms\":7,\"author\":\"root\",\"note\":\"\","
	"\"kinds\":[\"user\"],\"agent_version\":1,"
	"\"engine\":{\"name\":\"qemu\",\"version\":\"" FAKE_QEMU_VERSION
	"\",\"accelerator\":\"tcg\",\"state_format\":1},"
	"\"machine\":{\"type\":\"pc-q35-7.2\",\"cpu\":\"Nehalem\",\"cpuid_sha256\":\"" FAKE_QEMU_CPUID
	"\",\"cpus\":2,\"ram_mib\":1024,"
	"\"command_line\":\"quiet\",\"devices\":[{\"id\":\"disk\",\"driver\":\"virtio-blk-pci\",\"address\":\"0x7\"}]},"
	"\"report\":[],\"files\":[{\"path\":\"qemu/user/state\",\"size\":1,\"sha256\":\"" HASH
	"\"}]}";

/* What real QEMU says beside an empty answer. */
static const struct {
	const char *command;
	const char *value;
	const char *event; /* after the answer */
} answer_table[] = {
	{ "query-status", "{\"running\": true}", NULL },
	{ "query-version", "{\"qemu\": {\"major\": 7, \"minor\": 2, \"micro\": 22}}", NULL },
	{ "query-cpu-model-expansion", "{\"model\": {\"name\": \"base\"}}", NULL },
	{ "stop", "{}", "{\"event\": \"STOP\"}\r\n" },
	{ "cont", "{}", "{\"event\": \"RESUME\"}\r\n" },
	{ "quit", "{}", "{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": false}}\r\n" },
	{ "query-migrate", "{\"status\": \"cancelled\"}", NULL },
	{ "migrate", "{}",
	  "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"active\"}}\r\n"
	  "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"completed\"}}\r\n" },
	{ "migrate-incoming", "{}",
	  "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"active\"}}\r\n"
	  "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"completed\"}}\r\n" },
};

static void
fake_qemu_say_answer(const struct fake_qemu *qemu, const char *command, json_int_t id)
{
	g_autofree char *standing =
		g_strdup_printf("{\"running\": false, \"status\": \"%s\"}", qemu->status);
	g_autofree char *text = NULL;
	const char *before = qemu->full && strcmp(command, "stop") == 0 ? FAKE_QEMU_STANDS : "";
	const char *value = "{}";
	const char *event = "";

	for (gsize i = 0; i < G_N_ELEMENTS(answer_table); i++) {
		if (strcmp(answer_table[i].command, command) != 0)
			continue;
		value = answer_table[i].value;
		event = answer_table[i].event ? answer_table[i].event : "";
	}
	if (qemu->status && strcmp(command, "query-status") == 0)
		value = standing;
	if (qemu->full && strcmp(command, "query-status") == 0)
		value = "{\"running\": false, \"status\": \"io-error\"}";
	if (qemu->full && strcmp(command, "cont") == 0)
		event = "{\"event\": \"RESUME\"}\r\n" FAKE_QEMU_STANDS;
	if (qemu->fault == FAKE_QEMU_OTHER && g_strcmp0(qemu->command, command) == 0)
		value = "{\"qemu\": {\"major\": 8}}";
	if (qemu->fault == FAKE_QEMU_FAILS && g_strcmp0(qemu->command, command) == 0)
		event = "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"failed\"}}\r\n";
	text = g_strdup_printf("%s{\"return\": %s, \"id\": %" JSON_INTEGER_FORMAT "}\r\n%s", before,
			       value, id, event);
	fake_peer_say(&qemu->peer, text);
}

static void
fake_qemu_say_refusal(const struct fake_qemu *qemu, json_int_t id)
{
	g_autofree char *text = g_strdup_printf(
		"{\"id\": %" JSON_INTEGER_FORMAT ", \"error\": {\"desc\": \"not today\"}}\r\n", id);

	fake_peer_say(&qemu->peer, text);
}

static void
fake_qemu_take_command(struct fake_qemu *qemu, const char *command, json_int_t id)
{
	gboolean here = g_strcmp0(qemu->command, command) == 0;

	g_string_append_printf(qemu->commands, "%s ", command);
	if (here && qemu->fault == FAKE_QEMU_DIES)
		fake_qemu_die(qemu);
	else if (here && qemu->fault == FAKE_QEMU_REFUSES)
		fake_qemu_say_refusal(qemu, id);
	else if (here && qemu->fault == FAKE_QEMU_NONSENSE)
		fake_peer_say(&qemu->peer, "{\"hello\": 1}\r\n");
	else if (!here || qemu->fault != FAKE_QEMU_SILENT)
		fake_qemu_say_answer(qemu, command, id);
	qemu->quits |= strcmp(command, "quit") == 0 && !(here && qemu->fault != FAKE_QEMU_WORKS);
}

void
fake_qemu_serve(struct fake_qemu *qemu)
{
	if (qemu->quits)
		fake_qemu_die(qemu);
	while (qemu->peer.fd >= 0) {
		g_autofree char *line = fake_peer_take_line(&qemu->peer);
		json_t *object;

		if (!line)
			return;
		object = json_loads(line, 0, NULL);
		assert_non_null(object);
		fake_qemu_take_command(qemu, json_get_text(object, "execute", ""),
				       json_get_integer(object, "id", -1));
		json_decref(object);
	}
}

struct fake_qemu *
fake_qemu_new(void)
{
	struct fake_qemu *qemu = g_new0(struct fake_qemu, 1);

	qemu->folder = g_dir_make_tmp("test-qemu-XXXXXX", NULL);
	qemu->peer.fd = -1;
	qemu->commands = g_string_new(NULL);
	qemu->spawner = (struct engine_spawner){ qemu, fake_qemu_spawn };
	qemu->place.spawner = &qemu->spawner;
	qemu->place.folder = qemu->folder;
	qemu->role = LAUNCH_ROLE_QEMU;
	qemu->place.kvm = -1;
	for (gsize i = 0; i < LAUNCH_SOCKET_COUNT; i++) {
		g_autofree char *path = g_build_filename(qemu->folder, socket_table[i].name, NULL);

		assert_int_equal(
			io_unix_listen(path, socket_table[i].type, 0600, &qemu->listeners[i]), 0);
	}
	memcpy(qemu->place.sockets, qemu->listeners, sizeof(qemu->listeners));
	qemu->accepting = g_unix_fd_add(qemu->listeners[LAUNCH_SOCKET_CONTROL], G_IO_IN,
					fake_qemu_handle_connection, qemu);
	return qemu;
}

void
fake_qemu_free(struct fake_qemu *qemu)
{
	g_source_remove(qemu->accepting);
	fake_qemu_die(qemu);
	for (gsize i = 0; i < LAUNCH_SOCKET_COUNT; i++) {
		g_autofree char *path = g_build_filename(qemu->folder, socket_table[i].name, NULL);

		close(qemu->listeners[i]);
		g_unlink(path);
	}
	g_rmdir(qemu->folder);
	g_string_free(qemu->commands, TRUE);
	g_free(qemu->folder);
	g_free(qemu);
}
