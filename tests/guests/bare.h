/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bare.h - what a guest without an operating system has: a serial port to say what it found, ports, memory
 *
 * A guest is guest_main() in tests/guests/guest_<subject>.c. It runs in ring 0 of long mode on one CPU, with the first
 * 4 GiB mapped one to one. Every line that it says begins with "ok: ", "FAIL: " or "note: "; then it says "end" and
 * switches itself off. Where KVM emulates ring 0 that is done at a quarter of a million instructions a second: keep it
 * short.
 */
#ifndef TESTS_GUESTS_BARE_H
#define TESTS_GUESTS_BARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void guest_main(void);
void *memset(void *target, int value, size_t bytes);
void *memcpy(void *target, const void *source, size_t bytes);

/* format: %s, %u, %x (uint64_t each) and nothing else */
void bare_say(const char *format, ...);
/* "ok: what" or "FAIL: what"; returns good. */
bool bare_check(bool good, const char *what);
bool bare_check_equal(uint64_t is, uint64_t should, const char *what);

/* The command line, as PVH gives it */
const char *bare_get_command_line(void);
bool bare_command_line_has(const char *word);
/* The decimal number that it begins with */
uint32_t bare_command_line_number(void);

/* Of the PVH memory map; false: no more. type: 1 is RAM. */
struct bare_range {
	uint64_t start;
	uint64_t bytes;
	uint32_t type;
	uint32_t reserved;
};
bool bare_get_range(size_t index, struct bare_range *range);

/* "address" is even; memory that nobody else uses, zeros, for ever. */
void *bare_allocate(size_t bytes, size_t alignment);

void bare_switch_off(void);

/* A few seconds by the TSC, begun anew by bare_clock_start() */
uint64_t bare_clock_start(void);
bool bare_clock_is_over(uint64_t start);

/* Waits for a condition; false when it did not come true in time. */
#define BARE_WAIT(condition)                                                          \
	({                                                                            \
		uint64_t wait_start = bare_clock_start();                             \
		bool wait_done;                                                       \
		while (!(wait_done = (condition)) && !bare_clock_is_over(wait_start)) \
			__asm__ volatile("pause" ::: "memory");                       \
		wait_done;                                                            \
	})

static inline void
bare_out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static inline void
bare_out16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port));
}

static inline void
bare_out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}

static inline uint8_t
bare_in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint16_t
bare_in16(uint16_t port)
{
	uint16_t value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint32_t
bare_in32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

/* Registers in memory: one access of just that size. */
#define BARE_REGISTER(type, address) (*(volatile type *)(uintptr_t)(address))

#endif
