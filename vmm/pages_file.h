/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pages_file.h - the pages of a fork's memory that are not its template's, in a file
 *
 * A file is struct pages_file_head, then the pages that are kept, one after another, then one
 * struct pages_file_run for each row of pages without a gap between them: so it is written in one
 * go, and one that was cut off has no runs. Pages are counted from the memory's beginning, as they
 * lie in the template's file. Runs are in their order and do not overlap; of pages that are all
 * zeros nothing is kept. All numbers are little-endian.
 *
 * The head is written last: what a process left that died in the middle is no such file.
 */
#ifndef VMM_PAGES_FILE_H
#define VMM_PAGES_FILE_H

#include <stddef.h>
#include <stdint.h>

#define PAGES_FILE_MAGIC	 UINT64_C(0x3167705f6c657263) /* "crel_pg1" */
#define PAGES_FILE_VERSION	 1
#define PAGES_FILE_PAGE_BYTES	 4096
#define PAGES_FILE_ID_BYTES	 16
#define PAGES_FILE_PROBLEM_BYTES 160

/* What the pages belong to; a file of other ids is another's. */
struct pages_file_ids {
	uint8_t template[PAGES_FILE_ID_BYTES]; /* whose pages all others are */
	uint8_t state[PAGES_FILE_ID_BYTES];    /* what the machine was besides, just then */
};

struct pages_file_head {
	uint64_t magic;
	uint32_t version;
	uint32_t page_bytes;
	uint64_t ram_pages;
	uint64_t kept_pages;
	struct pages_file_ids ids;
	uint32_t n_runs;
	uint32_t runs_checksum; /* CRC-32 of all of them */
	uint32_t reserved;
	uint32_t checksum; /* CRC-32 of what stands before it */
};

enum pages_file_kind {
	PAGES_FILE_KEPT,
	PAGES_FILE_ZEROS,
	PAGES_FILE_KIND_COUNT,
};

struct pages_file_run {
	uint32_t first;
	uint32_t count;
	uint32_t kind;	   /* enum pages_file_kind */
	uint32_t checksum; /* CRC-32 of its pages; of zeros 0 */
};

struct pages_writer;

/* Empties the file, which stays the caller's. 0 or -errno. */
int pages_writer_new(int fd, uint64_t ram_pages, const struct pages_file_ids *ids,
		     struct pages_writer **ret_writer);
void pages_writer_free(struct pages_writer *writer);
/* The page of this number, which is greater than all before. 0 or -errno. */
int pages_writer_add(struct pages_writer *writer, uint64_t number, const void *page);
/* 0 or -errno: then the file is of no use. */
int pages_writer_finish(struct pages_writer *writer);

/*
 * Checks the file and reads its pages to where they were in "memory", which has the template's. 0;
 * -EBADMSG and what is wrong with the file; -ENOTSUP: it is of a later version; another -errno.
 * After an error nobody may use the memory.
 */
int pages_file_load(int fd, const struct pages_file_ids *ids, void *memory, uint64_t ram_bytes,
		    char ret_problem[PAGES_FILE_PROBLEM_BYTES]);

#endif
