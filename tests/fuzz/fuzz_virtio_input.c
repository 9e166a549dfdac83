/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_virtio_input.c - a guest that may be hostile at a keyboard or a tablet, while its user types
 *
 * The form is virtio_fuzzer.c's; its last act is the user's. Bit 1 of the first byte picks the tablet.
 */
#include <stdlib.h>
#include <unistd.h>

#include "tests/fuzz/virtio_fuzzer.h"
#include "tests/unit/display_peer.h"
#include "tests/unit/fake_platform.h"
#include "vmm/seat.h"
#include "vmm/slots.h"

#define OPTION_TABLET 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
act(void *context, struct fuzz_input *input)
{
	struct display_peer *peer = context;
	const struct source_key key = { (uint32_t)fuzz_input_take(input, 1),
					(uint32_t)fuzz_input_take(input, 1) & 1 };
	const struct source_pointer pointer = { 0, key.qnum, key.qnum, key.qnum & 0x1f };
	const struct source_wheel wheel = { (int32_t)(key.qnum & 7) - 3 };

	display_peer_send(peer, SOURCE_KEY, &key, sizeof(key));
	display_peer_send(peer, SOURCE_POINTER, &pointer, sizeof(pointer));
	display_peer_send(peer, SOURCE_WHEEL, &wheel, sizeof(wheel));
	display_peer_read(peer);
	if (peer->wrong || peer->leds > 7)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct virtio_fuzzer fuzzer;
	static struct seat *seat;
	static int listen_fd;
	struct display_peer *peer;

	if (!fuzzer.root) {
		struct seat_setup setup = {
			.uid = getuid(), .n_scanouts = 1, .width = 1024, .height = 768
		};

		virtio_fuzzer_init(&fuzzer);
		listen_fd = display_peer_listen();
		setup.listen_fd = listen_fd;
		if (listen_fd < 0 || seat_new(&fuzzer.fake->platform, &setup, &seat) < 0 ||
		    seat_plug_in(seat, fuzzer.root) < 0)
			abort();
		virtio_fuzzer_ready(&fuzzer, SLOT_KEYBOARD);
	}
	fuzzer.slot = size > 0 && data[0] & OPTION_TABLET ? SLOT_TABLET : SLOT_KEYBOARD;
	if (display_peer_open(listen_fd, true, &peer) < 0)
		abort();
	virtio_fuzzer_run(&fuzzer, data, size, act, peer);
	display_peer_close(peer);
	return 0;
}
