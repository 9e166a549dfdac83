/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_acpi.c - the ACPI tables: found and walked as a guest does it, and read by iasl
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/fake_platform.h"
#include "vmm/acpi.h"
#include "vmm/acpi_fadt_layout.h"
#include "vmm/acpi_layout.h"
#include "vmm/acpi_pm.h"
#include "vmm/guest_memory.h"
#include "vmm/memory_map.h"
#include "vmm/pci.h"

#define TEST_MAX_TABLE_BYTES 8192

/* One table, copied out of guest memory. */
struct test_table {
	struct acpi_header header;
	uint8_t bytes[TEST_MAX_TABLE_BYTES];
};

static struct fake_platform *
test_acpi_new(const struct acpi_options *options)
{
	struct fake_platform *fake;

	assert_int_equal(fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &fake), 0);
	assert_int_equal(acpi_write_tables(fake->platform.memory, options), 0);
	return fake;
}

static uint8_t
test_acpi_sum(const void *bytes, size_t n_bytes)
{
	const uint8_t *at = bytes;
	uint8_t sum = 0;

	for (size_t i = 0; i < n_bytes; i++)
		sum = (uint8_t)(sum + at[i]);
	return sum;
}

static void
test_acpi_read(struct fake_platform *fake, uint64_t gpa, struct test_table *ret_table)
{
	const struct guest_memory *memory = fake->platform.memory;

	assert_int_equal(
		guest_memory_read(memory, gpa, &ret_table->header, sizeof(ret_table->header)), 0);
	assert_in_range(ret_table->header.length, sizeof(ret_table->header), TEST_MAX_TABLE_BYTES);
	assert_true(gpa >= MEMORY_MAP_ACPI);
	assert_true(gpa + ret_table->header.length <= MEMORY_MAP_ACPI + MEMORY_MAP_ACPI_BYTES);
	assert_int_equal(guest_memory_read(memory, gpa, ret_table->bytes, ret_table->header.length),
			 0);
	if (memcmp(ret_table->header.signature, "FACS", 4) != 0)
		assert_int_equal(test_acpi_sum(ret_table->bytes, ret_table->header.length), 0);
}

static uint64_t
test_acpi_find_xsdt(struct fake_platform *fake)
{
	struct acpi_rsdp rsdp;

	assert_int_equal(
		guest_memory_read(fake->platform.memory, MEMORY_MAP_RSDP, &rsdp, sizeof(rsdp)), 0);
	assert_memory_equal(rsdp.signature, "RSD PTR ", 8);
	assert_int_equal(test_acpi_sum(&rsdp, 20), 0);
	assert_int_equal(test_acpi_sum(&rsdp, sizeof(rsdp)), 0);
	assert_int_equal(rsdp.revision, 2);
	return rsdp.xsdt;
}

/* The DSDT and the FACS stand in the FADT, all others in the XSDT. */
static void
test_acpi_find(struct fake_platform *fake, const char signature[4], struct test_table *ret_table)
{
	struct test_table xsdt;
	struct acpi_fadt fadt;
	uint64_t gpa;

	test_acpi_read(fake, test_acpi_find_xsdt(fake), &xsdt);
	assert_memory_equal(xsdt.header.signature, "XSDT", 4);
	for (size_t at = sizeof(xsdt.header); at < xsdt.header.length; at += sizeof(gpa)) {
		memcpy(&gpa, xsdt.bytes + at, sizeof(gpa));
		test_acpi_read(fake, gpa, ret_table);
		if (memcmp(ret_table->header.signature, signature, 4) == 0)
			return;
	}
	test_acpi_find(fake, "FACP", ret_table);
	memcpy(&fadt, ret_table->bytes, sizeof(fadt));
	assert_int_equal(fadt.dsdt, fadt.x_dsdt);
	test_acpi_read(fake, memcmp(signature, "DSDT", 4) == 0 ? fadt.x_dsdt : fadt.facs,
		       ret_table);
	assert_memory_equal(ret_table->header.signature, signature, 4);
}

static void
test_acpi__tables_are_found_from_the_rsdp(void **state)
{
	static const char signatures[][5] = { "FACP", "APIC", "MCFG", "DSDT", "FACS" };
	struct fake_platform *fake = test_acpi_new(&(struct acpi_options){ .cpus = 2 });
	struct test_table table;

	(void)state;
	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++)
		test_acpi_find(fake, signatures[i], &table);
	fake_platform_free(fake);
}

static void
test_acpi__fadt_names_the_registers(void **state)
{
	struct fake_platform *fake = test_acpi_new(&(struct acpi_options){ .cpus = 1 });
	struct test_table table;
	struct acpi_fadt fadt;

	(void)state;
	test_acpi_find(fake, "FACP", &table);
	memcpy(&fadt, table.bytes, sizeof(fadt));
	assert_int_equal(fadt.sci_irq, 9);
	assert_int_equal(fadt.pm1a_event, ACPI_PM_EVENT_PORT);
	assert_int_equal(fadt.x_pm1a_control.address, ACPI_PM_CONTROL_PORT);
	assert_int_equal(fadt.reset.address, ACPI_PM_RESET_PORT);
	assert_int_equal(fadt.smi_port, 0);
	assert_int_equal(fadt.flags & 1u << 20, 0);	/* not hardware-reduced */
	assert_int_equal(fadt.flags & 1u << 4, 0);	/* the power button is the fixed one */
	assert_int_equal(fadt.boot_flags & 1u << 1, 0); /* no 8042 */
	assert_int_equal(fadt.boot_flags & 1u << 2, 1u << 2); /* no VGA */
	assert_int_equal(fadt.boot_flags & 1u << 5, 0);	      /* a CMOS RTC */
	assert_int_equal(fadt.facs % 64, 0);
	fake_platform_free(fake);
}

static void
test_acpi__madt_lists_each_processor(void **state)
{
	struct fake_platform *fake = test_acpi_new(&(struct acpi_options){ .cpus = 5 });
	struct test_table table;
	unsigned int counts[5] = { 0 };

	(void)state;
	test_acpi_find(fake, "APIC", &table);
	for (size_t at = sizeof(table.header) + sizeof(struct acpi_madt_head);
	     at < table.header.length; at += table.bytes[at + 1]) {
		assert_in_range(table.bytes[at], 0, 4);
		counts[table.bytes[at]]++;
		if (table.bytes[at] == 0) {
			assert_int_equal(table.bytes[at + 2], counts[0] - 1);
			assert_int_equal(table.bytes[at + 3], counts[0] - 1);
		}
	}
	assert_int_equal(counts[0], 5);
	assert_int_equal(counts[1], 1); /* IOAPIC */
	assert_int_equal(counts[2], 1); /* the SCI's override */
	assert_int_equal(counts[4], 1); /* NMI */
	fake_platform_free(fake);
}

/* What the guest reads of the DSDT is where the devices are: these bytes of it are the machine's, and never change. */
static void
test_acpi__dsdt_says_where_things_are(void **state)
{
	static const struct {
		const char *what;
		size_t n_bytes;
		const char *bytes;
	} parts[] = {
		{ "S5 is sleep type 5", 11, "\x08\\_S5_\x12\x07\x04\x0a\x05" },
		{ "PCI window", 16, "\x00\x00\x00\xc0\xff\xff\xff\xdf\0\0\0\0\x00\x00\x00\x20" },
		{ "bus 0 alone", 8, "\x00\x00\x00\x00\x00\x00\x01\x00" },
		{ "ECAM", 8, "\x00\x00\x00\xe0\x00\x00\x10\x00" },
		{ "COM1", 11, "\x47\x01\xf8\x03\xf8\x03\x01\x08\x22\x10\x00" },
		{ "RTC", 11, "\x47\x01\x70\x00\x70\x00\x01\x02\x22\x00\x01" },
		{ "generation id", 13,
		  "\x08"
		  "ADDR"
		  "\x12\x08\x02\x0c\x00\xf0\x0e\x00" },
		{ "and its high half", 6, "\x0c\x00\xf0\x0e\x00\x00" },
		{ "and its event", 12, "_E05\x00\x86\\.\x5fSB_" },
	};
	struct fake_platform *fake =
		test_acpi_new(&(struct acpi_options){ .cpus = 1, .serial = true, .genid = true });
	struct test_table table;

	(void)state;
	test_acpi_find(fake, "DSDT", &table);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!memmem(table.bytes, table.header.length, parts[i].bytes, parts[i].n_bytes))
			fail_msg("not in the DSDT: %s", parts[i].what);
	fake_platform_free(fake);
}

static void
test_acpi__refuses_more_processors_than_fit(void **state)
{
	struct fake_platform *fake;

	(void)state;
	assert_int_equal(fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &fake), 0);
	assert_int_equal(
		acpi_write_tables(fake->platform.memory, &(struct acpi_options){ .cpus = 4096 }),
		-ENOSPC);
	fake_platform_free(fake);
}

static void
test_acpi_save(const char *folder, const struct test_table *table)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/table.dat", folder);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(table->bytes, 1, table->header.length, file), table->header.length);
	assert_int_equal(fclose(file), 0);
}

/* Runs iasl with the words in the folder; whatever it says that is not praise fails the test. */
static void
test_acpi_run_iasl(const char *folder, const char *words)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "cd '%s' && iasl %s >log 2>&1 && ! grep -E '^(Error|Warning|Remark)' log || "
		 "{ cat log; exit 1; }",
		 folder, words);
	// NOLINTNEXTLINE(cert-env33-c)
	assert_int_equal(system(command), 0);
}

/* A table that iasl takes apart and compiles again is the same but for what names the compiler and the checksum. */
static void
test_acpi_check_with_iasl(const char *folder, const struct test_table *table)
{
	uint8_t again[TEST_MAX_TABLE_BYTES];
	char path[256];
	size_t length;
	FILE *file;

	test_acpi_save(folder, table);
	test_acpi_run_iasl(folder, "-d table.dat");
	test_acpi_run_iasl(folder, "-oa -p again table.dsl");
	snprintf(path, sizeof(path), "%s/again.aml", folder);
	file = fopen(path, "rb");
	assert_non_null(file);
	length = fread(again, 1, sizeof(again), file);
	fclose(file);
	assert_int_equal(length, table->header.length);
	assert_memory_equal(again, table->bytes, offsetof(struct acpi_header, checksum));
	assert_memory_equal(again + sizeof(table->header), table->bytes + sizeof(table->header),
			    length - sizeof(table->header));
}

static void
test_acpi__iasl_understands_every_table(void **state)
{
	static const struct acpi_options machines[] = {
		{ .cpus = 1 },
		{ .cpus = 2, .serial = true, .genid = true },
		{ .cpus = 64, .serial = true, .genid = true },
	};
	static const char signatures[][5] = { "FACP", "APIC", "MCFG", "DSDT" };
	char folder[] = "test_acpi.XXXXXX", command[64];
	struct test_table table;

	(void)state;
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		struct fake_platform *fake = test_acpi_new(&machines[i]);

		for (size_t k = 0; k < sizeof(signatures) / sizeof(signatures[0]); k++) {
			test_acpi_find(fake, signatures[k], &table);
			test_acpi_check_with_iasl(folder, &table);
		}
		fake_platform_free(fake);
	}
	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	assert_int_equal(system(command), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_acpi__tables_are_found_from_the_rsdp),
		cmocka_unit_test(test_acpi__fadt_names_the_registers),
		cmocka_unit_test(test_acpi__madt_lists_each_processor),
		cmocka_unit_test(test_acpi__dsdt_says_where_things_are),
		cmocka_unit_test(test_acpi__refuses_more_processors_than_fit),
		cmocka_unit_test(test_acpi__iasl_understands_every_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
