/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_vmm.c - a carrel-vmm's end of its control socket, which may do wrong (unit tests)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/fake_vmm.h"

#define SIDE 2 /* of the picture, pixels */

static void
fake_vmm_say(struct fake_vmm *vmm, const struct seq_header *head, const void *payload)
{
	assert_int_equal(seq_source_send(vmm->peer, head, payload, NULL, 0), 0);
}

void
fake_vmm_tell(struct fake_vmm *vmm, guint32 kind, guint32 value, guint32 detail)
{
	const struct vmm_event event = { .kind = kind, .value = value, .detail = detail };
	const struct seq_header head = { .type = VMM_EVENT, .size = sizeof(event) };

	fake_vmm_say(vmm, &head, &event);
}

static void
fake_vmm_answer(struct fake_vmm *vmm, struct seq_message *message)
{
	static const guint8 pixels[SIDE * SIDE * 4];
	struct vmm_status status = vmm->status;
	struct vmm_picture picture = { SIDE, SIDE, SIDE * 4 };
	struct seq_header head = { .type = message->head.type, .id = message->head.id };
	const void *payload = NULL;

	if (head.type == VMM_STATUS) {
		status.version = vmm->fault == FAKE_VMM_OTHER_VERSION ? 9 : VMM_PROTOCOL_VERSION;
		head.size = sizeof(status);
		payload = &status;
	} else if (head.type == VMM_SCREENSHOT) {
		assert_int_equal(pwrite(message->fds[0], pixels, sizeof(pixels), 0),
				 sizeof(pixels));
		head.size = sizeof(picture);
		payload = &picture;
	} else if (head.type == VMM_SEAL) {
		assert_int_equal(vmm->asked[VMM_PAUSE], 1);
		assert_int_equal(write(message->fds[0], FAKE_VMM_STATE, strlen(FAKE_VMM_STATE)),
				 strlen(FAKE_VMM_STATE));
		if (message->n_fds > 1)
			assert_int_equal(
				write(message->fds[1], FAKE_VMM_PAGES, strlen(FAKE_VMM_PAGES)),
				strlen(FAKE_VMM_PAGES));
	}
	if (head.type == VMM_RESUME)
		vmm->status.state = VMM_STATE_RUNNING;
	fake_vmm_say(vmm, &head, payload);
	if (head.type != VMM_QUIT)
		return;
	if (vmm->fault == FAKE_VMM_LOSES)
		fake_vmm_tell(vmm, VMM_EVENT_STATE, VMM_STATE_FAILED, 0);
	fake_qemu_die(vmm->process);
}

static void
fake_vmm_do_wrong(struct fake_vmm *vmm, const struct seq_message *message)
{
	const struct vmm_refusal refusal = { "not today" };
	struct seq_header head = { .type = message->head.type, .id = message->head.id };
	int fd = 0;

	/* Its guest stands on, now for lack of room. */
	if (head.type == VMM_RESUME)
		vmm->status.pause_reason = VMM_PAUSE_NO_SPACE;
	if (vmm->fault == FAKE_VMM_REFUSES) {
		head.status = -EINVAL;
		head.size = sizeof(refusal);
		fake_vmm_say(vmm, &head, &refusal);
	} else if (vmm->fault == FAKE_VMM_WRONG_SIZE) {
		head.size = 3;
		fake_vmm_say(vmm, &head, "abc");
	} else if (vmm->fault == FAKE_VMM_WRONG_ID) {
		head.id++;
		fake_vmm_say(vmm, &head, NULL);
	} else if (vmm->fault == FAKE_VMM_NONSENSE) {
		fake_vmm_tell(vmm, VMM_EVENT_COUNT, 0, 0);
	} else if (vmm->fault == FAKE_VMM_DESCRIPTOR) {
		assert_int_equal(seq_source_send(vmm->peer, &head, NULL, &fd, 1), 0);
	} else if (vmm->fault == FAKE_VMM_DIES) {
		fake_qemu_die(vmm->process);
	}
}

static void
fake_vmm_handle_message(void *context, struct seq_message *message)
{
	struct fake_vmm *vmm = context;

	if (!message) {
		g_clear_pointer(&vmm->peer, seq_source_free);
		return;
	}
	vmm->asked[message->head.type]++;
	if (message->head.type == VMM_LINK)
		vmm->link_fds += (guint)message->n_fds;
	if (vmm->fault >= FAKE_VMM_REFUSES && vmm->type == message->head.type)
		fake_vmm_do_wrong(vmm, message);
	else
		fake_vmm_answer(vmm, message);
}

static gboolean
fake_vmm_handle_connection(gint fd, GIOCondition condition, gpointer data)
{
	struct fake_vmm *vmm = data;
	// cppcheck-suppress nullPointer ; accept4(2) allows it
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	(void)condition;
	g_clear_pointer(&vmm->peer, seq_source_free);
	vmm->peer = seq_source_new(peer, "test", fake_vmm_handle_message, vmm);
	return G_SOURCE_CONTINUE;
}

void
fake_vmm_init(struct fake_vmm *vmm, struct fake_qemu *process)
{
	vmm->process = process;
	vmm->accepting = g_unix_fd_add(process->listeners[LAUNCH_SOCKET_VMM], G_IO_IN,
				       fake_vmm_handle_connection, vmm);
}

void
fake_vmm_hang_up(struct fake_vmm *vmm)
{
	g_clear_pointer(&vmm->peer, seq_source_free);
}

void
fake_vmm_done(struct fake_vmm *vmm)
{
	g_clear_handle_id(&vmm->accepting, g_source_remove);
	fake_vmm_hang_up(vmm);
}
