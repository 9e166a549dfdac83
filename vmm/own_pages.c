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
 *
 * Two walk over it. own_pages_list() takes whatever is own, all at once, and waits for disk and
 * swap. own_pages_find_same() and own_pages_drop_same() are for a guest that runs: they do so much at
 * a time, and wait for neither. So a page in swap, which to the kernel one with a memory error is,
 * too, is not touched, and of the file only what the page cache has is read (RWF_NOWAIT, preadv2(2)).
 * The kernel begins to read what it does not have, so it may be there the next time; but who lets it
 * begin too much at once waits in the disk's queue. A file in memory is read as ever: there is no disk
 * to wait for, and not every kernel has RWF_NOWAIT for it.
 */
#include "vmm/own_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/io.h"

#define PAGE_BYTES   UINT64_C(4096)
#define WINDOW_PAGES (OWN_PAGES_PART_SAME - OWN_PAGES_PART_OWN) /* asked about at once */
#define READ_PAGES   8						/* of the file, at once */

#define PAGEMAP_FILE	(UINT64_C(1) << 61) /* of a file, or shared */
#define PAGEMAP_SWAPPED (UINT64_C(1) << 62)
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)

/* What is done with copies whose pages of the file were read. 0, or what ends it. */
typedef int (*own_pages_act)(struct own_pages *pages, uint64_t first, uint64_t count);

struct own_pages {
	int pagemap_fd;
	uint8_t *memory;
	uint64_t n_pages;
	int file_fd;
	bool cached_only; /* of the file */
	uint64_t kinds;	  /* of pages, by what is set in their entries */
	own_pages_act act;
	own_pages_taker take; /* of own_pages_take_others() */
	void *context;
	struct own_pages_part *part; /* of own_pages_note_same() */
	uint64_t n_own;
	uint64_t n_cold;
	uint64_t n_dropped;
	uint64_t entries[WINDOW_PAGES];
	uint8_t file_pages[READ_PAGES * PAGE_BYTES];
};

int
own_pages_open(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
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
	int error = 0;

	for (uint64_t i = 0; error == 0 && i < count; i++)
		if (!own_pages_is_same(pages, first, i))
			error = pages->take(pages->context, first + i,
					    pages->memory + (first + i) * PAGE_BYTES);
	return error;
}

static int
own_pages_note_same(struct own_pages *pages, uint64_t first, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		if (own_pages_is_same(pages, first, i))
			pages->part->same[pages->part->n_same++] = first + i;
	return 0;
}

static int
own_pages_drop(struct own_pages *pages, uint64_t first, uint64_t count)
{
	if (count == 0)
		return 0;
	if (madvise(pages->memory + first * PAGE_BYTES, count * PAGE_BYTES, MADV_DONTNEED) < 0)
		return -errno;
	pages->n_dropped += count;
	return 0;
}

static int
own_pages_drop_still_same(struct own_pages *pages, uint64_t first, uint64_t count)
{
	uint64_t n_same = 0; /* just before the page that is looked at */
	int error = 0;

	for (uint64_t i = 0; error == 0 && i < count; i++) {
		if (own_pages_is_same(pages, first, i)) {
			n_same++;
			continue;
		}
		error = own_pages_drop(pages, first + i - n_same, n_same);
		n_same = 0;
	}
	return error < 0 ? error : own_pages_drop(pages, first + count - n_same, n_same);
}

/* The first of these that the page cache has without a gap; maybe none. */
static int
own_pages_read_cached(struct own_pages *pages, uint64_t first, uint64_t count, uint64_t *ret_count)
{
	const struct iovec all = { pages->file_pages, count * PAGE_BYTES };
	ssize_t n;

	*ret_count = 0;
	if (pages->n_cold == OWN_PAGES_PART_COLD)
		return 0;
	n = preadv2(pages->file_fd, &all, 1, (off_t)(first * PAGE_BYTES), RWF_NOWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return -errno;
	if (n < (ssize_t)PAGE_BYTES)
		pages->n_cold++;
	else
		*ret_count = (uint64_t)n / PAGE_BYTES;
	return 0;
}

static int
own_pages_read(struct own_pages *pages, uint64_t first, uint64_t count, uint64_t *ret_count)
{
	if (pages->cached_only)
		return own_pages_read_cached(pages, first, count, ret_count);
	*ret_count = count;
	return io_read_full_at(pages->file_fd, pages->file_pages, count * PAGE_BYTES,
			       first * PAGE_BYTES);
}

/* All of these are copies. */
static int
own_pages_do_run(struct own_pages *pages, uint64_t first, uint64_t count)
{
	int error = 0;

	pages->n_own += count;
	while (error == 0 && count > 0) {
		uint64_t n = 0;

		error = own_pages_read(pages, first, count < READ_PAGES ? count : READ_PAGES, &n);
		if (error == 0)
			error = pages->act(pages, first, n);
		n = n > 0 ? n : 1; /* the first cannot be read now: the next may be */
		first += n;
		count -= n;
	}
	return error;
}

static bool
own_pages_is_own(const struct own_pages *pages, uint64_t i)
{
	return pages->entries[i] & pages->kinds && !(pages->entries[i] & PAGEMAP_FILE);
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
		if (own_pages_is_own(pages, i)) {
			n_own++;
			continue;
		}
		error = own_pages_do_run(pages, first + i - n_own, n_own);
		n_own = 0;
	}
	return error != 0 ? error : own_pages_do_run(pages, first + count - n_own, n_own);
}

static struct own_pages *
own_pages_make(int pagemap_fd, const void *memory, uint64_t bytes, int file_fd)
{
	struct own_pages *pages = malloc(sizeof(*pages));

	if (!pages)
		return NULL;
	pages->pagemap_fd = pagemap_fd;
	pages->memory = (uint8_t *)memory;
	pages->n_pages = bytes / PAGE_BYTES;
	pages->file_fd = file_fd;
	pages->cached_only = false;
	pages->kinds = PAGEMAP_PRESENT | PAGEMAP_SWAPPED;
	return pages;
}

static uint64_t
own_pages_get_window(uint64_t first, uint64_t end)
{
	return end - first < WINDOW_PAGES ? end - first : WINDOW_PAGES;
}

int
own_pages_list(int pagemap_fd, const void *memory, uint64_t bytes, int file_fd,
	       own_pages_taker take, void *context)
{
	CLEANUP_FREE struct own_pages *pages = own_pages_make(pagemap_fd, memory, bytes, file_fd);
	int error = 0;

	if (!pages)
		return -ENOMEM;
	pages->act = own_pages_take_others;
	pages->take = take;
	pages->context = context;
	for (uint64_t at = 0; error == 0 && at < pages->n_pages; at += WINDOW_PAGES)
		error = own_pages_walk_window(pages, at, own_pages_get_window(at, pages->n_pages));
	return error;
}

int
own_pages_new(int pagemap_fd, void *memory, uint64_t bytes, int file_fd,
	      struct own_pages **ret_pages)
{
	struct own_pages *pages;
	struct statfs system;

	if (fstatfs(file_fd, &system) < 0)
		return -errno;
	pages = own_pages_make(pagemap_fd, memory, bytes, file_fd);
	if (!pages)
		return -ENOMEM;
	pages->kinds = PAGEMAP_PRESENT;
	pages->cached_only = system.f_type != TMPFS_MAGIC;
	*ret_pages = pages;
	return 0;
}

void
own_pages_free(struct own_pages *pages)
{
	free(pages);
}

int
own_pages_find_same(struct own_pages *pages, uint64_t first, struct own_pages_part *ret_part)
{
	uint64_t end = pages->n_pages - first < OWN_PAGES_PART_PAGES ? pages->n_pages
								     : first + OWN_PAGES_PART_PAGES;
	int error = 0;

	pages->act = own_pages_note_same;
	pages->part = ret_part;
	pages->n_own = 0;
	pages->n_cold = 0;
	ret_part->next = first;
	ret_part->n_same = 0;
	while (error == 0 && ret_part->next < end && pages->n_own < OWN_PAGES_PART_OWN) {
		uint64_t count = own_pages_get_window(ret_part->next, end);

		error = own_pages_walk_window(pages, ret_part->next, count);
		ret_part->next += count;
	}
	ret_part->n_own = pages->n_own;
	ret_part->n_cold = pages->n_cold;
	ret_part->is_last = ret_part->next == pages->n_pages;
	return error;
}

/* How many follow each other from this one on. */
static size_t
own_pages_count_row(const struct own_pages_part *part, size_t i)
{
	size_t count = 1;

	while (count < WINDOW_PAGES && i + count < part->n_same &&
	       part->same[i + count] == part->same[i] + count)
		count++;
	return count;
}

int
own_pages_drop_same(struct own_pages *pages, const struct own_pages_part *part, uint64_t *ret_count)
{
	int error = 0;
	size_t count;

	pages->act = own_pages_drop_still_same;
	pages->n_cold = 0;
	pages->n_dropped = 0;
	for (size_t i = 0; error == 0 && i < part->n_same; i += count) {
		count = own_pages_count_row(part, i);
		error = own_pages_walk_window(pages, part->same[i], count);
	}
	*ret_count = pages->n_dropped;
	return error;
}
