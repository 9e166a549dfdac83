/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seal.c - what sealing is for every engine: the golden machine's files, its agent, its memory (carrel-worker)
 *
 * How it works: the machine boots from the staging folder's own disk.img with its RAM in a memfd that we hold too
 * (seal_make_memory). Its agent answers when the guest is there (seal_start_hello), says when X is up (seal_start_settle) and
 * quiesces the guest (seal_start_quiesce). What comes then, stopping it and writing its state, is the engine's own. At the
 * end the memfd's data is copied to a file, zero pages as holes (seal_start_memory).
 */
#include "host/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/proto_agent.h"
#include "host/agent_settle.h"
#include "host/template_memory.h"

void
seal_init(struct seal *seal, const char *engine, const struct engine_seal *request)
{
	*seal = (struct seal){
		.folder = g_strdup(request->folder),
		.target = g_build_filename(request->folder, engine, request->kind, NULL),
		.accelerator = g_strdup(request->accelerator),
		.command_line = g_strdup(request->command_line),
		.cpus = request->cpus,
		.ram_mib = request->ram_mib,
		.memory = -1,
		.state = -1,
		.result = json_object(),
	};
}

void
seal_done(struct seal *seal)
{
	agent_link_free(seal->agent);
	if (seal->memory >= 0)
		close(seal->memory);
	if (seal->state >= 0)
		close(seal->state);
	json_decref(seal->result);
	g_free(seal->folder);
	g_free(seal->target);
	g_free(seal->accelerator);
	g_free(seal->command_line);
}

static void
seal_fail_errno(struct steps *steps, const char *what, int code)
{
	steps_fail(steps, g_error_new(G_IO_ERROR, (int)g_io_error_from_errno(code), "%s: %s", what,
				      g_strerror(code)));
}

static int
seal_open(const char *folder, const char *name, int flags)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);

	return open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0644);
}

gboolean
seal_open_files(const struct seal *seal, struct steps *steps, struct seal_files *ret_files)
{
	*ret_files = (struct seal_files){ seal_open(seal->folder, "disk.img", O_RDWR), -1, -1 };
	if (ret_files->disk >= 0)
		ret_files->kernel = seal_open(seal->folder, "kernel", O_RDONLY);
	if (ret_files->kernel >= 0)
		ret_files->initrd = seal_open(seal->folder, "initrd", O_RDONLY);
	if (ret_files->initrd >= 0)
		return TRUE;
	seal_fail_errno(steps, "the image's disk.img, kernel or initrd", errno);
	return FALSE;
}

void
seal_close_files(struct seal_files *files)
{
	const int fds[] = { files->disk, files->kernel, files->initrd };

	for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

gboolean
seal_make_memory(struct seal *seal, struct steps *steps)
{
	GError *error = NULL;

	if (g_mkdir_with_parents(seal->target, 0755) < 0) {
		seal_fail_errno(steps, seal->target, errno);
		return FALSE;
	}
	seal->memory = template_memory_new((guint64)seal->ram_mib << 20, &error);
	if (seal->memory >= 0)
		return TRUE;
	steps_fail(steps, error);
	return FALSE;
}

gboolean
seal_make_state(struct seal *seal, struct steps *steps)
{
	seal->state = seal_open(seal->target, "state", O_RDWR | O_CREAT | O_EXCL);
	if (seal->state >= 0)
		return TRUE;
	seal_fail_errno(steps, seal->target, errno);
	return FALSE;
}

/* What it says by itself is said again to each fork's own link. */
static void
seal_handle_agent(void *context, const char *verb, const json_t *body)
{
	(void)context, (void)verb, (void)body;
}

void
seal_take_agent(struct seal *seal, int fd, guint64 generation)
{
	seal->agent = agent_link_new(fd, generation, seal_handle_agent, seal);
}

void
seal_start_hello(struct steps *steps, void *context)
{
	const struct seal *seal = context;

	agent_link_resync(seal->agent, SEAL_BOOT_MS, steps_get_cancellable(steps),
			  steps_handle_json, steps_ref(steps));
}

void
seal_start_settle(struct steps *steps, void *context)
{
	const struct seal *seal = context;

	agent_settle_start(seal->agent, SEAL_SETTLE_MS, steps);
}

/* What never rests makes a template all the same: its forks are larger. */
static void
seal_handle_quiesced(GObject *object, GAsyncResult *result, gpointer data)
{
	struct steps *steps = data;
	GError *error = NULL;
	json_t *body = agent_link_finish(result, &error);

	(void)object;
	if (!error && !json_get_flag(body, "rests", 1))
		log_warning(
			"the guest did not come to rest and is sealed all the same: what begins "
			"or ends in it again and again does so in each fork, which costs memory; "
			"see which of the image's programs that is");
	json_decref(body);
	if (error)
		steps_fail(steps, error);
	else
		steps_next(steps);
	steps_unref(steps);
}

void
seal_start_quiesce(struct steps *steps, void *context)
{
	const struct seal *seal = context;

	agent_link_request(seal->agent, AGENT_VERB_QUIESCE, NULL, SEAL_QUIESCE_MS,
			   steps_get_cancellable(steps), seal_handle_quiesced, steps_ref(steps));
}

static void
seal_run_memory(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
	const struct seal *seal = g_object_get_data(G_OBJECT(task), "seal");
	g_autofree char *path = g_build_filename(seal->target, "memory", NULL);
	GError *error = NULL;

	(void)source, (void)data;
	if (fsync(seal->state) < 0)
		error = g_error_new(G_IO_ERROR, (int)g_io_error_from_errno(errno),
				    "the state cannot be made durable: %s", g_strerror(errno));
	if (!error)
		template_memory_save(seal->memory, path, cancellable, &error);
	if (error)
		g_task_return_error(task, error);
	else
		g_task_return_boolean(task, TRUE);
}

void
seal_start_memory(struct steps *steps, void *context)
{
	GTask *task = g_task_new(NULL, steps_get_cancellable(steps), steps_handle_boolean,
				 steps_ref(steps));

	g_object_set_data(G_OBJECT(task), "seal", context);
	g_task_run_in_thread(task, seal_run_memory);
	g_object_unref(task);
}

void
seal_set_engine(struct seal *seal, const char *name, const char *version, int state_format)
{
	json_object_set_new(seal->result, "engine",
			    json_pack("{s:s, s:s, s:s, s:i}", "name", name, "version", version,
				      "accelerator", seal->accelerator, "state_format",
				      state_format));
}

void
seal_set_machine(struct seal *seal, const char *type, const char *cpu, const char *cpuid_sha256,
		 json_t *devices)
{
	json_object_set_new(seal->result, "machine",
			    json_pack("{s:s, s:s, s:s, s:i, s:i, s:s, s:o}", "type", type, "cpu",
				      cpu, "cpuid_sha256", cpuid_sha256, "cpus", (int)seal->cpus,
				      "ram_mib", (int)seal->ram_mib, "command_line",
				      seal->command_line, "devices", devices));
}
