/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_vmgenid.c - the VM generation id in guest memory and the event that tells of another
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tests/unit/fake_platform.h"
#include "vmm/acpi_pm.h"
#include "vmm/guest_memory.h"
#include "vmm/memory_map.h"
#include "vmm/vmgenid.h"

static const uint8_t test_first[] = "first id, 16 by.";
static const uint8_t test_second[] = "second id, 16 b.";

struct fixture {
	struct fake_platform *fake;
	struct vmgenid *vmgenid;
	struct acpi_pm *pm;
};

static int
setup(void **state)
{
	static struct fixture f;

	assert_int_equal(fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &f.fake), 0);
	assert_int_equal(acpi_pm_new(&f.fake->platform, &f.pm), 0);
	assert_int_equal(vmgenid_new(&f.fake->platform, f.pm, test_first, &f.vmgenid), 0);
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	vmgenid_free(f->vmgenid);
	acpi_pm_free(f->pm);
	fake_platform_free(f->fake);
	return 0;
}

static void
test_vmgenid_expect(struct fake_platform *fake, const uint8_t *id)
{
	uint8_t found[VMGENID_BYTES];

	assert_int_equal(
		guest_memory_read(fake->platform.memory, MEMORY_MAP_GENID, found, sizeof(found)),
		0);
	assert_memory_equal(found, id, VMGENID_BYTES);
}

static void
test_vmgenid__change_is_written_and_told(void **state)
{
	const struct fixture *f = *state;
	struct fake_platform *fake = f->fake;

	test_vmgenid_expect(fake, test_first);
	fake_platform_out(fake, ACPI_PM_GPE_PORT + 1, 1, 1 << 5);
	assert_false(fake->irq_level[9]);

	vmgenid_change(f->vmgenid, test_second);
	test_vmgenid_expect(fake, test_second);
	assert_int_equal(fake_platform_in(fake, ACPI_PM_GPE_PORT, 1), 1 << 5);
	assert_true(fake->irq_level[9]);

	fake_platform_out(fake, ACPI_PM_GPE_PORT, 1, 1 << 5);
	assert_false(fake->irq_level[9]);
	vmgenid_change(f->vmgenid, test_second);
	assert_int_equal(fake_platform_in(fake, ACPI_PM_GPE_PORT, 1), 0);
	assert_false(fake->irq_level[9]);
}

/*
 * A guest that was sealed early in its boot has no handler yet, and elsewhere crashed by the interrupt. It gets none; the
 * event waits until it asks for it.
 */
static void
test_vmgenid__who_does_not_listen_yet_hears_it_later(void **state)
{
	const struct fixture *f = *state;
	struct fake_platform *fake = f->fake;

	vmgenid_change(f->vmgenid, test_second);
	test_vmgenid_expect(fake, test_second);
	assert_false(fake->irq_level[9]);
	fake_platform_out(fake, ACPI_PM_GPE_PORT + 1, 1, 1 << 5);
	assert_true(fake->irq_level[9]);
}

static void
test_vmgenid__reset_writes_it_again(void **state)
{
	const struct fixture *f = *state;
	struct fake_platform *fake = f->fake;

	memset(fake_platform_map(fake, MEMORY_MAP_GENID, VMGENID_BYTES), 0, VMGENID_BYTES);
	vmgenid_reset(f->vmgenid);
	test_vmgenid_expect(fake, test_first);
	assert_int_equal(fake_platform_in(fake, ACPI_PM_GPE_PORT, 1), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_vmgenid__change_is_written_and_told),
		TEST(test_vmgenid__who_does_not_listen_yet_hears_it_later),
		TEST(test_vmgenid__reset_writes_it_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
