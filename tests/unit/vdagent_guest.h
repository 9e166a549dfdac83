/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vdagent_guest.h - the agent inside a guest, at the other end of the vdagent port
 */
#ifndef TESTS_UNIT_VDAGENT_GUEST_H
#define TESTS_UNIT_VDAGENT_GUEST_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

#include "display/vdagent_message.h"

/* What it may announce: one clipboard, or to name the X selection each time (spice/vd_agent.h). */
#define GUEST_BY_DEMAND (1U << VD_AGENT_CAP_CLIPBOARD_BY_DEMAND)
#define GUEST_BY_NAME	(GUEST_BY_DEMAND | 1U << VD_AGENT_CAP_CLIPBOARD_SELECTION)

struct vdagent_guest {
	int fd;
	struct vdagent_reader reader;
	bool selections;    /* it has announced that it names them */
	uint32_t selection; /* that it names */
	/* what it has heard: how many messages, and the last, without the selection */
	guint n_heard;
	uint32_t type;
	GByteArray *body;
};

/* Returns the display's end. */
int vdagent_guest_open(struct vdagent_guest *guest);
void vdagent_guest_close(struct vdagent_guest *guest);

/* Runs the main loop until nobody has anything to say any more. */
void vdagent_guest_settle(struct vdagent_guest *guest);

/* Says it, where it must behind the selection, and hears all that follows. */
void vdagent_guest_say(struct vdagent_guest *guest, uint32_t type, const uint32_t *word,
		       const void *data, size_t size);
void vdagent_guest_announce(struct vdagent_guest *guest, uint32_t request, uint32_t caps);

/* So many messages were heard, and the last is of this type and begins with this word. */
void vdagent_guest_assert_heard(const struct vdagent_guest *guest, guint count, uint32_t type,
				uint32_t word);

#endif
