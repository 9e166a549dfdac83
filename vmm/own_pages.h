/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * own_pages.h - which pages of a private mapping are not the file's any more
 */
#ifndef VMM_OWN_PAGES_H
#define VMM_OWN_PAGES_H

#include <stdint.h>

/*
 * What own_pages_list() needs, to be opened while the process still has /proc; no stranger learns
 * anything by it (the frames' numbers are for CAP_SYS_ADMIN only). -errno: it cannot be had.
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

/*
 * How many pages of the mapping are copies, the same as the file's or not; the memory may change
 * meanwhile. 0 or -errno.
 */
int own_pages_count(int pagemap_fd, const void *memory, uint64_t bytes, uint64_t *ret_count);

/*
 * Gives up each copy that is the same as the file's page, which is there again then, and says how
 * many. Nobody may change the memory meanwhile. 0; -errno: those that were left are as they were.
 */
int own_pages_give_back(int pagemap_fd, void *memory, uint64_t bytes, int file_fd,
			uint64_t *ret_count);

#endif
