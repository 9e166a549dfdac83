/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_qemu_suspend.c - a fork is written to a file, or goes on (carrel-hostd)
 *
 * How it works: the guest's CPUs stop, and the whole machine is migrated to the file's descriptor. A fork's RAM is a private
 * mapping, of which nobody but QEMU can tell the pages that are its own: so all of it is written, pages of zeros as a byte each.
 * When that has ended QEMU has written what it had in mind of the overlay, as it would for another QEMU that opens it then
 * (bdrv_inactivate_all()), and changes no file any more unless it is let go on: it may end by "quit" or by a crash. The qcow2 file needs
 * no mark of its own: it is made without lazy refcounts (overlay.c).
 *
 * A hostd that was restarted may find a machine that stands in the middle of that. Therefore adopting includes resuming:
 * a migration that is still under way is cancelled, and then the guest goes on. One that waits for room on the host's disk is left
 * to engine_qemu_space.c.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "host/engine_qemu_vm.h"

#define MAX_BANDWIDTH G_GINT64_CONSTANT(0x7fffffffffff) /* bytes a second; QEMU's own is 128 MiB */
#define LOOK_AGAIN_MS 100
#define RESUME_MS     60000
#define QUIT_MS	      120000 /* until what the guest wrote is on a slow disk, and its RAM is given back */

struct qemu_suspend {
	struct qemu_vm *qemu;
	int state;	 /* the file; -1: not for this */
	gboolean stands; /* by a suspend() */
};

static void
qemu_suspend_free(gpointer data)
{
	struct qemu_suspend *suspend = data;

	if (suspend->state >= 0)
		close(suspend->state);
	g_free(suspend);
}

/* A guest whose last writes found no room is let go on by engine_qemu_space.c, whatever has been written of it by then. */
static void
suspend_take_stopped(struct steps *steps, void *context, const json_t *value)
{
	const struct qemu_suspend *suspend = context;

	(void)value;
	if (suspend->qemu->space == QEMU_SPACE_ENOUGH)
		steps_next(steps);
	else
		steps_fail(steps,
			   g_error_new(G_IO_ERROR, G_IO_ERROR_NO_SPACE,
				       "the guest's disk cannot grow: %s", g_strerror(ENOSPC)));
}

static void
suspend_start_stop(struct steps *steps, void *context)
{
	struct qemu_suspend *suspend = context;

	qemu_vm_execute(suspend->qemu, steps, context, "stop", NULL, -1, suspend_take_stopped);
}

static void
suspend_start_capabilities(struct steps *steps, void *context)
{
	struct qemu_suspend *suspend = context;

	qemu_vm_execute(suspend->qemu, steps, context, "migrate-set-capabilities",
			qemu_vm_migration_capabilities(TRUE), -1, NULL);
}

static void
suspend_start_parameters(struct steps *steps, void *context)
{
	struct qemu_suspend *suspend = context;

	qemu_vm_execute(suspend->qemu, steps, context, "migrate-set-parameters",
			json_pack("{s:I}", "max-bandwidth", (json_int_t)MAX_BANDWIDTH), -1, NULL);
}

static void
suspend_start_getfd(struct steps *steps, void *context)
{
	struct qemu_suspend *suspend = context;

	qemu_vm_execute(suspend->qemu, steps, context, "getfd",
			json_pack("{s:s}", "fdname", "state"), suspend->state, NULL);
}

static void
suspend_ignore_answer(struct steps *steps, void *context, const json_t *value)
{
	(void)steps, (void)context, (void)value;
}

static void
suspend_start_save(struct steps *steps, void *context)
{
	struct qemu_suspend *suspend = context;

	qemu_vm_await_migration(suspend->qemu, steps);
	qemu_vm_execute(suspend->qemu, steps, context, "migrate",
			json_pack("{s:s}", "uri", "fd:state"), -1, suspend_ignore_answer);
}

static const struct step suspend_steps[] = {
	{ "stop its CPUs", suspend_start_stop, QEMU_COMMAND_MS },
	{ "prepare saving", suspend_start_capabilities, QEMU_COMMAND_MS },
	{ "let it be fast", suspend_start_parameters, QEMU_COMMAND_MS },
	{ "hand over the file", suspend_start_getfd, QEMU_COMMAND_MS },
	{ "save state and memory", suspend_start_save, QEMU_MEMORY_MS },
};

void
engine_qemu_suspend(struct engine_vm *vm, const struct engine_image *image,
		    const struct steps_call *call)
{
	struct qemu_suspend *suspend = g_new0(struct qemu_suspend, 1);

	suspend->qemu = qemu_vm_of(vm);
	suspend->state = dup(image->state);
	steps_run(suspend_steps, G_N_ELEMENTS(suspend_steps), suspend, qemu_suspend_free, call);
}

guint64
engine_qemu_measure(struct engine_vm *vm, guint64 ram_bytes)
{
	(void)vm;
	return ram_bytes;
}

static void
suspend_start_connect(struct steps *steps, void *context)
{
	struct qemu_suspend *suspend = context;

	if (suspend->qemu->qmp || qemu_vm_connect(suspend->qemu, steps))
		steps_next(steps);
}

static void
end_start_quit(struct steps *steps, void *context)
{
	struct qemu_suspend *suspend = context;

	qemu_vm_quit(suspend->qemu, steps);
}

static const struct step end_steps[] = {
	{ "connect", suspend_start_connect, QEMU_COMMAND_MS },
	{ "end the process", end_start_quit, QUIT_MS },
};

static void
qemu_suspend_run(struct engine_vm *vm, const struct step *table, gsize n,
		 const struct steps_call *call)
{
	struct qemu_suspend *suspend = g_new0(struct qemu_suspend, 1);

	suspend->qemu = qemu_vm_of(vm);
	suspend->state = -1;
	steps_run(table, n, suspend, qemu_suspend_free, call);
}

void
engine_qemu_end(struct engine_vm *vm, int pidfd, const struct steps_call *call)
{
	if (pidfd >= 0)
		process_watch_begin(&qemu_vm_of(vm)->process, pidfd);
	qemu_suspend_run(vm, end_steps, G_N_ELEMENTS(end_steps), call);
}

/* --- a machine that stands --- */

static void resume_start_look(struct steps *steps, void *context);

struct qemu_look {
	struct steps *steps;
	struct qemu_suspend *suspend;
};

static gboolean
resume_handle_again(gpointer data)
{
	struct qemu_look *look = data;

	if (steps_running(look->steps))
		resume_start_look(look->steps, look->suspend);
	return G_SOURCE_REMOVE;
}

static void
qemu_look_free(gpointer data)
{
	struct qemu_look *look = data;

	steps_unref(look->steps);
	g_free(look);
}

static void
resume_take_migration(struct steps *steps, void *context, const json_t *value)
{
	static const char *const over[] = { "", "none", "completed", "failed", "cancelled", NULL };
	struct qemu_look *look;

	if (g_strv_contains(over, json_get_text(value, "status", ""))) {
		steps_next(steps);
		return;
	}
	look = g_new0(struct qemu_look, 1);
	look->steps = steps_ref(steps);
	look->suspend = context;
	g_timeout_add_full(G_PRIORITY_DEFAULT, LOOK_AGAIN_MS, resume_handle_again, look,
			   qemu_look_free);
}

static void
resume_start_look(struct steps *steps, void *context)
{
	struct qemu_suspend *suspend = context;

	if (suspend->stands)
		qemu_vm_execute(suspend->qemu, steps, context, "query-migrate", NULL, -1,
				resume_take_migration);
	else
		steps_next(steps);
}

static void
resume_take_status(struct steps *steps, void *context, const json_t *value)
{
	static const char *const standing[] = { "paused", "finish-migrate", "postmigrate", NULL };
	struct qemu_suspend *suspend = context;

	qemu_space_take_status(suspend->qemu, value);
	suspend->stands = g_strv_contains(standing, json_get_text(value, "status", ""));
	steps_next(steps);
}

static void
resume_start_status(struct steps *steps, void *context)
{
	struct qemu_suspend *suspend = context;

	qemu_vm_execute(suspend->qemu, steps, context, "query-status", NULL, -1,
			resume_take_status);
}

static void
resume_start_cancel(struct steps *steps, void *context)
{
	struct qemu_suspend *suspend = context;

	if (suspend->stands)
		qemu_vm_execute(suspend->qemu, steps, context, "migrate_cancel", NULL, -1, NULL);
	else
		steps_next(steps);
}

static void
resume_start_run(struct steps *steps, void *context)
{
	struct qemu_suspend *suspend = context;

	if (suspend->stands)
		qemu_vm_execute(suspend->qemu, steps, context, "cont", NULL, -1, NULL);
	else
		steps_next(steps);
}

static const struct step adopt_steps[] = {
	{ "connect", suspend_start_connect, QEMU_COMMAND_MS },
	{ "ask whether it runs", resume_start_status, QEMU_COMMAND_MS },
	{ "save it no more", resume_start_cancel, QEMU_COMMAND_MS },
	{ "wait for the end of that", resume_start_look, RESUME_MS },
	{ "run", resume_start_run, QEMU_COMMAND_MS },
};

void
engine_qemu_adopt(struct engine_vm *vm, int pidfd, const struct steps_call *call)
{
	process_watch_begin(&qemu_vm_of(vm)->process, pidfd);
	qemu_suspend_run(vm, adopt_steps, G_N_ELEMENTS(adopt_steps), call);
}

/* What is adopted; mostly it is connected. */
void
engine_qemu_resume(struct engine_vm *vm, const struct steps_call *call)
{
	qemu_suspend_run(vm, adopt_steps, G_N_ELEMENTS(adopt_steps), call);
}
