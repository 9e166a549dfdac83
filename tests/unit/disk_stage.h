/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * disk_stage.h - files for tests of disks: bases with contents that can be told apart, and a file system without room
 */
#ifndef TESTS_UNIT_DISK_STAGE_H
#define TESTS_UNIT_DISK_STAGE_H

#include <stddef.h>
#include <stdint.h>

/* A reproducible stream of numbers. */
uint32_t disk_stage_random(uint32_t *seed);
/* No two of its 512-byte sectors are equal, nor any two seeds. */
void disk_stage_fill(void *data, size_t bytes, uint32_t seed);

/* A file in memory; with seed 0 it is all zeros. The caller's to close; -errno. */
int disk_stage_make_file(uint64_t bytes, uint32_t seed);
/* The same opened once more, to be read only. */
int disk_stage_reopen_read_only(int fd);

/*
 * An empty file on a file system of its own with this much room, of which a second file, "filler", takes all but "left".
 * Room is made by ftruncate(filler, 0). -EPERM for others than root.
 */
int disk_stage_make_tight(uint64_t room, uint64_t left, int *ret_fd, int *ret_filler);

#endif
