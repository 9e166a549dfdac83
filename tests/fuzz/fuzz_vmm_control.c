/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_vmm_control.c - what a hostd that was taken over may say to carrel-vmm, while the machine changes its state
 *
 * A sequence: a byte for what happens (from EVENT on an event of the machine's; from BROKEN on bytes that are no message; else
 * a request's type, with FLAG_FD a descriptor, or two when the first byte of what follows is even), one for the size of what follows, and that.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/seq.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/display_peer.h"
#include "vmm/control.h"
#include "vmm/loop.h"

#define FLAG_FD	    0x40
#define EVENT	    0x80
#define BROKEN	    0xf0
#define MAX_PAYLOAD 255

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct machine_model {
	uint32_t state;
};

static void
get_status(void *context, struct vmm_status *ret_status)
{
	ret_status->state = ((struct machine_model *)context)->state;
}

static void
get_statistics(void *context, struct vmm_statistics *ret_statistics)
{
	(void)context;
	ret_statistics->exits = 1;
}

/* Whatever is asked must be legal in this state, as base/proto_vmm.h says. */
static void
ask_running(void *context)
{
	if (((struct machine_model *)context)->state != VMM_STATE_RUNNING)
		abort();
}

static void
ask_paused(void *context)
{
	if (((struct machine_model *)context)->state != VMM_STATE_PAUSED)
		abort();
}

static void
ask_reset(void *context)
{
	if (((struct machine_model *)context)->state != VMM_STATE_PAUSED)
		ask_running(context);
}

static void
ask_quit(void *context)
{
	(void)context;
}

static int
set_balloon(void *context, uint64_t target_bytes)
{
	(void)target_bytes;
	ask_running(context);
	return 0;
}

static int
take_screenshot(void *context, int fd, struct vmm_picture *ret_picture)
{
	(void)context;
	if (fd < 0)
		abort();
	ret_picture->width = 1;
	return 0;
}

static int
set_link(void *context, bool up, int fd)
{
	(void)context;
	(void)up;
	if (fd >= 0 && close(fd) < 0)
		abort();
	return 0;
}

/* A home needs a slot that is empty; only the machine knows, and refuses. */
static int
attach_home(void *context, int base_fd, int overlay_fd)
{
	ask_reset(context);
	if (overlay_fd < 0)
		abort();
	return base_fd < 0 ? -EBUSY : 0;
}

static int
detach_home(void *context)
{
	ask_reset(context);
	return -ENOENT;
}

static int
seal(void *context, const int *fds, size_t n_fds, struct vmm_refusal *ret_problem)
{
	ask_paused(context);
	if (n_fds < 1 || n_fds > 2)
		abort();
	for (size_t i = 0; i < n_fds; i++)
		if (fds[i] < 0)
			abort();
	memset(ret_problem->text, 'x', sizeof(ret_problem->text) - 1);
	return -EBUSY;
}

static const struct control_ops ops = {
	.get_status = get_status,
	.get_statistics = get_statistics,
	.pause = ask_running,
	.resume = ask_paused,
	.reset = ask_reset,
	.quit = ask_quit,
	.press_power_button = ask_running,
	.set_balloon = set_balloon,
	.take_screenshot = take_screenshot,
	.set_link = set_link,
	.attach_home = attach_home,
	.detach_home = detach_home,
	.seal = seal,
};

static void
happen(struct control *control, struct machine_model *machine, uint8_t what)
{
	struct vmm_event event = { .kind = what % VMM_EVENT_COUNT,
				   .value = (what >> 3) % VMM_STATE_COUNT };

	if (event.kind == VMM_EVENT_STATE)
		machine->state = event.value;
	control_tell(control, &event);
}

static void
ask(int fd, uint8_t what, const uint8_t *payload, size_t size, int memfd)
{
	struct seq_header head = { .type = what & 0x3f, .size = (uint32_t)size };

	const int fds[] = { memfd, memfd };
	size_t n_fds = !(what & FLAG_FD) ? 0 : size > 0 && payload[0] % 2 == 0 ? 2 : 1;

	seq_send(fd, &head, payload, fds, n_fds);
}

static void
play(struct control *control, struct loop *loop, int listen_fd, struct machine_model *machine,
     struct fuzz_input *input)
{
	struct display_peer *peer = NULL;
	int memfd = memfd_create("fuzz", MFD_CLOEXEC);

	while (input->left > 0) {
		uint8_t what = (uint8_t)fuzz_input_take(input, 1);
		size_t size = fuzz_input_take(input, 1);
		uint8_t payload[MAX_PAYLOAD] = { 0 };

		for (size_t i = 0; i < size; i++)
			payload[i] = (uint8_t)fuzz_input_take(input, 1);
		if (!peer && display_peer_open(listen_fd, false, &peer) < 0)
			abort();
		loop_step(loop, 0);
		if (what >= BROKEN)
			(void)!send(peer->fd, payload, size, MSG_NOSIGNAL);
		else if (what >= EVENT)
			happen(control, machine, what - EVENT);
		else
			ask(peer->fd, what, payload, size, memfd);
		while (loop_step(loop, 0) > 0)
			;
		/* sooner or later it connects anew; what it was told it has not read */
		if (size & 1) {
			display_peer_close(peer);
			peer = NULL;
		}
	}
	display_peer_close(peer);
	close(memfd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { .next = data, .left = size };
	struct machine_model machine = { VMM_STATE_RUNNING };
	struct control_setup setup = {
		.listen_fd = display_peer_listen(),
		.uid = getuid(),
		.ops = &ops,
		.context = &machine,
	};
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct control *control;
	struct loop *loop;

	if (setup.listen_fd < 0 || loop_new(&lock, &loop) < 0 ||
	    control_new(loop, &setup, &control) < 0)
		abort();
	play(control, loop, setup.listen_fd, &machine, &input);
	control_free(control);
	loop_free(loop);
	close(setup.listen_fd);
	return 0;
}
