/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_state_file.c - any file as a machine's state: it is refused with a reason, or its sections
 * hold what they say
 *
 * The checksums are made right first, but where bit 7 of the first byte is set: nothing behind
 * them would be reached otherwise. So is the length in the head, which is too long where bit 6 is
 * set: then the file is cut off. The first bytes say how the sections are read.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "vmm/state_file.h"

#define MAX_STEPS 64
#define UNSIGNED  0x80
#define CUT_OFF	  0x40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_sign(uint8_t *file, size_t size, bool cut_off)
{
	struct state_file_head head;
	size_t at = sizeof(head);

	if (size < sizeof(head))
		return;
	memcpy(&head, file, sizeof(head));
	head.bytes = size + cut_off;
	head.checksum = (uint32_t)crc32_z(0, (const void *)&head,
					  offsetof(struct state_file_head, checksum));
	memcpy(file, &head, sizeof(head));
	while (size - at >= sizeof(struct state_file_section)) {
		struct state_file_section section;
		uLong sum;

		memcpy(&section, file + at, sizeof(section));
		if (section.bytes > size - at - sizeof(section))
			return;
		section.checksum = 0;
		sum = crc32_z(0, (const void *)&section, sizeof(section));
		section.checksum =
			(uint32_t)crc32_z(sum, file + at + sizeof(section), section.bytes);
		memcpy(file + at, &section, sizeof(section));
		at += sizeof(section) + section.bytes;
	}
}

/* Every value that is given in spite of an error is 0. */
static void
fuzz_take(struct state_reader *reader, uint8_t how)
{
	uint8_t bytes[100];
	uint64_t value = 0;

	switch (how % 6) {
	case 0:
		value = state_take_u8(reader);
		break;
	case 1:
		value = state_take_u16(reader);
		break;
	case 2:
		value = state_take_u32(reader);
		break;
	case 3:
		value = state_take_bool(reader);
		assert(value <= 1);
		break;
	case 4:
		value = state_take_count(reader, how);
		assert(value <= how);
		break;
	default:
		state_take_bytes(reader, bytes, how % sizeof(bytes));
		for (size_t i = 0; i < how % sizeof(bytes); i++)
			value |= bytes[i];
		break;
	}
	assert(state_reader_check(reader) == 0 || value == 0);
}

static void
fuzz_read(struct state_reader *reader, const uint8_t *steps, size_t n_steps)
{
	static const char *const names[] = { "clock", "disk 07", "a", "" };
	int error;

	for (size_t i = 0; i < n_steps; i++) {
		if (steps[i] < 16)
			state_reader_open(reader, steps[i] / 4, "%s", names[steps[i] % 4]);
		else if (steps[i] < 32)
			state_reader_close(reader);
		else
			fuzz_take(reader, steps[i]);
	}
	error = state_reader_finish(reader);
	assert((error < 0) == (state_reader_get_problem(reader)[0] != '\0'));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n_steps = size > 0 ? data[0] % MAX_STEPS : 0;
	char problem[STATE_PROBLEM_BYTES];
	struct state_reader *reader;
	uint8_t *file;
	int error;
	int fd;

	if (size < 1 + n_steps)
		return 0;
	file = malloc(size);
	fd = memfd_create("state", 0);
	if (!file || fd < 0)
		abort();
	memcpy(file, data + 1 + n_steps, size - 1 - n_steps);
	if (!(data[0] & UNSIGNED))
		fuzz_sign(file, size - 1 - n_steps, data[0] & CUT_OFF);
	if (write(fd, file, size - 1 - n_steps) < 0)
		abort();
	error = state_reader_new(fd, &reader, problem);
	if (error == 0) {
		assert((data[0] & (UNSIGNED | CUT_OFF)) != CUT_OFF);
		fuzz_read(reader, data + 1, n_steps);
		state_reader_free(reader);
	} else {
		assert(error == -EBADMSG || error == -ENOTSUP);
		assert(problem[0] && memchr(problem, '\0', sizeof(problem)));
	}
	close(fd);
	free(file);
	return 0;
}
