/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtqueue.h - split virtqueues (virtio 1.2 section 2.7): the one module through which all guest
 * data passes
 *
 * Everything in the rings is the guest's, and may change at any time. A descriptor is read once,
 * checked, and turned into host addresses; what is handed out holds no guest-controlled pointer.
 * Any violation makes the queue broken: virtqueue_pop() says -EPROTO with a reason, the device goes
 * to NEEDS_RESET, and nothing more is taken from it until the next reset.
 */
#ifndef VMM_VIRTQUEUE_H
#define VMM_VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct guest_memory;

#define VIRTQUEUE_MAX_SIZE 1024 /* descriptors */
#define VIRTQUEUE_MAX_SEGMENTS \
	256 /* of one chain, indirect ones included; device headers may ask for fewer */
/* Linux reports 32 free pieces of 4 MiB at once */
#define VIRTQUEUE_MAX_CHAIN_BYTES (UINT64_C(128) << 20)

/* What the driver wrote into the registers before it enabled the queue. */
struct virtqueue_setup {
	uint16_t size;	      /* a power of two */
	uint64_t descriptors; /* GPAs; aligned to 16, 2 and 4 */
	uint64_t avail;
	uint64_t used;
	bool event_index; /* VIRTIO_F_EVENT_IDX was negotiated */
	bool indirect;	  /* VIRTIO_F_INDIRECT_DESC was negotiated */
};

/* Changes while the queue runs; with the setup, what is saved and restored. */
struct virtqueue_state {
	uint16_t next_avail;
	uint16_t next_used;
	/* next_used when it was last decided whether to interrupt the driver */
	uint16_t signalled_used;
	uint16_t in_flight; /* popped and not yet pushed */
	bool notify;	    /* the device wants to hear of new chains */
	bool broken;
};

struct virtqueue {
	const struct guest_memory *memory;
	struct virtqueue_setup setup; /* frozen by virtqueue_start() */
	struct virtqueue_state state;
	void *descriptors; /* host addresses of the rings; NULL: not started */
	void *avail;
	void *used;
	const char *reason; /* why it is broken, or was not started: a constant text */
};

/*
 * One chain: device-readable segments first (out), then device-writable ones (in), all inside guest
 * RAM. The segments stay mapped for the life of the machine; their contents are the guest's and can
 * change.
 */
struct virtqueue_chain {
	uint16_t head;
	uint16_t n_out;
	uint16_t n_in;
	uint64_t out_bytes;
	uint64_t in_bytes;
	struct iovec segments[VIRTQUEUE_MAX_SEGMENTS]; /* n_out, then n_in */
};

/* A chain that is handed back. */
struct virtqueue_result {
	uint16_t head;
	uint32_t written;
};

/*
 * 0, or -EINVAL and queue->reason when the rings are not in RAM, misaligned or of a wrong size;
 * then it is stopped. A stopped queue has no chains, and pushes to it are dropped.
 */
int virtqueue_start(struct virtqueue *queue, const struct guest_memory *memory,
		    const struct virtqueue_setup *setup);
void virtqueue_stop(struct virtqueue *queue);
/*
 * Goes on where a queue stood whose rings were here: after virtqueue_start(), or all zeros. 0, or
 * -EINVAL when no queue can stand so.
 */
int virtqueue_set_state(struct virtqueue *queue, const struct virtqueue_state *state);

/*
 * 1 and the chain; 0 when there is none; -EPROTO when the queue is broken. As long as there are
 * chains the driver need not notify (with VIRTIO_F_EVENT_IDX); a pop that finds none asks for it,
 * so whoever stops earlier must pop again by himself.
 */
int virtqueue_pop(struct virtqueue *queue, struct virtqueue_chain *ret_chain);
/* Puts the last popped chain back, as if it had not been taken; again: the one before it. */
void virtqueue_unpop(struct virtqueue *queue);
/* Hands the chain with this head back; "written" bytes of its in segments were filled. */
void virtqueue_push(struct virtqueue *queue, uint16_t head, uint32_t written);
/* As many at once: the driver sees none of them or all. */
void virtqueue_push_all(struct virtqueue *queue, const struct virtqueue_result *results,
			uint16_t count);
/* Was anything pushed since virtqueue_should_signal() was asked? */
bool virtqueue_has_news(const struct virtqueue *queue);
/* After pushes: does the driver want an interrupt for them (section 2.7.7, 2.7.10)? */
bool virtqueue_should_signal(struct virtqueue *queue);
/*
 * Ask the driver for (no) notifications, a wish only; on at the start. After switching them on,
 * look once more for chains.
 */
void virtqueue_set_notify(struct virtqueue *queue, bool on);
bool virtqueue_has_work(const struct virtqueue *queue);

/*
 * Copies from the chain's out segments, or into its in segments, at a byte offset; returns how many
 * bytes there were.
 */
size_t virtqueue_chain_read(const struct virtqueue_chain *chain, uint64_t offset, void *target,
			    size_t bytes);
size_t virtqueue_chain_write(const struct virtqueue_chain *chain, uint64_t offset,
			     const void *source, size_t bytes);
/*
 * The part [offset, offset + bytes) of the out (in) segments as an iovec array; the number of
 * entries, or -ERANGE.
 */
int virtqueue_chain_slice_out(const struct virtqueue_chain *chain, uint64_t offset, uint64_t bytes,
			      struct iovec ret_slice[VIRTQUEUE_MAX_SEGMENTS]);
int virtqueue_chain_slice_in(const struct virtqueue_chain *chain, uint64_t offset, uint64_t bytes,
			     struct iovec ret_slice[VIRTQUEUE_MAX_SEGMENTS]);

#endif
