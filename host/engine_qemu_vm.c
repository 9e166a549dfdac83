/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_qemu_vm.c - one QEMU process and its QMP connection (carrel-hostd, carrel-worker)
 *
 * How it works: qemu_vm_spawn() starts the process through the spawner and watches it; qemu_vm_connect() opens
 * QMP on the control socket, which listens since before the process was there. QMP events become engine events in
 * qemu_vm_handle_event(). The end of the process is only told by the pidfd, never by a closed socket.
 */
#include "host/engine_qemu_vm.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "common/hash.h"

struct qemu_closure {
	struct qemu_vm *qemu;
	struct steps *steps;
	void *context;
	qemu_answer_function then;
	gboolean may_fail;
};

static void
qemu_vm_handle_answer(GObject *object, GAsyncResult *result, gpointer data)
{
	struct qemu_closure *closure = data;
	GError *error = NULL;
	json_t *value = qmp_execute_finish(result, &error);

	(void)object;
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_FAILED) && closure->may_fail)
		g_clear_error(&error);
	if (error)
		steps_fail(closure->steps, error);
	else if (!steps_running(closure->steps))
		log_debug("an answer of QEMU came after the end of its operation");
	else if (closure->then)
		closure->then(closure->steps, closure->context, value);
	else
		steps_next(closure->steps);
	json_decref(value);
	steps_unref(closure->steps);
	g_free(closure);
}

static void
qemu_vm_send(const struct qemu_closure *wish, const char *command, json_t *arguments, int fd)
{
	struct qemu_vm *qemu = wish->qemu;
	struct qemu_closure *closure;

	if (!qemu->qmp) {
		json_decref(arguments);
		steps_fail(wish->steps, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CLOSED,
							    "the machine does not run"));
		return;
	}
	closure = g_new0(struct qemu_closure, 1);
	*closure = *wish;
	steps_ref(closure->steps);
	qmp_execute(qemu->qmp, command, arguments, fd, QEMU_COMMAND_MS,
		    steps_get_cancellable(closure->steps), qemu_vm_handle_answer, closure);
}

void
qemu_vm_execute(struct qemu_vm *qemu, struct steps *steps, void *context, const char *command,
		json_t *arguments, int fd, qemu_answer_function then)
{
	const struct qemu_closure wish = { qemu, steps, context, then, FALSE };

	qemu_vm_send(&wish, command, arguments, fd);
}

void
qemu_vm_try(struct qemu_vm *qemu, struct steps *steps, void *context, const char *command,
	    json_t *arguments)
{
	const struct qemu_closure wish = { qemu, steps, context, NULL, TRUE };

	qemu_vm_send(&wish, command, arguments, -1);
}

void
qemu_vm_tell(struct qemu_vm *qemu, enum engine_event event, gint64 value)
{
	if (qemu->callback)
		qemu->callback(qemu->context, event, value);
}

static void
qemu_vm_end_migration(struct steps *steps, GError *error)
{
	if (!steps)
		g_clear_error(&error);
	else if (error)
		steps_fail(steps, error);
	else
		steps_next(steps);
	if (steps)
		steps_unref(steps);
}

static void
qemu_vm_take_migration(struct qemu_vm *qemu, const json_t *data)
{
	const char *status = json_get_text(data, "status", "");

	if (strcmp(status, "completed") == 0)
		qemu_vm_end_migration(g_steal_pointer(&qemu->migrating), NULL);
	else if (strcmp(status, "failed") == 0 || strcmp(status, "cancelled") == 0)
		qemu_vm_end_migration(
			g_steal_pointer(&qemu->migrating),
			g_error_new(G_IO_ERROR, G_IO_ERROR_FAILED,
				    "QEMU could not transfer the machine's state (%s); "
				    "its log says why",
				    status));
}

static void
qemu_vm_take_port(struct qemu_vm *qemu, const json_t *data)
{
	const char *id = json_get_text(data, "id", "");
	gint64 open = json_get_flag(data, "open", 0);

	if (strcmp(id, QEMU_ID_AGENT_PORT) == 0)
		qemu_vm_tell(qemu, ENGINE_EVENT_AGENT_PORT, open);
	else if (strcmp(id, QEMU_ID_VDAGENT_PORT) == 0)
		qemu_vm_tell(qemu, ENGINE_EVENT_VDAGENT_PORT, open);
}

void
qemu_vm_disconnect(struct qemu_vm *qemu)
{
	qemu_space_done(qemu);
	g_clear_pointer(&qemu->qmp, qmp_free);
}

static void
qemu_vm_handle_event(void *context, const char *name, const json_t *data)
{
	struct qemu_vm *qemu = context;

	if (!name) {
		struct steps *migrating = g_steal_pointer(&qemu->migrating);

		/* What waits for an answer fails by this, and its owner may free the machine. */
		qemu_vm_disconnect(qemu);
		qemu_vm_end_migration(migrating,
				      g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CLOSED,
							  "QEMU ended; its log says why"));
	} else if (strcmp(name, "MIGRATION") == 0) {
		qemu_vm_take_migration(qemu, data);
	} else if (strcmp(name, "VSERPORT_CHANGE") == 0) {
		qemu_vm_take_port(qemu, data);
	} else if (strcmp(name, "BLOCK_IO_ERROR") == 0) {
		qemu_space_take_error(qemu, data);
	} else if (strcmp(name, "STOP") == 0) {
		qemu_space_take_stop(qemu);
	} else if (strcmp(name, "RESUME") == 0) {
		qemu_space_take_resume(qemu);
	} else if (strcmp(name, "RESET") == 0) {
		qemu_vm_tell(qemu, ENGINE_EVENT_REBOOTED, 0);
	} else if (strcmp(name, "SHUTDOWN") == 0) {
		qemu_vm_tell(qemu, ENGINE_EVENT_POWERDOWN, 0);
	}
}

static gboolean
qemu_vm_handle_ended(gpointer data)
{
	struct qemu_vm *qemu = data;
	struct steps *migrating = g_steal_pointer(&qemu->migrating);
	struct steps *exiting = g_steal_pointer(&qemu->exiting);

	qemu->ended = 0;
	/* Each of these three may free the machine: from here on only what was taken out of it is used. */
	qemu_vm_tell(qemu, ENGINE_EVENT_GONE, qemu->process.ran_out);
	if (migrating) {
		steps_fail(migrating, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CLOSED,
							  "QEMU ended; its log says why"));
		steps_unref(migrating);
	}
	if (exiting) {
		steps_next(exiting);
		steps_unref(exiting);
	}
	return G_SOURCE_REMOVE;
}

static void
qemu_vm_handle_exit(void *context)
{
	struct qemu_vm *qemu = context;

	qemu->ended = g_idle_add_full(G_PRIORITY_DEFAULT, qemu_vm_handle_ended, qemu, NULL);
	/* What waits for an answer fails by this, and its owner may free the machine. */
	qemu_vm_disconnect(qemu);
}

void
qemu_vm_init_process(struct qemu_vm *qemu)
{
	process_watch_init(&qemu->process, qemu_vm_handle_exit, qemu);
}

static void
qemu_vm_handle_spawned(void *data, int pidfd, const GError *error)
{
	struct qemu_closure *closure = data;

	if (error) {
		steps_fail(closure->steps, g_error_copy(error));
	} else if (!steps_running(closure->steps)) {
		io_pidfd_kill(pidfd, 9);
		close(pidfd);
	} else {
		process_watch_begin(&closure->qemu->process, pidfd);
		steps_next(closure->steps);
	}
	steps_unref(closure->steps);
	g_free(closure);
}

void
qemu_vm_spawn(struct qemu_vm *qemu, struct steps *steps, const struct qemu_command *command,
	      guint64 memory_max_bytes)
{
	struct qemu_closure *closure = g_new0(struct qemu_closure, 1);

	closure->qemu = qemu;
	closure->steps = steps_ref(steps);
	qemu->spawner->spawn(qemu->spawner->context, qemu->vm.id, qemu->vm.generation,
			     LAUNCH_ROLE_QEMU, (const char *const *)command->argv->pdata,
			     command->fds, command->targets, command->n_fds, memory_max_bytes,
			     qemu_vm_handle_spawned, closure);
}

gboolean
qemu_vm_connect(struct qemu_vm *qemu, struct steps *steps)
{
	g_autofree char *path = g_build_filename(qemu->folder, "control", NULL);
	int fd;
	int error = io_unix_connect(path, SOCK_STREAM, &fd);

	if (error < 0) {
		steps_fail(steps, g_error_new(G_IO_ERROR, (int)g_io_error_from_errno(-error),
					      "'%s': %s", path, g_strerror(-error)));
		return FALSE;
	}
	qemu_vm_disconnect(qemu);
	qemu->qmp = qmp_new(fd, qemu_vm_handle_event, qemu);
	return TRUE;
}

void
qemu_vm_await_migration(struct qemu_vm *qemu, struct steps *steps)
{
	g_clear_pointer(&qemu->migrating, steps_unref);
	qemu->migrating = steps_ref(steps);
}

/* Its connection may end before the answer is read: that is no refusal, the end of the process is what counts. */
static void
qemu_vm_handle_quit(GObject *object, GAsyncResult *result, gpointer data)
{
	struct steps *steps = data;
	GError *error = NULL;

	(void)object;
	json_decref(qmp_execute_finish(result, &error));
	if (error && !g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CLOSED))
		steps_fail(steps, error);
	else
		g_clear_error(&error);
	steps_unref(steps);
}

void
qemu_vm_quit(struct qemu_vm *qemu, struct steps *steps)
{
	if (!process_watch_is_on(&qemu->process)) {
		steps_next(steps);
		return;
	}
	g_clear_pointer(&qemu->exiting, steps_unref);
	qemu->exiting = steps_ref(steps);
	if (qemu->qmp)
		qmp_execute(qemu->qmp, "quit", NULL, -1, QEMU_COMMAND_MS,
			    steps_get_cancellable(steps), qemu_vm_handle_quit, steps_ref(steps));
}

json_t *
qemu_vm_migration_capabilities(gboolean memory)
{
	return json_pack("{s:[{s:s, s:b}, {s:s, s:b}]}", "capabilities", "capability", "events",
			 "state", 1, "capability", "x-ignore-shared", "state", !memory);
}

char *
qemu_vm_read_version(const json_t *value)
{
	const json_t *number = json_object_get(value, "qemu");

	return g_strdup_printf("%d.%d.%d", (int)json_get_integer(number, "major", 0),
			       (int)json_get_integer(number, "minor", 0),
			       (int)json_get_integer(number, "micro", 0));
}

char *
qemu_vm_read_cpu(const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
	char *sha256 = hash_text(text ? text : "");

	free(text);
	return sha256;
}

json_t *
qemu_vm_cpu_arguments(const char *cpu)
{
	return json_pack("{s:s, s:{s:s}}", "type", "static", "model", "name", cpu);
}
