/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_qemu_space.c - a guest whose writes find no room on the host's disk (carrel-hostd, carrel-worker)
 *
 * How it works: QEMU keeps such a request, tells it (qemu_space_take_error()) and lets the guest stand (qemu_space_take_stop()),
 * but does not look whether room has come. qemu_space_handle_tick() does: it lets the guest go on, with its request,
 * every TICK_MS. Where there is still no room QEMU stops it at once; a guest that has run for a whole tick has room, and only
 * then its owner hears of it. A seal fails at the first such error (qemu_space_watch()).
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "host/engine_qemu_vm.h"

#define TICK_MS 2000

static const char *const space_names[] = { "enough", "lacking", "tried" };
static_assert(G_N_ELEMENTS(space_names) == QEMU_SPACE_COUNT, "each has a name");

void
qemu_space_watch(struct qemu_vm *qemu, struct steps *steps)
{
	g_clear_pointer(&qemu->filling, steps_unref);
	qemu->filling = steps_ref(steps);
}

void
qemu_space_done(struct qemu_vm *qemu)
{
	g_clear_handle_id(&qemu->space_tick, g_source_remove);
	qemu->space = QEMU_SPACE_ENOUGH;
}

static void
qemu_space_handle_answer(GObject *object, GAsyncResult *result, gpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)object, (void)data;
	json_decref(qmp_execute_finish(result, &error));
	if (error)
		log_debug("a guest that waits for room cannot go on: %s", error->message);
}

static void qemu_space_set(struct qemu_vm *qemu, enum qemu_space space);

static gboolean
qemu_space_handle_tick(gpointer data)
{
	struct qemu_vm *qemu = data;

	if (qemu->space == QEMU_SPACE_LACKING) {
		qmp_execute(qemu->qmp, "cont", NULL, -1, QEMU_COMMAND_MS, NULL,
			    qemu_space_handle_answer, NULL);
		return G_SOURCE_CONTINUE;
	}
	qemu->space_tick = 0;
	qemu_space_set(qemu, QEMU_SPACE_ENOUGH);
	qemu_vm_tell(qemu, ENGINE_EVENT_RUNNING, 0);
	return G_SOURCE_REMOVE;
}

/* From each change on a whole tick is waited. */
static void
qemu_space_set(struct qemu_vm *qemu, enum qemu_space space)
{
	if (qemu->space == space)
		return;
	log_debug("desktop=%s: room for its disk: %s -> %s", qemu->vm.id, space_names[qemu->space],
		  space_names[space]);
	g_clear_handle_id(&qemu->space_tick, g_source_remove);
	qemu->space = space;
	if (space != QEMU_SPACE_ENOUGH)
		qemu->space_tick = g_timeout_add(TICK_MS, qemu_space_handle_tick, qemu);
}

/* "nospace" comes with "action": "stop", which is the default for this error and for no other. */
void
qemu_space_take_error(struct qemu_vm *qemu, const json_t *data)
{
	struct steps *filling;

	if (!json_get_flag(data, "nospace", 0))
		return;
	filling = g_steal_pointer(&qemu->filling);
	if (!filling) {
		qemu_space_set(qemu, QEMU_SPACE_LACKING);
		return;
	}
	steps_fail(filling, g_error_new(G_IO_ERROR, G_IO_ERROR_NO_SPACE,
					"the guest's disk cannot grow: %s", g_strerror(ENOSPC)));
	steps_unref(filling);
}

void
qemu_space_take_stop(struct qemu_vm *qemu)
{
	qemu_vm_tell(qemu, ENGINE_EVENT_STOPPED, qemu->space != QEMU_SPACE_ENOUGH);
}

void
qemu_space_take_resume(struct qemu_vm *qemu)
{
	if (qemu->space == QEMU_SPACE_ENOUGH)
		qemu_vm_tell(qemu, ENGINE_EVENT_RUNNING, 0);
	else
		qemu_space_set(qemu, QEMU_SPACE_TRIED);
}

void
qemu_space_take_status(struct qemu_vm *qemu, const json_t *value)
{
	if (strcmp(json_get_text(value, "status", ""), "io-error") != 0)
		return;
	qemu_space_set(qemu, QEMU_SPACE_LACKING);
	qemu_space_take_stop(qemu);
}
