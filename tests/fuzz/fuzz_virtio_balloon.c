/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_virtio_balloon.c - memory taken from any driver, while the host changes its mind and asks for numbers
 *
 * The form of the input is virtio_fuzzer.c's; its last act is the host's.
 */
#include <errno.h>
#include <stdlib.h>

#include "tests/fuzz/virtio_fuzzer.h"
#include "tests/unit/fake_platform.h"
#include "vmm/pci.h"
#include "vmm/slots.h"
#include "vmm/virtio.h"
#include "vmm/virtio_balloon.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
act(void *context, struct fuzz_input *input)
{
	struct virtio_balloon_statistics before, after;
	uint64_t target_bytes = fuzz_input_take(input, 4);
	int result = virtio_balloon_set_target(context, target_bytes);

	if (result != (target_bytes > FAKE_PLATFORM_RAM_BYTES ? -EINVAL : 0))
		abort();
	virtio_balloon_get_statistics(context, &before);
	virtio_balloon_get_statistics(context, &after);
	if (before.reported_bytes != after.reported_bytes ||
	    before.balloon_bytes != after.balloon_bytes)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct virtio_fuzzer fuzzer;
	static struct virtio_device *device;

	if (!fuzzer.root) {
		virtio_fuzzer_init(&fuzzer);
		if (virtio_balloon_new(&fuzzer.fake->platform, &device) < 0 ||
		    virtio_pci_new(fuzzer.root, SLOT_BALLOON, VIRTIO_BALLOON_CLASS_CODE, device) <
			    0)
			abort();
		virtio_fuzzer_ready(&fuzzer, SLOT_BALLOON);
	}
	virtio_fuzzer_run(&fuzzer, data, size, act, device);
	return 0;
}
