/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_vdagent_clipboard.c - what a guest's agent may say to one who only copies and pastes
 */
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "display/vdagent_clipboard.h"
#include "display/vdagent_message.h"
#include "display/vdagent_port.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What reaches the client is UTF-8 that fits. */
static void
check_copied(void *context, const char *text)
{
	size_t size = strlen(text);

	(void)context;
	if (size == 0 || size > VDAGENT_MAX_TEXT_BYTES || !g_utf8_validate(text, -1, NULL))
		abort();
}

static void
ignore_message(void *context, uint32_t type, const uint8_t *body, uint32_t size)
{
	(void)context;
	(void)type;
	(void)body;
	(void)size;
}

static void
note_lost(void *context)
{
	*(bool *)context = true;
}

/* The guest's end: reads what we say, which must be messages. */
static void
hear(int guest, struct vdagent_reader *reader)
{
	uint8_t heard[4096];
	ssize_t got;

	while (g_main_context_iteration(NULL, FALSE))
		;
	while ((got = recv(guest, heard, sizeof(heard), MSG_DONTWAIT)) > 0)
		if (vdagent_reader_feed(reader, heard, (size_t)got, ignore_message, NULL) < 0)
			abort();
}

/* The client copies before, after half, and after all that the guest says. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vdagent_clipboard *clipboard;
	struct vdagent_port *port;
	struct vdagent_reader reader = { 0 };
	bool lost = false;
	int pair[2];

	if (io_socketpair(SOCK_STREAM, pair) < 0)
		abort();
	port = vdagent_port_new(pair[1], note_lost, &lost);
	clipboard = vdagent_clipboard_new(port, check_copied, NULL);
	for (int half = 0; half < 2; half++) {
		const uint8_t *part = half ? data + size / 2 : data;
		size_t left = half ? size - size / 2 : size / 2;

		vdagent_clipboard_offer(clipboard, half ? "second" : "first");
		while (left > 0 && !lost) {
			ssize_t sent = send(pair[0], part, left, MSG_DONTWAIT | MSG_NOSIGNAL);

			if (sent > 0) {
				part += sent;
				left -= (size_t)sent;
			}
			hear(pair[0], &reader);
		}
	}
	vdagent_clipboard_offer(clipboard, "third");
	hear(pair[0], &reader);
	vdagent_clipboard_free(clipboard);
	vdagent_port_free(port);
	vdagent_reader_clear(&reader);
	close(pair[0]);
	return 0;
}
