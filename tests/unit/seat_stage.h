/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seat_stage.h - a machine without KVM that has a seat, the guest's drivers for it, and somebody who watches
 *
 * No cmocka here. What cannot go wrong unless the machine is short of something ends the process by abort().
 */
#ifndef TESTS_UNIT_SEAT_STAGE_H
#define TESTS_UNIT_SEAT_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/display_peer.h"
#include "tests/unit/fake_platform.h"
#include "tests/unit/virtio_driver.h"

struct pci_root;
struct seat;

struct seat_stage {
	struct fake_platform *fake;
	struct pci_root *root;
	int listen_fd;
	struct seat *seat;
	struct virtio_driver gpu;
	struct virtio_driver keyboard;
	struct virtio_driver tablet;
	struct display_peer *peer; /* NULL: nobody watches */
};

/* A seat with two scanouts; the card's driver is started, those of keyboard and tablet are not. */
struct seat_stage *seat_stage_new(void);
void seat_stage_free(struct seat_stage *stage);

/* A peer comes, instead of the one before, or goes. */
void seat_stage_watch(struct seat_stage *stage, bool answers);
void seat_stage_unwatch(struct seat_stage *stage);
/* Until nobody has anything to say any more. */
void seat_stage_settle(struct seat_stage *stage);

/* One command of the control queue: the answer's type, 0 when there was none. */
uint32_t seat_stage_command(struct seat_stage *stage, const void *command, size_t bytes);
uint32_t seat_stage_create(struct seat_stage *stage, uint32_t id, uint32_t format, uint32_t width,
			   uint32_t height);
/* Gives a resource pages of its own, which lie apart from each other; ret_gpas gets their addresses. */
uint32_t seat_stage_attach(struct seat_stage *stage, uint32_t id, uint32_t n_pages,
			   uint64_t *ret_gpas);
uint32_t seat_stage_set_scanout(struct seat_stage *stage, uint32_t scanout, uint32_t id, uint32_t x,
				uint32_t y, uint32_t width, uint32_t height);
uint32_t seat_stage_transfer(struct seat_stage *stage, uint32_t id, uint32_t x, uint32_t y,
			     uint32_t width, uint32_t height, uint64_t offset);
uint32_t seat_stage_flush(struct seat_stage *stage, uint32_t id, uint32_t x, uint32_t y,
			  uint32_t width, uint32_t height);
uint32_t seat_stage_unref(struct seat_stage *stage, uint32_t id);

/* Writes four bytes at pixel "index" of a backing made of these pages. */
void seat_stage_set_pixel(struct seat_stage *stage, const uint64_t *gpas, size_t index,
			  uint32_t pixel);

#endif
