/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_devices_state.c - any bytes as the state of power management, clock, serial port and sound card: they are refused,
 * or the devices go on from there whatever the guest does
 *
 * The input is four sections, each with its length in 2 bytes before it, then orders of 8 bytes: what to do, how wide,
 * where (2 bytes), a value (4 bytes). The time is the input's too (fuzzer_clock.h). What was loaded can be saved, and that
 * loaded again is the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer_clock.h"
#include "tests/fuzz/legacy_stage.h"
#include "tests/unit/fake_platform.h"
#include "tests/unit/state_edit.h"
#include "vmm/acpi_pm.h"
#include "vmm/hda.h"
#include "vmm/hda_device.h"
#include "vmm/loop.h"
#include "vmm/pci.h"
#include "vmm/rtc.h"
#include "vmm/serial.h"
#include "vmm/slots.h"
#include "vmm/state_file.h"

#define FUZZ_MAX_ORDERS	   256
#define FUZZ_SECTION_BYTES 8192
#define FUZZ_CONFIG	   (PCI_ECAM_BASE + (SLOT_SOUND << 15))

enum fuzz_order {
	FUZZ_READ_PORT,
	FUZZ_WRITE_PORT,
	FUZZ_READ_SOUND,
	FUZZ_WRITE_SOUND,
	FUZZ_WAIT,
	FUZZ_SAVE,
	FUZZ_ORDER_COUNT,
};

struct fuzz_machine {
	struct legacy_stage legacy;
	struct pci_root *root;
	struct hda *hda;
	uint64_t bar;
};

static const char *const fuzz_sections[] = { "acpi-pm", "rtc", "serial", "hda" };

#define FUZZ_SECTION_COUNT (sizeof(fuzz_sections) / sizeof(fuzz_sections[0]))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_insist(bool holds)
{
	if (!holds)
		abort();
}

static void
fuzz_open(struct fuzz_machine *machine)
{
	struct fake_platform *fake;

	legacy_stage_open(&machine->legacy);
	fake = machine->legacy.fake;
	fuzz_insist(pci_root_new(&fake->platform, &machine->root) == 0);
	fuzz_insist(hda_new(&fake->platform, machine->root, NULL, &machine->hda) == 0);
	pci_root_reset(machine->root);
	fake_platform_write(fake, FUZZ_CONFIG + PCI_COMMAND, 2,
			    PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	machine->bar = fake_platform_read(fake, FUZZ_CONFIG + PCI_BASE_ADDRESS_0, 4);
}

static void
fuzz_close(struct fuzz_machine *machine)
{
	pci_root_free(machine->root);
	legacy_stage_close(&machine->legacy);
}

static void
fuzz_pause(struct fuzz_machine *machine)
{
	acpi_pm_pause(machine->legacy.pm);
	hda_pause(machine->hda);
}

static void
fuzz_resume(struct fuzz_machine *machine)
{
	acpi_pm_resume(machine->legacy.pm);
	hda_resume(machine->hda);
}

static void
fuzz_save_devices(void *context, struct state_writer *writer)
{
	struct fuzz_machine *machine = context;

	acpi_pm_save(machine->legacy.pm, writer);
	rtc_save(machine->legacy.rtc, writer);
	serial_save(machine->legacy.serial, writer);
	hda_save(machine->hda, writer);
}

static int
fuzz_load_devices(void *context, struct state_reader *reader)
{
	struct fuzz_machine *machine = context;
	int error = acpi_pm_load(machine->legacy.pm, reader);

	if (error == 0)
		error = rtc_load(machine->legacy.rtc, reader);
	if (error == 0)
		error = serial_load(machine->legacy.serial, reader);
	return error < 0 ? error : hda_load(machine->hda, reader);
}

static int
fuzz_save(struct fuzz_machine *machine)
{
	int fd = state_edit_save(fuzz_save_devices, machine);

	fuzz_insist(fd >= 0);
	return fd;
}

/* What is refused is refused with a reason. */
static bool
fuzz_load(struct fuzz_machine *machine, int fd)
{
	char problem[STATE_PROBLEM_BYTES];
	int error = state_edit_load(fd, fuzz_load_devices, machine, problem);

	fuzz_insist((error == 0) == (problem[0] == '\0'));
	return error == 0;
}

static void
fuzz_save_and_load(struct fuzz_machine *machine)
{
	int first, second;

	fuzz_pause(machine);
	first = fuzz_save(machine);
	fuzz_insist(fuzz_load(machine, first));
	second = fuzz_save(machine);
	fuzz_insist(state_edit_is_same(first, second));
	close(first);
	close(second);
	fuzz_resume(machine);
}

static void
fuzz_put_input(void *context, struct state_writer *writer)
{
	static uint8_t bytes[FUZZ_SECTION_BYTES];
	struct fuzz_input *input = context;

	for (size_t i = 0; i < FUZZ_SECTION_COUNT; i++) {
		size_t size = fuzz_input_take(input, 2) % sizeof(bytes);

		for (size_t k = 0; k < size; k++)
			bytes[k] = (uint8_t)fuzz_input_take(input, 1);
		state_writer_begin(writer, 1, "%s", fuzz_sections[i]);
		state_put_bytes(writer, bytes, size);
		state_writer_end(writer);
	}
}

static void
fuzz_obey(struct fuzz_machine *machine, struct fuzz_input *input)
{
	enum fuzz_order order = fuzz_input_take(input, 1) % FUZZ_ORDER_COUNT;
	uint32_t bytes = 1u << fuzz_input_take(input, 1) % 3;
	uint32_t place = (uint32_t)fuzz_input_take(input, 2);
	uint32_t value = (uint32_t)fuzz_input_take(input, 4);
	uint16_t port = legacy_stage_choose_port((uint8_t)place);

	switch (order) {
	case FUZZ_READ_PORT:
		fake_platform_in(machine->legacy.fake, port, bytes);
		break;
	case FUZZ_WRITE_PORT:
		fake_platform_out(machine->legacy.fake, port, bytes, value);
		break;
	case FUZZ_READ_SOUND:
		fake_platform_read(machine->legacy.fake, machine->bar + place % 256, bytes);
		break;
	case FUZZ_WRITE_SOUND:
		fake_platform_write(machine->legacy.fake, machine->bar + place % 256, bytes, value);
		break;
	case FUZZ_WAIT:
		fuzzer_clock_add(value * FUZZER_CLOCK_NS_PER_US);
		loop_step(machine->legacy.fake->platform.loop, 0);
		break;
	case FUZZ_SAVE:
	case FUZZ_ORDER_COUNT:
		fuzz_save_and_load(machine);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	struct fuzz_machine machine;
	int fd;

	fuzzer_clock_reset();
	fuzz_open(&machine);
	fuzz_pause(&machine);
	fd = state_edit_save(fuzz_put_input, &input);
	fuzz_insist(fd >= 0);
	if (fuzz_load(&machine, fd)) {
		fuzz_save_and_load(&machine);
		for (int i = 0; input.left > 0 && i < FUZZ_MAX_ORDERS; i++)
			fuzz_obey(&machine, &input);
	}
	close(fd);
	fuzz_close(&machine);
	return 0;
}
