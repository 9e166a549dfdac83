/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * state_file.c - what a machine is besides its memory, in a file (carrel-vmm, the loop's thread)
 *
 * How it works: a writer keeps the whole file in one growing buffer, and writes it at once; a
 * section's head is put first and filled in by state_writer_end(). A reader reads the whole file
 * and goes through its sections once, so that what is left to callers is what the values mean. A
 * machine without a screen has some 10 KiB of state for each vCPU and as much for all devices.
 */
#include "vmm/state_file.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "vmm/checksum.h"

#include "base/proto_vmm.h"

#define FIRST_BYTES ((size_t)64 << 10)

static_assert(STATE_FILE_VERSION == VMM_STATE_FORMAT, "as hostd knows it");

static_assert(sizeof(struct state_file_head) == 32, "there is nothing between its members");
static_assert(offsetof(struct state_file_section, name) == 0 &&
		      sizeof(struct state_file_section) == 44,
	      "there is nothing between its members");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	      "the heads' numbers are written as they are");

struct state_writer {
	uint8_t *data;
	size_t used;
	size_t room;
	size_t section; /* where the open section's head is; 0: none is open */
	uint32_t n_sections;
	int error;
};

struct state_reader_section {
	const uint8_t *head; /* its struct state_file_section, which may lie anywhere */
	bool opened;
};

struct state_reader {
	uint8_t *data;
	size_t bytes;
	uint64_t whole_bytes; /* that the head says there are */
	uint32_t n_sections;
	struct state_reader_section sections[STATE_FILE_MAX_SECTIONS];
	/* of the open section */
	char name[STATE_FILE_NAME_BYTES];
	const uint8_t *at;
	size_t left;
	int error;
	char problem[STATE_PROBLEM_BYTES];
};

static uint32_t
state_file_sum_section(struct state_file_section head, const void *bytes)
{
	head.checksum = 0;
	return checksum_add(checksum_add(0, &head, sizeof(head)), bytes, head.bytes);
}

/* Writing. */

int
state_writer_new(struct state_writer **ret_writer)
{
	struct state_writer *writer = calloc(1, sizeof(*writer));

	if (!writer)
		return -ENOMEM;
	writer->data = malloc(FIRST_BYTES);
	if (!writer->data) {
		free(writer);
		return -ENOMEM;
	}
	writer->room = FIRST_BYTES;
	writer->used = sizeof(struct state_file_head);
	*ret_writer = writer;
	return 0;
}

void
state_writer_free(struct state_writer *writer)
{
	if (!writer)
		return;
	free(writer->data);
	free(writer);
}

void
state_writer_fail(struct state_writer *writer, int error)
{
	if (writer->error == 0)
		writer->error = error;
}

static bool
state_writer_grow(struct state_writer *writer, size_t size)
{
	size_t room = writer->room;
	uint8_t *data;

	if (size > STATE_FILE_MAX_BYTES - writer->used) {
		state_writer_fail(writer, -EFBIG);
		return false;
	}
	while (room - writer->used < size)
		room *= 2;
	data = room == writer->room ? writer->data : realloc(writer->data, room);
	if (!data) {
		state_writer_fail(writer, -ENOMEM);
		return false;
	}
	writer->data = data;
	writer->room = room;
	return true;
}

void
state_put_bytes(struct state_writer *writer, const void *bytes, size_t size)
{
	if (writer->error < 0 || size == 0 || !state_writer_grow(writer, size))
		return;
	memcpy(writer->data + writer->used, bytes, size);
	writer->used += size;
}

void
state_put_u8(struct state_writer *writer, uint8_t value)
{
	state_put_bytes(writer, &value, sizeof(value));
}

void
state_put_u16(struct state_writer *writer, uint16_t value)
{
	value = htole16(value);
	state_put_bytes(writer, &value, sizeof(value));
}

void
state_put_u32(struct state_writer *writer, uint32_t value)
{
	value = htole32(value);
	state_put_bytes(writer, &value, sizeof(value));
}

void
state_put_u64(struct state_writer *writer, uint64_t value)
{
	value = htole64(value);
	state_put_bytes(writer, &value, sizeof(value));
}

void
state_put_bool(struct state_writer *writer, bool value)
{
	state_put_u8(writer, value);
}

void
state_writer_begin(struct state_writer *writer, uint32_t version, const char *name, ...)
{
	struct state_file_section head = { .version = version };
	size_t at = writer->used;
	va_list arguments;
	int length;

	va_start(arguments, name);
	length = vsnprintf(head.name, sizeof(head.name), name, arguments);
	va_end(arguments);
	/* Whoever wrote such a call finds it by the first test that saves anything. */
	if (writer->section != 0 || length <= 0 || (size_t)length >= sizeof(head.name) ||
	    version == 0 || writer->n_sections == STATE_FILE_MAX_SECTIONS)
		state_writer_fail(writer, -EINVAL);
	state_put_bytes(writer, &head, sizeof(head));
	writer->section = at;
}

void
state_writer_end(struct state_writer *writer)
{
	struct state_file_section head;
	uint8_t *at = writer->data + writer->section;

	if (writer->section == 0)
		state_writer_fail(writer, -EINVAL);
	if (writer->error < 0)
		return;
	memcpy(&head, at, sizeof(head));
	head.bytes = (uint32_t)(writer->used - writer->section - sizeof(head));
	head.checksum = state_file_sum_section(head, at + sizeof(head));
	memcpy(at, &head, sizeof(head));
	writer->section = 0;
	writer->n_sections++;
}

int
state_writer_finish(struct state_writer *writer, int fd)
{
	struct state_file_head head = {
		.magic = STATE_FILE_MAGIC,
		.version = STATE_FILE_VERSION,
		.n_sections = writer->n_sections,
		.bytes = writer->used,
	};

	if (writer->section != 0)
		state_writer_fail(writer, -EINVAL);
	if (writer->error < 0)
		return writer->error;
	head.checksum = checksum_add(0, &head, offsetof(struct state_file_head, checksum));
	memcpy(writer->data, &head, sizeof(head));
	if (ftruncate(fd, 0) < 0)
		return -errno;
	return io_write_full_at(fd, writer->data, writer->used, 0);
}

/* Reading. */

/* It is the head's first member, and ends with a zero: state_reader_is_name(). */
static const char *
state_reader_get_name(const struct state_reader_section *section)
{
	return (const char *)section->head;
}

static int state_reader_fail(struct state_reader *reader, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int
state_reader_fail(struct state_reader *reader, int error, const char *format, ...)
{
	va_list arguments;

	if (reader->error < 0)
		return reader->error;
	reader->error = error;
	va_start(arguments, format);
	vsnprintf(reader->problem, sizeof(reader->problem), format, arguments);
	va_end(arguments);
	return error;
}

static int
state_reader_fill(struct state_reader *reader, int fd)
{
	struct stat status;
	int error;

	if (fstat(fd, &status) < 0)
		return state_reader_fail(reader, -errno, "it cannot be read: %s", strerror(errno));
	if (status.st_size < (off_t)sizeof(struct state_file_head) ||
	    status.st_size > (off_t)STATE_FILE_MAX_BYTES)
		return state_reader_fail(reader, -EBADMSG,
					 "a file of %lld bytes is no machine's state",
					 (long long)status.st_size);
	reader->bytes = (size_t)status.st_size;
	reader->data = malloc(reader->bytes);
	if (!reader->data)
		return state_reader_fail(reader, -ENOMEM, "out of memory");
	error = io_read_full_at(fd, reader->data, reader->bytes, 0);
	if (error == -EPIPE)
		return state_reader_fail(reader, -EBADMSG, "it became shorter");
	if (error < 0)
		return state_reader_fail(reader, error, "it cannot be read: %s", strerror(-error));
	return 0;
}

static int
state_reader_check_head(struct state_reader *reader)
{
	struct state_file_head head;

	memcpy(&head, reader->data, sizeof(head));
	if (head.magic != STATE_FILE_MAGIC)
		return state_reader_fail(reader, -EBADMSG, "the file is no machine's state");
	if (head.version != STATE_FILE_VERSION)
		return state_reader_fail(reader, -ENOTSUP,
					 "its format is version %u, this carrel-vmm reads %u",
					 head.version, STATE_FILE_VERSION);
	if (head.checksum != checksum_add(0, &head, offsetof(struct state_file_head, checksum)))
		return state_reader_fail(reader, -EBADMSG, "its head is damaged");
	if (head.n_sections > STATE_FILE_MAX_SECTIONS)
		return state_reader_fail(reader, -EBADMSG, "it has %u sections", head.n_sections);
	reader->n_sections = head.n_sections;
	reader->whole_bytes = head.bytes;
	return 0;
}

static struct state_reader_section *
state_reader_find(struct state_reader *reader, const char *name, uint32_t n_sections)
{
	for (uint32_t i = 0; i < n_sections; i++)
		if (strcmp(state_reader_get_name(&reader->sections[i]), name) == 0)
			return &reader->sections[i];
	return NULL;
}

static bool
state_reader_is_name(const char name[STATE_FILE_NAME_BYTES])
{
	size_t length = strnlen(name, STATE_FILE_NAME_BYTES);

	if (length == 0 || length == STATE_FILE_NAME_BYTES)
		return false;
	for (size_t i = 0; i < STATE_FILE_NAME_BYTES; i++)
		if (i < length ? name[i] < ' ' || name[i] > '~' : name[i] != '\0')
			return false;
	return true;
}

/* Not even the name of this section is there. */
static int
state_reader_fail_behind(struct state_reader *reader, uint32_t index)
{
	if (index == 0)
		return state_reader_fail(reader, -EBADMSG, "it is cut off behind its head");
	return state_reader_fail(reader, -EBADMSG, "it is cut off behind section '%s'",
				 state_reader_get_name(&reader->sections[index - 1]));
}

/* The section that begins at *at; moves it on. */
static int
state_reader_add_section(struct state_reader *reader, uint32_t index, size_t *at)
{
	struct state_file_section head = { 0 };
	size_t left = reader->bytes - *at;

	if (left < sizeof(head.name))
		return state_reader_fail_behind(reader, index);
	memcpy(&head, reader->data + *at, left < sizeof(head) ? left : sizeof(head));
	if (!state_reader_is_name(head.name))
		return state_reader_fail(reader, -EBADMSG, "its section %u has no name", index);
	if (left < sizeof(head) || left - sizeof(head) < head.bytes)
		return state_reader_fail(reader, -EBADMSG, "section '%s': it is cut off",
					 head.name);
	if (head.checksum != state_file_sum_section(head, reader->data + *at + sizeof(head)))
		return state_reader_fail(reader, -EBADMSG, "section '%s': it is damaged",
					 head.name);
	if (state_reader_find(reader, head.name, index))
		return state_reader_fail(reader, -EBADMSG, "section '%s': it is there twice",
					 head.name);
	reader->sections[index].head = reader->data + *at;
	*at += sizeof(head) + head.bytes;
	return 0;
}

/*
 * Only then is its length compared with what the head says: of a file that is cut off the section is
 * named in which it ends.
 */
static int
state_reader_list(struct state_reader *reader)
{
	size_t at = sizeof(struct state_file_head);

	for (uint32_t i = 0; i < reader->n_sections; i++)
		if (state_reader_add_section(reader, i, &at) < 0)
			return reader->error;
	if (at != reader->bytes)
		return state_reader_fail(reader, -EBADMSG, "it goes on after its last section");
	if (at != reader->whole_bytes)
		return state_reader_fail(reader, -EBADMSG, "it has %zu bytes and should have %llu",
					 at, (unsigned long long)reader->whole_bytes);
	return 0;
}

int
state_reader_new(int fd, struct state_reader **ret_reader, char ret_problem[STATE_PROBLEM_BYTES])
{
	struct state_reader *reader = calloc(1, sizeof(*reader));
	int error;

	ret_problem[0] = '\0';
	if (!reader) {
		snprintf(ret_problem, STATE_PROBLEM_BYTES, "out of memory");
		return -ENOMEM;
	}
	error = state_reader_fill(reader, fd);
	if (error == 0)
		error = state_reader_check_head(reader);
	if (error == 0)
		error = state_reader_list(reader);
	if (error < 0) {
		snprintf(ret_problem, STATE_PROBLEM_BYTES, "%s", reader->problem);
		state_reader_free(reader);
		return error;
	}
	*ret_reader = reader;
	return 0;
}

void
state_reader_free(struct state_reader *reader)
{
	if (!reader)
		return;
	free(reader->data);
	free(reader);
}

void
state_reader_open(struct state_reader *reader, uint32_t version, const char *name, ...)
{
	struct state_reader_section *section;
	struct state_file_section head;
	va_list arguments;

	va_start(arguments, name);
	vsnprintf(reader->name, sizeof(reader->name), name, arguments);
	va_end(arguments);
	reader->left = 0;
	section = state_reader_find(reader, reader->name, reader->n_sections);
	if (!section) {
		state_reader_refuse(reader, "it is missing");
		return;
	}
	memcpy(&head, section->head, sizeof(head));
	if (section->opened)
		state_reader_refuse(reader, "it is read twice");
	section->opened = true;
	if (head.version != version) {
		state_reader_refuse_foreign(reader, "it is version %u, this carrel-vmm reads %u",
					    head.version, version);
		return;
	}
	reader->at = section->head + sizeof(head);
	reader->left = head.bytes;
}

void
state_take_bytes(struct state_reader *reader, void *target, size_t size)
{
	if (reader->error == 0 && size > reader->left)
		state_reader_refuse(reader, "it is too short");
	if (reader->error < 0) {
		memset(target, 0, size);
		return;
	}
	memcpy(target, reader->at, size);
	reader->at += size;
	reader->left -= size;
}

uint8_t
state_take_u8(struct state_reader *reader)
{
	uint8_t value;

	state_take_bytes(reader, &value, sizeof(value));
	return value;
}

uint16_t
state_take_u16(struct state_reader *reader)
{
	uint16_t value;

	state_take_bytes(reader, &value, sizeof(value));
	return le16toh(value);
}

uint32_t
state_take_u32(struct state_reader *reader)
{
	uint32_t value;

	state_take_bytes(reader, &value, sizeof(value));
	return le32toh(value);
}

uint64_t
state_take_u64(struct state_reader *reader)
{
	uint64_t value;

	state_take_bytes(reader, &value, sizeof(value));
	return le64toh(value);
}

bool
state_take_bool(struct state_reader *reader)
{
	uint8_t value = state_take_u8(reader);

	state_reader_want(reader, value <= 1, "a value that is yes or no is neither");
	return value == 1;
}

uint32_t
state_take_count(struct state_reader *reader, uint32_t max)
{
	uint32_t count = state_take_u32(reader);

	if (count <= max)
		return count;
	state_reader_refuse(reader, "%u where there may be %u at most", count, max);
	return 0;
}

static int state_reader_refuse_list(struct state_reader *reader, int error, const char *format,
				    va_list arguments) __attribute__((format(printf, 3, 0)));

static int
state_reader_refuse_list(struct state_reader *reader, int error, const char *format,
			 va_list arguments)
{
	char text[STATE_PROBLEM_BYTES - STATE_FILE_NAME_BYTES - 16];

	vsnprintf(text, sizeof(text), format, arguments);
	return state_reader_fail(reader, error, "section '%s': %s", reader->name, text);
}

int
state_reader_refuse(struct state_reader *reader, const char *format, ...)
{
	va_list arguments;
	int error;

	va_start(arguments, format);
	error = state_reader_refuse_list(reader, -EBADMSG, format, arguments);
	va_end(arguments);
	return error;
}

int
state_reader_refuse_foreign(struct state_reader *reader, const char *format, ...)
{
	va_list arguments;
	int error;

	va_start(arguments, format);
	error = state_reader_refuse_list(reader, -ENOTSUP, format, arguments);
	va_end(arguments);
	return error;
}

void
state_reader_want(struct state_reader *reader, bool holds, const char *text)
{
	if (!holds)
		state_reader_refuse(reader, "%s", text);
}

int
state_reader_check(const struct state_reader *reader)
{
	return reader->error;
}

int
state_reader_close(struct state_reader *reader)
{
	if (reader->left > 0)
		state_reader_refuse(reader, "%zu bytes too long", reader->left);
	reader->left = 0;
	return reader->error;
}

int
state_reader_finish(struct state_reader *reader)
{
	for (uint32_t i = 0; i < reader->n_sections; i++)
		if (!reader->sections[i].opened)
			return state_reader_fail(
				reader, -EBADMSG,
				"section '%s': this machine has nothing of that name",
				state_reader_get_name(&reader->sections[i]));
	return reader->error;
}

const char *
state_reader_get_problem(const struct state_reader *reader)
{
	return reader->problem;
}
