/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_virtio_gpu.c - commands of a guest that may be hostile, while a display that may be hostile too comes and goes
 *
 * The form is virtio_fuzzer.c's; its last act is the display's: it comes, reads, answers, or says anything.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/fuzz/virtio_fuzzer.h"
#include "tests/unit/display_peer.h"
#include "tests/unit/fake_platform.h"
#include "vmm/seat.h"
#include "vmm/slots.h"

#define MAX_MESSAGE_BYTES 64
#define MAX_PICTURE_BYTES (4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct audience {
	int listen_fd;
	struct display_peer *peer; /* NULL: nobody watches */
};

static void
leave(struct audience *audience)
{
	display_peer_close(audience->peer);
	audience->peer = NULL;
}

static void
say(struct display_peer *peer, struct fuzz_input *input)
{
	uint32_t type = (uint32_t)fuzz_input_take(input, 1) & 0xf;
	size_t bytes = fuzz_input_take(input, 1) % MAX_MESSAGE_BYTES;
	uint8_t payload[MAX_MESSAGE_BYTES];

	for (size_t i = 0; i < bytes; i++)
		payload[i] = (uint8_t)fuzz_input_take(input, 1);
	display_peer_send(peer, type, payload, bytes);
}

static void
act(void *context, struct fuzz_input *input)
{
	struct audience *audience = context;
	uint32_t what = (uint32_t)fuzz_input_take(input, 1);

	if (what % 4 == 0 || !audience->peer || audience->peer->fd < 0) {
		leave(audience);
		if (display_peer_open(audience->listen_fd, what & 4, &audience->peer) < 0)
			abort();
	} else if (what % 4 == 1) {
		display_peer_read(audience->peer);
		/* Whatever the guest does, the display is told only what the protocol allows. */
		if (audience->peer->wrong)
			abort();
	} else if (what % 4 == 2) {
		display_peer_answer(audience->peer, what & 4 ? SOURCE_ACK : SOURCE_DRAWN,
				    what >> 3 & 1);
	} else {
		say(audience->peer, input);
	}
}

/* A large picture only costs time: it ends the display's connection here, as when the host is short of memory. */
static void
limit_pictures(void)
{
	const struct rlimit limit = { MAX_PICTURE_BYTES, MAX_PICTURE_BYTES };

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct virtio_fuzzer fuzzer;
	static struct audience audience;
	static struct seat *seat;

	if (!fuzzer.root) {
		struct seat_setup setup = {
			.uid = getuid(), .n_scanouts = 2, .width = 1024, .height = 768
		};

		virtio_fuzzer_init(&fuzzer);
		audience.listen_fd = display_peer_listen();
		setup.listen_fd = audience.listen_fd;
		if (audience.listen_fd < 0 || seat_new(&fuzzer.fake->platform, &setup, &seat) < 0 ||
		    seat_plug_in(seat, fuzzer.root) < 0)
			abort();
		virtio_fuzzer_ready(&fuzzer, SLOT_GPU);
		limit_pictures();
	}
	virtio_fuzzer_run(&fuzzer, data, size, act, &audience);
	leave(&audience);
	return 0;
}
