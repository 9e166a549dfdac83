/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_devices_state.c - any bytes as the state of power management, clock, serial port and sound card: they are refused,
 * or the devices go on from there whatever the guest does
 *
 * The input is four sections, each with its length in 2 bytes before it, then orders of 8 bytes: what to do, how wide,
 * where (2 bytes), a value (4 bytes). The time is the input's too (the linker puts both clocks in place). What was loaded
 * can be saved, and that loaded again is the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/fake_platform.h"
#include "tests/unit/state_edit.h"
#include "vmm/acpi_pm.h"
#include "vmm/hda.h"
#include "vmm/hda_device.h"
#include "vmm/loop.h"
#include "vmm/pci.h"
#include "vmm/rtc.h"
#include "vmm/rtc_time.h"
#include "vmm/serial.h"
#include "vmm/slots.h"
#include "vmm/state_file.h"

#define FUZZ_MAX_ORDERS	   256
#define FUZZ_SECTION_BYTES 8192
#define FUZZ_RAM_BYTES	   (UINT64_C(1) << 20)
#define FUZZ_CONFIG	   (PCI_ECAM_BASE + (SLOT_SOUND << 15))
#define FUZZ_NS_PER_US	   UINT64_C(1000)
#define FUZZ_FIRST_NS	   UINT64_C(1000000000)
#define FUZZ_FIRST_S	   UINT64_C(1795305590) /* 2026 */

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
	struct fake_platform *fake;
	struct acpi_pm *pm;
	struct rtc *rtc;
	struct serial *serial;
	struct pci_root *root;
	struct hda *hda;
	uint64_t bar;
};

static const char *const fuzz_sections[] = { "acpi-pm", "rtc", "serial", "hda" };

#define FUZZ_SECTION_COUNT (sizeof(fuzz_sections) / sizeof(fuzz_sections[0]))

static const struct {
	uint16_t first, count;
} fuzz_ports[] = {
	{ SERIAL_PORT, SERIAL_PORTS },
	{ RTC_PORT, RTC_PORTS },
	{ ACPI_PM_PORT, ACPI_PM_PORTS },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
uint64_t __wrap_loop_now_ns(void);
uint64_t __wrap_rtc_time_now_ns(void);

static uint64_t fuzz_now_ns; /* since the start; the linker's functions have no context */

uint64_t
__wrap_loop_now_ns(void)
{
	return FUZZ_FIRST_NS + fuzz_now_ns;
}

uint64_t
__wrap_rtc_time_now_ns(void)
{
	return FUZZ_FIRST_S * FUZZ_FIRST_NS + fuzz_now_ns;
}

static void
fuzz_insist(bool holds)
{
	if (!holds)
		abort();
}

static void
fuzz_drop_line(void *context, const char *line, size_t length)
{
	(void)context;
	(void)line;
	fuzz_insist(length > 0 && length <= SERIAL_MAX_LINE_BYTES);
}

static void
fuzz_open(struct fuzz_machine *machine)
{
	fuzz_insist(fake_platform_new(FUZZ_RAM_BYTES, &machine->fake) == 0);
	fuzz_insist(acpi_pm_new(&machine->fake->platform, &machine->pm) == 0);
	fuzz_insist(rtc_new(&machine->fake->platform, 2, &machine->rtc) == 0);
	fuzz_insist(serial_new(&machine->fake->platform, fuzz_drop_line, NULL, &machine->serial) ==
		    0);
	fuzz_insist(pci_root_new(&machine->fake->platform, &machine->root) == 0);
	fuzz_insist(hda_new(&machine->fake->platform, machine->root, NULL, &machine->hda) == 0);
	pci_root_reset(machine->root);
	fake_platform_write(machine->fake, FUZZ_CONFIG + PCI_COMMAND, 2,
			    PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	machine->bar = fake_platform_read(machine->fake, FUZZ_CONFIG + PCI_BASE_ADDRESS_0, 4);
}

static void
fuzz_close(struct fuzz_machine *machine)
{
	pci_root_free(machine->root);
	serial_free(machine->serial);
	rtc_free(machine->rtc);
	acpi_pm_free(machine->pm);
	fake_platform_free(machine->fake);
}

static void
fuzz_pause(struct fuzz_machine *machine)
{
	acpi_pm_pause(machine->pm);
	hda_pause(machine->hda);
}

static void
fuzz_resume(struct fuzz_machine *machine)
{
	acpi_pm_resume(machine->pm);
	hda_resume(machine->hda);
}

static int
fuzz_save(struct fuzz_machine *machine)
{
	struct state_writer *writer;
	int fd = state_edit_new();

	fuzz_insist(state_writer_new(&writer) == 0);
	acpi_pm_save(machine->pm, writer);
	rtc_save(machine->rtc, writer);
	serial_save(machine->serial, writer);
	hda_save(machine->hda, writer);
	fuzz_insist(state_writer_finish(writer, fd) == 0);
	state_writer_free(writer);
	return fd;
}

/* What is refused is refused with a reason. */
static bool
fuzz_load(struct fuzz_machine *machine, int fd)
{
	char problem[STATE_PROBLEM_BYTES];
	struct state_reader *reader;
	int error;

	fuzz_insist(state_reader_new(fd, &reader, problem) == 0);
	error = acpi_pm_load(machine->pm, reader);
	if (error == 0)
		error = rtc_load(machine->rtc, reader);
	if (error == 0)
		error = serial_load(machine->serial, reader);
	if (error == 0)
		error = hda_load(machine->hda, reader);
	fuzz_insist((error == 0) == (state_reader_get_problem(reader)[0] == '\0'));
	state_reader_free(reader);
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

static int
fuzz_make_file(struct fuzz_input *input)
{
	static uint8_t bytes[FUZZ_SECTION_BYTES];
	struct state_writer *writer;
	int fd = state_edit_new();

	fuzz_insist(state_writer_new(&writer) == 0);
	for (size_t i = 0; i < FUZZ_SECTION_COUNT; i++) {
		size_t size = fuzz_input_take(input, 2) % sizeof(bytes);

		for (size_t k = 0; k < size; k++)
			bytes[k] = (uint8_t)fuzz_input_take(input, 1);
		state_writer_begin(writer, 1, "%s", fuzz_sections[i]);
		state_put_bytes(writer, bytes, size);
		state_writer_end(writer);
	}
	fuzz_insist(state_writer_finish(writer, fd) == 0);
	state_writer_free(writer);
	return fd;
}

static void
fuzz_obey(struct fuzz_machine *machine, struct fuzz_input *input)
{
	enum fuzz_order order = fuzz_input_take(input, 1) % FUZZ_ORDER_COUNT;
	uint32_t bytes = 1u << fuzz_input_take(input, 1) % 3;
	uint32_t place = (uint32_t)fuzz_input_take(input, 2);
	uint32_t value = (uint32_t)fuzz_input_take(input, 4);
	size_t i = place % (sizeof(fuzz_ports) / sizeof(fuzz_ports[0]));
	uint16_t port = (uint16_t)(fuzz_ports[i].first + place / 256 % fuzz_ports[i].count);

	switch (order) {
	case FUZZ_READ_PORT:
		fake_platform_in(machine->fake, port, bytes);
		break;
	case FUZZ_WRITE_PORT:
		fake_platform_out(machine->fake, port, bytes, value);
		break;
	case FUZZ_READ_SOUND:
		fake_platform_read(machine->fake, machine->bar + place % 256, bytes);
		break;
	case FUZZ_WRITE_SOUND:
		fake_platform_write(machine->fake, machine->bar + place % 256, bytes, value);
		break;
	case FUZZ_WAIT:
		fuzz_now_ns += (uint64_t)value * FUZZ_NS_PER_US;
		loop_step(machine->fake->platform.loop, 0);
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

	fuzz_now_ns = 0;
	fuzz_open(&machine);
	fuzz_pause(&machine);
	fd = fuzz_make_file(&input);
	if (fuzz_load(&machine, fd)) {
		fuzz_save_and_load(&machine);
		for (int i = 0; input.left > 0 && i < FUZZ_MAX_ORDERS; i++)
			fuzz_obey(&machine, &input);
	}
	close(fd);
	fuzz_close(&machine);
	return 0;
}
