/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * verify.c - does a template version work? (carrel-worker)
 *
 * How it works: verify_steps, one after the other: every file of the manifest by size and SHA-256, the memory as
 * the engine wants it, one fork with the engine that made the version, and a resync that its agent must echo. Until it is
 * forked the engine fails by itself when the machine ends; from then on verify_handle_event() does. Cancelling goes to
 * the running step, whose end is waited for, so that nothing is removed under a thread's hands.
 *
 * Where it is wished for, that fork begins with a memory of which nothing is in the page cache, and
 * a last step notes what it has touched of it when it has run for a second and its agent has
 * answered (host/template_touched.c). That is advice for later forks: a note that cannot be made
 * fails no version. A guest that ends in that second does; cancelling is noticed after it. The agent
 * of such a fork is waited for longer (AGENT_COLD_MS), but not its start, which reads few pages.
 */
#include "templates/verify.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/agent_link.h"
#include "host/engine_list.h"
#include "host/template_memory.h"
#include "host/template_touched.h"
#include "templates/job_machine.h"
#include "templates/job_space.h"
#include "templates/job_thread.h"

#define KIND	 "user"
#define READ_MS	 (30 * 60 * 1000)
#define FORK_MS	 120000
#define AGENT_MS 60000
/* Each fault reads one page: thousands, and a hard disk may give a hundred a second. */
#define AGENT_COLD_MS 300000
#define AGAIN_MS      60000
#define LOOK_MS	      1000 /* how long a fork runs until what it has touched is noted */

struct verify {
	struct verify_request request;
	char *folder;
	char *scratch;
	char *template_name;
	char *engine;
	GCancellable *cancellable;
	struct manifest *manifest;
	int memory;
	gboolean dropped; /* from the page cache, before the fork */
	gint64 forked_us;
	struct job_machine *machine;
	struct agent_link *agent;
	struct steps *asking; /* in the agent's step */
	GAsyncReadyCallback callback;
	gpointer data;
};

static void
verify_clear(gpointer data)
{
	struct verify *verify = data;

	if (verify->memory >= 0)
		close(verify->memory);
	manifest_free(verify->manifest);
	g_object_unref(verify->cancellable);
	g_free(verify->folder);
	g_free(verify->scratch);
	g_free(verify->template_name);
	g_free(verify->engine);
}

static void
verify_release(gpointer data)
{
	g_rc_box_release_full(data, verify_clear);
}

static void
verify_tell(const struct verify *verify, const char *step, guint percent)
{
	verify->request.progress(verify->request.context, step, percent);
}

static gboolean
verify_has_kind(const struct manifest *manifest, const char *kind)
{
	size_t index;
	json_t *item;

	json_array_foreach((json_t *)(uintptr_t)manifest->kinds, index, item)
		if (strcmp(json_string_value(item), kind) == 0)
			return TRUE;
	return FALSE;
}

static gboolean
verify_check_manifest(const struct verify *verify, GError **error)
{
	const struct manifest *manifest = verify->manifest;

	if (strcmp(manifest->name, verify->template_name) == 0 &&
	    manifest->version == verify->request.version &&
	    strcmp(manifest->engine, verify->engine) == 0 && verify_has_kind(manifest, KIND))
		return TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
		    "'%s' holds %s@%u for engine %s, not %s@%u for engine %s with kind '%s': "
		    "publish the template again",
		    verify->folder, manifest->name, manifest->version, manifest->engine,
		    verify->template_name, verify->request.version, verify->engine, KIND);
	return FALSE;
}

static gboolean
verify_hash(gpointer context, GCancellable *cancellable, GError **error)
{
	struct verify *verify = context;

	verify->manifest = manifest_read(verify->folder, error);
	return verify->manifest && verify_check_manifest(verify, error) &&
	       manifest_verify_files(verify->manifest, verify->folder, cancellable, error) &&
	       engine_list_check(verify->manifest, KIND, verify->request.kvm, error);
}

static void
verify_start_hash(struct steps *steps, void *context)
{
	struct verify *verify = context;

	verify_tell(verify, "verify the hashes", 0);
	job_thread_run(steps, verify->cancellable, verify_hash, verify);
}

static char *
verify_make_memory_path(const struct verify *verify)
{
	return g_build_filename(verify->folder, verify->manifest->engine, KIND, "memory", NULL);
}

static void
verify_drop(struct verify *verify)
{
	g_autoptr(GError) error = NULL;

	verify->dropped = template_touched_drop(verify->memory, &error);
	if (error)
		log_warning("what a fork of '%s' touches cannot be noted: %s", verify->folder,
			    error->message);
	else if (!verify->dropped)
		log_info(
			"the memory of '%s' stays in the page cache: what a fork touches is not noted",
			verify->folder);
}

static gboolean
verify_load(gpointer context, GCancellable *cancellable, GError **error)
{
	struct verify *verify = context;
	g_autofree char *path = verify_make_memory_path(verify);

	if (engine_list_find(verify->engine)->loads_memory)
		verify->memory = template_memory_load(AT_FDCWD, path,
						      (guint64)verify->manifest->ram_mib << 20,
						      cancellable, error);
	else
		verify->memory = template_memory_open(
			AT_FDCWD, path, (guint64)verify->manifest->ram_mib << 20, error);
	if (verify->memory >= 0 && verify->request.notes_touched)
		verify_drop(verify);
	return verify->memory >= 0;
}

static void
verify_start_load(struct steps *steps, void *context)
{
	struct verify *verify = context;

	verify_tell(verify, "load the memory", 70);
	job_thread_run(steps, verify->cancellable, verify_load, verify);
}

static const char *const verify_ends[ENGINE_EVENT_COUNT] = {
	[ENGINE_EVENT_POWERDOWN] = "the guest switched itself off",
	[ENGINE_EVENT_PANICKED] = "the guest's kernel panicked",
	[ENGINE_EVENT_FAILED] = "its machine failed",
	[ENGINE_EVENT_GONE] = "its machine ended by itself",
};

static void
verify_handle_event(void *context, enum engine_event event, gint64 value)
{
	const struct verify *verify = context;

	(void)value;
	if (verify->asking && verify_ends[event])
		steps_fail(verify->asking,
			   g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CLOSED, verify_ends[event]));
}

static void
verify_start_fork(struct steps *steps, void *context)
{
	struct verify *verify = context;
	CLEANUP_CLOSE int root = open(verify->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct engine_template source = { verify->manifest, root, KIND,
					  verify->memory,   NULL, verify->dropped };
	struct steps_call call = { verify->cancellable, steps_handle_boolean, NULL };
	g_autofree char *accelerator = NULL;
	g_autofree char *overlay = NULL;
	GError *error = NULL;
	const struct engine_ops *ops =
		job_machine_find_engine(verify->engine, verify->request.kvm, &accelerator, &error);

	verify_tell(verify, "fork once", 85);
	if (ops)
		verify->machine = job_machine_new(ops, verify->scratch, verify->request.kvm,
						  verify_handle_event, verify, &error);
	if (!verify->machine) {
		steps_fail(steps, error);
		return;
	}
	overlay = job_machine_make_path(verify->machine, "overlay.qcow2");
	call.data = steps_ref(steps);
	ops->fork(job_machine_get_vm(verify->machine), &source, overlay, &call);
}

static void
verify_handle_agent(void *context, const char *verb, const json_t *body)
{
	(void)context, (void)verb, (void)body;
}

static void
verify_handle_channel(GObject *source, GAsyncResult *result, gpointer data)
{
	struct verify *verify = data;
	g_autoptr(GError) error = NULL;
	gboolean good = steps_finish(result, &error);

	(void)source;
	if (verify->asking && good) {
		verify->agent = agent_link_new(steps_take_fd(result),
					       job_machine_get_vm(verify->machine)->generation,
					       verify_handle_agent, verify);
		agent_link_resync(verify->agent, verify->dropped ? AGENT_COLD_MS : AGENT_MS,
				  verify->cancellable, steps_handle_json,
				  steps_ref(verify->asking));
	} else if (verify->asking) {
		steps_fail(verify->asking, g_steal_pointer(&error));
	}
	verify_release(verify);
}

static void
verify_start_agent(struct steps *steps, void *context)
{
	struct verify *verify = context;
	struct steps_call call = { verify->cancellable, verify_handle_channel,
				   g_rc_box_acquire(verify) };
	struct engine_vm *vm = job_machine_get_vm(verify->machine);

	verify_tell(verify, "ask its agent", 95);
	verify->forked_us = g_get_monotonic_time();
	verify->asking = steps_ref(steps);
	vm->ops->agent_channel(vm, FALSE, &call);
}

static gboolean
verify_note(gpointer context, GCancellable *cancellable, GError **unused)
{
	const struct verify *verify = context;
	g_autofree char *memory = verify_make_memory_path(verify);
	g_autofree char *path = template_touched_make_path(memory);
	g_autoptr(GError) error = NULL;

	(void)unused;
	if (!template_touched_write(verify->memory, path, &error))
		log_warning("what a fork of '%s' touches is not noted: %s", verify->folder,
			    error->message);
	/* It was there before: the first desktops shall find it. */
	template_touched_read_all(verify->memory, AGAIN_MS, cancellable);
	return TRUE;
}

/* The thread has the files from now on: whatever becomes of the machine waits for it. */
static gboolean
verify_handle_second(gpointer data)
{
	struct verify *verify = data;

	/* Their end may stand already, and its callback not: then the files are another's. */
	if (verify->asking && steps_running(verify->asking))
		job_thread_run(verify->asking, verify->cancellable, verify_note, verify);
	g_clear_pointer(&verify->asking, steps_unref);
	return G_SOURCE_REMOVE;
}

/* When the fork has run for a second; until then its end is heard, as before. */
static void
verify_start_note(struct steps *steps, void *context)
{
	struct verify *verify = context;
	gint64 ms = (g_get_monotonic_time() - verify->forked_us) / 1000;

	verify_tell(verify, "note what it touched", 97);
	if (verify->dropped)
		g_timeout_add_full(G_PRIORITY_DEFAULT, ms < LOOK_MS ? (guint)(LOOK_MS - ms) : 0,
				   verify_handle_second, g_rc_box_acquire(verify), verify_release);
	else
		steps_next(steps);
}

/* The last one only where it is wished for. */
static const struct step verify_steps[] = {
	{ "verify the hashes", verify_start_hash, READ_MS },
	{ "load the memory", verify_start_load, READ_MS },
	{ "fork once", verify_start_fork, FORK_MS },
	{ "ask its agent", verify_start_agent, AGENT_COLD_MS + 1000 },
	{ "note what it touched", verify_start_note, READ_MS },
};

/* What verify_finish() needs, of what is gone by then. */
struct verify_end {
	guint64 free_bytes;
	char *words; /* of the machine's process */
};

static void
verify_end_free(gpointer data)
{
	struct verify_end *end = data;

	g_free(end->words);
	g_free(end);
}

/* The machine goes before the caller hears of the end, and with it what filled the disk perhaps. */
static void
verify_handle_end(GObject *source, GAsyncResult *result, gpointer data)
{
	struct verify *verify = data;
	struct verify_end *end = g_new0(struct verify_end, 1);

	end->free_bytes = job_space_find_free(verify->scratch);
	end->words = verify->machine ? job_machine_get_words(verify->machine) : g_strdup("");
	g_object_set_data_full(G_OBJECT(result), "end", end, verify_end_free);
	g_clear_pointer(&verify->asking, steps_unref);
	g_clear_pointer(&verify->agent, agent_link_free);
	g_clear_pointer(&verify->machine, job_machine_free);
	verify->callback(source, result, verify->data);
	verify_release(verify);
}

void
verify_start(const struct verify_request *request, GAsyncReadyCallback callback, gpointer data)
{
	struct verify *verify = g_rc_box_new0(struct verify);
	struct steps_call call = { NULL, verify_handle_end, g_rc_box_acquire(verify) };
	const gsize n_steps = G_N_ELEMENTS(verify_steps) - (request->notes_touched ? 0 : 1);

	verify->request = *request;
	verify->folder = g_strdup(request->folder);
	verify->scratch = g_strdup(request->scratch);
	verify->template_name = g_strdup(request->template_name);
	verify->engine = g_strdup(request->engine);
	verify->cancellable = g_object_ref(request->cancellable);
	verify->memory = -1;
	verify->callback = callback;
	verify->data = data;
	steps_run(verify_steps, n_steps, verify, verify_release, &call);
}

gboolean
verify_finish(GAsyncResult *result, json_t **ret_report, GError **error)
{
	const struct verify_end *end = g_object_get_data(G_OBJECT(result), "end");

	*ret_report = steps_get_report(result);
	if (steps_finish(result, error))
		return TRUE;
	job_machine_blame(end->words, *error);
	job_space_blame(end->free_bytes, *error);
	return FALSE;
}
