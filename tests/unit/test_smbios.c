/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_smbios.c - the SMBIOS tables, found and walked as Linux does it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_platform.h"
#include "vmm/guest_memory.h"
#include "vmm/memory_map.h"
#include "vmm/smbios.h"
#include "vmm/smbios_layout.h"
#include "vmm/smbios_memory_layout.h"

#define TEST_MAX_STRINGS 4

static const struct smbios_options test_options = {
	.machine = "carrel-1",
	.serial = "d-42",
	.uuid = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc,
		  0xdd, 0xee, 0xff },
	.cpus = 4,
};

/* One structure: where it begins, and its strings. */
struct test_structure {
	const struct smbios_head *head;
	size_t n_strings;
	const char *strings[TEST_MAX_STRINGS];
};

static const uint8_t *
test_smbios_find_tables(struct fake_platform *fake, size_t *ret_bytes)
{
	const struct smbios_entry *entry =
		fake_platform_map(fake, MEMORY_MAP_SMBIOS, sizeof(*entry));
	const uint8_t *bytes = (const uint8_t *)entry;
	uint8_t sum = 0;

	for (size_t i = 0; i < sizeof(*entry); i++)
		sum = (uint8_t)(sum + bytes[i]);
	assert_int_equal(sum, 0);
	assert_memory_equal(entry->anchor, "_SM3_", 5);
	assert_true(entry->address + entry->max_bytes <=
		    MEMORY_MAP_SMBIOS + MEMORY_MAP_SMBIOS_BYTES);
	*ret_bytes = entry->max_bytes;
	return fake_platform_map(fake, entry->address, entry->max_bytes);
}

/* Reads the structure and returns where the next one begins. */
static const uint8_t *
test_smbios_read(const uint8_t *at, const uint8_t *end, struct test_structure *ret_structure)
{
	*ret_structure = (struct test_structure){ .head = (const struct smbios_head *)at };
	assert_true(at + sizeof(struct smbios_head) <= end);
	at += ret_structure->head->length;
	while (at < end && *at) {
		assert_in_range(ret_structure->n_strings, 0, TEST_MAX_STRINGS - 1);
		ret_structure->strings[ret_structure->n_strings++] = (const char *)at;
		at += strlen((const char *)at) + 1;
	}
	if (ret_structure->n_strings == 0)
		at++;
	assert_true(at < end);
	assert_int_equal(*at, 0);
	return at + 1;
}

static void
test_smbios__structures_in_order_up_to_the_end(void **state)
{
	static const uint8_t types[] = { 0, 1, 3, 4, 16, 17, 19, 32, 127 };
	struct test_structure structure;
	struct fake_platform *fake;
	const uint8_t *at, *end;
	size_t bytes;

	(void)state;
	assert_int_equal(fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &fake), 0);
	assert_int_equal(smbios_write_tables(fake->platform.memory, &test_options), 0);
	at = test_smbios_find_tables(fake, &bytes);
	end = at + bytes;
	for (uint16_t i = 0; i < sizeof(types); i++) {
		at = test_smbios_read(at, end, &structure);
		assert_int_equal(structure.head->type, types[i]);
		assert_int_equal(structure.head->handle, i);
	}
	assert_ptr_equal(at, end);
	fake_platform_free(fake);
}

/* The number-th structure of this type. */
static void
test_smbios_find(struct fake_platform *fake, uint8_t type, size_t number,
		 struct test_structure *ret_structure)
{
	const uint8_t *at, *end;
	size_t bytes, found = 0;

	at = test_smbios_find_tables(fake, &bytes);
	end = at + bytes;
	do {
		assert_true(at < end);
		at = test_smbios_read(at, end, ret_structure);
	} while (ret_structure->head->type != type || found++ < number);
}

static void
test_smbios__names_the_machine(void **state)
{
	static const uint8_t uuid[16] = { 0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66,
					  0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
	const struct smbios_processor *processor;
	const struct smbios_system *system;
	struct test_structure structure;
	struct fake_platform *fake;

	(void)state;
	assert_int_equal(fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &fake), 0);
	assert_int_equal(smbios_write_tables(fake->platform.memory, &test_options), 0);
	test_smbios_find(fake, 1, 0, &structure);
	system = (const struct smbios_system *)structure.head;
	assert_string_equal(structure.strings[system->maker - 1], "Carrel");
	assert_string_equal(structure.strings[system->product - 1], "carrel-1");
	assert_string_equal(structure.strings[system->serial - 1], "d-42");
	assert_memory_equal(system->uuid, uuid, sizeof(uuid));
	test_smbios_find(fake, 4, 0, &structure);
	processor = (const struct smbios_processor *)structure.head;
	assert_int_equal(processor->cores, 4);
	assert_int_equal(processor->threads2, 4);
	fake_platform_free(fake);
}

static void
test_smbios__has_a_uuid_for_each_desktop(void **state)
{
	uint8_t one[16], again[16], other[16];

	(void)state;
	smbios_make_uuid("d-aaaaaaaaaaaaaaaaaaaa", one);
	smbios_make_uuid("d-aaaaaaaaaaaaaaaaaaaa", again);
	smbios_make_uuid("d-aaaaaaaaaaaaaaaaaaab", other);
	assert_memory_equal(one, again, sizeof(one));
	assert_memory_not_equal(one, other, 8);
	assert_memory_not_equal(one + 8, other + 8, 8);
	assert_int_equal(one[6] >> 4, 8);
	assert_int_equal(one[8] >> 6, 2);
}

/* Memory above the hole has a range of its own; what is too large for a small field stands in the large one. */
static void
test_smbios__memory_in_two_parts(void **state)
{
	const struct smbios_memory_device *device;
	const struct smbios_memory_range *range;
	struct test_structure structure;
	struct fake_platform *fake;

	(void)state;
	assert_int_equal(fake_platform_new(UINT64_C(33) << 30, &fake), 0);
	assert_int_equal(smbios_write_tables(fake->platform.memory, &test_options), 0);
	test_smbios_find(fake, 17, 0, &structure);
	device = (const struct smbios_memory_device *)structure.head;
	assert_int_equal(device->size, 0x7fff);
	assert_int_equal(device->size_mib, 33 << 10);
	test_smbios_find(fake, 19, 0, &structure);
	range = (const struct smbios_memory_range *)structure.head;
	assert_int_equal(range->first_kib, 0);
	assert_int_equal(range->last_kib, (3 << 20) - 1);
	test_smbios_find(fake, 19, 1, &structure);
	range = (const struct smbios_memory_range *)structure.head;
	assert_int_equal(range->first_kib, 4 << 20);
	assert_int_equal(range->last_kib, (34 << 20) - 1);
	fake_platform_free(fake);
}

static void
test_smbios__refuses_what_does_not_fit(void **state)
{
	struct smbios_options options = test_options;
	char *serial = malloc(MEMORY_MAP_SMBIOS_BYTES + 1);
	struct fake_platform *fake;

	(void)state;
	memset(serial, 'x', MEMORY_MAP_SMBIOS_BYTES);
	serial[MEMORY_MAP_SMBIOS_BYTES] = '\0';
	options.serial = serial;
	assert_int_equal(fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &fake), 0);
	assert_int_equal(smbios_write_tables(fake->platform.memory, &options), -ENOSPC);
	fake_platform_free(fake);
	free(serial);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smbios__structures_in_order_up_to_the_end),
		cmocka_unit_test(test_smbios__names_the_machine),
		cmocka_unit_test(test_smbios__has_a_uuid_for_each_desktop),
		cmocka_unit_test(test_smbios__memory_in_two_parts),
		cmocka_unit_test(test_smbios__refuses_what_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
