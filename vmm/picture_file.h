/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * picture_file.h - a picture in shared memory: a memfd, mapped for writing
 */
#ifndef VMM_PICTURE_FILE_H
#define VMM_PICTURE_FILE_H

#include <stddef.h>
#include <stdint.h>

#define PICTURE_PIXEL_BYTES 4

struct picture_file {
	int fd;
	uint8_t *pixels; /* NULL: none */
	size_t bytes;
	uint32_t stride;
};

/* A black one of its own, sealed against shrinking and growing. 0 or -errno. */
int picture_file_new(uint32_t width, uint32_t height, struct picture_file *ret_file);
/*
 * Makes another's file as long as the picture needs and maps it; the descriptor stays the caller's.
 * 0 or -errno.
 */
int picture_file_map(int fd, uint32_t width, uint32_t height, struct picture_file *ret_file);
/* Unmaps it, and closes the file if it was its own. */
void picture_file_close(struct picture_file *file);

#endif
