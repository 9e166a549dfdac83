/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * own_pages.h - which pages of a private mapping are not the file's any more
 */
#ifndef VMM_OWN_PAGES_H
#define VMM_OWN_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct own_pages;

/*
 * What the others need, to be opened while the process still has /proc; no stranger learns anything
 * by it (the frames' numbers are for CAP_SYS_ADMIN only). -errno: it cannot be had.
 */
int own_pages_open(void);

/* A page of the mapping and its number; not 0 ends the list. */
typedef int (*own_pages_taker)(void *context, uint64_t number, const void *page);

/*
 * Each page of the mapping of this file, all of it from its beginning, that differs from the
 * file's, in their order. Nobody may change the memory meanwhile. 0, -errno, or what the taker said.
 */
int own_pages_list(int pagemap_fd, const void *memory, uint64_t bytes, int file_fd,
		   own_pages_taker take, void *context);

/* Such a mapping, to be looked through part by part; all stays the caller's. 0 or -errno. */
int own_pages_new(int pagemap_fd, void *memory, uint64_t bytes, int file_fd,
		  struct own_pages **ret_pages);
/* NULL is allowed. */
void own_pages_free(struct own_pages *pages);

#define OWN_PAGES_PART_PAGES 8192 /* that are asked about */
#define OWN_PAGES_PART_OWN   64	  /* with so many copies it ends, too, 128 pages later at most */
#define OWN_PAGES_PART_SAME  (OWN_PAGES_PART_OWN + 128)
#define OWN_PAGES_PART_COLD  4 /* times that the kernel is made to read of the file */

struct own_pages_part {
	uint64_t next; /* the page behind it */
	bool is_last;
	uint64_t n_own;	 /* copies that are in memory, the same as the file's or not */
	uint64_t n_cold; /* times that the page cache did not have the file's page to compare */
	size_t n_same;
	uint64_t same[OWN_PAGES_PART_SAME]; /* numbers of those that are, in their order */
};

/*
 * What there is from this page on; what is in swap is left there. The memory may change meanwhile.
 * Waits for no disk: a page of the file that would have to be read from one is as if it differed, and
 * so are all behind it in this part when there were OWN_PAGES_PART_COLD.
 * 0 or -errno; -EOPNOTSUPP: its file system cannot be read like that.
 */
int own_pages_find_same(struct own_pages *pages, uint64_t first, struct own_pages_part *ret_part);
/*
 * Gives up those that were found, as far as they are still the same: the file's are there again
 * then. Nobody may change the memory meanwhile. How many, also after an error. 0 or -errno.
 */
int own_pages_drop_same(struct own_pages *pages, const struct own_pages_part *part,
			uint64_t *ret_count);

#endif
