/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_memory.h - the guest's RAM: one file, mapped once, seen by the guest in two parts with the
 * PCI hole between
 *
 *   GPA 0 .. GUEST_MEMORY_HOLE          the file's beginning, at most 3 GiB of it
 *   GPA 4 GiB ..                        the rest
 *
 * The guest changes its memory while we look at it. Whoever reads something to decide by it copies
 * it once (guest_memory_read), checks the copy, and uses only the copy.
 */
#ifndef VMM_GUEST_MEMORY_H
#define VMM_GUEST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_MEMORY_HOLE      UINT64_C(0xc0000000)  /* the hole below 4 GiB begins */
#define GUEST_MEMORY_HIGH      UINT64_C(0x100000000) /* and ends */
#define GUEST_MEMORY_MIN_BYTES (UINT64_C(1) << 20)
#define GUEST_MEMORY_MAX_BYTES (UINT64_C(64) << 30)
#define GUEST_MEMORY_MAX_PARTS 2

struct guest_memory;

struct guest_memory_part {
	uint64_t gpa;
	uint64_t bytes;
	void *host;
};

/*
 * Maps "ram_bytes" (whole MiB) of the file; the descriptor stays the caller's. Shared: the guest
 * writes into the file; private: it shares the file's pages until it writes (a fork). -EINVAL for
 * sizes outside the limits or more than the file has.
 */
int guest_memory_new(int fd, uint64_t ram_bytes, bool private, struct guest_memory **ret_memory);
void guest_memory_free(struct guest_memory *memory);
/*
 * Where it is a file on a disk: a fault reads its page from there and nothing around it, so that the
 * page cache tells afterwards what was touched.
 */
void guest_memory_read_alone(const struct guest_memory *memory);

/* The parts there are, in order of their addresses. */
size_t guest_memory_list_parts(const struct guest_memory *memory,
			       struct guest_memory_part ret_parts[GUEST_MEMORY_MAX_PARTS]);
uint64_t guest_memory_get_bytes(const struct guest_memory *memory);
/* It was mapped as a file in which nothing had been written yet: all of it was zeros. */
bool guest_memory_was_empty(const struct guest_memory *memory);

/* Where [gpa, gpa + bytes) is in this process; NULL when any of it is not RAM, or it is empty. */
void *guest_memory_find(const struct guest_memory *memory, uint64_t gpa, uint64_t bytes);

/* 0, or -EFAULT when any of it is not RAM; then nothing is copied. */
int guest_memory_read(const struct guest_memory *memory, uint64_t gpa, void *target, size_t bytes);
int guest_memory_write(const struct guest_memory *memory, uint64_t gpa, const void *source,
		       size_t bytes);

/*
 * Gives whole pages back to the host; afterwards they read as zeros, or as the template's in a
 * private mapping. 0, -EFAULT.
 */
int guest_memory_discard(const struct guest_memory *memory, uint64_t gpa, uint64_t bytes);

#endif
