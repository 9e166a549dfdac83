/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * blk_stage.h - a machine without KVM that has one disk, and the guest's driver for it
 */
#ifndef TESTS_UNIT_BLK_STAGE_H
#define TESTS_UNIT_BLK_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/fake_platform.h"
#include "tests/unit/virtio_driver.h"

#define BLK_STAGE_SECTORS 4000
#define BLK_STAGE_BYTES	  (BLK_STAGE_SECTORS * 512)
#define BLK_STAGE_SEED	  3 /* of disk_stage_fill(): what is on the base */

struct pci_root;
struct virtio_device;

struct blk_stage {
	struct fake_platform *fake;
	struct pci_root *root; /* NULL: no disk is plugged in */
	struct virtio_device *device;
	struct virtio_driver driver;
	int base_fd;
	int overlay_fd;
	bool lacks_space;
	int n_lacks;
	char content[BLK_STAGE_BYTES]; /* what must be on the disk */
};

/* cmocka's; the state is the stage. With its disk, or with files for one only. */
int blk_stage_open(void **state);
int blk_stage_open_empty(void **state);
int blk_stage_close(void **state);

/* A disk of these files (-1: none), with its driver started. */
void blk_stage_plug(struct blk_stage *stage, int base_fd, int overlay_fd);
void blk_stage_unplug(struct blk_stage *stage);

/* One request, with data for it or room for its answer. Its status; -errno when it never came back. */
int blk_stage_ask(struct blk_stage *stage, uint32_t type, uint64_t sector, const void *out,
		  size_t out_bytes, void *in, size_t in_bytes);
/* The same for a discard or zeroes of n sectors. */
int blk_stage_ask_hole(struct blk_stage *stage, uint32_t type, uint64_t sector, uint32_t n,
		       uint32_t flags);

#endif
