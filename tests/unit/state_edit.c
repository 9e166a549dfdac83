/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * state_edit.c - a machine's state file, written and read, and as somebody would forge it
 *
 * How it works: to be changed, the whole file is read, taken apart into sections, changed and written again.
 */
#include "tests/unit/state_edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

struct state_edit {
	uint8_t *data;
	size_t bytes;
};

static void
state_edit_fail(const char *what)
{
	fprintf(stderr, "state_edit: %s\n", what);
	abort();
}

static struct state_edit
state_edit_read(int fd)
{
	struct state_edit edit;
	struct stat status;

	if (fstat(fd, &status) < 0)
		state_edit_fail("it cannot be read");
	edit.bytes = (size_t)status.st_size;
	edit.data = malloc(edit.bytes + 1);
	if (!edit.data || pread(fd, edit.data, edit.bytes, 0) != (ssize_t)edit.bytes)
		state_edit_fail("it cannot be read");
	return edit;
}

static void
state_edit_write(int fd, struct state_edit *edit)
{
	struct state_file_head head;

	memcpy(&head, edit->data, sizeof(head));
	head.bytes = edit->bytes;
	head.checksum = (uint32_t)crc32_z(0, (const void *)&head,
					  offsetof(struct state_file_head, checksum));
	memcpy(edit->data, &head, sizeof(head));
	if (ftruncate(fd, 0) < 0 || pwrite(fd, edit->data, edit->bytes, 0) != (ssize_t)edit->bytes)
		state_edit_fail("it cannot be written");
	free(edit->data);
}

/* Where the section's head is. */
static size_t
state_edit_find(const struct state_edit *edit, const char *name,
		struct state_file_section *ret_head)
{
	size_t at = sizeof(struct state_file_head);

	while (at + sizeof(*ret_head) <= edit->bytes) {
		memcpy(ret_head, edit->data + at, sizeof(*ret_head));
		if (strcmp(ret_head->name, name) == 0)
			return at;
		at += sizeof(*ret_head) + ret_head->bytes;
	}
	state_edit_fail(name);
	return 0;
}

static void
state_edit_sign(struct state_edit *edit, size_t at, struct state_file_section head)
{
	uLong sum;

	head.checksum = 0;
	sum = crc32_z(0, (const void *)&head, sizeof(head));
	head.checksum = (uint32_t)crc32_z(sum, edit->data + at + sizeof(head), head.bytes);
	memcpy(edit->data + at, &head, sizeof(head));
}

int
state_edit_new(void)
{
	int fd = memfd_create("state", MFD_CLOEXEC);

	if (fd < 0)
		state_edit_fail("there is no memory for a file");
	return fd;
}

int
state_edit_copy(int fd)
{
	struct state_edit edit = state_edit_read(fd);
	int copy = state_edit_new();

	state_edit_write(copy, &edit);
	return copy;
}

int
state_edit_save(void (*save)(void *context, struct state_writer *writer), void *context)
{
	struct state_writer *writer;
	int fd = state_edit_new();
	int error;

	if (state_writer_new(&writer) < 0)
		state_edit_fail("out of memory");
	save(context, writer);
	error = state_writer_finish(writer, fd);
	state_writer_free(writer);
	if (error == 0)
		return fd;
	close(fd);
	return error;
}

int
state_edit_load(int fd, int (*load)(void *context, struct state_reader *reader), void *context,
		char ret_problem[STATE_PROBLEM_BYTES])
{
	struct state_reader *reader;
	int error;

	if (state_reader_new(fd, &reader, ret_problem) < 0)
		state_edit_fail(ret_problem);
	error = load(context, reader);
	if (error == 0)
		error = state_reader_finish(reader);
	snprintf(ret_problem, STATE_PROBLEM_BYTES, "%s", state_reader_get_problem(reader));
	state_reader_free(reader);
	return error;
}

size_t
state_edit_measure(int fd, const char *section)
{
	struct state_edit edit = state_edit_read(fd);
	struct state_file_section head;

	state_edit_find(&edit, section, &head);
	free(edit.data);
	return head.bytes;
}

void
state_edit_patch(int fd, const char *section, size_t offset, const void *bytes, size_t size)
{
	struct state_edit edit = state_edit_read(fd);
	struct state_file_section head;
	size_t at = state_edit_find(&edit, section, &head);

	if (offset > head.bytes || size > head.bytes - offset)
		state_edit_fail("the section is not as long as that");
	memcpy(edit.data + at + sizeof(head) + offset, bytes, size);
	state_edit_sign(&edit, at, head);
	state_edit_write(fd, &edit);
}

int
state_edit_forge(int fd, const char *section, size_t offset, uint64_t value, size_t bytes)
{
	int copy = state_edit_copy(fd);

	state_edit_patch(copy, section, offset, &value, bytes);
	return copy;
}

void
state_edit_resize(int fd, const char *section, size_t bytes)
{
	struct state_edit edit = state_edit_read(fd);
	struct state_file_section head;
	size_t at = state_edit_find(&edit, section, &head);
	size_t begin = at + sizeof(head), end = begin + head.bytes;
	uint8_t *data = calloc(1, edit.bytes + bytes);

	if (!data)
		state_edit_fail("out of memory");
	memcpy(data, edit.data, begin + (bytes < head.bytes ? bytes : head.bytes));
	memcpy(data + begin + bytes, edit.data + end, edit.bytes - end);
	edit.bytes = edit.bytes - head.bytes + bytes;
	free(edit.data);
	edit.data = data;
	head.bytes = (uint32_t)bytes;
	state_edit_sign(&edit, at, head);
	state_edit_write(fd, &edit);
}

/* "name" NULL or "version" 0: as it was. */
static void
state_edit_change_head(int fd, const char *section, const char *name, uint32_t version)
{
	struct state_edit edit = state_edit_read(fd);
	struct state_file_section head;
	size_t at = state_edit_find(&edit, section, &head);

	if (name) {
		memset(head.name, 0, sizeof(head.name));
		snprintf(head.name, sizeof(head.name), "%s", name);
	}
	if (version)
		head.version = version;
	state_edit_sign(&edit, at, head);
	state_edit_write(fd, &edit);
}

void
state_edit_rename(int fd, const char *section, const char *name)
{
	state_edit_change_head(fd, section, name, 0);
}

void
state_edit_set_version(int fd, const char *section, uint32_t version)
{
	state_edit_change_head(fd, section, NULL, version);
}

int
state_edit_is_same(int a, int b)
{
	struct state_edit one = state_edit_read(a), other = state_edit_read(b);
	int is_same = one.bytes == other.bytes && memcmp(one.data, other.data, one.bytes) == 0;

	free(one.data);
	free(other.data);
	return is_same;
}

const char *
state_edit_find_difference(int a, int b)
{
	static struct state_file_section head;
	struct state_edit one = state_edit_read(a), other = state_edit_read(b);
	const char *different = NULL;
	size_t at = sizeof(struct state_file_head);

	while (!different && at + sizeof(head) <= one.bytes) {
		size_t size;

		memcpy(&head, one.data + at, sizeof(head));
		size = sizeof(head) + head.bytes;
		if (at + size > other.bytes || memcmp(one.data + at, other.data + at, size) != 0)
			different = head.name;
		at += size;
	}
	free(one.data);
	free(other.data);
	return different;
}
