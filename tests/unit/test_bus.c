/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_bus.c - which device answers at which address
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "vmm/bus.h"

/* A device that remembers what it was asked last. */
struct test_device {
	uint64_t offset;
	uint32_t bytes;
	uint64_t value;
	unsigned int calls;
	struct bus *bus; /* set: it moves itself when written */
	struct bus_range moved;
};

static uint64_t
test_device_read(void *context, uint64_t offset, uint32_t bytes)
{
	struct test_device *device = context;

	device->offset = offset;
	device->bytes = bytes;
	device->calls++;
	return UINT64_C(0x8877665544332211);
}

static void
test_device_write(void *context, uint64_t offset, uint32_t bytes, uint64_t value)
{
	struct test_device *device = context;

	device->offset = offset;
	device->bytes = bytes;
	device->value = value;
	device->calls++;
	if (device->bus) {
		bus_remove(device->bus, 0x1000);
		assert_int_equal(bus_add(device->bus, &device->moved), 0);
	}
}

static const struct bus_ops test_ops = { .read = test_device_read, .write = test_device_write };

static struct bus *
test_new(void)
{
	struct bus *bus = NULL;

	assert_int_equal(bus_new("test", &bus), 0);
	return bus;
}

static int
test_add(struct bus *bus, uint64_t base, uint64_t bytes, struct test_device *device)
{
	return bus_add(bus, &(struct bus_range){ .name = "test",
						 .base = base,
						 .bytes = bytes,
						 .ops = &test_ops,
						 .context = device });
}

static void
test_bus__refuses_bad_ranges(void **state)
{
	static const struct {
		uint64_t base, bytes;
		int result;
	} table[] = {
		{ 0x1000, 0x100, 0 },	   { 0x1000, 0x100, -EEXIST },
		{ 0x10ff, 1, -EEXIST },	   { 0xfff, 2, -EEXIST },
		{ 0x0, 0x10000, -EEXIST }, { 0x1080, 8, -EEXIST },
		{ 0xfff, 1, 0 },	   { 0x1100, 1, 0 },
		{ 0x2000, 0, -EINVAL },	   { UINT64_MAX, 2, -EINVAL },
		{ UINT64_MAX, 1, 0 },	   { 0x2000, UINT64_MAX, -EINVAL },
	};
	struct bus *bus = test_new();

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(test_add(bus, table[i].base, table[i].bytes, NULL),
				 table[i].result);
	bus_free(bus);
}

static void
test_bus__holds_so_many(void **state)
{
	struct bus *bus = test_new();
	struct test_device devices[BUS_MAX_RANGES] = { 0 };

	(void)state;
	for (uint64_t i = 0; i < BUS_MAX_RANGES; i++) /* 0, 37, 74, ...: in no order */
		assert_int_equal(test_add(bus, i * 37 % BUS_MAX_RANGES * 16, 8,
					  &devices[i * 37 % BUS_MAX_RANGES]),
				 0);
	assert_int_equal(test_add(bus, 8, 1, NULL), -ENOSPC);
	for (uint64_t i = 0; i < BUS_MAX_RANGES; i++) {
		bus_write(bus, i * 16 + 7, 1, i);
		assert_int_equal(devices[i].calls, 1);
		assert_int_equal(devices[i].value, i);
	}
	bus_free(bus);
}

static void
test_bus__routes_an_access(void **state)
{
	static const struct {
		uint64_t address;
		uint32_t bytes;
		unsigned int device; /* 0: none */
		uint64_t offset, value;
	} table[] = {
		{ 0x1000, 1, 1, 0, 0x11 },
		{ 0x1001, 2, 1, 1, 0x2211 },
		{ 0x1004, 4, 1, 4, 0x44332211 },
		{ 0x1008, 8, 1, 8, UINT64_C(0x8877665544332211) },
		{ 0x100f, 1, 1, 15, 0x11 },
		{ 0x100f, 2, 0, 0, 0xffff },
		{ 0x1010, 1, 2, 0, 0x11 },
		{ 0x1020, 1, 0, 0, 0xff },
		{ 0xfff, 1, 0, 0, 0xff },
		{ 0xfff, 4, 0, 0, 0xffffffff },
		{ 0x101c, 8, 0, 0, UINT64_MAX },
		{ UINT64_MAX, 8, 0, 0, UINT64_MAX },
		{ 0, 1, 0, 0, 0xff },
	};
	struct bus *bus = test_new();

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct test_device devices[3] = { 0 };

		assert_int_equal(test_add(bus, 0x1010, 16, &devices[2]), 0);
		assert_int_equal(test_add(bus, 0x1000, 16, &devices[1]), 0);
		assert_true(bus_read(bus, table[i].address, table[i].bytes) == table[i].value);
		bus_write(bus, table[i].address, table[i].bytes, UINT64_C(0x8877665544332211));
		for (unsigned int d = 1; d <= 2; d++)
			assert_int_equal(devices[d].calls, d == table[i].device ? 2 : 0);
		if (table[i].device) {
			const struct test_device *device = &devices[table[i].device];

			assert_int_equal(device->offset, table[i].offset);
			assert_int_equal(device->bytes, table[i].bytes);
			assert_true(device->value == table[i].value);
		}
		bus_remove(bus, 0x1000);
		bus_remove(bus, 0x1010);
	}
	bus_free(bus);
}

static void
test_bus__a_device_may_move_while_written(void **state)
{
	struct bus *bus = test_new();
	struct test_device device = { .bus = bus };

	(void)state;
	device.moved = (struct bus_range){
		.base = 0x3000, .bytes = 16, .ops = &test_ops, .context = &device
	};
	assert_int_equal(test_add(bus, 0x1000, 16, &device), 0);
	assert_int_equal(test_add(bus, 0x2000, 16, NULL), 0);
	bus_write(bus, 0x1004, 4, 1);
	assert_int_equal(device.offset, 4);
	assert_int_equal(bus_read(bus, 0x1004, 1), 0xff);
	assert_int_equal(bus_read(bus, 0x3008, 1), 0x11);
	assert_int_equal(device.offset, 8);
	bus_remove(bus, 0x3001); /* nothing begins there */
	assert_int_equal(bus_read(bus, 0x3008, 1), 0x11);
	bus_free(bus);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bus__refuses_bad_ranges),
		cmocka_unit_test(test_bus__holds_so_many),
		cmocka_unit_test(test_bus__routes_an_access),
		cmocka_unit_test(test_bus__a_device_may_move_while_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
