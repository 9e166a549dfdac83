/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_hda.c - the sound card's registers, with lists and rings in memory that the input writes too
 *
 * The input is a list of orders of 8 bytes: what to do, how wide, where (2 bytes), a value (4 bytes). One of them lets
 * another thread change the part of memory that the input can write. The time is the input's too (fuzzer_clock.h).
 */
#include <stdint.h>
#include <stdlib.h>

#include <linux/pci_regs.h>

#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer_clock.h"
#include "tests/fuzz/memory_flipper.h"
#include "tests/unit/fake_platform.h"
#include "vmm/hda.h"
#include "vmm/hda_layout.h"
#include "vmm/loop.h"
#include "vmm/pci.h"
#include "vmm/slots.h"
#include "vmm/sound_sink.h"

#define FUZZ_MAX_ORDERS	   512
#define FUZZ_RAM_BYTES	   (UINT64_C(1) << 20)
#define FUZZ_WRITTEN_BYTES (UINT64_C(1) << 18)
#define FUZZ_CONFIG	   (PCI_ECAM_BASE + (SLOT_SOUND << 15))

enum fuzz_order {
	FUZZ_READ,
	FUZZ_WRITE,
	FUZZ_POKE, /* into the guest's memory */
	FUZZ_WAIT,
	FUZZ_CONFIGURE,
	FUZZ_PAUSE,
	FUZZ_RESUME,
	FUZZ_RESET,
	FUZZ_FLIP, /* another thread changes the memory from here on, or no more */
	FUZZ_ORDER_COUNT,
};

struct fuzz_machine {
	struct fake_platform *fake;
	struct pci_root *root;
	struct hda *hda;
	uint64_t bar;
	uint8_t *memory;
	struct memory_flipper flipper;
	bool moves[SOUND_DIRECTION_COUNT];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A sink is told of a stream's start before its samples, and never of two starts without an end. */
static void
fuzz_change(void *context, enum sound_direction direction, bool moves)
{
	struct fuzz_machine *machine = context;

	if (machine->moves[direction] == moves)
		abort();
	machine->moves[direction] = moves;
}

static void
fuzz_play(void *context, const int16_t *samples, uint32_t n_frames)
{
	const struct fuzz_machine *machine = context;

	(void)samples;
	if (!machine->moves[SOUND_PLAY] || n_frames == 0 || n_frames > SOUND_MAX_FRAMES)
		abort();
}

static uint32_t
fuzz_record(void *context, int16_t *samples, uint32_t n_frames)
{
	const struct fuzz_machine *machine = context;

	if (!machine->moves[SOUND_RECORD] || n_frames == 0 || n_frames > SOUND_MAX_FRAMES)
		abort();
	samples[0] = 1;
	return n_frames / 2;
}

static void
fuzz_open(struct fuzz_machine *machine)
{
	fake_platform_write(machine->fake, FUZZ_CONFIG + PCI_COMMAND, 2,
			    PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	machine->bar = fake_platform_read(machine->fake, FUZZ_CONFIG + PCI_BASE_ADDRESS_0, 4);
	fake_platform_write(machine->fake, machine->bar + HDA_GCTL, 4, HDA_GCTL_RUNS);
}

static void
fuzz_obey(struct fuzz_machine *machine, struct fuzz_input *input)
{
	enum fuzz_order order = fuzz_input_take(input, 1) % FUZZ_ORDER_COUNT;
	uint32_t bytes = 1u << fuzz_input_take(input, 1) % 4;
	uint32_t place = (uint32_t)fuzz_input_take(input, 2);
	uint32_t value = (uint32_t)fuzz_input_take(input, 4);

	switch (order) {
	case FUZZ_READ:
		fake_platform_read(machine->fake, machine->bar + place % 256, bytes);
		break;
	case FUZZ_WRITE:
		fake_platform_write(machine->fake, machine->bar + place % 256, bytes,
				    (uint64_t)place << 32 | value);
		break;
	case FUZZ_POKE:
		memcpy(machine->memory + place * sizeof(value), &value, sizeof(value));
		break;
	case FUZZ_WAIT:
		fuzzer_clock_add(value % 300000 * FUZZER_CLOCK_NS_PER_US);
		loop_step(machine->fake->platform.loop, 0);
		break;
	case FUZZ_CONFIGURE:
		fake_platform_write(machine->fake, FUZZ_CONFIG + place % 256, 1, value);
		break;
	case FUZZ_PAUSE:
		hda_pause(machine->hda);
		break;
	case FUZZ_RESUME:
		hda_resume(machine->hda);
		break;
	case FUZZ_RESET:
		pci_root_reset(machine->root);
		fuzz_open(machine);
		break;
	case FUZZ_FLIP:
	case FUZZ_ORDER_COUNT:
		memory_flipper_switch(&machine->flipper, false);
		if (value & 1)
			memory_flipper_switch(&machine->flipper, true);
		break;
	}
}

static void
fuzz_make(struct fuzz_machine *machine)
{
	static struct sound_sink sink = { fuzz_change, fuzz_play, fuzz_record, NULL };

	sink.context = machine;
	if (fake_platform_new(FUZZ_RAM_BYTES, &machine->fake) < 0 ||
	    pci_root_new(&machine->fake->platform, &machine->root) < 0 ||
	    hda_new(&machine->fake->platform, machine->root, &sink, &machine->hda) < 0)
		abort();
	machine->memory = fake_platform_map(machine->fake, 0, FUZZ_RAM_BYTES);
	memory_flipper_start(&machine->flipper, machine->memory, FUZZ_WRITTEN_BYTES);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz_machine machine;
	struct fuzz_input input = { data, size };

	if (!machine.fake)
		fuzz_make(&machine);
	pci_root_reset(machine.root);
	fuzzer_clock_reset();
	memset(machine.memory, 0, FUZZ_RAM_BYTES);
	fuzz_open(&machine);
	for (int i = 0; input.left > 0 && i < FUZZ_MAX_ORDERS; i++)
		fuzz_obey(&machine, &input);
	memory_flipper_switch(&machine.flipper, false);
	return 0;
}
