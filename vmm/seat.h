/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seat.h - what a user sits at: graphics card, keyboard and tablet, and the link to the display that shows and plays
 */
#ifndef VMM_SEAT_H
#define VMM_SEAT_H

#include <stdint.h>

struct pci_root;
struct platform;
struct seat;
struct sound_sink;
struct vmm_picture;

struct seat_setup {
	int listen_fd; /* base/proto_source.h; stays the caller's */
	uint32_t uid;  /* the only one that may connect */
	uint32_t n_scanouts;
	uint32_t width; /* of the first monitor, until the display asks for another */
	uint32_t height;
};

/* 0 or -errno. */
int seat_new(struct platform *platform, const struct seat_setup *setup, struct seat **ret_seat);
/* Puts the devices into their slots: the root owns them. 0 or -errno; then some may be there already. */
int seat_plug_in(struct seat *seat, struct pci_root *root);
/* After the root: its devices speak to the seat to their end. */
void seat_free(struct seat *seat);

/* Where the sound card's sound goes to and comes from; the seat's. */
const struct sound_sink *seat_get_sound(const struct seat *seat);

/* As in proto_vmm.h: 0, -ENODATA when nothing is shown, or -errno. */
int seat_screenshot(struct seat *seat, int fd, struct vmm_picture *ret_picture);

#endif
