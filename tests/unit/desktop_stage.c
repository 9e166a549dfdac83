/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_stage.c - one desktop on a fake launch and a fake QEMU, and the agent inside (unit tests)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/frame.h"
#include "base/io.h"
#include "base/proto_agent.h"
#include "host/desktop_suspension.h"
#include "tests/unit/desktop_stage.h"

static const char *const template_files[] = { "disk.img", "kernel", "initrd", "qemu/user/state" };

static void
note_event(void *context, const struct desktop *desktop, const char *kind, gint64 value,
	   const char *text)
{
	struct desktop_stage *f = context;

	(void)desktop, (void)value, (void)text;
	g_string_append_printf(f->events, "%s ", kind);
}

static void
note_changed(void *context, struct desktop *desktop)
{
	(void)context, (void)desktop;
}

static void
note_foreign(void *context, const struct desktop *desktop, const char *reason)
{
	struct desktop_stage *f = context;

	(void)desktop;
	assert_non_null(strstr(reason, "here it is"));
	g_string_append(f->events, "foreign ");
}

static void
note_fact(void *context, struct desktop *desktop, const struct display_fact *fact)
{
	(void)context, (void)desktop, (void)fact;
}

static gboolean
agent_handle_connection(gint fd, GIOCondition condition, gpointer data)
{
	struct desktop_stage *f = data;
	// cppcheck-suppress nullPointer ; accept4(2) allows it
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	(void)condition;
	assert_true(peer >= 0);
	fake_peer_done(&f->agent);
	fake_peer_init(&f->agent, peer);
	return G_SOURCE_CONTINUE;
}

void
desktop_stage_say(struct desktop_stage *f, json_t *object)
{
	g_autofree char *text = json_dumps(object, JSON_COMPACT);
	uint8_t *frame;
	size_t size;

	assert_int_equal(frame_encode(text, strlen(text), &frame, &size), 0);
	fake_peer_send(&f->agent, frame, size);
	free(frame);
	json_decref(object);
}

static json_t *
agent_make_answer(const json_t *request, gboolean ok)
{
	return json_pack("{s:i, s:O, s:O, s:O, s:b}", "v", AGENT_PROTOCOL_VERSION, "id",
			 json_object_get(request, "id"), "verb", json_object_get(request, "verb"),
			 "generation", json_object_get(request, "generation"), "ok", ok);
}

/* What the guest has got now, for an agent that tells. */
static void
agent_reach(struct desktop_stage *f, enum agent_state state)
{
	if (f->says != AGENT_STATE_UNKNOWN)
		f->says = state;
}

static json_t *
agent_make_echo(const struct desktop_stage *f, const char *nonce)
{
	if (f->says == AGENT_STATE_UNKNOWN)
		return json_pack("{s:s}", "nonce", nonce);
	return json_pack("{s:s, s:s}", "nonce", nonce, "state", agent_state_name(f->says));
}

static void
agent_answer(struct desktop_stage *f, const json_t *request, const char *nonce)
{
	const char *verb = json_get_text(request, "verb", "");
	json_t *answer = agent_make_answer(request, TRUE);
	json_t *body;

	if (nonce) {
		body = agent_make_echo(f, nonce);
	} else if (strcmp(verb, AGENT_VERB_IDENTIFY) == 0) {
		agent_reach(f, AGENT_STATE_IDENTIFIED);
		body = json_pack("{s:[]}", "steps");
	} else if (strcmp(verb, AGENT_VERB_CLOCK) == 0) {
		body = json_object();
	} else if (strcmp(verb, AGENT_VERB_READY) == 0) {
		body = json_pack("{s:b}", "x", f->up);
	} else {
		agent_reach(f, AGENT_STATE_IN_SESSION);
		body = json_pack("{s:s}", "session", "c1");
	}
	json_object_set_new(answer, "body", body);
	desktop_stage_say(f, answer);
}

static void
agent_refuse(struct desktop_stage *f, const json_t *request, const char *words)
{
	json_t *answer = agent_make_answer(request, FALSE);

	json_object_set_new(answer, "error", json_string(words));
	desktop_stage_say(f, answer);
}

static void
agent_count(struct desktop_stage *f, const char *verb)
{
	static const char *const verbs[SAID_VERBS] = { [SAID_RESYNC] = AGENT_VERB_RESYNC,
						       [SAID_IDENTIFY] = AGENT_VERB_IDENTIFY,
						       [SAID_LOGIN] = AGENT_VERB_LOGIN,
						       [SAID_READY] = AGENT_VERB_READY,
						       [SAID_CLOCK] = AGENT_VERB_CLOCK };

	for (gsize i = 0; i < SAID_VERBS; i++)
		f->said[i] += strcmp(verbs[i], verb) == 0;
}

static void
agent_take(struct desktop_stage *f, const json_t *request)
{
	const char *verb = json_get_text(request, "verb", "");
	const char *nonce = json_get_text(json_object_get(request, "body"), "nonce", NULL);
	enum agent_act act = g_strcmp0(f->verb, verb) == 0 ? f->act : AGENT_ANSWERS;

	assert_int_equal(json_get_integer(request, "generation", 0), GENERATION);
	agent_count(f, verb);
	if (act == AGENT_ANSWERS)
		agent_answer(f, request, nonce);
	else if (act == AGENT_ECHOES_OTHER)
		agent_answer(f, request, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	else if (act == AGENT_REFUSES)
		agent_refuse(f, request, "there is no room");
	else if (act == AGENT_IS_BUSY)
		agent_refuse(f, request, "busy with 'screen': ask again after its answer");
	else if (act == AGENT_SAYS_NONSENSE)
		fake_peer_send(&f->agent, "\377\377\377\377{\"v\": nonsense", 18);
	else if (act == AGENT_HANGS_UP)
		fake_peer_done(&f->agent);
}

void
desktop_stage_boot(struct desktop_stage *f)
{
	agent_reach(f, AGENT_STATE_FRESH);
}

void
desktop_stage_reset(struct desktop_stage *f)
{
	desktop_stage_boot(f);
	fake_peer_say(&f->qemu->peer, "{\"event\": \"RESET\", \"data\": {\"guest\": true}}\r\n");
}

void
desktop_stage_serve_agent(struct desktop_stage *f)
{
	json_t *request;

	while (f->agent.fd >= 0 && (request = fake_peer_take_frame(&f->agent))) {
		agent_take(f, request);
		json_decref(request);
	}
}

gboolean
desktop_stage_is_in(const struct desktop_stage *f, enum desktop_state state)
{
	return desktop_get_state(f->desktop) == state;
}

static void
make_folders(struct desktop_stage *f)
{
	g_autofree char *state = NULL;
	g_autofree char *desktops = NULL;
	g_autofree char *link = NULL;
	char block[512] = "";

	f->root = g_dir_make_tmp("test-desktop-XXXXXX", NULL);
	f->run = g_build_filename(f->root, "run", NULL);
	f->lib = g_build_filename(f->root, "lib", NULL);
	state = g_build_filename(f->root, "qemu", "user", NULL);
	desktops = g_build_filename(f->run, "desktops", NULL);
	link = g_build_filename(desktops, DESKTOP, NULL);
	assert_int_equal(g_mkdir_with_parents(state, 0700), 0);
	assert_int_equal(g_mkdir_with_parents(desktops, 0700), 0);
	/* The fake QEMU's sockets are where it made them. */
	assert_int_equal(symlink(f->qemu->folder, link), 0);
	for (gsize i = 0; i < G_N_ELEMENTS(template_files); i++) {
		g_autofree char *path = g_build_filename(f->root, template_files[i], NULL);

		assert_true(g_file_set_contents(path, block, sizeof(block), NULL));
	}
}

static void
remove_folders(struct desktop_stage *f)
{
	static const char *const files[] = { "lib/desktops/" DESKTOP "/session",
					     "lib/desktops/" DESKTOP "/vmm.log",
					     "lib/desktops/" DESKTOP "/origin.json",
					     "lib/desktops/" DESKTOP "/suspended.json",
					     "lib/desktops/" DESKTOP "/suspended.state",
					     "lib/desktops/" DESKTOP "/suspended.pages",
					     "lib/desktops/" DESKTOP "/overlay.qcow2",
					     "run/desktops/" DESKTOP };
	static const char *const folders[] = { "lib/desktops/" DESKTOP,
					       "lib/desktops",
					       "lib",
					       "run/desktops",
					       "run",
					       "qemu/user",
					       "qemu",
					       "" };

	for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *path = g_build_filename(f->root, files[i], NULL);

		g_unlink(path);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(template_files); i++) {
		g_autofree char *path = g_build_filename(f->root, template_files[i], NULL);

		g_unlink(path);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
		g_autofree char *path = g_build_filename(f->root, folders[i], NULL);

		g_rmdir(path);
	}
	assert_false(g_file_test(f->root, G_FILE_TEST_EXISTS));
}

int
desktop_stage_setup(void **state)
{
	struct desktop_stage *f = g_new0(struct desktop_stage, 1);

	f->launch = fake_launch_new();
	f->qemu = fake_qemu_new();
	f->client = fake_launch_connect(f->launch);
	make_folders(f);
	f->manifest = manifest_parse(fake_qemu_manifest, strlen(fake_qemu_manifest), NULL);
	assert_non_null(f->manifest);
	f->folder = open(f->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->memory = memfd_create("test", MFD_CLOEXEC);
	f->agent.fd = -1;
	f->up = TRUE;
	f->says = AGENT_STATE_QUIESCED;
	f->accepting = g_unix_fd_add(f->qemu->listeners[LAUNCH_SOCKET_AGENT], G_IO_IN,
				     agent_handle_connection, f);
	f->events = g_string_new(NULL);
	f->host = (struct desktop_host){
		.launch = f->client,
		.spawner = &f->qemu->spawner,
		.run = f->run,
		.lib = f->lib,
		.times = { .resync_ms = 300, .identify_ms = 300, .login_ms = 300, .again_ms = 50 },
		.context = f,
		.event = note_event,
		.changed = note_changed,
		.fact = note_fact,
		.foreign = note_foreign,
	};
	f->desktop = desktop_new(&f->host, DESKTOP, GENERATION);
	*state = f;
	return 0;
}

int
desktop_stage_teardown(void **state)
{
	struct desktop_stage *f = *state;

	desktop_free(f->desktop);
	fake_peer_settle();
	launch_client_free(f->client);
	g_source_remove(f->accepting);
	fake_peer_done(&f->agent);
	fake_qemu_free(f->qemu);
	fake_launch_free(f->launch);
	remove_folders(f);
	manifest_free(f->manifest);
	close(f->folder);
	close(f->memory);
	g_string_free(f->events, TRUE);
	g_free(f->run);
	g_free(f->lib);
	g_free(f->root);
	g_free(f);
	return 0;
}

void
desktop_stage_fork(struct desktop_stage *f)
{
	struct engine_template source = { f->manifest, f->folder, "user", f->memory, NULL, FALSE };

	desktop_fork(f->desktop, &source, FALSE);
}

void
desktop_stage_log_in(struct desktop_stage *f)
{
	desktop_login(f->desktop, SESSION, json_pack("{s:s}", "user", "ada"));
}

void
desktop_stage_find(struct desktop_stage *f, const struct launch_record *record)
{
	struct desktop_folder folder;
	struct suspension found;

	desktop_folder_init(&folder, f->lib, DESKTOP);
	assert_true(desktop_suspension_read(&folder, &found, NULL));
	desktop_folder_done(&folder);
	desktop_free(f->desktop);
	f->desktop = desktop_new(&f->host, DESKTOP, GENERATION);
	desktop_adopt(f->desktop, record, &found);
}

void
desktop_stage_adopt(struct desktop_stage *f, enum launch_role role)
{
	struct launch_record record = { .generation = GENERATION };
	struct launch_process *machine = &record.processes[role];

	g_strlcpy(record.desktop, DESKTOP, sizeof(record.desktop));
	machine->pid = f->qemu->child;
	if (machine->pid > 0)
		assert_int_equal(io_process_start(machine->pid, &machine->start_ticks), 0);
	fake_peer_done(&f->agent);
	desktop_stage_find(f, &record);
}
