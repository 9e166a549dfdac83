/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * link_scanout.h - one scanout of the display's link: what it shows, and what the peer knows of it
 */
#ifndef VMM_LINK_SCANOUT_H
#define VMM_LINK_SCANOUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/damage.h"
#include "base/proto_source.h"
#include "vmm/picture_file.h"

struct seat_link_ops;

/*
 * STALE -> MADE -> OFFERED -> SHOWN, then SHOWN <-> READ with each DAMAGE and its DRAWN. Back to STALE from everywhere:
 * a new connection, or another size (in OFFERED that waits for the ACK).
 */
enum link_scanout_state {
	LINK_SCANOUT_STALE,   /* there is no surface of the present size */
	LINK_SCANOUT_MADE,    /* there is, filled and not sent yet */
	LINK_SCANOUT_OFFERED, /* sent */
	LINK_SCANOUT_SHOWN,   /* mapped */
	LINK_SCANOUT_READ,    /* the peer reads: nothing is written */
	LINK_SCANOUT_STATE_COUNT,
};

/* What the peer does not know of the cursor; the shape goes with the place. */
enum link_cursor_news {
	LINK_CURSOR_KNOWN,
	LINK_CURSOR_MOVED,
	LINK_CURSOR_CHANGED,
};

struct link_cursor {
	struct source_cursor head;
	uint8_t argb[SOURCE_MAX_CURSOR * SOURCE_MAX_CURSOR * PICTURE_PIXEL_BYTES];
};

struct link_scanout {
	uint32_t index;
	const struct seat_link_ops *ops;
	void *context;
	uint32_t width; /* what the guest shows; 0: nothing */
	uint32_t height;
	struct damage damage;
	struct link_cursor cursor;
	uint64_t generation; /* grows over all connections */
	/* of this connection */
	enum link_scanout_state state;
	uint32_t offered_width;
	uint32_t offered_height;
	struct picture_file surface;
	enum link_cursor_news cursor_news;
};

void link_scanout_init(struct link_scanout *scanout, uint32_t index,
		       const struct seat_link_ops *ops, void *context);

/* Somebody connects, and knows nothing yet; and is gone. */
void link_scanout_begin(struct link_scanout *scanout);
void link_scanout_end(struct link_scanout *scanout);

/* Tells what is new and may be told now. 0; -EAGAIN when the socket is full; another -errno. */
int link_scanout_tell(struct link_scanout *scanout, int fd);
int link_scanout_send(int fd, enum source_type type, const void *payload, size_t bytes,
		      int passed_fd);

/* What the peer answers: 0, or -EPROTO when it was not asked. */
int link_scanout_take_ack(struct link_scanout *scanout, uint64_t generation);
int link_scanout_take_drawn(struct link_scanout *scanout, uint64_t generation);

/* As in seat_link.h; told by the next link_scanout_tell(). */
void link_scanout_set_size(struct link_scanout *scanout, uint32_t width, uint32_t height);
void link_scanout_set_cursor(struct link_scanout *scanout, const struct source_cursor *cursor,
			     const uint8_t *argb);
void link_scanout_move_cursor(struct link_scanout *scanout, int32_t x, int32_t y);

#endif
