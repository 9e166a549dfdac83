/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_pci.c - configuration space, base addresses, MSI-X and MSI
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include <linux/pci_regs.h>

#include "tests/unit/fake_platform.h"
#include "vmm/bus.h"
#include "vmm/pci.h"

#define SLOT	      5
#define OTHER	      6
#define BAR_BYTES     0x4000
#define BAR_VALUE     0x5a5a5a5a
#define N_VECTORS     3
#define MSIX_CONTROL  (stage->msix + PCI_MSIX_FLAGS)
#define ENTRY(vector) (stage->msix_gpa + (vector)*PCI_MSIX_ENTRY_SIZE)
#define PENDING	      (stage->msix_gpa + 2048)

struct stage {
	struct fake_platform *fake;
	struct pci_root *root;
	struct pci_device *device;
	uint64_t bar_gpa; /* as move_bar says */
	uint64_t written; /* into the BAR */
	uint32_t n_resets;
	uint32_t n_frees;
	uint32_t msix; /* capabilities */
	uint32_t msi;  /* of OTHER */
	uint64_t msix_gpa;
};

static const struct pci_identity identity = {
	.vendor = 0x1af4,
	.device = 0x1042,
	.subsystem_vendor = 0x1af4,
	.subsystem = 2,
	.revision = 1,
	.class_code = 0x010000,
};

static uint64_t
bar_read(void *context, uint64_t offset, uint32_t bytes)
{
	(void)context;
	(void)bytes;
	return BAR_VALUE + offset;
}

static void
bar_write(void *context, uint64_t offset, uint32_t bytes, uint64_t value)
{
	struct stage *stage = context;

	(void)offset;
	(void)bytes;
	stage->written = value;
}

static const struct bus_ops bar_ops = { .read = bar_read, .write = bar_write };

static void
device_reset(void *context)
{
	((struct stage *)context)->n_resets++;
}

static void
device_free(void *context)
{
	((struct stage *)context)->n_frees++;
}

static void
device_move_bar(void *context, uint32_t index, uint64_t gpa)
{
	if (index == 2)
		((struct stage *)context)->bar_gpa = gpa;
}

static const struct pci_device_ops device_ops = {
	.reset = device_reset,
	.free = device_free,
	.move_bar = device_move_bar,
};

static uint32_t
config_read(struct stage *stage, uint32_t slot, uint32_t offset, uint32_t bytes)
{
	fake_platform_out(stage->fake, 0xcf8, 4, 0x80000000 | slot << 11 | (offset & 0xfc));
	return fake_platform_in(stage->fake, (uint16_t)(0xcfc + (offset & 3)), bytes);
}

static void
config_write(struct stage *stage, uint32_t slot, uint32_t offset, uint32_t bytes, uint32_t value)
{
	fake_platform_out(stage->fake, 0xcf8, 4, 0x80000000 | slot << 11 | (offset & 0xfc));
	fake_platform_out(stage->fake, (uint16_t)(0xcfc + (offset & 3)), bytes, value);
}

static uint32_t
find_capability(struct stage *stage, uint32_t slot, uint32_t id)
{
	uint32_t at = config_read(stage, slot, PCI_CAPABILITY_LIST, 1);

	while (at != 0 && config_read(stage, slot, at, 1) != id)
		at = config_read(stage, slot, at + 1, 1);
	assert_int_not_equal(at, 0);
	return at;
}

static int
stage_setup(void **state)
{
	struct stage *stage = test_calloc(1, sizeof(*stage));
	struct pci_device *other;

	assert_int_equal(fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &stage->fake), 0);
	assert_int_equal(pci_root_new(&stage->fake->platform, &stage->root), 0);
	assert_int_equal(pci_device_new(stage->root, SLOT, "device", &identity, &stage->device), 0);
	pci_device_set_ops(stage->device, &device_ops, stage);
	assert_int_equal(pci_device_add_msix(stage->device, 1, N_VECTORS), 0);
	assert_int_equal(pci_device_add_bar(stage->device, 2, BAR_BYTES, &bar_ops, stage), 0);
	assert_int_equal(pci_device_new(stage->root, OTHER, "other", &identity, &other), 0);
	assert_int_equal(pci_device_add_bar(other, 0, BAR_BYTES, &bar_ops, stage), 0);
	assert_int_equal(pci_device_add_msi(other), 0);
	pci_root_reset(stage->root);
	assert_int_equal(stage->n_resets, 1);
	stage->msix = find_capability(stage, SLOT, PCI_CAP_ID_MSIX);
	stage->msi = find_capability(stage, OTHER, PCI_CAP_ID_MSI);
	config_write(stage, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	stage->msix_gpa = config_read(stage, SLOT, PCI_BASE_ADDRESS_1, 4);
	*state = stage;
	return 0;
}

static int
stage_teardown(void **state)
{
	struct stage *stage = *state;

	pci_root_free(stage->root);
	assert_int_equal(stage->n_frees, 1);
	assert_int_equal(stage->bar_gpa, 0);
	fake_platform_free(stage->fake);
	test_free(stage);
	return 0;
}

static void
test_pci__shows_the_same_through_ports_and_ecam(void **state)
{
	struct stage *stage = *state;
	static const struct {
		uint32_t slot;
		uint32_t offset;
		uint32_t bytes;
		uint32_t value;
	} wanted[] = {
		{ 0, PCI_VENDOR_ID, 4, 0x29c08086 },
		{ 0, PCI_SUBSYSTEM_VENDOR_ID, 4, 0x11001af4 },
		{ 0, PCI_CLASS_DEVICE, 2, 0x0600 },
		{ SLOT, PCI_VENDOR_ID, 4, 0x10421af4 },
		{ SLOT, PCI_DEVICE_ID, 2, 0x1042 },
		{ SLOT, PCI_DEVICE_ID + 1, 1, 0x10 },
		{ SLOT, PCI_CLASS_REVISION, 4, 0x01000001 },
		{ SLOT, PCI_SUBSYSTEM_ID, 2, 2 },
		{ SLOT, PCI_STATUS, 2, PCI_STATUS_CAP_LIST },
		{ SLOT, PCI_INTERRUPT_PIN, 1, 0 },
		{ SLOT, PCI_ROM_ADDRESS, 4, 0 },
		{ SLOT + 2, PCI_VENDOR_ID, 4, UINT32_MAX }, /* nobody is there */
		{ 31, PCI_VENDOR_ID, 2, UINT16_MAX },
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		uint64_t ecam = PCI_ECAM_BASE + (wanted[i].slot << 15) + wanted[i].offset;

		assert_int_equal(
			config_read(stage, wanted[i].slot, wanted[i].offset, wanted[i].bytes),
			wanted[i].value);
		assert_int_equal(fake_platform_read(stage->fake, ecam, wanted[i].bytes),
				 wanted[i].value);
	}
	/* beyond the first 256 bytes, and across their end */
	assert_int_equal(fake_platform_read(stage->fake, PCI_ECAM_BASE + (SLOT << 15) + 256, 4), 0);
	assert_int_equal(fake_platform_read(stage->fake, PCI_ECAM_BASE + (SLOT << 15) + 254, 4), 0);
	/* function 1 */
	assert_int_equal(fake_platform_read(stage->fake, PCI_ECAM_BASE + (SLOT << 15) + 4096, 4),
			 UINT32_MAX);
	assert_true(fake_platform_read(stage->fake, PCI_ECAM_BASE + (SLOT << 15), 8) == UINT64_MAX);
	fake_platform_write(stage->fake, PCI_ECAM_BASE + (SLOT << 15) + PCI_INTERRUPT_LINE, 1, 7);
	assert_int_equal(config_read(stage, SLOT, PCI_INTERRUPT_LINE, 1), 7);
	fake_platform_write(stage->fake, PCI_ECAM_BASE + (SLOT << 15) + PCI_INTERRUPT_LINE, 8, 9);
	fake_platform_write(stage->fake, PCI_ECAM_BASE + (SLOT << 15) + 0x800, 4, 9);
	fake_platform_write(stage->fake, PCI_ECAM_BASE + (30 << 15), 4, 9);
	assert_int_equal(config_read(stage, SLOT, PCI_INTERRUPT_LINE, 1), 7);
}

static void
test_pci__keeps_the_address_port_as_linux_wants_it(void **state)
{
	struct stage *stage = *state;

	fake_platform_out(stage->fake, 0xcfb, 1, 1); /* pci_check_type1() */
	fake_platform_out(stage->fake, 0xcf8, 4, 0x80000000);
	assert_int_equal(fake_platform_in(stage->fake, 0xcf8, 4), 0x80000000);
	assert_int_equal(fake_platform_in(stage->fake, 0xcf8, 1), 0xff);
	fake_platform_out(stage->fake, 0xcf8, 4, 0x00000000); /* not enabled */
	assert_int_equal(fake_platform_in(stage->fake, 0xcfc, 4), UINT32_MAX);
	fake_platform_out(stage->fake, 0xcfc, 4, 0);
	fake_platform_out(stage->fake, 0xcf8, 4, 0x80010000); /* bus 1 */
	assert_int_equal(fake_platform_in(stage->fake, 0xcfc, 4), UINT32_MAX);
}

static void
test_pci__resets_through_the_byte_inside_the_address_port(void **state)
{
	struct stage *stage = *state;
	const uint32_t *resets = &stage->fake->n_reports[PLATFORM_EVENT_RESET];

	fake_platform_out(stage->fake, 0xcf8, 4, 0x80000600);
	fake_platform_out(stage->fake, 0xcf9, 1, 0x02);
	fake_platform_out(stage->fake, 0xcf8, 1, 0x06);
	assert_int_equal(*resets, 0);
	fake_platform_out(stage->fake, 0xcf9, 1, 0x06);
	assert_int_equal(*resets, 1);
	assert_int_equal(fake_platform_in(stage->fake, 0xcf8, 4), 0x80000600);
}

static void
test_pci__lets_the_guest_change_only_what_it_may(void **state)
{
	struct stage *stage = *state;
	uint8_t before[PCI_CONFIG_BYTES];

	for (uint32_t i = 0; i < PCI_CONFIG_BYTES; i++)
		before[i] = (uint8_t)config_read(stage, SLOT, i, 1);
	for (uint32_t i = 0; i < PCI_CONFIG_BYTES; i++)
		config_write(stage, SLOT, i, 1, (uint8_t)~before[i]);
	for (uint32_t i = 0; i < PCI_CONFIG_BYTES; i++) {
		uint8_t after = (uint8_t)config_read(stage, SLOT, i, 1);
		bool free = i == PCI_COMMAND || i == PCI_COMMAND + 1 || i == PCI_CACHE_LINE_SIZE ||
			    i == PCI_INTERRUPT_LINE || i == MSIX_CONTROL + 1 ||
			    (i >= PCI_BASE_ADDRESS_1 && i < PCI_BASE_ADDRESS_3);

		if (!free)
			assert_int_equal(after, before[i]);
	}
	pci_root_reset(stage->root);
	assert_int_equal(config_read(stage, SLOT, PCI_COMMAND, 2), 0);
	assert_int_equal(config_read(stage, SLOT, PCI_CACHE_LINE_SIZE, 1), 0);
	assert_int_equal(stage->bar_gpa, 0);
}

static void
test_pci__sizes_moves_and_switches_bars(void **state)
{
	struct stage *stage = *state;
	uint64_t first = config_read(stage, SLOT, PCI_BASE_ADDRESS_2, 4);
	uint64_t target = PCI_WINDOW_BASE + 0x10000000;

	assert_int_equal(stage->bar_gpa, first);
	assert_int_equal(fake_platform_read(stage->fake, first + 4, 4), BAR_VALUE + 4);
	fake_platform_write(stage->fake, first, 4, 77);
	assert_int_equal(stage->written, 77);
	/* sizing, with decoding on as some do: all ones lie outside of the window */
	config_write(stage, SLOT, PCI_BASE_ADDRESS_2, 4, UINT32_MAX);
	assert_int_equal(config_read(stage, SLOT, PCI_BASE_ADDRESS_2, 4),
			 (uint32_t) ~(BAR_BYTES - 1));
	assert_int_equal(stage->bar_gpa, 0);
	assert_int_equal(fake_platform_read(stage->fake, first, 4), UINT32_MAX);
	config_write(stage, SLOT, PCI_BASE_ADDRESS_2, 4, (uint32_t)target);
	assert_int_equal(stage->bar_gpa, target);
	assert_int_equal(fake_platform_read(stage->fake, target, 4), BAR_VALUE);
	config_write(stage, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	assert_int_equal(stage->bar_gpa, 0);
	assert_int_equal(fake_platform_read(stage->fake, target, 4), UINT32_MAX);
	config_write(stage, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(stage->bar_gpa, target);
	/* onto RAM, the ECAM, the IOAPIC: not decoded */
	for (uint32_t i = 0; i < 3; i++) {
		static const uint32_t bad[] = { 0x100000, (uint32_t)PCI_ECAM_BASE, 0xfec00000 };

		config_write(stage, SLOT, PCI_BASE_ADDRESS_2, 4, bad[i]);
		assert_int_equal(stage->bar_gpa, 0);
	}
	config_write(stage, SLOT, PCI_BASE_ADDRESS_2, 4,
		     (uint32_t)(PCI_WINDOW_BASE + PCI_WINDOW_BYTES - BAR_BYTES));
	assert_int_not_equal(stage->bar_gpa, 0);
}

static void
test_pci__lets_the_first_bar_win_until_it_leaves(void **state)
{
	struct stage *stage = *state;
	uint32_t target = (uint32_t)PCI_WINDOW_BASE + 0x10000000;

	config_write(stage, OTHER, PCI_BASE_ADDRESS_0, 4, target);
	config_write(stage, OTHER, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	config_write(stage, SLOT, PCI_BASE_ADDRESS_2, 4, target);
	assert_int_equal(stage->bar_gpa, 0);
	config_write(stage, OTHER, PCI_BASE_ADDRESS_0, 4, target + BAR_BYTES);
	assert_int_equal(stage->bar_gpa, target);
	/* both at once, crosswise */
	config_write(stage, SLOT, PCI_BASE_ADDRESS_2, 4, target + BAR_BYTES);
	assert_int_equal(stage->bar_gpa, 0);
	config_write(stage, OTHER, PCI_BASE_ADDRESS_0, 4, target);
	assert_int_equal(stage->bar_gpa, target + BAR_BYTES);
}

static void
entry_write(struct stage *stage, uint32_t vector, uint64_t address, uint32_t data, uint32_t control)
{
	fake_platform_write(stage->fake, ENTRY(vector), 8, address);
	fake_platform_write(stage->fake, ENTRY(vector) + PCI_MSIX_ENTRY_DATA, 4, data);
	fake_platform_write(stage->fake, ENTRY(vector) + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, control);
}

static void
test_pci__sends_holds_back_and_drops_msix(void **state)
{
	struct stage *stage = *state;
	struct fake_platform *fake = stage->fake;

	assert_int_equal(config_read(stage, SLOT, MSIX_CONTROL, 2), N_VECTORS - 1);
	assert_int_equal(fake_platform_read(fake, ENTRY(0) + PCI_MSIX_ENTRY_VECTOR_CTRL, 4), 1);
	pci_device_signal(stage->device, 0); /* not enabled: dropped */
	config_write(stage, SLOT, MSIX_CONTROL, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(fake_platform_read(fake, PENDING, 4), 0);
	pci_device_signal(stage->device, 1); /* masked: pending */
	pci_device_signal(stage->device, 1);
	assert_int_equal(fake_platform_read(fake, PENDING, 8), 2);
	assert_int_equal(fake->n_msis, 0);
	entry_write(stage, 1, UINT64_C(0x1fee01003), 0x42, 0);
	assert_int_equal(fake->n_msis, 1);
	assert_int_equal(fake->last_msi_data, 0x42);
	assert_true(fake->last_msi_address == UINT64_C(0x1fee01000));
	assert_true(fake_platform_read(fake, ENTRY(1), 8) == UINT64_C(0x1fee01000));
	assert_int_equal(fake_platform_read(fake, PENDING, 4), 0);
	pci_device_signal(stage->device, 1);
	assert_int_equal(fake->n_msis, 2);
	/* the whole function masked */
	config_write(stage, SLOT, MSIX_CONTROL, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	pci_device_signal(stage->device, 1);
	pci_device_signal(stage->device, 2);
	assert_int_equal(fake->n_msis, 2);
	config_write(stage, SLOT, MSIX_CONTROL, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(fake->n_msis, 3);
	assert_int_equal(fake_platform_read(fake, PENDING, 4), 4); /* 2 is masked by itself */
	/* no bus master, no writes to memory */
	config_write(stage, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	pci_device_signal(stage->device, 1);
	assert_int_equal(fake->n_msis, 3);
	config_write(stage, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	pci_device_signal(stage->device, N_VECTORS);
	pci_device_signal(stage->device, UINT32_MAX);
	assert_int_equal(fake->n_msis, 3);
	pci_root_reset(stage->root);
	config_write(stage, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(fake_platform_read(fake, PENDING, 4), 0);
	assert_int_equal(fake_platform_read(fake, ENTRY(1), 8), 0);
}

static void
test_pci__ignores_odd_accesses_to_msix(void **state)
{
	struct stage *stage = *state;
	struct fake_platform *fake = stage->fake;

	entry_write(stage, 0, 0xfee00000, 7, 0);
	fake_platform_write(fake, ENTRY(0) + PCI_MSIX_ENTRY_DATA, 2, 9);
	fake_platform_write(fake, ENTRY(0) + PCI_MSIX_ENTRY_DATA + 1, 4, 9);
	fake_platform_write(fake, ENTRY(0) + PCI_MSIX_ENTRY_UPPER_ADDR, 8, 9);
	fake_platform_write(fake, ENTRY(N_VECTORS), 4, 9);
	fake_platform_write(fake, PENDING, 4, 9);
	assert_int_equal(fake_platform_read(fake, ENTRY(0) + PCI_MSIX_ENTRY_DATA, 4), 7);
	assert_int_equal(fake_platform_read(fake, ENTRY(0) + PCI_MSIX_ENTRY_UPPER_ADDR, 4), 0);
	assert_int_equal(fake_platform_read(fake, ENTRY(0) + PCI_MSIX_ENTRY_DATA, 1), 0);
	assert_int_equal(fake_platform_read(fake, ENTRY(0) + 2, 4), 0);
	assert_int_equal(fake_platform_read(fake, ENTRY(N_VECTORS), 4), 0);
	assert_int_equal(fake_platform_read(fake, PENDING, 4), 0);
}

static void
test_pci__sends_msi(void **state)
{
	struct stage *stage = *state;
	struct pci_device *other;
	const struct pci_identity again = identity;

	assert_int_equal(pci_device_new(stage->root, OTHER, "twice", &again, &other), -EEXIST);
	assert_int_equal(pci_device_new(stage->root, 0, "bridge", &again, &other), -EINVAL);
	assert_int_equal(pci_device_new(stage->root, 32, "beyond", &again, &other), -EINVAL);
	assert_int_equal(pci_device_new(stage->root, 9, "msi", &again, &other), 0);
	assert_int_equal(pci_device_add_msi(other), 0);
	stage->msi = find_capability(stage, 9, PCI_CAP_ID_MSI);
	assert_int_equal(config_read(stage, 9, stage->msi + PCI_MSI_FLAGS, 2), PCI_MSI_FLAGS_64BIT);
	config_write(stage, 9, stage->msi + PCI_MSI_ADDRESS_LO, 4, 0xfee02003);
	config_write(stage, 9, stage->msi + PCI_MSI_ADDRESS_HI, 4, 1);
	config_write(stage, 9, stage->msi + PCI_MSI_DATA_64, 2, 0x4321);
	config_write(stage, 9, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	pci_device_signal(other, 0);
	assert_int_equal(stage->fake->n_msis, 0);
	config_write(stage, 9, stage->msi + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE);
	pci_device_signal(other, 0);
	pci_device_signal(other, 1);
	assert_int_equal(stage->fake->n_msis, 1);
	assert_int_equal(stage->fake->last_msi_data, 0x4321);
	assert_true(stage->fake->last_msi_address == UINT64_C(0x1fee02000));
	config_write(stage, 9, PCI_COMMAND, 2, 0);
	pci_device_signal(other, 0);
	assert_int_equal(stage->fake->n_msis, 1);
}

static void
test_pci__refuses_what_cannot_be_built(void **state)
{
	struct stage *stage = *state;
	uint8_t at;

	assert_int_equal(pci_device_add_bar(stage->device, 2, BAR_BYTES, &bar_ops, stage), -EEXIST);
	assert_int_equal(pci_device_add_bar(stage->device, 6, BAR_BYTES, &bar_ops, stage), -EEXIST);
	assert_int_equal(pci_device_add_bar(stage->device, 3, 2048, &bar_ops, stage), -EINVAL);
	assert_int_equal(pci_device_add_bar(stage->device, 3, 0x3000, &bar_ops, stage), -EINVAL);
	assert_int_equal(pci_device_add_bar(stage->device, 3, 0x40000000, &bar_ops, stage),
			 -EINVAL);
	assert_int_equal(pci_device_add_msix(stage->device, 3, 4), -EINVAL);
	assert_int_equal(pci_device_add_capability(stage->device, PCI_CAP_ID_VNDR, 200, &at),
			 -ENOSPC);
	assert_int_equal(pci_device_add_capability(stage->device, PCI_CAP_ID_VNDR, 1, &at),
			 -ENOSPC);
	assert_int_equal(pci_device_add_capability(stage->device, PCI_CAP_ID_VNDR, 5, &at), 0);
	assert_int_equal(find_capability(stage, SLOT, PCI_CAP_ID_VNDR), at);
	assert_int_equal(at % 4, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pci__shows_the_same_through_ports_and_ecam),
		TEST(test_pci__keeps_the_address_port_as_linux_wants_it),
		TEST(test_pci__resets_through_the_byte_inside_the_address_port),
		TEST(test_pci__lets_the_guest_change_only_what_it_may),
		TEST(test_pci__sizes_moves_and_switches_bars),
		TEST(test_pci__lets_the_first_bar_win_until_it_leaves),
		TEST(test_pci__sends_holds_back_and_drops_msix),
		TEST(test_pci__ignores_odd_accesses_to_msix),
		TEST(test_pci__sends_msi),
		TEST(test_pci__refuses_what_cannot_be_built),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
