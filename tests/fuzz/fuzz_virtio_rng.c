/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_virtio_rng.c - random numbers for any driver (the form of the input is virtio_fuzzer.c's)
 */
#include <stdlib.h>

#include "tests/fuzz/virtio_fuzzer.h"
#include "tests/unit/fake_platform.h"
#include "vmm/pci.h"
#include "vmm/slots.h"
#include "vmm/virtio.h"
#include "vmm/virtio_rng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct virtio_fuzzer fuzzer;
	struct virtio_device *device;

	if (!fuzzer.root) {
		virtio_fuzzer_init(&fuzzer);
		if (virtio_rng_new(&fuzzer.fake->platform, &device) < 0 ||
		    virtio_pci_new(fuzzer.root, SLOT_RNG, VIRTIO_RNG_CLASS_CODE, device) < 0)
			abort();
		virtio_fuzzer_ready(&fuzzer, SLOT_RNG);
	}
	virtio_fuzzer_run(&fuzzer, data, size, NULL, NULL);
	return 0;
}
