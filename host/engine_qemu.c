/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_qemu.c - engine qemu's table of operations (carrel-hostd, carrel-worker)
 *
 * How it works: each operation is a short table of steps over the QMP connection of engine_qemu_vm.c. Sealing is in
 * engine_qemu_seal.c, forking and restoring in engine_qemu_fork.c, suspending in engine_qemu_suspend.c.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "host/engine_error.h"
#include "host/engine_qemu_vm.h"
#include "host/kvm_device.h"

/* A display that registers and stands still holds QEMU up: the guest, too. */
#define DISPLAY_MS 3000

struct qemu_operation {
	struct qemu_vm *qemu;
	gboolean flag;
	int fd;
	int fdset; /* QEMU's number for it */
};

static void
qemu_operation_free(gpointer data)
{
	struct qemu_operation *operation = data;

	if (operation->fd >= 0)
		close(operation->fd);
	g_free(operation);
}

static void
qemu_operation_run(struct engine_vm *vm, const struct step *table, gsize n, gboolean flag, int fd,
		   const struct steps_call *call)
{
	struct qemu_operation *operation = g_new0(struct qemu_operation, 1);

	operation->qemu = qemu_vm_of(vm);
	operation->flag = flag;
	operation->fd = fd >= 0 ? dup(fd) : -1;
	steps_run(table, n, operation, qemu_operation_free, call);
}

/* QEMU opens /dev/kvm itself, as the desktop's uid: "kvm" is of no use to it. */
static json_t *
engine_qemu_probe(int kvm)
{
	g_autofree char *program = g_find_program_in_path("qemu-system-x86_64");
	gboolean hardware = kvm_device_is_public("") && !kvm_device_find_refusal("", -1);

	(void)kvm;
	return json_pack("{s:s, s:b, s:s, s:s, s:s}", "name", "qemu", "usable", program != NULL,
			 "accelerator", hardware ? "kvm" : "tcg", "isolation",
			 hardware ? "hardware" : "none", "reason",
			 program ? ""
				 : "qemu-system-x86_64 is not installed: install qemu-system-x86");
}

/* QEMU's version and its CPU are asked of the fork's own process, before it loads anything. */
static gboolean
engine_qemu_check(const struct manifest *manifest, int kvm, GError **error)
{
	json_t *probe = engine_qemu_probe(kvm);
	const char *here = json_get_text(probe, "accelerator", "");
	g_autofree char *format = g_strdup_printf("%d", manifest->state_format);
	gboolean same = FALSE;

	if (strcmp(manifest->machine_type, QEMU_MACHINE_TYPE) != 0)
		engine_error_set_foreign(error, "machine type", manifest->machine_type,
					 QEMU_MACHINE_TYPE);
	else if (manifest->state_format != QEMU_MACHINE_STATE_FORMAT)
		engine_error_set_foreign(error, "state format", format,
					 G_STRINGIFY(QEMU_MACHINE_STATE_FORMAT));
	else if (strcmp(manifest->accelerator, "kvm") == 0 && strcmp(here, "kvm") != 0)
		engine_error_set_foreign(error, "accelerator", manifest->accelerator, here);
	else
		same = TRUE;
	json_decref(probe);
	return same;
}

static struct engine_vm *
engine_qemu_vm_new(const char *id, guint64 generation, const struct engine_place *place,
		   engine_event_callback callback, void *context)
{
	struct qemu_vm *qemu = g_new0(struct qemu_vm, 1);

	qemu->vm.ops = &engine_qemu_ops;
	g_strlcpy(qemu->vm.id, id, sizeof(qemu->vm.id));
	qemu->vm.generation = generation;
	qemu->spawner = place->spawner;
	qemu->folder = g_strdup(place->folder);
	for (int i = 0; i < LAUNCH_SOCKET_COUNT; i++)
		qemu->sockets[i] = place->sockets[i] >= 0 ? dup(place->sockets[i]) : -1;
	qemu->callback = callback;
	qemu->context = context;
	qemu_vm_init_process(qemu);
	return &qemu->vm;
}

static void
engine_qemu_vm_free(struct engine_vm *vm)
{
	struct qemu_vm *qemu = qemu_vm_of(vm);

	if (!vm)
		return;
	qemu->callback = NULL;
	qemu_vm_disconnect(qemu);
	g_clear_pointer(&qemu->migrating, steps_unref);
	g_clear_pointer(&qemu->exiting, steps_unref);
	g_clear_pointer(&qemu->filling, steps_unref);
	process_watch_stop(&qemu->process);
	g_clear_handle_id(&qemu->ended, g_source_remove);
	for (int i = 0; i < LAUNCH_SOCKET_COUNT; i++)
		if (qemu->sockets[i] >= 0)
			close(qemu->sockets[i]);
	g_free(qemu->folder);
	g_free(qemu);
}

static void
powerdown_start(struct steps *steps, void *context)
{
	struct qemu_operation *operation = context;

	qemu_vm_execute(operation->qemu, steps, context, "system_powerdown", NULL, -1, NULL);
}

static const struct step powerdown_steps[] = { { "system_powerdown", powerdown_start,
						 QEMU_COMMAND_MS } };

static void
engine_qemu_powerdown(struct engine_vm *vm, const struct steps_call *call)
{
	qemu_operation_run(vm, powerdown_steps, G_N_ELEMENTS(powerdown_steps), FALSE, -1, call);
}

/* Down first: the guest asks for a new lease, and QEMU lets go of packets that wait for a peer that has gone. */
static void
link_start_down(struct steps *steps, void *context)
{
	struct qemu_operation *operation = context;

	if (operation->flag && operation->fd < 0)
		steps_fail(steps, g_error_new_literal(
					  G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED,
					  "no network process is there for the link to go up"));
	else
		qemu_vm_execute(operation->qemu, steps, context, "set_link",
				json_pack("{s:s, s:b}", "name", QEMU_ID_NET, "up", 0), -1, NULL);
}

static void
link_start_remove_port(struct steps *steps, void *context)
{
	struct qemu_operation *operation = context;

	qemu_vm_try(operation->qemu, steps, context, "netdev_del",
		    json_pack("{s:s}", "id", "peer-port"));
}

static void
link_start_remove_peer(struct steps *steps, void *context)
{
	struct qemu_operation *operation = context;

	qemu_vm_try(operation->qemu, steps, context, "netdev_del",
		    json_pack("{s:s}", "id", "peer"));
}

static void
link_start_getfd(struct steps *steps, void *context)
{
	struct qemu_operation *operation = context;

	qemu_vm_execute(operation->qemu, steps, context, "getfd",
			json_pack("{s:s}", "fdname", "peer"), operation->fd, NULL);
}

static void
link_start_netdev(struct steps *steps, void *context)
{
	struct qemu_operation *operation = context;

	/* Not "stream": QEMU 7.2 connects that in a thread, which does not know the monitor's descriptors. */
	qemu_vm_execute(operation->qemu, steps, context, "netdev_add",
			json_pack("{s:s, s:s, s:s}", "type", "socket", "id", "peer", "fd", "peer"),
			-1, NULL);
}

/*
 * A hub, because a card keeps the peer that it was made with. When passt's socket was full and has room again, QEMU sends
 * what waits in the hub before what waits for the socket. So frames would overtake each other (passt takes a FIN that comes
 * early for the end), and a frame of which the socket took a part would go on with another frame's bytes, or, where that
 * is shorter, QEMU would abort (util/iov.c: iov_copy). Therefore the hub has one more port, which has no peer and can
 * always take a frame (QEMU_ID_OPEN_PORT): none waits in the hub, all wait for the socket, in their order. And
 * LAUNCH_NET_MTU is so small that the socket takes a frame whole: one that is dropped while it waits leaves no rest.
 *
 * To listen without a hub ("stream", "server") is no way out: QEMU 7.2's main loop then waits in sendmsg() for a slow
 * passt, and it crashes when passt ends while packets wait for the guest.
 */
static void
link_start_plug(struct steps *steps, void *context)
{
	struct qemu_operation *operation = context;

	qemu_vm_execute(operation->qemu, steps, context, "netdev_add",
			json_pack("{s:s, s:s, s:i, s:s}", "type", "hubport", "id", "peer-port",
				  "hubid", QEMU_ID_HUB, "netdev", "peer"),
			-1, NULL);
}

static void
link_start_up(struct steps *steps, void *context)
{
	struct qemu_operation *operation = context;

	qemu_vm_execute(operation->qemu, steps, context, "set_link",
			json_pack("{s:s, s:b}", "name", QEMU_ID_NET, "up", 1), -1, NULL);
}

/* A port that is there already, perhaps of an earlier hostd, is replaced. */
static const struct step link_steps[] = {
	{ "take the link down", link_start_down, QEMU_COMMAND_MS },
	{ "unplug the old port", link_start_remove_port, QEMU_COMMAND_MS },
	{ "remove the old port", link_start_remove_peer, QEMU_COMMAND_MS },
	{ "hand over the network's socket", link_start_getfd, QEMU_COMMAND_MS },
	{ "make the network's port", link_start_netdev, QEMU_COMMAND_MS },
	{ "plug it in", link_start_plug, QEMU_COMMAND_MS },
	{ "take the link up", link_start_up, QEMU_COMMAND_MS },
};

#define LINK_DOWN_STEPS 3

static void
engine_qemu_set_link(struct engine_vm *vm, gboolean up, int peer, const struct steps_call *call)
{
	/* Going down ends where the old port is removed. */
	qemu_operation_run(vm, link_steps, up ? G_N_ELEMENTS(link_steps) : LINK_DOWN_STEPS, up,
			   peer, call);
}

static void
shot_take_set(struct steps *steps, void *context, const json_t *value)
{
	struct qemu_operation *operation = context;

	operation->fdset = (int)json_get_integer(value, "fdset-id", 0);
	steps_next(steps);
}

static void
shot_start_dump(struct steps *steps, void *context)
{
	struct qemu_operation *operation = context;
	g_autofree char *path = g_strdup_printf("/dev/fdset/%d", operation->fdset);

	qemu_vm_execute(operation->qemu, steps, context, "screendump",
			json_pack("{s:s, s:s}", "filename", path, "format", "png"), -1, NULL);
}

/* QEMU would keep the descriptor as long as it lives. */
static void
shot_start_remove(struct steps *steps, void *context)
{
	struct qemu_operation *operation = context;

	qemu_vm_execute(operation->qemu, steps, context, "remove-fd",
			json_pack("{s:i}", "fdset-id", operation->fdset), -1, NULL);
}

static void
shot_start(struct steps *steps, void *context)
{
	struct qemu_operation *operation = context;
	g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", operation->fd);
	/* QEMU wants the access mode to be exactly the one that it opens with. */
	CLEANUP_CLOSE int writable = open(path, O_WRONLY | O_CLOEXEC);

	qemu_vm_execute(operation->qemu, steps, context, "add-fd", NULL, writable, shot_take_set);
}

static const struct step shot_steps[] = {
	{ "hand over the file", shot_start, QEMU_COMMAND_MS },
	{ "screendump", shot_start_dump, QEMU_COMMAND_MS },
	{ "take the file back", shot_start_remove, QEMU_COMMAND_MS },
};

static void
engine_qemu_screenshot(struct engine_vm *vm, int file, const struct steps_call *call)
{
	qemu_operation_run(vm, shot_steps, G_N_ELEMENTS(shot_steps), FALSE, file, call);
}

static void
display_start_getfd(struct steps *steps, void *context)
{
	struct qemu_operation *operation = context;
	int ends[2];

	if (io_socketpair(SOCK_STREAM, ends) < 0) {
		steps_fail(steps, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_FAILED,
						      "cannot make a socket pair"));
		return;
	}
	steps_set_fd(steps, ends[0]);
	qemu_vm_execute(operation->qemu, steps, context, "getfd",
			json_pack("{s:s}", "fdname", "display"), ends[1], NULL);
	close(ends[1]);
}

static void
display_start_add(struct steps *steps, void *context)
{
	struct qemu_operation *operation = context;

	qemu_vm_execute(operation->qemu, steps, context, "add_client",
			json_pack("{s:s, s:s}", "protocol", "@dbus-display", "fdname", "display"),
			-1, NULL);
}

static const struct step display_steps[] = {
	{ "hand over the display's socket", display_start_getfd, DISPLAY_MS },
	{ "attach the display", display_start_add, DISPLAY_MS },
};

static void
engine_qemu_display_source(struct engine_vm *vm, const struct steps_call *call)
{
	qemu_operation_run(vm, display_steps, G_N_ELEMENTS(display_steps), FALSE, -1, call);
}

static void
channel_start(struct steps *steps, void *context)
{
	struct qemu_operation *operation = context;
	g_autofree char *path = g_build_filename(operation->qemu->folder,
						 operation->flag ? "vdagent" : "agent", NULL);
	int fd;
	int error = io_unix_connect(path, SOCK_STREAM, &fd);

	if (error < 0) {
		steps_fail(steps, g_error_new(G_IO_ERROR, (int)g_io_error_from_errno(-error),
					      "'%s': %s", path, g_strerror(-error)));
		return;
	}
	steps_set_fd(steps, fd);
	steps_next(steps);
}

static const struct step channel_steps[] = { { "connect", channel_start, 1000 } };

static void
engine_qemu_agent_channel(struct engine_vm *vm, gboolean vdagent, const struct steps_call *call)
{
	qemu_operation_run(vm, channel_steps, G_N_ELEMENTS(channel_steps), vdagent, -1, call);
}

const struct engine_ops engine_qemu_ops = {
	.name = "qemu",
	.role = LAUNCH_ROLE_QEMU,
	.process = "qemu",
	.source = DISPLAY_SOURCE_QEMU,
	.control = LAUNCH_SOCKET_CONTROL,
	.loads_memory = TRUE,
	.restores_all = TRUE,
	.probe = engine_qemu_probe,
	.check = engine_qemu_check,
	.vm_new = engine_qemu_vm_new,
	.vm_free = engine_qemu_vm_free,
	.seal = engine_qemu_seal,
	.fork = engine_qemu_fork,
	.suspend = engine_qemu_suspend,
	.measure = engine_qemu_measure,
	.restore = engine_qemu_restore,
	.end = engine_qemu_end,
	.resume = engine_qemu_resume,
	.adopt = engine_qemu_adopt,
	.powerdown = engine_qemu_powerdown,
	.set_link = engine_qemu_set_link,
	.screenshot = engine_qemu_screenshot,
	.display_source = engine_qemu_display_source,
	.agent_channel = engine_qemu_agent_channel,
};
