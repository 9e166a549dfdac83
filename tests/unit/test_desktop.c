/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_desktop.c - a desktop's life with a fake launch, a fake QEMU and an agent that may be silent or talk nonsense
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib-unix.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/frame.h"
#include "base/io.h"
#include "base/proto_agent.h"
#include "base/proto_vmm.h"
#include "common/seq_source.h"
#include "host/desktop.h"
#include "tests/unit/fake_launch.h"
#include "tests/unit/fake_qemu.h"

#define DESKTOP	   "d-aaaaaaaaaaaaaaaaaaaa"
#define SESSION	   "s-aaaaaaaaaaaaaaaaaaaa"
#define GENERATION 7

static const char *const template_files[] = { "disk.img", "kernel", "initrd", "qemu/user/state" };

/* What the agent does when a verb comes. */
enum agent_act {
	AGENT_ANSWERS,
	AGENT_SAYS_NOTHING,
	AGENT_SAYS_NONSENSE, /* bytes that are no frame of its form */
	AGENT_ECHOES_OTHER,  /* a nonce that nobody sent */
	AGENT_REFUSES,
	AGENT_HANGS_UP,
};

struct fixture {
	struct fake_launch *launch;
	struct fake_qemu *qemu;
	struct launch_client *client;
	char *root; /* of the template, "run" and "lib" */
	char *run;
	char *lib;
	struct manifest *manifest;
	int memory;
	struct desktop_host host;
	struct desktop *desktop;
	guint accepting;
	struct fake_peer agent; /* fd -1: hostd is not connected */
	enum agent_act act;
	const char *verb; /* at which it acts so; it answers the others */
	guint said[3];	  /* resync, identify, login */
	GString *events;
	struct seq_source *vmm; /* the connection to a machine of engine kvm */
};

static void
note_event(void *context, const struct desktop *desktop, const char *kind, gint64 value,
	   const char *text)
{
	struct fixture *f = context;

	(void)desktop, (void)value, (void)text;
	g_string_append_printf(f->events, "%s ", kind);
}

static void
note_changed(void *context, struct desktop *desktop)
{
	(void)context, (void)desktop;
}

static void
note_fact(void *context, struct desktop *desktop, const struct display_fact *fact)
{
	(void)context, (void)desktop, (void)fact;
}

static gboolean
agent_handle_connection(gint fd, GIOCondition condition, gpointer data)
{
	struct fixture *f = data;
	// cppcheck-suppress nullPointer ; accept4(2) allows it
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	(void)condition;
	assert_true(peer >= 0);
	fake_peer_done(&f->agent);
	fake_peer_init(&f->agent, peer);
	return G_SOURCE_CONTINUE;
}

static void
agent_send(struct fixture *f, json_t *object)
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

static void
agent_answer(struct fixture *f, const json_t *request, const char *nonce)
{
	const char *verb = json_get_text(request, "verb", "");
	json_t *answer = agent_make_answer(request, TRUE);
	json_t *body;

	if (nonce)
		body = json_pack("{s:s}", "nonce", nonce);
	else if (strcmp(verb, AGENT_VERB_IDENTIFY) == 0)
		body = json_pack("{s:[]}", "steps");
	else
		body = json_pack("{s:s}", "session", "c1");
	json_object_set_new(answer, "body", body);
	agent_send(f, answer);
}

static void
agent_refuse(struct fixture *f, const json_t *request)
{
	json_t *answer = agent_make_answer(request, FALSE);

	json_object_set_new(answer, "error", json_string("there is no room"));
	agent_send(f, answer);
}

static void
agent_count(struct fixture *f, const char *verb)
{
	static const char *const verbs[] = { AGENT_VERB_RESYNC, AGENT_VERB_IDENTIFY,
					     AGENT_VERB_LOGIN };

	for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++)
		f->said[i] += strcmp(verbs[i], verb) == 0;
}

static void
agent_take(struct fixture *f, const json_t *request)
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
		agent_refuse(f, request);
	else if (act == AGENT_SAYS_NONSENSE)
		fake_peer_send(&f->agent, "\377\377\377\377{\"v\": nonsense", 18);
	else if (act == AGENT_HANGS_UP)
		fake_peer_done(&f->agent);
}

static void
agent_serve(struct fixture *f)
{
	json_t *request;

	while (f->agent.fd >= 0 && (request = fake_peer_take_frame(&f->agent))) {
		agent_take(f, request);
		json_decref(request);
	}
}

#define SERVE_UNTIL(f, condition) \
	WAIT_FOR((fake_qemu_serve((f)->qemu), agent_serve(f), (condition)))

static gboolean
is_in(const struct fixture *f, enum desktop_state state)
{
	return desktop_get_state(f->desktop) == state;
}

static void
make_folders(struct fixture *f)
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
remove_folders(struct fixture *f)
{
	static const char *const files[] = { "lib/desktops/" DESKTOP "/session",
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

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->launch = fake_launch_new();
	f->qemu = fake_qemu_new();
	f->client = fake_launch_connect(f->launch);
	make_folders(f);
	f->manifest = manifest_parse(fake_qemu_manifest, strlen(fake_qemu_manifest), NULL);
	assert_non_null(f->manifest);
	f->memory = memfd_create("test", MFD_CLOEXEC);
	f->agent.fd = -1;
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
	};
	f->desktop = desktop_new(&f->host, DESKTOP, GENERATION);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	desktop_free(f->desktop);
	fake_peer_settle();
	launch_client_free(f->client);
	g_source_remove(f->accepting);
	fake_peer_done(&f->agent);
	fake_qemu_free(f->qemu);
	fake_launch_free(f->launch);
	remove_folders(f);
	manifest_free(f->manifest);
	close(f->memory);
	g_string_free(f->events, TRUE);
	g_free(f->run);
	g_free(f->lib);
	g_free(f->root);
	g_free(f);
	return 0;
}

static void
start_fork(struct fixture *f)
{
	struct engine_template source = { f->manifest, f->root, "user", f->memory };

	desktop_fork(f->desktop, &source, FALSE);
}

static void
log_in(struct fixture *f)
{
	desktop_login(f->desktop, SESSION, json_pack("{s:s}", "user", "ada"));
}

static void
test_desktop__forks_and_logs_its_user_in(void **state)
{
	struct fixture *f = *state;
	g_autofree char *path = g_build_filename(f->lib, "desktops", DESKTOP, "session", NULL);
	g_autofree char *session = NULL;

	start_fork(f);
	SERVE_UNTIL(f, is_in(f, DESKTOP_STATE_READY));
	log_in(f);
	SERVE_UNTIL(f, is_in(f, DESKTOP_STATE_ASSIGNED));
	assert_string_equal(f->events->str, "forked agent identified logged_in ");
	assert_true(g_file_get_contents(path, &session, NULL, NULL));
	assert_string_equal(session, SESSION);
	desktop_retire(f->desktop, "enough");
	SERVE_UNTIL(f, is_in(f, DESKTOP_STATE_GONE));
	assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
	assert_int_equal(f->launch->count[LAUNCH_DESKTOP_REMOVE], 1);
}

static const struct {
	enum agent_act act;
	const char *verb;
	const char *reason; /* the desktop's, begins with it */
	const char *cause;  /* and has this in it */
} agent_faults[] = {
	{ AGENT_SAYS_NOTHING, AGENT_VERB_RESYNC,
	  "the agent inside gave no sign of life: ", "resync" },
	{ AGENT_SAYS_NONSENSE, AGENT_VERB_RESYNC,
	  "the agent inside gave no sign of life: ", "resync" },
	{ AGENT_ECHOES_OTHER, AGENT_VERB_RESYNC,
	  "the agent inside gave no sign of life: ", "resync" },
	{ AGENT_HANGS_UP, AGENT_VERB_RESYNC, "the agent inside gave no sign of life: ", "closed" },
	{ AGENT_SAYS_NOTHING, AGENT_VERB_IDENTIFY,
	  "the agent could not give the guest its names: ", "identify" },
	{ AGENT_SAYS_NONSENSE, AGENT_VERB_IDENTIFY,
	  "the agent could not give the guest its names: ", "too long frame" },
	{ AGENT_REFUSES, AGENT_VERB_IDENTIFY,
	  "the agent could not give the guest its names: ", "there is no room" },
	{ AGENT_HANGS_UP, AGENT_VERB_IDENTIFY,
	  "the agent could not give the guest its names: ", "closed" },
	{ AGENT_SAYS_NOTHING, AGENT_VERB_LOGIN,
	  "the user could not be logged in inside: ", "login" },
	{ AGENT_SAYS_NONSENSE, AGENT_VERB_LOGIN,
	  "the user could not be logged in inside: ", "too long frame" },
	{ AGENT_REFUSES, AGENT_VERB_LOGIN,
	  "the user could not be logged in inside: ", "there is no room" },
	{ AGENT_HANGS_UP, AGENT_VERB_LOGIN, "the user could not be logged in inside: ", "closed" },
};

static void
test_desktop__fails_with_one_reason_when_its_agent_does(void **unused)
{
	(void)unused;
	for (gsize i = 0; i < G_N_ELEMENTS(agent_faults); i++) {
		void *state = NULL;
		struct fixture *f;

		setup(&state);
		f = state;
		f->act = agent_faults[i].act;
		f->verb = agent_faults[i].verb;
		start_fork(f);
		log_in(f);
		SERVE_UNTIL(f, is_in(f, DESKTOP_STATE_FAILED));
		print_message("%s\n", desktop_get_reason(f->desktop));
		assert_true(
			g_str_has_prefix(desktop_get_reason(f->desktop), agent_faults[i].reason));
		assert_non_null(strstr(desktop_get_reason(f->desktop), agent_faults[i].cause));
		assert_true(g_str_has_suffix(f->events->str, "failed "));
		SERVE_UNTIL(f, f->launch->count[LAUNCH_KILL] == 1);
		teardown(&state);
	}
}

static void
test_desktop__an_agent_without_sense_does_not_take_the_desktop_from_its_user(void **state)
{
	struct fixture *f = *state;
	guint resyncs;

	start_fork(f);
	log_in(f);
	SERVE_UNTIL(f, is_in(f, DESKTOP_STATE_ASSIGNED));
	resyncs = f->said[0];
	f->act = AGENT_SAYS_NONSENSE;
	f->verb = AGENT_VERB_RESYNC;
	fake_peer_send(&f->agent, "\377\377\377\377", 4);
	/* It is asked again and again, on this connection and on new ones, and nothing is lost. */
	SERVE_UNTIL(f, f->said[0] >= resyncs + 3);
	assert_true(is_in(f, DESKTOP_STATE_ASSIGNED));
	f->verb = NULL;
	resyncs = f->said[0];
	SERVE_UNTIL(f, f->said[0] > resyncs);
	fake_peer_settle();
	assert_true(is_in(f, DESKTOP_STATE_ASSIGNED));
	assert_int_equal(f->said[2], 1);
}

static const struct {
	enum fake_qemu_fault fault;
	const char *command;
	const char *reason;
} machine_faults[] = {
	{ FAKE_QEMU_NO_SPAWN, NULL, "the fork failed: start the process: " },
	{ FAKE_QEMU_DIES, NULL, "the fork failed: connect to it: " },
	{ FAKE_QEMU_FAILS, "migrate-incoming", "the fork failed: load the state: " },
	{ FAKE_QEMU_REFUSES, "cont", "the fork failed: run: " },
};

static void
test_desktop__a_login_waits_for_an_agent_that_was_away(void **state)
{
	struct fixture *f = *state;

	start_fork(f);
	SERVE_UNTIL(f, is_in(f, DESKTOP_STATE_READY));
	fake_peer_done(&f->agent);
	/* It has come back, and has not echoed the nonce yet. */
	WAIT_FOR(f->agent.fd >= 0 && f->agent.input->len > 0);
	log_in(f);
	SERVE_UNTIL(f, is_in(f, DESKTOP_STATE_ASSIGNED));
	assert_int_equal(f->said[0], 2);
	assert_int_equal(f->said[2], 1);
}

static void
test_desktop__fails_when_its_engine_is_not_here(void **state)
{
	struct fixture *f = *state;

	json_object_set_new(json_object_get(f->manifest->object, "engine"), "name",
			    json_string("vax"));
	start_fork(f);
	WAIT_FOR(is_in(f, DESKTOP_STATE_FAILED));
	assert_string_equal(desktop_get_reason(f->desktop),
			    "this host has no engine for its template");
	assert_int_equal(f->qemu->spawns, 0);
}

static void
test_desktop__fails_when_its_machine_does_not_start(void **unused)
{
	(void)unused;
	for (gsize i = 0; i < G_N_ELEMENTS(machine_faults); i++) {
		void *state = NULL;
		struct fixture *f;

		setup(&state);
		f = state;
		f->qemu->fault = machine_faults[i].fault;
		f->qemu->command = machine_faults[i].command;
		start_fork(f);
		SERVE_UNTIL(f, is_in(f, DESKTOP_STATE_FAILED));
		print_message("%s\n", desktop_get_reason(f->desktop));
		assert_true(
			g_str_has_prefix(desktop_get_reason(f->desktop), machine_faults[i].reason));
		teardown(&state);
	}
}

static void
test_desktop__fails_when_its_machine_ends(void **state)
{
	struct fixture *f = *state;

	start_fork(f);
	log_in(f);
	SERVE_UNTIL(f, is_in(f, DESKTOP_STATE_ASSIGNED));
	fake_qemu_die(f->qemu);
	SERVE_UNTIL(f, is_in(f, DESKTOP_STATE_FAILED));
	assert_non_null(strstr(desktop_get_reason(f->desktop), "its machine ended by itself"));
	desktop_fail(f->desktop, "another reason");
	assert_null(strstr(desktop_get_reason(f->desktop), "another reason"));
}

static void
test_desktop__log_off_inside_retires_it(void **state)
{
	struct fixture *f = *state;

	start_fork(f);
	log_in(f);
	SERVE_UNTIL(f, is_in(f, DESKTOP_STATE_ASSIGNED));
	agent_send(f, json_pack("{s:i, s:i, s:s, s:i, s:{s:s, s:s}}", "v", AGENT_PROTOCOL_VERSION,
				"id", 0, "verb", AGENT_VERB_LOGOFF, "generation", GENERATION,
				"body", "user", "ada", "reason", "logoff"));
	SERVE_UNTIL(f, is_in(f, DESKTOP_STATE_GONE));
	assert_true(g_str_has_suffix(f->events->str, "logoff "));
}

static void
test_desktop__a_machine_that_launch_cannot_make_fails_it(void **state)
{
	struct fixture *f = *state;

	f->launch->refuse = -EMFILE;
	start_fork(f);
	SERVE_UNTIL(f, is_in(f, DESKTOP_STATE_FAILED));
	assert_non_null(strstr(desktop_get_reason(f->desktop), "no such luck"));
}

/* A record of the machine that runs, as launch lists it. */
static void
adopt_machine(struct fixture *f, enum launch_role role)
{
	struct launch_record record = { .generation = GENERATION };
	struct launch_process *machine = &record.processes[role];

	g_strlcpy(record.desktop, DESKTOP, sizeof(record.desktop));
	machine->pid = f->qemu->child;
	if (machine->pid > 0)
		assert_int_equal(io_process_start(machine->pid, &machine->start_ticks), 0);
	desktop_free(f->desktop);
	fake_peer_done(&f->agent);
	f->desktop = desktop_new(&f->host, DESKTOP, GENERATION);
	desktop_adopt(f->desktop, &record);
}

static void
adopt(struct fixture *f)
{
	adopt_machine(f, LAUNCH_ROLE_QEMU);
}

/* A machine that stands for lack of room. */
static void
vmm_handle_message(void *context, struct seq_message *message)
{
	struct fixture *f = context;
	const struct vmm_status status = { .version = VMM_PROTOCOL_VERSION,
					   .state = VMM_STATE_PAUSED,
					   .pause_reason = VMM_PAUSE_NO_SPACE };
	struct seq_header head = { .type = VMM_STATUS, .size = sizeof(status) };

	assert_non_null(message);
	assert_int_equal(message->head.type, VMM_STATUS);
	head.id = message->head.id;
	assert_int_equal(seq_source_send(f->vmm, &head, &status, NULL, 0), 0);
}

static gboolean
vmm_handle_connection(gint fd, GIOCondition condition, gpointer data)
{
	struct fixture *f = data;
	// cppcheck-suppress nullPointer ; accept4(2) allows it
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	(void)condition;
	f->vmm = seq_source_new(peer, "test", vmm_handle_message, f);
	return G_SOURCE_REMOVE;
}

/* Also when hostd was not there when it began: its desktop says so as long as it lasts, and is not touched. */
static void
test_desktop__tells_that_its_machine_waits_for_room(void **state)
{
	struct fixture *f = *state;
	const struct vmm_event goes_on = { .kind = VMM_EVENT_STATE, .value = VMM_STATE_RUNNING };
	const struct seq_header head = { .type = VMM_EVENT, .size = sizeof(goes_on) };

	start_fork(f);
	SERVE_UNTIL(f, is_in(f, DESKTOP_STATE_READY));
	assert_string_equal(desktop_get_reason(f->desktop), "");
	g_unix_fd_add(f->qemu->listeners[LAUNCH_SOCKET_VMM], G_IO_IN, vmm_handle_connection, f);
	adopt_machine(f, LAUNCH_ROLE_VMM);
	SERVE_UNTIL(f, strstr(f->events->str, "no_space ") != NULL);
	assert_non_null(
		strstr(desktop_get_reason(f->desktop), "the host's disk (or its memory) is full"));
	assert_int_equal(seq_source_send(f->vmm, &head, &goes_on, NULL, 0), 0);
	SERVE_UNTIL(f, strstr(f->events->str, " space ") != NULL);
	assert_string_equal(desktop_get_reason(f->desktop), "");
	SERVE_UNTIL(f, is_in(f, DESKTOP_STATE_READY));
	assert_int_equal(f->launch->count[LAUNCH_KILL], 0);
	seq_source_free(f->vmm);
}

static void
test_desktop__an_adopted_one_is_at_once_what_it_was(void **state)
{
	struct fixture *f = *state;

	start_fork(f);
	log_in(f);
	SERVE_UNTIL(f, is_in(f, DESKTOP_STATE_ASSIGNED));
	adopt(f);
	SERVE_UNTIL(f, is_in(f, DESKTOP_STATE_ASSIGNED));
	assert_string_equal(desktop_get_session(f->desktop), SESSION);
	assert_int_equal(f->said[1], 1);
	assert_int_equal(f->said[2], 1);
	assert_int_equal(f->launch->count[LAUNCH_KILL], 0);
}

static void
test_desktop__an_adopted_user_stays_although_the_agent_is_silent(void **state)
{
	struct fixture *f = *state;

	start_fork(f);
	log_in(f);
	SERVE_UNTIL(f, is_in(f, DESKTOP_STATE_ASSIGNED));
	f->act = AGENT_SAYS_NOTHING;
	f->verb = AGENT_VERB_RESYNC;
	adopt(f);
	SERVE_UNTIL(f, is_in(f, DESKTOP_STATE_ASSIGNED));
	f->verb = NULL;
	f->said[0] = 0;
	SERVE_UNTIL(f, f->said[0] > 0);
	assert_true(is_in(f, DESKTOP_STATE_ASSIGNED));
}

static void
test_desktop__an_adopted_one_without_a_machine_goes(void **state)
{
	struct fixture *f = *state;

	adopt(f);
	SERVE_UNTIL(f, is_in(f, DESKTOP_STATE_GONE));
	assert_string_equal(desktop_get_reason(f->desktop), "its machine does not run any more");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_desktop__forks_and_logs_its_user_in, setup,
						teardown),
		cmocka_unit_test(test_desktop__fails_with_one_reason_when_its_agent_does),
		cmocka_unit_test_setup_teardown(
			test_desktop__an_agent_without_sense_does_not_take_the_desktop_from_its_user,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_desktop__a_login_waits_for_an_agent_that_was_away, setup, teardown),
		cmocka_unit_test_setup_teardown(test_desktop__fails_when_its_engine_is_not_here,
						setup, teardown),
		cmocka_unit_test(test_desktop__fails_when_its_machine_does_not_start),
		cmocka_unit_test_setup_teardown(test_desktop__fails_when_its_machine_ends, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_desktop__log_off_inside_retires_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			test_desktop__a_machine_that_launch_cannot_make_fails_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_desktop__tells_that_its_machine_waits_for_room,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_desktop__an_adopted_one_is_at_once_what_it_was,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_desktop__an_adopted_user_stays_although_the_agent_is_silent, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_desktop__an_adopted_one_without_a_machine_goes,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
