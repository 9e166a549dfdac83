/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bus.c - which device answers at which address (carrel-vmm, under the machine's lock)
 *
 * How it works: the ranges stand in one array in order of their addresses; bus_find() is a binary
 * search in it. A handler may add and remove ranges, its own too (a BAR that moves), so it is
 * called with a copy of its range.
 */
#include "vmm/bus.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define BUS_PAGE_BITS	     12
#define BUS_MAX_LOGGED_PAGES 32 /* a guest can touch any number of them */

struct bus {
	const char *name;
	size_t n_ranges;
	struct bus_range ranges[BUS_MAX_RANGES];
	size_t n_logged;
	uint64_t logged_pages[BUS_MAX_LOGGED_PAGES];
};

int
bus_new(const char *name, struct bus **ret_bus)
{
	struct bus *bus = calloc(1, sizeof(*bus));

	if (!bus)
		return -ENOMEM;
	bus->name = name;
	*ret_bus = bus;
	return 0;
}

void
bus_free(struct bus *bus)
{
	free(bus);
}

/* The index of the first range that begins after the address. */
static size_t
bus_find_next(const struct bus *bus, uint64_t address)
{
	size_t low = 0, high = bus->n_ranges;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (bus->ranges[middle].base <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The range that has all of [address, address + bytes), or NULL. */
static const struct bus_range *
bus_find(const struct bus *bus, uint64_t address, uint64_t bytes)
{
	size_t next = bus_find_next(bus, address);
	const struct bus_range *range;
	uint64_t offset;

	if (next == 0)
		return NULL;
	range = &bus->ranges[next - 1];
	offset = address - range->base;
	if (offset >= range->bytes || bytes > range->bytes - offset)
		return NULL;
	return range;
}

int
bus_add(struct bus *bus, const struct bus_range *range)
{
	uint64_t last = range->base + range->bytes - 1;
	size_t next = bus_find_next(bus, range->base);

	if (range->bytes == 0 || last < range->base)
		return -EINVAL;
	if (next > 0) {
		const struct bus_range *before = &bus->ranges[next - 1];

		if (range->base - before->base < before->bytes)
			return -EEXIST;
	}
	if (next < bus->n_ranges && bus->ranges[next].base <= last)
		return -EEXIST;
	if (bus->n_ranges == BUS_MAX_RANGES)
		return -ENOSPC;
	memmove(&bus->ranges[next + 1], &bus->ranges[next],
		(bus->n_ranges - next) * sizeof(bus->ranges[0]));
	bus->ranges[next] = *range;
	bus->n_ranges++;
	return 0;
}

void
bus_remove(struct bus *bus, uint64_t base)
{
	size_t next = bus_find_next(bus, base);

	if (next == 0 || bus->ranges[next - 1].base != base)
		return;
	memmove(&bus->ranges[next - 1], &bus->ranges[next],
		(bus->n_ranges - next) * sizeof(bus->ranges[0]));
	bus->n_ranges--;
}

static void
bus_log_unclaimed(struct bus *bus, const char *act, uint64_t address, uint32_t bytes)
{
	uint64_t page = address >> BUS_PAGE_BITS;

	for (size_t i = 0; i < bus->n_logged; i++)
		if (bus->logged_pages[i] == page)
			return;
	if (bus->n_logged == BUS_MAX_LOGGED_PAGES)
		return;
	bus->logged_pages[bus->n_logged++] = page;
	log_info("bus '%s': the guest %s address=0x%" PRIx64
		 " bytes=%u where no device is; more of that page is not logged%s",
		 bus->name, act, address, bytes,
		 bus->n_logged == BUS_MAX_LOGGED_PAGES ? ", nor any other page" : "");
}

static uint64_t
bus_mask(uint32_t bytes)
{
	return bytes >= sizeof(uint64_t) ? UINT64_MAX : (UINT64_C(1) << (8 * bytes)) - 1;
}

uint64_t
bus_read(struct bus *bus, uint64_t address, uint32_t bytes)
{
	const struct bus_range *range = bus_find(bus, address, bytes);
	struct bus_range copy;

	if (!range) {
		bus_log_unclaimed(bus, "reads", address, bytes);
		return bus_mask(bytes);
	}
	copy = *range;
	return copy.ops->read(copy.context, address - copy.base, bytes) & bus_mask(bytes);
}

void
bus_write(struct bus *bus, uint64_t address, uint32_t bytes, uint64_t value)
{
	const struct bus_range *range = bus_find(bus, address, bytes);
	struct bus_range copy;

	if (!range) {
		bus_log_unclaimed(bus, "writes", address, bytes);
		return;
	}
	copy = *range;
	copy.ops->write(copy.context, address - copy.base, bytes, value & bus_mask(bytes));
}
