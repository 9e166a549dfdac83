/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_engine_kvm.c - engine kvm's operations with a carrel-vmm that does not start, refuses, lies, goes silent or dies
 *
 * The process and the sockets are fake_qemu's, the peer on "vmm" is fake_vmm; the agent is here.
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/frame.h"
#include "base/io.h"
#include "base/proto_agent.h"
#include "host/engine_error.h"
#include "host/engine_list.h"
#include "host/vmm_machine.h"
#include "tests/unit/fake_kvm.h"
#include "tests/unit/fake_vmm.h"
#include "tests/unit/stderr_capture.h"
#include "tests/unit/wait_for.h"

#define DESKTOP	   "d-aaaaaaaaaaaaaaaaaaaa"
#define GENERATION 7
#define RAM_MIB	   16

static const char *const template_files[] = { "disk.img", "kernel", "initrd", "kvm/user/memory",
					      "kvm/user/state" };

struct outcome {
	guint times;
	GError *error;
	int fd;
	json_t *json;
};

struct fixture {
	struct fake_qemu *process;
	struct fake_vmm vmm;
	guint agent_accepting;
	struct fake_peer agent;
	gboolean ready;	     /* the agent says so from the second time on */
	const char *refused; /* the verb that the agent refuses; NULL: none */
	gboolean restless;   /* the guest, and its agent says so */
	enum vmm_state end;  /* of the guest while it boots; VMM_STATE_STARTING: none */
	enum vmm_pause_reason reason;
	char *folder;
	char *overlay;
	struct manifest *manifest;
	struct engine_vm *vm;
	guint events[ENGINE_EVENT_COUNT];
	gint64 value; /* of the last one */
	guint fds;
};

static void
note_event(void *context, enum engine_event event, gint64 value)
{
	struct fixture *f = context;

	f->events[event]++;
	f->value = value;
}

static void
note_end(GObject *source, GAsyncResult *result, gpointer data)
{
	struct outcome *outcome = data;

	(void)source;
	outcome->times++;
	steps_finish(result, &outcome->error);
	outcome->fd = steps_take_fd(result);
	outcome->json = steps_get_json(result);
}

static void
outcome_clear(struct outcome *outcome)
{
	g_clear_error(&outcome->error);
	if (outcome->fd > 0)
		close(outcome->fd);
	json_decref(outcome->json);
	memset(outcome, 0, sizeof(*outcome));
}

static gboolean
agent_handle_connection(gint fd, GIOCondition condition, gpointer data)
{
	struct fixture *f = data;
	// cppcheck-suppress nullPointer ; accept4(2) allows it
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	(void)condition;
	fake_peer_done(&f->agent);
	fake_peer_init(&f->agent, peer);
	return G_SOURCE_CONTINUE;
}

static void
agent_answer(struct fixture *f, const json_t *request)
{
	const char *verb = json_get_text(request, "verb", "");
	const char *nonce = json_get_text(json_object_get(request, "body"), "nonce", "");
	gboolean resync = strcmp(verb, AGENT_VERB_RESYNC) == 0;
	gboolean good = !f->refused || strcmp(verb, f->refused) != 0;
	json_t *answer = json_pack("{s:i, s:O, s:s, s:O, s:b}", "v", AGENT_PROTOCOL_VERSION, "id",
				   json_object_get(request, "id"), "verb", verb, "generation",
				   json_object_get(request, "generation"), "ok", good);
	char *text;
	uint8_t *frame;
	size_t size;

	assert_int_equal(json_get_integer(request, "generation", 0), GENERATION);
	if (!good)
		json_object_set_new(answer, "error", json_string("the agent cannot"));
	else if (resync)
		json_object_set_new(answer, "body", json_pack("{s:s}", "nonce", nonce));
	else if (strcmp(verb, AGENT_VERB_READY) == 0)
		json_object_set_new(answer, "body", json_pack("{s:b}", "x", f->ready));
	else if (strcmp(verb, AGENT_VERB_QUIESCE) == 0 && f->restless)
		json_object_set_new(answer, "body", json_pack("{s:b}", "rests", 0));
	f->ready |= !resync;
	text = json_dumps(answer, JSON_COMPACT);
	assert_int_equal(frame_encode(text, strlen(text), &frame, &size), 0);
	fake_peer_send(&f->agent, frame, size);
	free(frame);
	free(text);
	json_decref(answer);
}

static void
agent_serve(struct fixture *f)
{
	json_t *request;

	/* A guest that ends does so while it boots. */
	if (f->end != VMM_STATE_STARTING) {
		if (f->vmm.peer && f->agent.fd >= 0)
			fake_vmm_tell(&f->vmm, VMM_EVENT_STATE, f->end, f->reason);
		return;
	}
	while (f->agent.fd >= 0 && (request = fake_peer_take_frame(&f->agent))) {
		agent_answer(f, request);
		json_decref(request);
	}
}

#define SERVE_UNTIL(f, condition) WAIT_FOR((agent_serve(f), (condition)))

static void
make_template(struct fixture *f)
{
	char block[512] = "";
	g_autofree char *kind = NULL;

	f->folder = g_dir_make_tmp("test-engine-XXXXXX", NULL);
	f->overlay = g_build_filename(f->folder, "overlay", NULL);
	kind = g_build_filename(f->folder, "kvm", "user", NULL);
	assert_int_equal(g_mkdir_with_parents(kind, 0700), 0);
	for (gsize i = 0; i < G_N_ELEMENTS(template_files); i++) {
		g_autofree char *path = g_build_filename(f->folder, template_files[i], NULL);

		assert_true(g_file_set_contents(path, block, sizeof(block), NULL));
	}
	f->manifest = manifest_parse(fake_qemu_manifest, strlen(fake_qemu_manifest), NULL);
	assert_non_null(f->manifest);
}

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	fake_kvm_set_up();
	fake_kvm.has_cpu = true;
	f->fds = fake_peer_count_fds();
	f->process = fake_qemu_new();
	f->process->role = LAUNCH_ROLE_VMM;
	f->process->place.kvm = open("/dev/null", O_RDWR | O_CLOEXEC);
	f->agent.fd = -1;
	fake_vmm_init(&f->vmm, f->process);
	f->agent_accepting = g_unix_fd_add(f->process->listeners[LAUNCH_SOCKET_AGENT], G_IO_IN,
					   agent_handle_connection, f);
	make_template(f);
	f->vm = engine_kvm_ops.vm_new(DESKTOP, GENERATION, &f->process->place, note_event, f);
	*state = f;
	return 0;
}

static void
remove_template(const struct fixture *f)
{
	static const char *const others[] = { "overlay",   "kvm/kiosk/memory", "kvm/kiosk/state",
					      "kvm/kiosk", "kvm/user",	       "kvm" };

	for (gsize i = 0; i < G_N_ELEMENTS(template_files) + G_N_ELEMENTS(others); i++) {
		const gsize n = G_N_ELEMENTS(template_files);
		g_autofree char *path = g_build_filename(
			f->folder, i < n ? template_files[i] : others[i - n], NULL);

		remove(path);
	}
	assert_int_equal(g_rmdir(f->folder), 0);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	engine_kvm_ops.vm_free(f->vm);
	fake_peer_settle();
	fake_vmm_done(&f->vmm);
	g_source_remove(f->agent_accepting);
	fake_peer_done(&f->agent);
	close(f->process->place.kvm);
	fake_qemu_free(f->process);
	remove_template(f);
	manifest_free(f->manifest);
	fake_peer_settle();
	assert_int_equal(fake_peer_count_fds(), f->fds);
	g_free(f->overlay);
	g_free(f->folder);
	g_free(f);
	return 0;
}

static void
start_fork(struct fixture *f, GCancellable *cancellable, struct outcome *outcome)
{
	g_autofree char *path = g_build_filename(f->folder, "kvm/user/memory", NULL);
	int memory = open(path, O_RDONLY | O_CLOEXEC);
	int root = open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct engine_template source = { f->manifest, root, "user", memory, NULL, FALSE };
	struct steps_call call = { cancellable, note_end, outcome };

	engine_kvm_ops.fork(f->vm, &source, f->overlay, &call);
	close(root);
	close(memory);
}

static void
run_fork(struct fixture *f)
{
	struct outcome outcome = { 0 };

	start_fork(f, NULL, &outcome);
	SERVE_UNTIL(f, outcome.times == 1);
	assert_null(outcome.error);
	outcome_clear(&outcome);
}

static void
run_simple(struct fixture *f, void (*operation)(struct engine_vm *, const struct steps_call *),
	   struct outcome *outcome)
{
	struct steps_call call = { NULL, note_end, outcome };

	operation(f->vm, &call);
	SERVE_UNTIL(f, outcome->times > 0);
}

static void
test_engine_kvm__a_fork_ends_when_the_guest_runs(void **state)
{
	struct fixture *f = *state;
	struct outcome again = { 0 };

	run_fork(f);
	assert_int_equal(f->agent.fd, -1); /* the agent is the desktop's */
	assert_int_equal(f->process->spawns, 1);
	start_fork(f, NULL, &again);
	SERVE_UNTIL(f, again.times == 1);
	assert_null(again.error);
	assert_int_equal(f->process->spawns, 1);
}

static const struct kvm_fault {
	enum fake_qemu_fault process;
	enum fake_vmm_fault fault;
	enum vmm_type type;
	enum vmm_state stands; /* before the connection */
	enum vmm_state end;    /* after it */
	enum vmm_pause_reason reason;
	const char *refused;  /* a verb, by the agent */
	const char *words[2]; /* the step that the error begins with, and the reason */
} fork_faults[] = {
	{ .process = FAKE_QEMU_NO_SPAWN, .words = { "start the process: ", "no such program" } },
	{ .fault = FAKE_VMM_OTHER_VERSION, .words = { "load the state: ", "version 9" } },
	{ .fault = FAKE_VMM_REFUSES, VMM_STATUS, .words = { "load the state: ", "not today" } },
	{ .fault = FAKE_VMM_WRONG_SIZE,
	  VMM_STATUS,
	  .words = { "load the state: ", "log says why" } },
	{ .fault = FAKE_VMM_WRONG_ID, VMM_STATUS, .words = { "load the state: ", "log says why" } },
	{ .fault = FAKE_VMM_NONSENSE, VMM_STATUS, .words = { "load the state: ", "log says why" } },
	{ .fault = FAKE_VMM_DESCRIPTOR,
	  VMM_STATUS,
	  .words = { "load the state: ", "log says why" } },
	{ .fault = FAKE_VMM_DIES, VMM_STATUS, .words = { "load the state: ", "log says why" } },
	{ .stands = VMM_STATE_FAILED,
	  .words = { "load the state: ", "cannot go on with the guest" } },
};

static const struct kvm_fault seal_faults[] = {
	{ .process = FAKE_QEMU_NO_SPAWN, .words = { "start the process: ", "no such program" } },
	{ .fault = FAKE_VMM_DIES, VMM_STATUS, .words = { "connect to it: ", "log says why" } },
	{ .end = VMM_STATE_PANICKED,
	  .words = { "boot until the agent answers: ", "kernel panicked" } },
	{ .end = VMM_STATE_OFF,
	  .words = { "boot until the agent answers: ", "switched itself off" } },
	{ .end = VMM_STATE_FAILED,
	  .words = { "boot until the agent answers: ", "cannot go on with the guest" } },
	{ .end = VMM_STATE_PAUSED,
	  .reason = VMM_PAUSE_NO_SPACE,
	  .words = { "boot until the agent answers: ", "the guest's disk cannot grow" } },
	{ .refused = AGENT_VERB_READY, .words = { "wait for the desktop: ", "the agent cannot" } },
	{ .refused = AGENT_VERB_QUIESCE, .words = { "quiesce the guest: ", "the agent cannot" } },
	{ .fault = FAKE_VMM_REFUSES, VMM_PAUSE, .words = { "stop its vCPUs: ", "not today" } },
	{ .fault = FAKE_VMM_REFUSES, VMM_SEAL, .words = { "save the state: ", "not today" } },
	{ .fault = FAKE_VMM_DIES, VMM_SEAL, .words = { "save the state: ", "log says why" } },
	{ .fault = FAKE_VMM_REFUSES, VMM_QUIT, .words = { "end the process: ", "not today" } },
};

static void
start_seal(struct fixture *f, struct outcome *outcome)
{
	const struct engine_seal seal = { .folder = f->folder,
					  .kind = "kiosk",
					  .accelerator = "kvm",
					  .cpus = 2,
					  .ram_mib = RAM_MIB,
					  .command_line = "quiet" };
	const struct steps_call call = { NULL, note_end, outcome };

	engine_kvm_ops.seal(f->vm, &seal, &call);
}

static void
check_fault(const struct kvm_fault *fault, gboolean seals)
{
	struct outcome outcome = { 0 };
	void *state = NULL;
	struct fixture *f;

	setup(&state);
	f = state;
	f->process->fault = fault->process;
	f->vmm.fault = fault->fault;
	f->vmm.type = fault->type;
	f->vmm.status.state = fault->stands;
	f->end = fault->end;
	f->reason = fault->reason;
	f->refused = fault->refused;
	if (seals)
		start_seal(f, &outcome);
	else
		start_fork(f, NULL, &outcome);
	SERVE_UNTIL(f, outcome.times > 0);
	assert_non_null(outcome.error);
	print_message("%s\n", outcome.error->message);
	assert_true(g_str_has_prefix(outcome.error->message, fault->words[0]));
	assert_non_null(strstr(outcome.error->message, fault->words[1]));
	assert_int_equal(g_error_matches(outcome.error, G_IO_ERROR, G_IO_ERROR_NO_SPACE),
			 fault->reason == VMM_PAUSE_NO_SPACE);
	fake_qemu_die(f->process);
	fake_peer_settle();
	assert_int_equal(outcome.times, 1);
	outcome_clear(&outcome);
	teardown(&state);
}

static void
test_engine_kvm__a_fork_that_fails_gives_one_error(void **unused)
{
	(void)unused;
	for (gsize i = 0; i < G_N_ELEMENTS(fork_faults); i++)
		check_fault(&fork_faults[i], FALSE);
}

static void
test_engine_kvm__a_seal_that_fails_gives_one_error(void **unused)
{
	(void)unused;
	for (gsize i = 0; i < G_N_ELEMENTS(seal_faults); i++)
		check_fault(&seal_faults[i], TRUE);
}

static void
test_engine_kvm__names_what_a_fork_lacks(void **state)
{
	static const char *const files[] = { "kvm/user/state", "disk.img", "kernel" };
	struct fixture *f = *state;
	struct outcome outcome = { 0 };

	/* An overlay that exists belongs to somebody. */
	assert_true(g_file_set_contents(f->overlay, "x", 1, NULL));
	start_fork(f, NULL, &outcome);
	SERVE_UNTIL(f, outcome.times == 1);
	assert_non_null(strstr(outcome.error->message, f->overlay));
	outcome_clear(&outcome);
	for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *path = g_build_filename(f->folder, files[i], NULL);

		g_unlink(path);
		start_fork(f, NULL, &outcome);
		SERVE_UNTIL(f, outcome.times == 1);
		assert_non_null(strstr(outcome.error->message, files[i]));
		outcome_clear(&outcome);
	}
	assert_int_equal(f->process->spawns, 0);
}

static void
test_engine_kvm__death_fails_the_boot_and_is_told(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };

	start_seal(f, &outcome);
	WAIT_FOR(f->agent.fd >= 0); /* and it does not answer */
	fake_qemu_die(f->process);
	WAIT_FOR(outcome.times == 1 && f->events[ENGINE_EVENT_GONE] == 1);
	assert_true(g_error_matches(outcome.error, G_IO_ERROR, G_IO_ERROR_CLOSED));
	outcome_clear(&outcome);
}

static void
test_engine_kvm__events_of_the_machine_are_told(void **state)
{
	struct fixture *f = *state;

	run_fork(f);
	fake_vmm_tell(&f->vmm, VMM_EVENT_VDAGENT_PORT, 1, 0);
	WAIT_FOR(f->events[ENGINE_EVENT_VDAGENT_PORT] == 1 && f->value == 1);
	fake_vmm_tell(&f->vmm, VMM_EVENT_STATE, VMM_STATE_PAUSED, VMM_PAUSE_ASKED);
	WAIT_FOR(f->events[ENGINE_EVENT_STOPPED] == 1 && f->value == 0);
	fake_vmm_tell(&f->vmm, VMM_EVENT_STATE, VMM_STATE_PAUSED, VMM_PAUSE_NO_SPACE);
	WAIT_FOR(f->events[ENGINE_EVENT_STOPPED] == 2 && f->value == 1);
	fake_vmm_tell(&f->vmm, VMM_EVENT_STATE, VMM_STATE_RUNNING, 0);
	WAIT_FOR(f->events[ENGINE_EVENT_RUNNING] == 1);
	fake_vmm_tell(&f->vmm, VMM_EVENT_REBOOTED, 0, 0);
	WAIT_FOR(f->events[ENGINE_EVENT_REBOOTED] == 1);
	fake_vmm_tell(&f->vmm, VMM_EVENT_STATE, VMM_STATE_PANICKED, 0);
	WAIT_FOR(f->events[ENGINE_EVENT_PANICKED] == 1);
	fake_vmm_tell(&f->vmm, VMM_EVENT_STATE, VMM_STATE_OFF, 0);
	WAIT_FOR(f->events[ENGINE_EVENT_POWERDOWN] == 1);
}

/* The connection alone is lost: the process lives, only the pidfd may say otherwise. It is dialled again, and tells what was missed. */
static void
test_engine_kvm__a_lost_connection_is_no_death(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };

	run_fork(f);
	fake_vmm_hang_up(&f->vmm);
	fake_peer_settle();
	run_simple(f, engine_kvm_ops.powerdown, &outcome);
	assert_non_null(strstr(outcome.error->message, "is lost"));
	outcome_clear(&outcome);
	f->vmm.status.state = VMM_STATE_PAUSED;
	f->vmm.status.pause_reason = VMM_PAUSE_NO_SPACE;
	f->vmm.status.vdagent_open = 1;
	WAIT_FOR(f->events[ENGINE_EVENT_STOPPED] == 1 && f->value == 1);
	assert_int_equal(f->events[ENGINE_EVENT_VDAGENT_PORT], 1);
	run_simple(f, engine_kvm_ops.powerdown, &outcome);
	assert_null(outcome.error);
	fake_vmm_tell(&f->vmm, VMM_EVENT_STATE, VMM_STATE_RUNNING, 0);
	WAIT_FOR(f->events[ENGINE_EVENT_RUNNING] == 1);
	/* once more: it has failed meanwhile */
	f->vmm.status.state = VMM_STATE_FAILED;
	fake_vmm_hang_up(&f->vmm);
	WAIT_FOR(f->events[ENGINE_EVENT_FAILED] == 1);
	/* and once more, but it is freed meanwhile */
	fake_vmm_hang_up(&f->vmm);
	fake_peer_settle();
	assert_int_equal(f->events[ENGINE_EVENT_GONE], 0);
	outcome_clear(&outcome);
}

/* That come to the log meanwhile. */
static guint
count_lines(struct fixture *f, void (*act)(struct fixture *))
{
	struct stderr_capture capture;
	CLEANUP_FREE char *text = NULL;
	guint lines = 0;

	stderr_capture_begin(&capture);
	act(f);
	text = stderr_capture_end(&capture);
	for (const char *at = text; *at; at++)
		lines += *at == '\n';
	return lines;
}

/* Each but the first as soon as it is there, before anything was answered: three lines each. */
static void
lose_connections(struct fixture *f)
{
	for (int i = 0; i < 4; i++) {
		WAIT_FOR(f->vmm.peer);
		fake_vmm_hang_up(&f->vmm);
		fake_peer_settle();
	}
}

static void
test_engine_kvm__a_connection_that_is_lost_again_and_again_fills_no_log(void **state)
{
	struct fixture *f = *state;

	run_fork(f);
	assert_int_equal(count_lines(f, lose_connections), 9);
}

static void
test_engine_kvm__link_needs_a_network_process(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };
	struct steps_call call = { NULL, note_end, &outcome };
	int ends[2];

	run_fork(f);
	engine_kvm_ops.set_link(f->vm, TRUE, -1, &call);
	SERVE_UNTIL(f, outcome.times == 1);
	assert_true(g_error_matches(outcome.error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED));
	assert_int_equal(f->vmm.asked[VMM_LINK], 0);
	outcome_clear(&outcome);
	assert_int_equal(io_socketpair(SOCK_STREAM, ends), 0);
	engine_kvm_ops.set_link(f->vm, TRUE, ends[0], &call);
	SERVE_UNTIL(f, outcome.times == 1);
	assert_null(outcome.error);
	engine_kvm_ops.set_link(f->vm, FALSE, -1, &call);
	SERVE_UNTIL(f, outcome.times == 2);
	assert_int_equal(f->vmm.asked[VMM_LINK], 2);
	assert_int_equal(f->vmm.link_fds, 1);
	outcome_clear(&outcome);
	close(ends[0]);
	close(ends[1]);
}

static void
test_engine_kvm__hands_out_connections(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };

	run_fork(f);
	run_simple(f, engine_kvm_ops.display_source, &outcome);
	assert_null(outcome.error);
	assert_true(outcome.fd > 0);
	outcome_clear(&outcome);
}

static void
test_engine_kvm__a_screenshot_is_a_png(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };
	struct steps_call call = { NULL, note_end, &outcome };
	int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char signature[8];

	run_fork(f);
	engine_kvm_ops.screenshot(f->vm, file, &call);
	SERVE_UNTIL(f, outcome.times == 1);
	assert_null(outcome.error);
	assert_int_equal(pread(file, signature, 8, 0), 8);
	assert_memory_equal(signature, "\211PNG\r\n\032\n", 8);
	outcome_clear(&outcome);
	close(file);
}

/* What the manifest gets of a seal's result. */
static struct manifest *
make_sealed_manifest(const json_t *result)
{
	json_t *object = json_loads(fake_qemu_manifest, 0, NULL);
	struct manifest *manifest;

	json_object_update(object, (json_t *)(guintptr)result);
	manifest = manifest_new(object, NULL);
	assert_non_null(manifest);
	return manifest;
}

static void
test_engine_kvm__a_seal_keeps_the_machine(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };
	g_autofree char *memory = g_build_filename(f->folder, "kvm/kiosk/memory", NULL);
	g_autofree char *file = g_build_filename(f->folder, "kvm/kiosk/state", NULL);
	g_autofree char *text = NULL;
	struct manifest *manifest;
	struct stat status;

	start_seal(f, &outcome);
	SERVE_UNTIL(f, outcome.times == 1);
	if (outcome.error)
		fail_msg("%s", outcome.error->message);
	assert_true(f->ready); /* it was asked twice */
	assert_int_equal(f->vmm.asked[VMM_SEAL], 1);
	assert_int_equal(f->vmm.asked[VMM_QUIT], 1);
	assert_true(g_file_get_contents(file, &text, NULL, NULL));
	assert_string_equal(text, FAKE_VMM_STATE);
	assert_int_equal(stat(memory, &status), 0);
	assert_int_equal(status.st_size, RAM_MIB << 20);
	assert_int_equal(status.st_blocks, 0); /* nobody wrote to it */
	manifest = make_sealed_manifest(outcome.json);
	assert_string_equal(manifest->engine, "kvm");
	assert_string_equal(manifest->cpu, VMM_MACHINE_CPU);
	assert_int_equal(manifest->ram_mib, RAM_MIB);
	assert_true(engine_kvm_ops.check(manifest, f->process->place.kvm, NULL));
	manifest_free(manifest);
	outcome_clear(&outcome);
}

/* Whether a seal's log tells of a guest that does not rest. */
static gboolean
seal_tells(struct fixture *f)
{
	struct outcome outcome = { 0 };
	struct stderr_capture capture;
	gboolean tells;
	char *log;

	stderr_capture_begin(&capture);
	start_seal(f, &outcome);
	SERVE_UNTIL(f, outcome.times == 1);
	log = stderr_capture_end(&capture);
	tells = strstr(log, "did not come to rest") != NULL;
	free(log);
	assert_null(outcome.error);
	outcome_clear(&outcome);
	return tells;
}

static void
test_engine_kvm__a_seal_tells_of_a_guest_that_never_rests(void **state)
{
	struct fixture *f = *state;

	f->restless = TRUE;
	assert_true(seal_tells(f));
}

static void
test_engine_kvm__a_seal_says_nothing_of_a_guest_at_rest(void **state)
{
	assert_false(seal_tells(*state));
}

/* What of a sealed version is not as it is here. */
static const struct {
	const char *object; /* of the manifest; NULL: the host */
	const char *key;
	const char *text; /* NULL: the number */
	int number;
	gboolean hopeless; /* sealing again would not help */
	const char *words;
} differences[] = {
	{ "machine", "type", "carrel-0", 0, FALSE, "machine type carrel-0, here it is carrel-1" },
	{ "machine", "cpu", "carrel-v9", 0, FALSE, "CPU model carrel-v9" },
	{ "machine", "cpuid_sha256", FAKE_QEMU_CPUID, 0, FALSE, "another one under this name" },
	{ "machine", "cpus", NULL, 3, FALSE, "another one under this name" },
	{ "engine", "state_format", NULL, VMM_STATE_FORMAT + 1, FALSE, "state format 2" },
	{ "machine", "ram_mib", NULL, VMM_MAX_RAM_MIB + 1, TRUE, "up to 64 CPUs and 65536 MiB" },
	{ NULL, NULL, NULL, 1 << 29, FALSE, "another one under this name" },
};

static void
check_difference(gsize i, const json_t *sealed, int device)
{
	json_t *result = json_deep_copy(sealed);
	g_autoptr(GError) error = NULL;
	struct manifest *manifest;

	if (differences[i].object)
		json_object_set_new(json_object_get(result, differences[i].object),
				    differences[i].key,
				    differences[i].text ? json_string(differences[i].text)
							: json_integer(differences[i].number));
	else
		fake_kvm.flaws = (guint32)differences[i].number;
	manifest = make_sealed_manifest(result);
	assert_false(engine_kvm_ops.check(manifest, device, &error));
	assert_non_null(strstr(error->message, differences[i].words));
	assert_int_equal(g_error_matches(error, ENGINE_ERROR, ENGINE_ERROR_FOREIGN),
			 !differences[i].hopeless);
	fake_kvm.flaws = 0;
	manifest_free(manifest);
	json_decref(result);
}

static void
test_engine_kvm__another_host_is_told_what_differs(void **state)
{
	struct fixture *f = *state;
	g_autoptr(GError) error = NULL;
	struct outcome outcome = { 0 };

	start_seal(f, &outcome);
	SERVE_UNTIL(f, outcome.times == 1);
	for (gsize i = 0; i < G_N_ELEMENTS(differences); i++)
		check_difference(i, outcome.json, f->process->place.kvm);
	outcome_clear(&outcome);
	/* and one that was published before anything was sealed */
	json_object_set_new(json_object_get(f->manifest->object, "engine"), "name",
			    json_string("kvm"));
	f->manifest->engine = "kvm";
	assert_false(engine_list_check(f->manifest, "user", -1, &error));
	assert_true(g_error_matches(error, ENGINE_ERROR, ENGINE_ERROR_FOREIGN));
	assert_non_null(strstr(error->message, "'kvm/user/memory' is missing"));
}

/* carrel-vmm would refuse it at its first boot. */
static void
test_engine_kvm__a_machine_too_large_is_refused_by_name(void **state)
{
	static const guint sizes[][2] = { { VMM_MAX_CPUS + 1, 1024 }, { 2, VMM_MAX_RAM_MIB + 1 } };
	struct fixture *f = *state;
	struct outcome outcome = { 0 };

	for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
		const struct engine_seal seal = { .folder = f->folder,
						  .kind = "kiosk",
						  .accelerator = "kvm",
						  .cpus = sizes[i][0],
						  .ram_mib = sizes[i][1],
						  .command_line = "quiet" };
		const struct steps_call call = { NULL, note_end, &outcome };

		engine_kvm_ops.seal(f->vm, &seal, &call);
		SERVE_UNTIL(f, outcome.times == 1);
		assert_non_null(strstr(outcome.error->message, "up to 64 CPUs and 65536 MiB"));
		outcome_clear(&outcome);
	}
	assert_int_equal(f->process->spawns, 0);
}

#define KVM_TEST(name) cmocka_unit_test_setup_teardown(test_engine_kvm__##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		KVM_TEST(a_fork_ends_when_the_guest_runs),
		cmocka_unit_test(test_engine_kvm__a_fork_that_fails_gives_one_error),
		cmocka_unit_test(test_engine_kvm__a_seal_that_fails_gives_one_error),
		KVM_TEST(names_what_a_fork_lacks),
		KVM_TEST(death_fails_the_boot_and_is_told),
		KVM_TEST(events_of_the_machine_are_told),
		KVM_TEST(a_lost_connection_is_no_death),
		KVM_TEST(a_connection_that_is_lost_again_and_again_fills_no_log),
		KVM_TEST(link_needs_a_network_process),
		KVM_TEST(hands_out_connections),
		KVM_TEST(a_screenshot_is_a_png),
		KVM_TEST(a_seal_keeps_the_machine),
		KVM_TEST(a_seal_tells_of_a_guest_that_never_rests),
		KVM_TEST(a_seal_says_nothing_of_a_guest_at_rest),
		KVM_TEST(another_host_is_told_what_differs),
		KVM_TEST(a_machine_too_large_is_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
