/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_pvpanic.c - the guest's panic, told through the PCI device
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/pci_regs.h>

#include "tests/unit/fake_platform.h"
#include "vmm/pci.h"
#include "vmm/pvpanic.h"
#include "vmm/slots.h"

#define TEST_CONFIG (PCI_ECAM_BASE + (SLOT_PVPANIC << 15))

static void
test_pvpanic__reports_a_panic(void **state)
{
	struct fake_platform *fake;
	struct pci_root *root;
	const uint32_t *panics;
	uint64_t bar;

	(void)state;
	assert_int_equal(fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &fake), 0);
	panics = &fake->n_reports[PLATFORM_EVENT_PANIC];
	assert_int_equal(pci_root_new(&fake->platform, &root), 0);
	assert_int_equal(pvpanic_new(&fake->platform, root), 0);
	pci_root_reset(root);
	assert_int_equal(fake_platform_read(fake, TEST_CONFIG, 4), 0x00111b36);
	fake_platform_write(fake, TEST_CONFIG + PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	bar = fake_platform_read(fake, TEST_CONFIG + PCI_BASE_ADDRESS_0, 4);

	assert_int_equal(fake_platform_read(fake, bar, 1), 1);
	assert_int_equal(fake_platform_read(fake, bar + 1, 1), 0);
	fake_platform_write(fake, bar, 1, 2); /* "a crash kernel takes over": not offered */
	fake_platform_write(fake, bar + 1, 1, 1);
	assert_int_equal(*panics, 0);
	fake_platform_write(fake, bar, 1, 1);
	assert_int_equal(*panics, 1);

	pci_root_free(root);
	fake_platform_free(fake);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pvpanic__reports_a_panic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
