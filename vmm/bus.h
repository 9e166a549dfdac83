/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bus.h - which device answers at which address: one bus for ports, one for memory-mapped registers
 *
 * An access that nobody answers reads as all ones and is dropped when written, as on a PC; it is
 * logged once per address page. An access never crosses from one range into another: what would is
 * answered like one that nobody claims.
 */
#ifndef VMM_BUS_H
#define VMM_BUS_H

#include <stdint.h>

#define BUS_MAX_RANGES 96

struct bus;

/*
 * offset: from the range's base. bytes: 1, 2, 4 or 8 (ports: 1, 2 or 4); the value is in the low
 * bytes.
 */
struct bus_ops {
	uint64_t (*read)(void *context, uint64_t offset, uint32_t bytes);
	void (*write)(void *context, uint64_t offset, uint32_t bytes, uint64_t value);
};

/* The name is for logs and stays the caller's. */
struct bus_range {
	const char *name;
	uint64_t base;
	uint64_t bytes;
	const struct bus_ops *ops;
	void *context;
};

int bus_new(const char *name, struct bus **ret_bus);
void bus_free(struct bus *bus);

/* 0; -EEXIST when it overlaps another; -ENOSPC; -EINVAL for an empty one or one that wraps. */
int bus_add(struct bus *bus, const struct bus_range *range);
void bus_remove(struct bus *bus, uint64_t base);

uint64_t bus_read(struct bus *bus, uint64_t address, uint32_t bytes);
void bus_write(struct bus *bus, uint64_t address, uint32_t bytes, uint64_t value);

#endif
