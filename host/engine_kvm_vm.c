/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_kvm_vm.c - one carrel-vmm process and the connection to it (carrel-hostd, carrel-worker)
 *
 * How it works: kvm_vm_spawn() starts the process through the spawner and watches it; kvm_vm_connect() opens its control
 * socket, which listens since before the process was there. Its events become engine events in kvm_vm_handle_event(). The
 * end of the process is only told by the pidfd, never by a closed socket: that one is dialled again (kvm_vm_redial()), and
 * the machine's status then tells what was missed.
 */
#include "host/engine_kvm_vm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "host/kvm_device.h"

#define REDIAL_MS	   1000
#define LINK_LINES_AT_ONCE 9 /* three a loss */
#define LINK_LINE_EVERY_MS 60000

struct kvm_closure {
	struct kvm_vm *kvm;
	struct steps *steps;
	void *context;
	kvm_answer_function then;
	gboolean may_fail;
};

static void
kvm_vm_handle_answer(void *data, const void *payload, const GError *error)
{
	struct kvm_closure *closure = data;
	gboolean refused = g_error_matches(error, G_IO_ERROR, G_IO_ERROR_FAILED);

	if (!steps_running(closure->steps))
		log_debug("an answer of carrel-vmm came after the end of its operation");
	else if (error && !(refused && closure->may_fail))
		steps_fail(closure->steps, g_error_copy(error));
	else if (closure->then)
		closure->then(closure->steps, closure->context, payload);
	else
		steps_next(closure->steps);
	steps_unref(closure->steps);
	g_free(closure);
}

/* FALSE when the step was failed. */
static gboolean
kvm_vm_check_link(const struct kvm_vm *kvm, struct steps *steps)
{
	if (kvm->link)
		return TRUE;
	steps_fail(steps, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CLOSED,
					      process_watch_is_on(&kvm->process)
						      ? "the connection to its carrel-vmm is lost; "
							"it is dialled again, try again soon"
						      : "the machine does not run"));
	return FALSE;
}

static struct kvm_closure *
kvm_vm_close_over(struct kvm_vm *kvm, struct steps *steps, void *context, kvm_answer_function then)
{
	struct kvm_closure *closure = g_new0(struct kvm_closure, 1);

	closure->kvm = kvm;
	closure->steps = steps_ref(steps);
	closure->context = context;
	closure->then = then;
	return closure;
}

void
kvm_vm_suspend(struct kvm_vm *kvm, struct steps *steps, const struct engine_image *image)
{
	if (kvm_vm_check_link(kvm, steps))
		vmm_control_suspend(kvm->link, image->state, image->pages, kvm_vm_handle_answer,
				    kvm_vm_close_over(kvm, steps, NULL, NULL));
}

void
kvm_vm_ask(struct kvm_vm *kvm, struct steps *steps, void *context, enum vmm_type type,
	   const void *payload, gsize size, int fd, kvm_answer_function then)
{
	struct kvm_closure *closure;

	if (!kvm_vm_check_link(kvm, steps))
		return;
	closure = kvm_vm_close_over(kvm, steps, context, then);
	vmm_control_ask(kvm->link, type, payload, size, fd, kvm_vm_handle_answer, closure);
}

void
kvm_vm_try(struct kvm_vm *kvm, struct steps *steps, enum vmm_type type)
{
	struct kvm_closure *closure;

	if (!kvm_vm_check_link(kvm, steps))
		return;
	closure = kvm_vm_close_over(kvm, steps, NULL, NULL);
	closure->may_fail = TRUE;
	vmm_control_ask(kvm->link, type, NULL, 0, -1, kvm_vm_handle_answer, closure);
}

void
kvm_vm_set_booting(struct kvm_vm *kvm, struct steps *steps)
{
	g_clear_pointer(&kvm->booting, steps_unref);
	kvm->booting = steps ? steps_ref(steps) : NULL;
}

void
kvm_vm_set_filling(struct kvm_vm *kvm, struct steps *steps)
{
	g_clear_pointer(&kvm->filling, steps_unref);
	kvm->filling = steps ? steps_ref(steps) : NULL;
}

static void
kvm_vm_tell(struct kvm_vm *kvm, enum engine_event event, gint64 value)
{
	if (kvm->callback)
		kvm->callback(kvm->context, event, value);
}

/*
 * A machine that comes to an end while it boots is a failed boot; while it is ended it has lost what its guest wrote. TRUE:
 * somebody waited for one of these.
 */
static gboolean
kvm_vm_fail_awaited(struct kvm_vm *kvm, const char *why)
{
	struct steps **awaited = kvm->booting ? &kvm->booting : &kvm->exiting;
	struct steps *steps = g_steal_pointer(awaited);

	if (!steps)
		return FALSE;
	steps_fail(steps, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CLOSED, why));
	steps_unref(steps);
	return TRUE;
}

/* States without a way back: the machine only ends. */
static const struct {
	const char *words;
	enum engine_event event;
} ends[VMM_STATE_COUNT] = {
	[VMM_STATE_OFF] = { "the guest switched itself off", ENGINE_EVENT_POWERDOWN },
	[VMM_STATE_PANICKED] = { "the guest's kernel panicked", ENGINE_EVENT_PANICKED },
	[VMM_STATE_FAILED] = { "carrel-vmm cannot go on with the guest", ENGINE_EVENT_FAILED },
};

/* NULL: it may go on. */
static const char *
kvm_vm_find_end(guint32 state)
{
	return state < VMM_STATE_COUNT ? ends[state].words : NULL;
}

/* About the connection: one that is ended as soon as it is there would be told of every second. */
static gboolean
kvm_vm_may_log(struct kvm_vm *kvm)
{
	return log_limit_allow(&kvm->link_lines, io_boottime_ms());
}

static void
kvm_vm_take_pause(struct kvm_vm *kvm, gboolean lacks_space)
{
	struct steps *filling = lacks_space ? g_steal_pointer(&kvm->filling) : NULL;

	if (!filling) {
		kvm_vm_tell(kvm, ENGINE_EVENT_STOPPED, lacks_space);
		return;
	}
	steps_fail(filling, g_error_new(G_IO_ERROR, G_IO_ERROR_NO_SPACE,
					"the guest's disk cannot grow: %s", g_strerror(ENOSPC)));
	steps_unref(filling);
}

static void
kvm_vm_take_state(struct kvm_vm *kvm, guint32 state, guint32 pause_reason)
{
	const char *end = kvm_vm_find_end(state);

	if (state == VMM_STATE_RUNNING)
		kvm_vm_tell(kvm, ENGINE_EVENT_RUNNING, 0);
	else if (state == VMM_STATE_PAUSED)
		kvm_vm_take_pause(kvm, pause_reason == VMM_PAUSE_NO_SPACE);
	else if (end && !kvm_vm_fail_awaited(kvm, end))
		kvm_vm_tell(kvm, ends[state].event, 0);
}

static void
kvm_vm_handle_event(void *context, const struct vmm_event *event)
{
	struct kvm_vm *kvm = context;

	if (event->text[0])
		log_info("desktop=%s: carrel-vmm says: %s", kvm->vm.id, event->text);
	switch (event->kind) {
	case VMM_EVENT_STATE:
		kvm_vm_take_state(kvm, event->value, event->detail);
		break;
	case VMM_EVENT_REBOOTED:
		kvm_vm_tell(kvm, ENGINE_EVENT_REBOOTED, 0);
		break;
	case VMM_EVENT_AGENT_PORT:
		kvm_vm_tell(kvm, ENGINE_EVENT_AGENT_PORT, event->value != 0);
		break;
	case VMM_EVENT_VDAGENT_PORT:
		kvm_vm_tell(kvm, ENGINE_EVENT_VDAGENT_PORT, event->value != 0);
		break;
	default:
		break;
	}
}

static void kvm_vm_handle_link_ended(void *context);

static const struct vmm_control_events link_events = { kvm_vm_handle_event,
						       kvm_vm_handle_link_ended };

static int
kvm_vm_open_socket(struct kvm_vm *kvm, const char *name, int type, int *ret_fd)
{
	g_autofree char *path = g_build_filename(kvm->folder, name, NULL);

	return io_unix_connect(path, type, ret_fd);
}

/* What may have happened while nobody was told. */
static void
kvm_vm_handle_missed(void *data, const void *payload, const GError *error)
{
	struct kvm_vm *kvm = data;
	struct vmm_status status;

	if (error) {
		if (kvm_vm_may_log(kvm))
			log_warning("desktop=%s: carrel-vmm does not tell its state: %s",
				    kvm->vm.id, error->message);
		return;
	}
	memcpy(&status, payload, sizeof(status));
	kvm_vm_tell(kvm, ENGINE_EVENT_AGENT_PORT, status.agent_open != 0);
	kvm_vm_tell(kvm, ENGINE_EVENT_VDAGENT_PORT, status.vdagent_open != 0);
	kvm_vm_take_state(kvm, status.state, status.pause_reason); /* which may free the machine */
}

/* FALSE: nobody listens. */
static gboolean
kvm_vm_open_link(struct kvm_vm *kvm)
{
	int fd;

	if (kvm_vm_open_socket(kvm, "vmm", SOCK_SEQPACKET, &fd) < 0)
		return FALSE;
	kvm->link = vmm_control_new(fd, &link_events, kvm);
	return TRUE;
}

static gboolean
kvm_vm_redial(gpointer data)
{
	struct kvm_vm *kvm = data;

	if (!kvm_vm_open_link(kvm))
		return G_SOURCE_CONTINUE;
	kvm->redial = 0;
	if (kvm_vm_may_log(kvm))
		log_info("desktop=%s: carrel-vmm is connected again", kvm->vm.id);
	vmm_control_ask(kvm->link, VMM_STATUS, NULL, 0, -1, kvm_vm_handle_missed, kvm);
	return G_SOURCE_REMOVE;
}

void
kvm_vm_disconnect(struct kvm_vm *kvm)
{
	g_clear_handle_id(&kvm->redial, g_source_remove);
	vmm_control_free(g_steal_pointer(&kvm->link));
}

static void
kvm_vm_handle_link_ended(void *context)
{
	struct kvm_vm *kvm = context;
	struct vmm_control *link = g_steal_pointer(&kvm->link);

	if (process_watch_is_on(&kvm->process) && !kvm->exiting) {
		if (kvm_vm_may_log(kvm))
			log_warning("desktop=%s: the connection to its carrel-vmm is lost; "
				    "dialling again every %d ms",
				    kvm->vm.id, REDIAL_MS);
		g_clear_handle_id(&kvm->redial, g_source_remove);
		kvm->redial = g_timeout_add(REDIAL_MS, kvm_vm_redial, kvm);
	}
	/* What waits for an answer fails by this, and its owner may free the machine. */
	vmm_control_free(link);
}

static void
kvm_vm_finish_exiting(struct steps *exiting, gboolean ran_out)
{
	if (ran_out)
		steps_fail(exiting, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CLOSED,
							"the kernel ended it for lack of memory"));
	else
		steps_next(exiting);
	steps_unref(exiting);
}

static gboolean
kvm_vm_handle_ended(gpointer data)
{
	struct kvm_vm *kvm = data;
	gboolean ran_out = kvm->process.ran_out;
	struct vmm_control *link = g_steal_pointer(&kvm->link);
	struct steps *booting = g_steal_pointer(&kvm->booting);
	struct steps *exiting = g_steal_pointer(&kvm->exiting);

	kvm->ended = 0;
	g_clear_handle_id(&kvm->redial, g_source_remove);
	/* Each of these may free the machine: from here on only what was taken out of it is used. */
	kvm_vm_tell(kvm, ENGINE_EVENT_GONE, ran_out);
	if (exiting)
		kvm_vm_finish_exiting(exiting, ran_out);
	if (booting) {
		steps_fail(booting, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CLOSED,
							"carrel-vmm ended; its log says why"));
		steps_unref(booting);
	}
	vmm_control_free(link);
	return G_SOURCE_REMOVE;
}

/* Whether one that was told to end has lost something lies perhaps in the socket still: that is read before. */
static void
kvm_vm_handle_exit(void *context)
{
	struct kvm_vm *kvm = context;

	kvm->ended = g_idle_add(kvm_vm_handle_ended, kvm);
	/* What waits for an answer fails by this, and its owner may free the machine. */
	if (!kvm->exiting)
		kvm_vm_disconnect(kvm);
}

void
kvm_vm_init_process(struct kvm_vm *kvm)
{
	process_watch_init(&kvm->process, kvm_vm_handle_exit, kvm);
	kvm->link_lines =
		(struct log_limit){ .burst = LINK_LINES_AT_ONCE, .every_ms = LINK_LINE_EVERY_MS };
}

static void
kvm_vm_handle_spawned(void *data, int pidfd, const GError *error)
{
	struct kvm_closure *closure = data;

	if (error) {
		steps_fail(closure->steps, g_error_copy(error));
	} else if (!steps_running(closure->steps)) {
		io_pidfd_kill(pidfd, 9);
		close(pidfd);
	} else {
		process_watch_begin(&closure->kvm->process, pidfd);
		steps_next(closure->steps);
	}
	steps_unref(closure->steps);
	g_free(closure);
}

static void
kvm_vm_spawn(struct kvm_vm *kvm, struct steps *steps, const struct vmm_command *command,
	     guint64 memory_max_bytes)
{
	struct kvm_closure *closure = g_new0(struct kvm_closure, 1);

	closure->kvm = kvm;
	closure->steps = steps_ref(steps);
	kvm->spawner->spawn(kvm->spawner->context, kvm->vm.id, kvm->vm.generation, LAUNCH_ROLE_VMM,
			    (const char *const *)command->argv, command->fds, command->targets,
			    command->n_fds, memory_max_bytes, kvm_vm_handle_spawned, closure);
}

void
kvm_vm_start(struct kvm_vm *kvm, struct steps *steps, struct vmm_machine *machine,
	     guint64 memory_max_bytes)
{
	struct vmm_command command;
	int error;

	machine->id = kvm->vm.id;
	memcpy(machine->sockets, kvm->sockets, sizeof(machine->sockets));
	error = vmm_machine_build(machine, &command);
	if (error < 0) {
		steps_fail(steps, g_error_new(G_IO_ERROR, (int)g_io_error_from_errno(-error),
					      "the machine's description: %s", g_strerror(-error)));
		return;
	}
	kvm_vm_spawn(kvm, steps, &command, memory_max_bytes);
	vmm_command_done(&command);
}

int
kvm_vm_open_device(struct kvm_vm *kvm, struct steps *steps)
{
	int fd = kvm->device >= 0 ? fcntl(kvm->device, F_DUPFD_CLOEXEC, 3) : kvm_device_open("");

	if (fd < 0)
		steps_fail(steps, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
						      kvm_device_explain(fd)));
	return fd;
}

int
kvm_vm_dial(struct kvm_vm *kvm, struct steps *steps, const char *name, int type)
{
	int fd;
	int error = kvm_vm_open_socket(kvm, name, type, &fd);

	if (error == 0)
		return fd;
	steps_fail(steps, g_error_new(G_IO_ERROR, (int)g_io_error_from_errno(-error), "'%s/%s': %s",
				      kvm->folder, name, g_strerror(-error)));
	return -1;
}

static void
kvm_vm_take_status(struct steps *steps, void *context, const void *payload)
{
	struct kvm_vm *kvm = context;
	struct vmm_status status;

	memcpy(&status, payload, sizeof(status));
	if (status.version != VMM_PROTOCOL_VERSION) {
		steps_fail(steps, g_error_new(G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
					      "carrel-vmm speaks version %u of its protocol, not "
					      "%d: end the desktop, it is from another Carrel",
					      status.version, VMM_PROTOCOL_VERSION));
		return;
	}
	/* An adopted one may stand since before we came. */
	if (kvm_vm_find_end(status.state)) {
		steps_fail(steps, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CLOSED,
						      kvm_vm_find_end(status.state)));
		return;
	}
	if (status.state == VMM_STATE_PAUSED)
		kvm_vm_take_state(kvm, status.state, status.pause_reason);
	steps_next(steps);
}

void
kvm_vm_connect(struct kvm_vm *kvm, struct steps *steps)
{
	int fd = kvm_vm_dial(kvm, steps, "vmm", SOCK_SEQPACKET);

	if (fd < 0)
		return;
	kvm_vm_disconnect(kvm);
	kvm->link = vmm_control_new(fd, &link_events, kvm);
	kvm_vm_ask(kvm, steps, kvm, VMM_STATUS, NULL, 0, -1, kvm_vm_take_status);
}

/* Its connection may end before the answer is read: that is no refusal, the end of the process is what counts. */
static void
kvm_vm_handle_quit(void *data, const void *payload, const GError *error)
{
	struct steps *steps = data;

	(void)payload;
	if (error && !g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CLOSED))
		steps_fail(steps, g_error_copy(error));
	steps_unref(steps);
}

void
kvm_vm_quit(struct kvm_vm *kvm, struct steps *steps)
{
	kvm_vm_set_booting(kvm, NULL);
	kvm_vm_set_filling(kvm, NULL);
	if (!process_watch_is_on(&kvm->process)) {
		steps_fail(steps, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CLOSED,
						      "the machine does not run"));
		return;
	}
	g_clear_pointer(&kvm->exiting, steps_unref);
	kvm->exiting = steps_ref(steps);
	g_clear_handle_id(&kvm->redial, g_source_remove);
	/* Perhaps an earlier hostd has told it already, and nobody listens any more. */
	if (kvm->link || kvm_vm_open_link(kvm))
		vmm_control_ask(kvm->link, VMM_QUIT, NULL, 0, -1, kvm_vm_handle_quit,
				steps_ref(steps));
}
