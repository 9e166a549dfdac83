/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control.h - the server of base/proto_vmm.h: what carrel-hostd asks of this machine, and what it
 * is told
 *
 * Called with the machine's lock held. Nothing here waits for the peer: one that does not read
 * hears the rest later, and is not listened to meanwhile.
 */
#ifndef VMM_CONTROL_H
#define VMM_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/proto_vmm.h"

struct control;
struct loop;

/*
 * The machine. All of these return at once. What pause, resume and reset ask for is done soon:
 * control_tell() then says so, with the new state or VMM_EVENT_REBOOTED, and only that answers the
 * request. Those that return int may refuse with -errno, -EOPNOTSUPP when the machine has no such
 * device.
 */
struct control_ops {
	void (*get_status)(void *context, struct vmm_status *ret_status);
	void (*get_statistics)(void *context, struct vmm_statistics *ret_statistics);
	void (*pause)(void *context);
	void (*resume)(void *context);
	void (*reset)(void *context);
	void (*quit)(void *context);
	void (*press_power_button)(void *context);
	int (*set_balloon)(void *context, uint64_t target_bytes);
	/* "fd" stays the caller's. */
	int (*take_screenshot)(void *context, int fd, struct vmm_picture *ret_picture);
	/* Takes over "fd", a new peer's socket, also when it refuses; -1: none comes. */
	int (*set_link)(void *context, bool up, int fd);
	/*
	 * As virtio_blk_attach() and virtio_blk_detach(). The descriptors stay the caller's; -1:
	 * none.
	 */
	int (*attach_home)(void *context, int base_fd, int overlay_fd);
	int (*detach_home)(void *context);
	/*
	 * Of a machine that is paused, into one file or two. They stay the caller's; why not goes
	 * into ret_problem.
	 */
	int (*seal)(void *context, const int *fds, size_t n_fds, struct vmm_refusal *ret_problem);
};

struct control_setup {
	int listen_fd; /* stays the caller's */
	uint32_t uid;  /* the only one that may connect */
	const struct control_ops *ops;
	void *context;
};

/* 0 or -errno. */
int control_new(struct loop *loop, const struct control_setup *setup, struct control **ret_control);
/* Calls none of its ops any more. NULL is allowed. */
void control_free(struct control *control);

/* Something has happened: to the peer, if there is one. From any thread that holds the lock. */
void control_tell(struct control *control, const struct vmm_event *event);

#endif
