/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_pages_file.c - any file as a fork's own pages: it is refused with a reason, or it is loaded
 * into the memory and nowhere else
 *
 * The checksums of head and runs are made right first, but where the first byte is odd: nothing
 * behind them would be reached otherwise. So are those of the pages where its bit 1 is set.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "vmm/pages_file.h"

#define RAM_PAGES  8
#define RAM_BYTES  (RAM_PAGES * PAGES_FILE_PAGE_BYTES)
#define SIGN_NOT   1
#define SIGN_PAGES 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t
fuzz_sum(const void *bytes, size_t size)
{
	return (uint32_t)crc32_z(0, bytes, size);
}

static void
fuzz_sign_pages(uint8_t *file, size_t runs_at, size_t n_runs)
{
	size_t at = sizeof(struct pages_file_head);

	for (size_t i = 0; i < n_runs; i++) {
		struct pages_file_run run;
		size_t bytes;

		memcpy(&run, file + runs_at + i * sizeof(run), sizeof(run));
		bytes = (size_t)run.count * PAGES_FILE_PAGE_BYTES;
		run.checksum = 0;
		if (run.kind == PAGES_FILE_KEPT && bytes <= runs_at - at) {
			run.checksum = fuzz_sum(file + at, bytes);
			at += bytes;
		}
		memcpy(file + runs_at + i * sizeof(run), &run, sizeof(run));
	}
}

static void
fuzz_sign(uint8_t *file, size_t size, uint8_t how)
{
	struct pages_file_head head;
	size_t runs_at, runs_bytes;

	if (size < sizeof(head) || how & SIGN_NOT)
		return;
	memcpy(&head, file, sizeof(head));
	runs_at = sizeof(head) + (size_t)(head.kept_pages % 16) * PAGES_FILE_PAGE_BYTES;
	runs_bytes = (size_t)(head.n_runs % 64) * sizeof(struct pages_file_run);
	if (runs_at <= size && runs_bytes <= size - runs_at) {
		if (how & SIGN_PAGES)
			fuzz_sign_pages(file, runs_at, head.n_runs % 64);
		head.runs_checksum = fuzz_sum(file + runs_at, runs_bytes);
	}
	head.checksum = fuzz_sum(&head, offsetof(struct pages_file_head, checksum));
	memcpy(file, &head, sizeof(head));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct pages_file_ids ids;
	char problem[PAGES_FILE_PROBLEM_BYTES];
	/* just as large as the memory, so that the sanitizers see what is written elsewhere */
	uint8_t *memory = malloc(RAM_BYTES);
	uint8_t *file = malloc(size);
	int fd = memfd_create("pages", 0);
	int error;

	if (!memory || (!file && size > 0) || fd < 0)
		abort();
	if (size > 0) {
		memcpy(file, data + 1, size - 1);
		fuzz_sign(file, size - 1, data[0]);
		if (write(fd, file, size - 1) < 0)
			abort();
	}
	error = pages_file_load(fd, &ids, memory, RAM_BYTES, problem);
	assert(error == 0 || error == -EBADMSG || error == -ENOTSUP);
	assert((error == 0) == (problem[0] == '\0') && memchr(problem, '\0', sizeof(problem)));
	close(fd);
	free(file);
	free(memory);
	return 0;
}
