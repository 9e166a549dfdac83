/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * own_pages.c - which pages of a private mapping are not the file's any more (carrel-vmm, the
 * loop's thread)
 *
 * How it works: the kernel says of each page of the process what is there (Linux,
 * Documentation/admin-guide/mm/pagemap.rst). In a private mapping of a file a page that is there,
 * or in swap, and is no page of the file, was written to: the kernel made a copy of it. All others
 * are the file's, whether they have been looked at or not; so nothing has to be counted while the
 * guest runs. Many a copy has the file's content all the same (written back, or written with what
 * was there; a processor that walks the guest's page tables counts as a writer, too): those are left
 * out, or given back, for which the file is read and not mapped, since holes in a file in memory
 * would get pages by being looked at.
 */
#include "vmm/own_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/io.h"

#define PAGE_BYTES   UINT64_C(4096)
#define WINDOW_PAGES 256 /* asked about at once */

#define PAGEMAP_FILE	(UINT64_C(1) << 61) /* of a file, or shared */
#define PAGEMAP_SWAPPED (UINT64_C(1) << 62)
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)

struct own_pages;

/* What is done with pages that are all copies. 0, or what ends it. */
typedef int (*own_pages_run)(struct own_pages *pages, uint64_t first, uint64_t count);

struct own_pages {
	int pagemap_fd;
	const uint8_t *memory;
	int file_fd;
	own_pages_run run;
	own_pages_taker take; /* of own_pages_take_others() */
	void *context;
	uint64_t count; /* of the other two */
	uint64_t entries[WINDOW_PAGES];
	uint8_t file_pages[WINDOW_PAGES * PAGE_BYTES];
};

int
own_pages_open(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static bool
own_pages_is_own(uint64_t entry)
{
	return entry & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED) && !(entry & PAGEMAP_FILE);
}

static int
own_pages_read(struct own_pages *pages, uint64_t first, uint64_t count)
{
	return io_read_full_at(pages->file_fd, pages->file_pages, count * PAGE_BYTES,
			       first * PAGE_BYTES);
}

/* "i" is of those that were read. */
static bool
own_pages_is_same(const struct own_pages *pages, uint64_t first, uint64_t i)
{
	return memcmp(pages->memory + (first + i) * PAGE_BYTES, pages->file_pages + i * PAGE_BYTES,
		      PAGE_BYTES) == 0;
}

static int
own_pages_take_others(struct own_pages *pages, uint64_t first, uint64_t count)
{
	int error = own_pages_read(pages, first, count);

	for (uint64_t i = 0; error == 0 && i < count; i++)
		if (!own_pages_is_same(pages, first, i))
			error = pages->take(pages->context, first + i,
					    pages->memory + (first + i) * PAGE_BYTES);
	return error;
}

static int
own_pages_add(struct own_pages *pages, uint64_t first, uint64_t count)
{
	(void)first;
	pages->count += count;
	return 0;
}

static int
own_pages_drop_same(struct own_pages *pages, uint64_t first, uint64_t count)
{
	int error = own_pages_read(pages, first, count);
	uint64_t n_same = 0; /* just before the page that is looked at */

	for (uint64_t i = 0; error == 0 && i <= count; i++) {
		if (i < count && own_pages_is_same(pages, first, i)) {
			n_same++;
			continue;
		}
		if (n_same > 0 &&
		    madvise((void *)(pages->memory + (first + i - n_same) * PAGE_BYTES),
			    n_same * PAGE_BYTES, MADV_DONTNEED) < 0)
			error = -errno;
		else
			pages->count += n_same;
		n_same = 0;
	}
	return error;
}

static int
own_pages_walk_window(struct own_pages *pages, uint64_t first, uint64_t count)
{
	uint64_t address = (uintptr_t)pages->memory + first * PAGE_BYTES;
	uint64_t n_own = 0; /* just before the page that is looked at */
	int error = io_read_full_at(pages->pagemap_fd, pages->entries,
				    count * sizeof(pages->entries[0]),
				    address / PAGE_BYTES * sizeof(pages->entries[0]));

	for (uint64_t i = 0; error == 0 && i < count; i++) {
		if (own_pages_is_own(pages->entries[i])) {
			n_own++;
			continue;
		}
		if (n_own > 0)
			error = pages->run(pages, first + i - n_own, n_own);
		n_own = 0;
	}
	if (error == 0 && n_own > 0)
		error = pages->run(pages, first + count - n_own, n_own);
	return error;
}

static struct own_pages *
own_pages_new(int pagemap_fd, const void *memory, int file_fd, own_pages_run run)
{
	struct own_pages *pages = malloc(sizeof(*pages));

	if (!pages)
		return NULL;
	pages->pagemap_fd = pagemap_fd;
	pages->memory = memory;
	pages->file_fd = file_fd;
	pages->run = run;
	pages->take = NULL;
	pages->context = NULL;
	pages->count = 0;
	return pages;
}

static int
own_pages_walk(struct own_pages *pages, uint64_t bytes)
{
	uint64_t n_pages = bytes / PAGE_BYTES;
	int error = 0;

	for (uint64_t at = 0; error == 0 && at < n_pages; at += WINDOW_PAGES) {
		uint64_t left = n_pages - at;

		error = own_pages_walk_window(pages, at, left < WINDOW_PAGES ? left : WINDOW_PAGES);
	}
	return error;
}

int
own_pages_list(int pagemap_fd, const void *memory, uint64_t bytes, int file_fd,
	       own_pages_taker take, void *context)
{
	CLEANUP_FREE struct own_pages *pages =
		own_pages_new(pagemap_fd, memory, file_fd, own_pages_take_others);

	if (!pages)
		return -ENOMEM;
	pages->take = take;
	pages->context = context;
	return own_pages_walk(pages, bytes);
}

int
own_pages_count(int pagemap_fd, const void *memory, uint64_t bytes, uint64_t *ret_count)
{
	CLEANUP_FREE struct own_pages *pages = own_pages_new(pagemap_fd, memory, -1, own_pages_add);
	int error = pages ? own_pages_walk(pages, bytes) : -ENOMEM;

	if (error == 0)
		*ret_count = pages->count;
	return error;
}

int
own_pages_give_back(int pagemap_fd, void *memory, uint64_t bytes, int file_fd, uint64_t *ret_count)
{
	CLEANUP_FREE struct own_pages *pages =
		own_pages_new(pagemap_fd, memory, file_fd, own_pages_drop_same);
	int error = pages ? own_pages_walk(pages, bytes) : -ENOMEM;

	*ret_count = pages ? pages->count : 0;
	return error;
}
