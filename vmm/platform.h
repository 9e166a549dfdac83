/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * platform.h - all that a device of the virtual machine knows of the world around it
 *
 * A device gets one of these when it is made and reaches nothing else: no KVM, no global. In
 * carrel-vmm vmm/machine.c fills it in; unit tests and fuzzers fill in their own
 * (tests/unit/fake_platform.c), so that every device can be driven in-process, two machines side by
 * side.
 *
 * The machine's lock: device code runs only while it is held. The loop's thread takes it around
 * each handler, a vCPU's thread around each bus access. So devices need no locks of their own, and
 * must never block. One exception: a disk's reset waits for what the kernel has in its hands
 * (vmm/virtio_blk.c).
 */
#ifndef VMM_PLATFORM_H
#define VMM_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

struct bus;
struct guest_memory;
struct loop;

/* What a device sees happen to the whole machine, mostly by the guest's own doing. */
enum platform_event {
	PLATFORM_EVENT_RESET,	 /* it asked for a reset (ACPI, port 0x64, triple fault) */
	PLATFORM_EVENT_SHUTDOWN, /* it switched itself off (ACPI S5) */
	PLATFORM_EVENT_PANIC,	 /* its kernel says that it has panicked (pvpanic) */
	/*
	 * Not the guest's: whether the host lacks room (or memory) for a request, which its disk
	 * keeps meanwhile, is to be asked again.
	 */
	PLATFORM_EVENT_SPACE,
	PLATFORM_EVENT_COUNT,
};

struct platform_ops {
	/* An ISA interrupt line, level as wired: GSI 0 to 23 of the in-kernel PIC and IOAPIC. */
	void (*set_irq)(void *context, uint32_t gsi, bool level);
	/* A message-signalled interrupt, as the device's MSI(-X) entry says. */
	void (*send_msi)(void *context, uint64_t address, uint32_t data);
	/*
	 * From now on a guest write of any value to this MMIO address only makes the eventfd
	 * readable. "bytes" is the write's width; 0: any, which is what KVM handles fastest. 0 or
	 * -errno.
	 */
	int (*add_doorbell)(void *context, uint64_t gpa, uint32_t bytes, int eventfd);
	void (*remove_doorbell)(void *context, uint64_t gpa, uint32_t bytes, int eventfd);
	/* Acted on by the loop's thread after the present access. */
	void (*report)(void *context, enum platform_event event);
};

struct platform {
	struct guest_memory *memory;
	struct loop *loop;
	struct bus *pio;
	struct bus *mmio;
	const struct platform_ops *ops;
	void *context; /* of ops */
	/*
	 * Guest memory stands still: devices take no requests, and end those they have
	 * (virtio_pop()).
	 */
	bool paused;
};

#endif
