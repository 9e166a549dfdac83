/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_fuzzer.h - drives any virtio device as a libFuzzer input says: registers, configuration, rings, memory, doorbells
 *
 * A fuzzer of a device makes one of these with the device in it, once, and hands each input to virtio_fuzzer_run():
 *
 *	static struct virtio_fuzzer fuzzer;
 *
 *	if (!fuzzer.root) {
 *		virtio_fuzzer_init(&fuzzer);
 *		... the device in slot SLOT of fuzzer.root, with fuzzer.fake->platform ...
 *		virtio_fuzzer_ready(&fuzzer, SLOT);
 *	}
 *	virtio_fuzzer_run(&fuzzer, data, size, act, &it);
 *
 * The machine is reset before each input. One bit of the input says whether a second thread changes memory meanwhile.
 */
#ifndef TESTS_FUZZ_VIRTIO_FUZZER_H
#define TESTS_FUZZ_VIRTIO_FUZZER_H

#include <stddef.h>
#include <stdint.h>

#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/memory_flipper.h"
#include "tests/unit/virtio_driver.h"

struct fake_platform;
struct pci_root;

struct virtio_fuzzer {
	struct fake_platform *fake;
	struct pci_root *root;
	uint32_t slot;
	struct virtio_driver driver;
	struct memory_flipper flipper;
};

/* What the device's other side does (a frame arrives, a disk is attached), as the input says. */
typedef void (*virtio_fuzzer_act)(void *context, struct fuzz_input *input);

/* Both abort() when anything fails. */
void virtio_fuzzer_init(struct virtio_fuzzer *fuzzer);
void virtio_fuzzer_ready(struct virtio_fuzzer *fuzzer, uint32_t slot);
/* "act" may be NULL. */
void virtio_fuzzer_run(struct virtio_fuzzer *fuzzer, const uint8_t *data, size_t size,
		       virtio_fuzzer_act act, void *context);

#endif
