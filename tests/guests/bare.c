/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bare.c - the serial port, memory and the clock of a guest without an operating system
 */
#include "tests/guests/bare.h"

#include <stdarg.h>

#define SERIAL_PORT	   0x3f8
#define POWER_CONTROL_PORT 0x604 /* vmm/acpi_pm.h */
#define POWER_OFF	   (5 << 10 | 1 << 13)
#define HEAP_BYTES	   (256 * 1024)
#define WAIT_CYCLES	   UINT64_C(20000000000) /* 5 to 20 seconds */

struct bare_start_info {
	uint32_t magic, version, flags, n_modules;
	uint64_t modules, command_line, rsdp, ranges;
	uint32_t n_ranges;
};

static const struct bare_start_info *start_info;
static uint8_t heap[HEAP_BYTES] __attribute__((aligned(4096)));
static size_t heap_used;

void bare_run(const struct bare_start_info *info);

/* gcc calls these by itself */
void *
memset(void *target, int value, size_t bytes)
{
	void *at = target;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(value) : "memory");
	return target;
}

void *
memcpy(void *target, const void *source, size_t bytes)
{
	void *at = target;

	__asm__ volatile("rep movsb" : "+D"(at), "+S"(source), "+c"(bytes)::"memory");
	return target;
}

static void
bare_put_text(const char *text)
{
	for (; *text; text++)
		bare_out8(SERIAL_PORT, (uint8_t)*text);
}

static void
bare_put_number(uint64_t number, unsigned int base)
{
	char text[21];
	size_t at = sizeof(text) - 1;

	text[at] = '\0';
	do {
		text[--at] = "0123456789abcdef"[number % base];
		number /= base;
	} while (number > 0);
	bare_put_text(text + at);
}

void
bare_say(const char *format, ...)
{
	va_list values;

	va_start(values, format);
	for (; *format; format++) {
		if (*format != '%') {
			bare_out8(SERIAL_PORT, (uint8_t)*format);
			continue;
		}
		format++;
		if (*format == 's')
			bare_put_text(va_arg(values, const char *));
		else
			bare_put_number(va_arg(values, uint64_t), *format == 'x' ? 16 : 10);
	}
	va_end(values);
	bare_out8(SERIAL_PORT, '\n');
}

bool
bare_check(bool good, const char *what)
{
	bare_say("%s: %s", good ? "ok" : "FAIL", what);
	return good;
}

bool
bare_check_equal(uint64_t is, uint64_t should, const char *what)
{
	if (is == should)
		return bare_check(true, what);
	bare_say("FAIL: %s: 0x%x, not 0x%x", what, is, should);
	return false;
}

const char *
bare_get_command_line(void)
{
	return (const char *)(uintptr_t)start_info->command_line;
}

bool
bare_command_line_has(const char *word)
{
	for (const char *at = bare_get_command_line(); *at; at++) {
		size_t length = 0;

		while (word[length] && at[length] == word[length])
			length++;
		if (!word[length] && (at[length] == ' ' || !at[length]))
			return true;
	}
	return false;
}

uint32_t
bare_command_line_number(void)
{
	uint32_t number = 0;

	for (const char *at = bare_get_command_line(); *at >= '0' && *at <= '9'; at++)
		number = number * 10 + (uint32_t)(*at - '0');
	return number;
}

bool
bare_get_range(size_t index, struct bare_range *range)
{
	const struct bare_range *ranges = (const struct bare_range *)(uintptr_t)start_info->ranges;

	if (index >= start_info->n_ranges)
		return false;
	*range = ranges[index];
	return true;
}

void *
bare_allocate(size_t bytes, size_t alignment)
{
	size_t start = (heap_used + alignment - 1) / alignment * alignment;

	if (start + bytes > HEAP_BYTES) {
		bare_check(false, "the heap is large enough");
		bare_switch_off();
	}
	heap_used = start + bytes;
	return heap + start;
}

uint64_t
bare_clock_start(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

bool
bare_clock_is_over(uint64_t start)
{
	return bare_clock_start() - start > WAIT_CYCLES;
}

void
bare_switch_off(void)
{
	bare_say("end");
	for (;;) {
		bare_out16(POWER_CONTROL_PORT, POWER_OFF);
		__asm__ volatile("cli; hlt");
	}
}

void
bare_run(const struct bare_start_info *info)
{
	start_info = info;
	guest_main();
	bare_switch_off();
}
