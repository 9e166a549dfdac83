/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_rng.c - random numbers (virtio 1.2 section 5.4)
 */
#include <linux/pci_regs.h>

#include "tests/guests/bare.h"
#include "tests/guests/bare_hostile.h"
#include "tests/guests/bare_irq.h"
#include "tests/guests/bare_pci.h"
#include "tests/guests/bare_virtio.h"

#define SLOT	  8
#define N_NUMBERS 8
#define MANY	  65536			       /* bytes: more than it gives at once */
#define ROOM	  ((void *)UINT64_C(0x800000)) /* for as many */
#define MAX_ONCE  1024

static struct bare_virtio rng;
static uint64_t numbers[2][N_NUMBERS];

static uint32_t
ask(struct bare_virtio *device, void *data, uint32_t bytes)
{
	const struct bare_buffer buffer = { data, bytes, true };

	return bare_virtio_transfer(device, 0, &buffer, 1);
}

static bool
works_still(struct bare_virtio *device)
{
	numbers[0][0] = 0;
	return ask(device, numbers[0], sizeof(numbers[0][0])) == sizeof(numbers[0][0]) &&
	       numbers[0][0] != 0;
}

static bool
works(struct bare_virtio *device)
{
	return bare_virtio_start(device, 0, 1) && works_still(device);
}

static bool
offer_many(struct bare_virtio *device)
{
	const struct bare_buffer buffer = { ROOM, MANY, true };

	if (!bare_virtio_start(device, 0, 1))
		return false;
	bare_virtio_offer_many(device, 0, 8, &buffer);
	return true;
}

static void
test_numbers(void)
{
	uint32_t interrupts = bare_irq_get_count(BARE_IRQ_FIRST + 1);
	uint32_t same = 0;

	for (size_t i = 0; i < 2; i++)
		bare_check_equal(ask(&rng, numbers[i], sizeof(numbers[i])), sizeof(numbers[i]),
				 "all the bytes that were asked for");
	for (size_t i = 0; i < N_NUMBERS; i++)
		same += numbers[0][i] == numbers[1][i] || numbers[0][i] == 0;
	bare_check_equal(same, 0, "no number comes twice, none is zero");
	bare_check(BARE_WAIT(bare_irq_get_count(BARE_IRQ_FIRST + 1) > interrupts),
		   "the queue's vector interrupts");
	bare_check_equal(ask(&rng, ROOM, MANY), MAX_ONCE, "of many bytes it gives some");
	bare_virtio_offer(&rng, 0, 0, &(struct bare_buffer){ numbers, 8, false }, 1);
	bare_check_equal(bare_virtio_wait(&rng, 0), 0, "what it may not write it does not");
}

/* PCI 3.0 section 6.8.2.3. When the second answer is there the first one's interrupt has been due. */
static void
test_masked(void)
{
	uint32_t control = bare_pci_find_capability(SLOT, PCI_CAP_ID_MSIX, 0) + PCI_MSIX_FLAGS;
	uint32_t flags = bare_pci_get(SLOT, control, 2);
	uint32_t interrupts = bare_irq_get_count(BARE_IRQ_FIRST + 1);

	bare_pci_set(SLOT, control, 2, flags | PCI_MSIX_FLAGS_MASKALL);
	for (int i = 0; i < 2; i++)
		bare_check(works_still(&rng), "it works with its interrupts masked");
	bare_check_equal(bare_irq_get_count(BARE_IRQ_FIRST + 1), interrupts, "none comes");
	bare_pci_set(SLOT, control, 2, flags);
	bare_check(BARE_WAIT(bare_irq_get_count(BARE_IRQ_FIRST + 1) > interrupts),
		   "it comes when the mask goes");
}

void
guest_main(void)
{
	bare_irq_set_up();
	if (!bare_virtio_open(&rng, SLOT) || !bare_virtio_start(&rng, 0, 1))
		return;
	test_numbers();
	test_masked();
	bare_hostile_negotiate(&rng, works);
	bare_hostile_write_late(&rng, 0, works, works_still);
	bare_hostile_reset(&rng, offer_many, works);
	bare_hostile_break_queue(&rng, 0, works);
}
