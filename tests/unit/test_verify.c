/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_verify.c - a machine that ends while its agent is asked is told at once, with what it said last; what a fork touches is noted
 *
 * The engine is this test's, which engine_list_find() gives out here: its fork looks at pages of its memory and ends at once, its
 * agent says nothing by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/frame.h"
#include "host/agent_link.h"
#include "host/engine.h"
#include "host/engine_error.h"
#include "host/engine_list.h"
#include "templates/job_files.h"
#include "templates/verify.h"
#include "tests/unit/fake_peer.h"
#include "tests/unit/wait_for.h"

#define LAST_WORDS "fake: that is not a machine"

static const char manifest_text[] =
	"{\"v\":1,\"name\":\"tiny\",\"version\":3,\"parent\":\"\",\"created_ms\":7,\"author\":\"root\",\"note\":\"\","
	"\"kinds\":[\"user\"],\"agent_version\":1,"
	"\"engine\":{\"name\":\"fake\",\"version\":\"1\",\"accelerator\":\"none\",\"state_format\":1},"
	"\"machine\":{\"type\":\"fake-1\",\"cpu\":\"fake\",\"cpuid_sha256\":"
	"\"0000000000000000000000000000000000000000000000000000000000000000\",\"cpus\":1,\"ram_mib\":16,"
	"\"command_line\":\"\",\"devices\":[{\"id\":\"disk\",\"driver\":\"fake\",\"address\":\"\"}]},"
	"\"report\":[],\"files\":[]}";

#define RAM_BYTES  (16 << 20) /* as it says */
#define PAGE_BYTES 4096

/* A fork runs for a second before what it has touched is noted. */
#define LEAST_LOOK_US (900 * G_TIME_SPAN_MILLISECOND)

struct fake_engine {
	struct engine_vm vm;
	engine_event_callback callback;
	void *context;
	gboolean foreign;
	gboolean holds_channel;
	gboolean memory_random;
	struct steps *held; /* the channel that was asked for */
	int agent;	    /* the guest's end; -1: none */
};

/* The limits of an agent's answer, as verify.c gives them. */
struct limits {
	guint resync_ms;
	guint step_ms;
};

struct fixture {
	char *folder;
	char *version;
	char *log;
	GCancellable *cancellable;
	struct verify_request request;
	gboolean ended;
	GError *error;
	gsize n_steps;	  /* of the report */
	const char *step; /* that was last begun, of note_step() */
};

/* The engine's operations have no other way to it; one at a time. */
static struct fake_engine fake;
static struct limits limits;

void __wrap_agent_link_resync(struct agent_link *link, guint timeout_ms, GCancellable *cancellable,
			      GAsyncReadyCallback callback, gpointer data);
void __real_agent_link_resync(struct agent_link *link, guint timeout_ms, GCancellable *cancellable,
			      GAsyncReadyCallback callback, gpointer data);
void __wrap_steps_run(const struct step *table, gsize n_steps, void *context,
		      GDestroyNotify free_context, const struct steps_call *call);
void __real_steps_run(const struct step *table, gsize n_steps, void *context,
		      GDestroyNotify free_context, const struct steps_call *call);

void
__wrap_agent_link_resync(struct agent_link *link, guint timeout_ms, GCancellable *cancellable,
			 GAsyncReadyCallback callback, gpointer data)
{
	limits.resync_ms = timeout_ms;
	__real_agent_link_resync(link, timeout_ms, cancellable, callback, data);
}

void
__wrap_steps_run(const struct step *table, gsize n_steps, void *context,
		 GDestroyNotify free_context, const struct steps_call *call)
{
	for (gsize i = 0; i < n_steps; i++)
		if (strcmp(table[i].name, "ask its agent") == 0)
			limits.step_ms = table[i].timeout_ms;
	__real_steps_run(table, n_steps, context, free_context, call);
}

static json_t *
fake_probe(int kvm)
{
	(void)kvm;
	return json_pack("{s:b, s:s}", "usable", 1, "accelerator", "none");
}

static struct engine_vm *
fake_vm_new(const char *id, guint64 generation, const struct engine_place *place,
	    engine_event_callback callback, void *context)
{
	(void)id, (void)place;
	fake.vm.generation = generation;
	fake.callback = callback;
	fake.context = context;
	return &fake.vm;
}

static void
fake_vm_free(struct engine_vm *vm)
{
	assert_ptr_equal(vm, &fake.vm);
	fake.callback = NULL;
}

static void
fork_start(struct steps *steps, void *context)
{
	(void)context;
	steps_next(steps);
}

/* Without what Linux would read around them. */
static void
fake_touch(int memory)
{
	volatile guint8 *pages = mmap(NULL, RAM_BYTES, PROT_READ, MAP_PRIVATE, memory, 0);

	assert_ptr_not_equal(pages, MAP_FAILED);
	assert_int_equal(madvise((void *)(guintptr)pages, RAM_BYTES, MADV_RANDOM), 0);
	assert_int_equal(pages[0] + pages[70 * PAGE_BYTES] + pages[71 * PAGE_BYTES], 0);
	munmap((void *)(guintptr)pages, RAM_BYTES);
}

static void
fake_fork(struct engine_vm *vm, const struct engine_template *source, const char *overlay_path,
	  const struct steps_call *call)
{
	static const struct step steps[] = { { "fork", fork_start, 1000 } };

	(void)vm, (void)overlay_path;
	fake.memory_random = source->memory_random;
	fake_touch(source->memory);
	steps_run(steps, G_N_ELEMENTS(steps), NULL, NULL, call);
}

static void
fake_give_channel(struct steps *steps)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	fake.agent = fds[1];
	steps_set_fd(steps, fds[0]);
	steps_next(steps);
}

static void
channel_start(struct steps *steps, void *context)
{
	(void)context;
	if (fake.holds_channel)
		fake.held = steps_ref(steps);
	else
		fake_give_channel(steps);
}

static void
fake_agent_channel(struct engine_vm *vm, gboolean vdagent, const struct steps_call *call)
{
	static const struct step steps[] = { { "connect", channel_start, 20000 } };
	const struct steps_call uncancelled = { NULL, call->callback, call->data };

	(void)vm;
	assert_false(vdagent);
	steps_run(steps, G_N_ELEMENTS(steps), NULL, NULL, &uncancelled);
}

static const struct engine_ops fake_ops = {
	.name = "fake",
	.process = "fake",
	.probe = fake_probe,
	.vm_new = fake_vm_new,
	.vm_free = fake_vm_free,
	.fork = fake_fork,
	.agent_channel = fake_agent_channel,
};

const struct engine_ops *
engine_list_find(const char *name)
{
	assert_string_equal(name, "fake");
	return &fake_ops;
}

gboolean
engine_list_check(const struct manifest *manifest, const char *kind, int kvm, GError **error)
{
	(void)manifest, (void)kvm;
	assert_string_equal(kind, "user");
	if (fake.foreign)
		engine_error_set_foreign(error, "CPU", "fake", "another one");
	return !fake.foreign;
}

static void
ignore_progress(void *context, const char *step, guint percent)
{
	(void)context, (void)step, (void)percent;
}

static void
make_version(const struct fixture *f)
{
	struct manifest *manifest;
	json_t *object = json_loads(manifest_text, 0, NULL);
	g_autofree char *kernel = g_build_filename(f->version, "kernel", NULL);
	g_autofree char *kind = g_build_filename(f->version, "fake", "user", NULL);
	g_autofree char *memory = g_build_filename(kind, "memory", NULL);

	assert_int_equal(g_mkdir(f->version, 0700), 0);
	assert_true(g_file_set_contents(kernel, "kernel", -1, NULL));
	assert_int_equal(g_mkdir_with_parents(kind, 0700), 0);
	assert_true(g_file_set_contents(memory, "", 0, NULL));
	assert_int_equal(truncate(memory, RAM_BYTES), 0);
	json_array_append_new(json_object_get(object, "files"),
			      manifest_describe_file(f->version, "kernel", NULL, NULL));
	manifest = manifest_new(object, NULL);
	assert_non_null(manifest);
	assert_true(manifest_write(manifest, f->version, NULL));
	manifest_free(manifest);
}

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	memset(&fake, 0, sizeof(fake));
	fake.agent = -1;
	fake.vm.ops = &fake_ops;
	f->folder = g_dir_make_tmp("test-verify-XXXXXX", NULL);
	f->version = g_build_filename(f->folder, "3", NULL);
	f->log = g_build_filename(f->folder, "machine", "fake.log", NULL);
	f->cancellable = g_cancellable_new();
	make_version(f);
	f->request = (struct verify_request){ .folder = f->version,
					      .scratch = f->folder,
					      .template_name = "tiny",
					      .version = 3,
					      .engine = "fake",
					      .kvm = -1,
					      .cancellable = f->cancellable,
					      .progress = ignore_progress };
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	job_files_remove(f->folder, "3");
	assert_int_equal(g_rmdir(f->folder), 0); /* the machine's own is gone */
	if (fake.agent >= 0)
		close(fake.agent);
	g_clear_error(&f->error);
	g_object_unref(f->cancellable);
	g_free(f->log);
	g_free(f->version);
	g_free(f->folder);
	g_free(f);
	return 0;
}

static void
note_end(GObject *source, GAsyncResult *result, gpointer data)
{
	struct fixture *f = data;
	json_t *report;
	gboolean good;

	(void)source;
	f->ended = TRUE;
	good = verify_finish(result, &report, &f->error);
	assert_int_equal(good, !f->error);
	f->n_steps = json_array_size(report);
	json_decref(report);
}

/* Until the agent is asked, or its channel asked for. */
static void
start(struct fixture *f)
{
	verify_start(&f->request, note_end, f);
	WAIT_FOR(f->ended || fake.agent >= 0 || fake.held);
	assert_null(f->error);
	assert_false(f->ended);
}

static const struct {
	enum engine_event event;
	const char *wanted;
} ends[] = {
	{ ENGINE_EVENT_POWERDOWN, "ask its agent: the guest switched itself off" },
	{ ENGINE_EVENT_PANICKED, "ask its agent: the guest's kernel panicked" },
	{ ENGINE_EVENT_FAILED, "ask its agent: its machine failed" },
	{ ENGINE_EVENT_GONE, "ask its agent: its machine ended by itself" },
};

static void
test_verify__tells_how_the_machine_ended(void **state)
{
	struct fixture *f = *state;

	for (gsize i = 0; i < G_N_ELEMENTS(ends); i++) {
		g_autofree char *wanted = g_strconcat(
			ends[i].wanted, "; the last line of 'fake.log' was: " LAST_WORDS, NULL);

		f->ended = FALSE;
		start(f);
		fake.callback(fake.context, ENGINE_EVENT_RUNNING, 0);
		fake.callback(fake.context, ENGINE_EVENT_AGENT_PORT, 1);
		g_main_context_iteration(NULL, FALSE);
		assert_false(f->ended);
		assert_true(g_file_set_contents(f->log, LAST_WORDS "\n", -1, NULL));
		fake.callback(fake.context, ends[i].event, 0);
		WAIT_FOR(f->ended);
		assert_string_equal(f->error->message, wanted);
		g_clear_error(&f->error);
		close(fake.agent);
		fake.agent = -1;
	}
}

static void
test_verify__lets_a_channel_go_that_comes_too_late(void **state)
{
	struct fixture *f = *state;
	char byte;

	fake.holds_channel = TRUE;
	start(f);
	fake.callback(fake.context, ENGINE_EVENT_FAILED, 0);
	WAIT_FOR(f->ended);
	assert_string_equal(f->error->message, "ask its agent: its machine failed");
	fake_give_channel(fake.held);
	steps_unref(g_steal_pointer(&fake.held));
	WAIT_FOR(recv(fake.agent, &byte, 1, MSG_DONTWAIT) == 0);
}

static void
test_verify__refuses_what_this_host_cannot_restore(void **state)
{
	struct fixture *f = *state;

	fake.foreign = TRUE;
	verify_start(&f->request, note_end, f);
	WAIT_FOR(f->ended);
	assert_true(g_error_matches(f->error, ENGINE_ERROR, ENGINE_ERROR_FOREIGN));
	assert_string_equal(f->error->message, "verify the hashes: it was sealed with CPU fake, "
					       "here it is another one");
	assert_null(fake.callback); /* no machine was made */
}

/* The agent echoes its nonce. */
static void
echo_nonce(struct fixture *f)
{
	struct fake_peer peer;
	json_t *object;
	size_t size;
	uint8_t *frame;
	char *text;

	fake_peer_init(&peer, fake.agent);
	fake.agent = -1;
	WAIT_FOR((object = fake_peer_take_frame(&peer)));
	json_object_set_new(object, "ok", json_true());
	text = json_dumps(object, JSON_COMPACT);
	assert_int_equal(frame_encode(text, strlen(text), &frame, &size), 0);
	fake_peer_send(&peer, frame, size);
	free(frame);
	free(text);
	json_decref(object);
	fake_peer_done(&peer);
}

static void
answer_agent(struct fixture *f)
{
	echo_nonce(f);
	WAIT_FOR(f->ended);
}

/* The note, for g_free(); NULL: there is none. */
static char *
read_note(const struct fixture *f)
{
	g_autofree char *path = g_build_filename(f->version, "fake", "user", "touched", NULL);
	char *text = NULL;

	g_file_get_contents(path, &text, NULL, NULL);
	return text;
}

static void
test_verify__notes_what_the_fork_touches_where_it_is_wished_for(void **state)
{
	struct fixture *f = *state;
	g_autofree char *before = NULL;
	g_autofree char *note = NULL;
	gint64 began_us;

	start(f);
	answer_agent(f);
	assert_null(f->error);
	assert_int_equal(f->n_steps, 4);
	assert_false(fake.memory_random);
	before = read_note(f);
	assert_null(before);
	f->ended = FALSE;
	f->request.notes_touched = TRUE;
	began_us = g_get_monotonic_time();
	start(f);
	answer_agent(f);
	assert_null(f->error);
	assert_int_equal(f->n_steps, 5);
	assert_true(g_get_monotonic_time() - began_us >= LEAST_LOOK_US);
	assert_true(fake.memory_random);
	note = read_note(f);
	assert_non_null(note);
	assert_string_equal(note, "touched 1\n0 1\n70 2\n");
}

/* Five minutes, for it reads a page at each fault. */
static void
test_verify__waits_longer_for_an_agent_over_a_cold_memory(void **state)
{
	struct fixture *f = *state;

	for (gboolean cold = FALSE; cold <= TRUE; cold++) {
		f->ended = FALSE;
		f->request.notes_touched = cold;
		start(f);
		answer_agent(f);
		assert_null(f->error);
		assert_int_equal(limits.resync_ms, cold ? 300000 : 60000);
		assert_true(limits.step_ms > limits.resync_ms); /* whose words tell more */
	}
}

static void
note_step(void *context, const char *step, guint percent)
{
	struct fixture *f = context;

	(void)percent;
	f->step = step;
}

static gboolean
note_passing(gpointer data)
{
	*(gboolean *)data = TRUE;
	return G_SOURCE_REMOVE;
}

/* Also when the second is over in the same turn of the loop: nothing is written any more. */
static void
test_verify__hears_of_an_end_while_the_fork_runs_on(void **state)
{
	static const guint held_up_ms[] = { 0, 1100 };
	struct fixture *f = *state;

	f->request.notes_touched = TRUE;
	f->request.progress = note_step;
	f->request.context = f;
	for (gsize i = 0; i < G_N_ELEMENTS(held_up_ms); i++) {
		gboolean passed = FALSE;
		g_autofree char *note = NULL;

		f->step = "";
		f->ended = FALSE;
		start(f);
		echo_nonce(f);
		WAIT_FOR(strcmp(f->step, "note what it touched") == 0);
		g_usleep(held_up_ms[i] * 1000);
		fake.callback(fake.context, ENGINE_EVENT_PANICKED, 0);
		WAIT_FOR(f->ended);
		assert_string_equal(f->error->message,
				    "note what it touched: the guest's kernel panicked");
		g_clear_error(&f->error);
		g_timeout_add(300, note_passing, &passed); /* for a thread, if there is one */
		WAIT_FOR(passed);
		note = read_note(f);
		assert_null(note);
	}
}

static void
test_verify__does_not_fail_for_its_note(void **state)
{
	struct fixture *f = *state;
	g_autofree char *in_its_way =
		g_build_filename(f->version, "fake", "user", "touched.new", "folder", NULL);
	g_autofree char *note = NULL;

	assert_int_equal(g_mkdir_with_parents(in_its_way, 0700), 0);
	f->request.notes_touched = TRUE;
	start(f);
	answer_agent(f);
	assert_null(f->error);
	note = read_note(f);
	assert_null(note);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_verify__##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tells_how_the_machine_ended),
		TEST(refuses_what_this_host_cannot_restore),
		TEST(lets_a_channel_go_that_comes_too_late),
		TEST(notes_what_the_fork_touches_where_it_is_wished_for),
		TEST(waits_longer_for_an_agent_over_a_cold_memory),
		TEST(hears_of_an_end_while_the_fork_runs_on),
		TEST(does_not_fail_for_its_note),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
