/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pages_file.c - the pages of a fork's memory that are not its template's, in a file (carrel-vmm,
 * the loop's thread)
 *
 * How it works: a writer collects pages in a block of 1 MiB, which is written when it is full, and
 * its runs in a list that is written at the end. Reading goes the other way: pages_file_check_head()
 * and pages_file_read_runs() look at everything that says where something is to go, before
 * pages_file_load_run() reads any page, straight to its place. A block at a time, so that it is
 * still in the processor's cache when its checksum is made.
 */
#include "vmm/pages_file.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "vmm/checksum.h"

#define BLOCK_BYTES ((size_t)1 << 20)
#define FIRST_RUNS  1024

static_assert(sizeof(struct pages_file_head) == 80 && sizeof(struct pages_file_run) == 16,
	      "there is nothing between their members");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	      "the heads' numbers are written as they are");

struct pages_writer {
	int fd;
	struct pages_file_head head;
	struct pages_file_run *runs;
	uint32_t room; /* for runs */
	uint8_t *block;
	size_t used;	 /* of the block */
	uint64_t offset; /* where the block goes */
};

static const uint8_t zeros[PAGES_FILE_PAGE_BYTES];

/* Writing. */

int
pages_writer_new(int fd, uint64_t ram_pages, const struct pages_file_ids *ids,
		 struct pages_writer **ret_writer)
{
	struct pages_writer *writer;

	if (ram_pages > UINT32_MAX)
		return -EINVAL;
	if (ftruncate(fd, 0) < 0)
		return -errno;
	writer = calloc(1, sizeof(*writer));
	if (!writer)
		return -ENOMEM;
	writer->fd = fd;
	writer->head = (struct pages_file_head){
		.magic = PAGES_FILE_MAGIC,
		.version = PAGES_FILE_VERSION,
		.page_bytes = PAGES_FILE_PAGE_BYTES,
		.ram_pages = ram_pages,
		.ids = *ids,
	};
	writer->offset = sizeof(writer->head);
	writer->room = FIRST_RUNS;
	writer->runs = calloc(writer->room, sizeof(*writer->runs));
	writer->block = malloc(BLOCK_BYTES);
	if (!writer->runs || !writer->block) {
		pages_writer_free(writer);
		return -ENOMEM;
	}
	*ret_writer = writer;
	return 0;
}

void
pages_writer_free(struct pages_writer *writer)
{
	if (!writer)
		return;
	free(writer->block);
	free(writer->runs);
	free(writer);
}

static int
pages_writer_flush(struct pages_writer *writer)
{
	int error = io_write_full_at(writer->fd, writer->block, writer->used, writer->offset);

	writer->offset += writer->used;
	writer->used = 0;
	return error;
}

static int
pages_writer_begin_run(struct pages_writer *writer, uint32_t first, enum pages_file_kind kind)
{
	if (writer->head.n_runs == writer->room) {
		struct pages_file_run *runs =
			reallocarray(writer->runs, writer->room, 2 * sizeof(*runs));

		if (!runs)
			return -ENOMEM;
		writer->runs = runs;
		writer->room *= 2;
	}
	writer->runs[writer->head.n_runs++] = (struct pages_file_run){
		.first = first,
		.kind = kind,
	};
	return 0;
}

int
pages_writer_add(struct pages_writer *writer, uint64_t number, const void *page)
{
	bool is_zero = memcmp(page, zeros, sizeof(zeros)) == 0;
	enum pages_file_kind kind = is_zero ? PAGES_FILE_ZEROS : PAGES_FILE_KEPT;
	uint32_t n_runs = writer->head.n_runs;
	struct pages_file_run *run = n_runs > 0 ? &writer->runs[n_runs - 1] : NULL;
	int error = 0;

	if (number >= writer->head.ram_pages || (run && number < run->first + run->count))
		return -EINVAL;
	if (!run || number != run->first + run->count || kind != run->kind)
		error = pages_writer_begin_run(writer, (uint32_t)number, kind);
	if (error < 0)
		return error;
	run = &writer->runs[writer->head.n_runs - 1];
	run->count++;
	if (is_zero)
		return 0;
	run->checksum = checksum_add(run->checksum, page, PAGES_FILE_PAGE_BYTES);
	writer->head.kept_pages++;
	memcpy(writer->block + writer->used, page, PAGES_FILE_PAGE_BYTES);
	writer->used += PAGES_FILE_PAGE_BYTES;
	return writer->used == BLOCK_BYTES ? pages_writer_flush(writer) : 0;
}

int
pages_writer_finish(struct pages_writer *writer)
{
	struct pages_file_head *head = &writer->head;
	size_t runs_bytes = head->n_runs * sizeof(*writer->runs);
	int error = pages_writer_flush(writer);

	if (error == 0)
		error = io_write_full_at(writer->fd, writer->runs, runs_bytes, writer->offset);
	if (error < 0)
		return error;
	head->runs_checksum = checksum_add(0, writer->runs, runs_bytes);
	head->checksum = checksum_add(0, head, offsetof(struct pages_file_head, checksum));
	return io_write_full_at(writer->fd, head, sizeof(*head), 0);
}

/* Reading. */

/* The file, and where its pages go. */
struct pages_reader {
	int fd;
	struct pages_file_head head;
	uint8_t *memory;
	uint64_t offset; /* of the next run's pages in the file */
	char *problem;
};

static int pages_reader_fail(struct pages_reader *reader, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int
pages_reader_fail(struct pages_reader *reader, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reader->problem, PAGES_FILE_PROBLEM_BYTES, format, arguments);
	va_end(arguments);
	return error;
}

static int
pages_reader_read(struct pages_reader *reader, void *target, size_t bytes, uint64_t offset)
{
	int error = io_read_full_at(reader->fd, target, bytes, offset);

	if (error == -EPIPE)
		return pages_reader_fail(reader, -EBADMSG, "the file is cut off");
	if (error < 0)
		return pages_reader_fail(reader, error, "the file cannot be read: %s",
					 strerror(-error));
	return 0;
}

/* Does the file have just what its head says? */
static int
pages_reader_check_size(struct pages_reader *reader)
{
	const struct pages_file_head *head = &reader->head;
	uint64_t runs_bytes = (uint64_t)head->n_runs * sizeof(struct pages_file_run);
	struct stat status;

	if (head->kept_pages > head->ram_pages || head->n_runs > head->ram_pages)
		return pages_reader_fail(reader, -EBADMSG, "it has more pages than the memory");
	if (fstat(reader->fd, &status) < 0)
		return pages_reader_fail(reader, -errno, "the file cannot be read: %s",
					 strerror(errno));
	if ((uint64_t)status.st_size !=
	    sizeof(*head) + head->kept_pages * PAGES_FILE_PAGE_BYTES + runs_bytes)
		return pages_reader_fail(reader, -EBADMSG,
					 "the file is not as long as it should be");
	return 0;
}

static int
pages_reader_check_head(struct pages_reader *reader, const struct pages_file_ids *ids,
			uint64_t ram_pages)
{
	struct pages_file_head *head = &reader->head;
	int error = pages_reader_read(reader, head, sizeof(*head), 0);

	if (error < 0)
		return error;
	if (head->magic != PAGES_FILE_MAGIC)
		return pages_reader_fail(reader, -EBADMSG, "the file has no pages of a machine");
	if (head->version != PAGES_FILE_VERSION)
		return pages_reader_fail(
			reader, -ENOTSUP,
			"the file's format is version %u, this carrel-vmm reads %u", head->version,
			PAGES_FILE_VERSION);
	if (head->checksum != checksum_add(0, head, offsetof(struct pages_file_head, checksum)))
		return pages_reader_fail(reader, -EBADMSG, "the file's head is damaged");
	if (memcmp(head->ids.template, ids->template, sizeof(ids->template)) != 0)
		return pages_reader_fail(reader, -EBADMSG, "they belong to another template");
	if (memcmp(head->ids.state, ids->state, sizeof(ids->state)) != 0)
		return pages_reader_fail(reader, -EBADMSG, "they belong to another state");
	if (head->page_bytes != PAGES_FILE_PAGE_BYTES || head->ram_pages != ram_pages)
		return pages_reader_fail(reader, -EBADMSG, "they are of a memory of another size");
	return pages_reader_check_size(reader);
}

static int
pages_reader_check_runs(struct pages_reader *reader, const struct pages_file_run *runs)
{
	uint64_t end = 0, kept_pages = 0;

	for (uint32_t i = 0; i < reader->head.n_runs; i++) {
		const struct pages_file_run *run = &runs[i];

		if (run->first < end)
			return pages_reader_fail(reader, -EBADMSG,
						 "its run %u is not behind the one before", i);
		end = (uint64_t)run->first + run->count;
		if (run->count == 0 || end > reader->head.ram_pages)
			return pages_reader_fail(reader, -EBADMSG,
						 "its run %u is not in the memory", i);
		if (run->kind >= PAGES_FILE_KIND_COUNT)
			return pages_reader_fail(reader, -EBADMSG,
						 "its run %u is of a kind that is not known", i);
		if (run->kind == PAGES_FILE_KEPT)
			kept_pages += run->count;
	}
	if (kept_pages != reader->head.kept_pages)
		return pages_reader_fail(reader, -EBADMSG, "its runs are not of all its pages");
	return 0;
}

static int
pages_reader_read_runs(struct pages_reader *reader, struct pages_file_run **ret_runs)
{
	const struct pages_file_head *head = &reader->head;
	size_t bytes = head->n_runs * sizeof(struct pages_file_run);
	CLEANUP_FREE struct pages_file_run *runs = malloc(bytes + 1);
	int error;

	if (!runs)
		return pages_reader_fail(reader, -ENOMEM, "out of memory");
	error = pages_reader_read(reader, runs, bytes,
				  sizeof(*head) + head->kept_pages * PAGES_FILE_PAGE_BYTES);
	if (error < 0)
		return error;
	if (head->runs_checksum != checksum_add(0, runs, bytes))
		return pages_reader_fail(reader, -EBADMSG, "its list of runs is damaged");
	error = pages_reader_check_runs(reader, runs);
	if (error < 0)
		return error;
	*ret_runs = runs;
	runs = NULL;
	return 0;
}

static int
pages_reader_load_run(struct pages_reader *reader, const struct pages_file_run *run)
{
	uint8_t *at = reader->memory + (uint64_t)run->first * PAGES_FILE_PAGE_BYTES;
	uint64_t left = (uint64_t)run->count * PAGES_FILE_PAGE_BYTES;
	uint32_t sum = 0;

	if (run->kind == PAGES_FILE_ZEROS) {
		memset(at, 0, left);
		left = 0;
	}
	while (left > 0) {
		size_t bytes = left < BLOCK_BYTES ? left : BLOCK_BYTES;
		int error = pages_reader_read(reader, at, bytes, reader->offset);

		if (error < 0)
			return error;
		sum = checksum_add(sum, at, bytes);
		at += bytes;
		left -= bytes;
		reader->offset += bytes;
	}
	if (sum != run->checksum)
		return pages_reader_fail(reader, -EBADMSG, "page %u or one behind it is damaged",
					 run->first);
	return 0;
}

int
pages_file_load(int fd, const struct pages_file_ids *ids, void *memory, uint64_t ram_bytes,
		char ret_problem[PAGES_FILE_PROBLEM_BYTES])
{
	struct pages_reader reader = {
		.fd = fd,
		.memory = memory,
		.offset = sizeof(reader.head),
		.problem = ret_problem,
	};
	CLEANUP_FREE struct pages_file_run *runs = NULL;
	int error;

	ret_problem[0] = '\0';
	error = pages_reader_check_head(&reader, ids, ram_bytes / PAGES_FILE_PAGE_BYTES);
	if (error == 0)
		error = pages_reader_read_runs(&reader, &runs);
	for (uint32_t i = 0; error == 0 && i < reader.head.n_runs; i++)
		error = pages_reader_load_run(&reader, &runs[i]);
	return error;
}
