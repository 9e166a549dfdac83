/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * disk_fixture.h - a disk on a machine without KVM, with its two files, and what its ring has told
 *
 * Apart from disk_stage.h, which is linked with a stand-in for vmm/disk_io.c, too.
 */
#ifndef TESTS_UNIT_DISK_FIXTURE_H
#define TESTS_UNIT_DISK_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/unit/fake_platform.h"
#include "vmm/disk.h"

struct disk_fixture {
	struct fake_platform *fake;
	struct disk_io *io;
	struct disk *disk; /* NULL: none is open */
	int base_fd;	   /* read only */
	int overlay_fd;
	uint32_t n_batches;
	bool lacks_space; /* what was told last; how often each of the two was */
	uint32_t n_lacks;
	uint32_t n_has;
};

/*
 * A base of that content (disk_stage_fill()), an empty file for the overlay and a ring that works on neither yet. 0 or
 * -errno; what was made then is for disk_fixture_close().
 */
int disk_fixture_open(struct disk_fixture *f, uint64_t base_bytes, uint32_t seed);
void disk_fixture_close(struct disk_fixture *f);

/* A machine and a ring in place of what there is: a child has to have its own. 0 or -errno. */
int disk_fixture_make_io(struct disk_fixture *f);

/* The disk of the two files. 0 or -errno. */
int disk_fixture_open_disk(struct disk_fixture *f);
void disk_fixture_close_disk(struct disk_fixture *f);

#endif
