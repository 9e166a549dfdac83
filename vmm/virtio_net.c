/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_net.c - the guest's network card (virtio 1.2 section 5.1)
 *
 * In carrel-vmm, with the machine's lock held: queues and the peer on the loop's thread.
 *
 * How it works: frames are the peer's until there is a place for them (vmm/net_peer.h). From the
 * guest they go out of the driver's buffers; while the peer has no room (BLOCKED) they stay in the
 * queue. Towards the guest a frame fills as many of the driver's buffers as it needs
 * (VIRTIO_NET_F_MRG_RXBUF); when there are not enough of them all go back, and so does the frame:
 * nothing is read from the peer until the driver has given more.
 *
 * The driver is told of each frame at once and not of a turn's 64 frames: on another CPU it works
 * on the one while we copy the next, and Linux' TCP has only two of them on their way before it
 * waits to hear of the first (TCP small queues). While it polls, the event index keeps interrupts
 * away.
 *
 * Without a link what the guest sends is dropped. A lost peer is a link that is down;
 * virtio_net_set_link() brings a new one.
 */
#include "vmm/virtio_net.h"

#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>

#include "vmm/net_peer.h"
#include "vmm/platform.h"
#include "vmm/state_file.h"
#include "vmm/virtio.h"

#define VIRTIO_NET_STATE_VERSION  1
#define VIRTIO_NET_RECEIVE	  0 /* queues */
#define VIRTIO_NET_SEND		  1
#define VIRTIO_NET_QUEUE_SIZE	  256
#define VIRTIO_NET_FRAMES_AT_ONCE 64
/* For one frame. Linux gives no smaller ones than 1.5 KiB. */
#define VIRTIO_NET_MAX_BUFFERS	64
#define VIRTIO_NET_CONFIG_BYTES offsetof(struct virtio_net_config, speed)

#define VIRTIO_NET_FEATURE(name) (UINT64_C(1) << VIRTIO_NET_F_##name)

/* What the guest sees */
struct virtio_net_state {
	uint8_t mac[6];
	uint8_t plugged; /* the cable is in; there is a link if there is a peer too */
	uint8_t reserved;
};

/* NONE -> READY <-> BLOCKED; both -> LOST -> READY, with another peer. */
enum virtio_net_peer {
	VIRTIO_NET_PEER_NONE,
	VIRTIO_NET_PEER_READY,
	VIRTIO_NET_PEER_BLOCKED, /* it has no room for what the guest sends */
	VIRTIO_NET_PEER_LOST,	 /* it is of no more use */
};

struct virtio_net {
	struct virtio_device device; /* first */
	struct virtio_net_state state;
	const char *name;
	const struct net_peer_kind *kind;
	struct net_peer *peer; /* NULL: none yet */
	enum virtio_net_peer peer_state;
	struct virtio_net_statistics statistics;
	struct virtqueue_chain chain; /* the one being looked at */
	struct virtqueue_chain first; /* of a frame that is being received */
};

static bool
virtio_net_has_peer(const struct virtio_net *net)
{
	return net->peer_state == VIRTIO_NET_PEER_READY ||
	       net->peer_state == VIRTIO_NET_PEER_BLOCKED;
}

/* Unless it was lost in the attempt. */
static void
virtio_net_block(struct virtio_net *net)
{
	if (net->peer_state == VIRTIO_NET_PEER_READY)
		net->peer_state = VIRTIO_NET_PEER_BLOCKED;
}

static void
virtio_net_unblock(struct virtio_net *net)
{
	if (net->peer_state == VIRTIO_NET_PEER_BLOCKED)
		net->peer_state = VIRTIO_NET_PEER_READY;
}

/* From the guest */

/* Sends the popped chain or drops it; false: it must wait. */
static bool
virtio_net_send_chain(struct virtio_net *net)
{
	const struct virtqueue_chain *chain = &net->chain;
	struct iovec segments[VIRTQUEUE_MAX_SEGMENTS];
	int result = -EINVAL;

	if (chain->out_bytes >= NET_PEER_HEADER_BYTES + NET_PEER_MIN_FRAME_BYTES &&
	    chain->out_bytes <= NET_PEER_HEADER_BYTES + NET_PEER_MAX_FRAME_BYTES &&
	    virtio_net_has_link(&net->device)) {
		memcpy(segments, chain->segments, chain->n_out * sizeof(segments[0]));
		result = net_peer_send(net->peer, segments, chain->n_out, chain->out_bytes);
	}
	if (result == -EAGAIN)
		return false;
	if (result == 0) {
		net->statistics.sent_frames++;
		net->statistics.sent_bytes += chain->out_bytes - NET_PEER_HEADER_BYTES;
	} else {
		net->statistics.dropped++;
	}
	return true;
}

static void
virtio_net_send(struct virtio_net *net)
{
	struct virtio_device *device = &net->device;
	int n = 0;

	while (n < VIRTIO_NET_FRAMES_AT_ONCE && net->peer_state != VIRTIO_NET_PEER_BLOCKED &&
	       virtio_pop(device, VIRTIO_NET_SEND, &net->chain)) {
		if (virtio_net_send_chain(net)) {
			virtqueue_push(&device->queues[VIRTIO_NET_SEND], net->chain.head, 0);
			virtio_signal_queue(device, VIRTIO_NET_SEND);
			n++;
		} else {
			virtqueue_unpop(&device->queues[VIRTIO_NET_SEND]);
			virtio_net_block(net);
		}
	}
	if (n == VIRTIO_NET_FRAMES_AT_ONCE)
		virtio_kick_again(device, VIRTIO_NET_SEND);
}

/* Towards the guest */

static void
virtio_net_put_back(struct virtio_net *net, uint32_t count)
{
	while (count-- > 0)
		virtqueue_unpop(&net->device.queues[VIRTIO_NET_RECEIVE]);
}

/*
 * Writes the frame, without its header, into as many buffers as it needs. How many, the header's
 * place in net->first; 0: there are not enough now; -EMSGSIZE: there never will be. Then they are
 * all put back.
 */
static int
virtio_net_spread(struct virtio_net *net, const struct net_peer_frame *frame,
		  struct virtqueue_result ret_buffers[VIRTIO_NET_MAX_BUFFERS])
{
	uint32_t most = virtio_has_feature(&net->device, VIRTIO_NET_F_MRG_RXBUF)
				? VIRTIO_NET_MAX_BUFFERS
				: 1;
	size_t done = 0;
	uint32_t n = 0;

	do {
		struct virtqueue_chain *chain = n == 0 ? &net->first : &net->chain;
		uint32_t header_bytes = n == 0 ? NET_PEER_HEADER_BYTES : 0;
		size_t written;

		if (n == most || !virtio_pop(&net->device, VIRTIO_NET_RECEIVE, chain)) {
			virtio_net_put_back(net, n);
			return n == most ? -EMSGSIZE : 0;
		}
		if (chain->in_bytes < header_bytes || chain->in_bytes == 0) {
			virtio_fail(&net->device, "a buffer to receive into is too small");
			return 0;
		}
		written = virtqueue_chain_write(chain, header_bytes, frame->bytes + done,
						frame->size - done);
		done += written;
		ret_buffers[n].head = chain->head;
		ret_buffers[n].written = header_bytes + (uint32_t)written;
		n++;
	} while (done < frame->size);
	return (int)n;
}

/* false: there is no place for it now. */
static bool
virtio_net_deliver(struct virtio_net *net, struct net_peer_frame *frame)
{
	struct virtqueue_result buffers[VIRTIO_NET_MAX_BUFFERS];
	int count = virtio_net_spread(net, frame, buffers);

	if (count == 0)
		return false;
	if (count < 0) {
		net->statistics.dropped++;
		return true;
	}
	frame->header.num_buffers = htole16((uint16_t)count);
	virtqueue_chain_write(&net->first, 0, &frame->header, NET_PEER_HEADER_BYTES);
	/*
	 * a driver that sees the first of a frame's buffers takes the rest for missing if they come
	 * later
	 */
	virtqueue_push_all(&net->device.queues[VIRTIO_NET_RECEIVE], buffers, (uint16_t)count);
	virtio_signal_queue(&net->device, VIRTIO_NET_RECEIVE);
	net->statistics.received_frames++;
	net->statistics.received_bytes += frame->size;
	return true;
}

static void
virtio_net_receive(struct virtio_net *net)
{
	struct net_peer_frame frame;
	int n = 0;

	while (n < VIRTIO_NET_FRAMES_AT_ONCE && net_peer_receive(net->peer, &frame)) {
		if (!virtio_net_deliver(net, &frame)) {
			net_peer_unreceive(net->peer);
			net_peer_set_reading(net->peer, false);
			break;
		}
		n++;
	}
	/* the peer may hold more, of which the loop knows nothing */
	if (n == VIRTIO_NET_FRAMES_AT_ONCE)
		virtio_kick_again(&net->device, VIRTIO_NET_RECEIVE);
}

/* The peer */

static void
virtio_net_handle_readable(void *context)
{
	virtio_net_receive(context);
}

static void
virtio_net_handle_writable(void *context)
{
	struct virtio_net *net = context;

	virtio_net_unblock(net);
	virtio_net_send(net);
}

static void
virtio_net_handle_lost(void *context)
{
	struct virtio_net *net = context;
	bool had_link = virtio_net_has_link(&net->device);

	net->peer_state = VIRTIO_NET_PEER_LOST;
	if (had_link)
		virtio_signal_config(&net->device);
	/* what waits is dropped */
	virtio_kick_again(&net->device, VIRTIO_NET_SEND);
}

static const struct net_peer_events virtio_net_peer_events = {
	.readable = virtio_net_handle_readable,
	.writable = virtio_net_handle_writable,
	.lost = virtio_net_handle_lost,
};

/* The present peer is not touched. On an error the descriptor is still the caller's. */
static int
virtio_net_make_peer(struct virtio_net *net, int fd, struct net_peer **ret_peer)
{
	return net->kind->make(net->device.platform->loop, net->name, fd, &virtio_net_peer_events,
			       net, ret_peer);
}

/* The device */

static void
virtio_net_handle_queue(struct virtio_device *device, uint32_t queue)
{
	struct virtio_net *net = (struct virtio_net *)device;

	if (queue == VIRTIO_NET_SEND) {
		virtio_net_send(net);
	} else if (virtio_net_has_link(device)) {
		net_peer_set_reading(net->peer, true);
		virtio_net_receive(net);
	}
}

static void
virtio_net_read_config(struct virtio_device *device, uint32_t offset, void *target, uint32_t bytes)
{
	const struct virtio_net *net = (const struct virtio_net *)device;
	struct virtio_net_config config = {
		.status = htole16(virtio_net_has_link(device) ? VIRTIO_NET_S_LINK_UP : 0),
		.max_virtqueue_pairs = htole16(1),
		.mtu = htole16(net->kind->mtu),
	};

	memcpy(config.mac, net->state.mac, sizeof(config.mac));
	memcpy(target, (const char *)&config + offset, bytes);
}

static int
virtio_net_activate(struct virtio_device *device)
{
	struct virtio_net *net = (struct virtio_net *)device;

	if (!virtio_net_has_peer(net))
		return 0;
	return net_peer_set_offloads(net->peer, device->driver_features);
}

static void
virtio_net_reset(struct virtio_device *device)
{
	struct virtio_net *net = (struct virtio_net *)device;

	virtio_net_unblock(net);
	if (net->peer)
		net_peer_set_reading(net->peer, false);
}

/*
 * Only what the guest knows of the link is kept. The address is the new machine's, as its
 * description has it: no two forks have the same. What a peer holds (a frame that is half sent, or
 * read and not taken) ends with the peer, as in any network; a machine that is sealed has no link.
 */
static void
virtio_net_save(struct virtio_device *device, struct state_writer *writer)
{
	state_put_bool(writer, virtio_net_has_link(device));
}

static int
virtio_net_load(struct virtio_device *device, struct state_reader *reader)
{
	bool had_link = state_take_bool(reader);
	int error;

	if (state_reader_check(reader) < 0)
		return state_reader_check(reader);
	if (had_link != virtio_net_has_link(device))
		virtio_tell_later(device);
	error = device->active ? virtio_net_activate(device) : 0;
	if (error < 0)
		return state_reader_refuse(reader, "the network cannot do what its driver uses: %s",
					   strerror(-error));
	return 0;
}

static void
virtio_net_free(struct virtio_device *device)
{
	struct virtio_net *net = (struct virtio_net *)device;

	net_peer_free(net->peer);
	free(net);
}

static const struct virtio_ops virtio_net_ops = {
	.name = "virtio-net",
	.type = VIRTIO_ID_NET,
	.activate = virtio_net_activate,
	.reset = virtio_net_reset,
	.handle_queue = virtio_net_handle_queue,
	.read_config = virtio_net_read_config,
	.free = virtio_net_free,
	.state_version = VIRTIO_NET_STATE_VERSION,
	.save = virtio_net_save,
	.load = virtio_net_load,
};

int
virtio_net_new(struct platform *platform, const struct virtio_net_options *options,
	       struct virtio_device **ret_device)
{
	struct virtio_net *net = calloc(1, sizeof(*net));
	struct virtio_device *device;
	int error;

	if (!net)
		return -ENOMEM;
	device = &net->device;
	device->ops = &virtio_net_ops;
	device->platform = platform;
	device->device_features = VIRTIO_NET_FEATURE(MAC) | VIRTIO_NET_FEATURE(STATUS) |
				  VIRTIO_NET_FEATURE(MRG_RXBUF) | options->kind->features;
	if (options->kind->mtu)
		device->device_features |= VIRTIO_NET_FEATURE(MTU);
	device->config_bytes = VIRTIO_NET_CONFIG_BYTES;
	device->n_queues = 2;
	device->queue_sizes[VIRTIO_NET_RECEIVE] = VIRTIO_NET_QUEUE_SIZE;
	device->queue_sizes[VIRTIO_NET_SEND] = VIRTIO_NET_QUEUE_SIZE;
	device->polled_queues = UINT64_C(1) << VIRTIO_NET_SEND;
	net->name = options->name;
	net->kind = options->kind;
	net->state.plugged = options->link;
	memcpy(net->state.mac, options->mac, sizeof(net->state.mac));
	error = options->fd < 0 ? 0 : virtio_net_make_peer(net, options->fd, &net->peer);
	if (error < 0) {
		free(net);
		return error;
	}
	if (net->peer)
		net->peer_state = VIRTIO_NET_PEER_READY;
	*ret_device = device;
	return 0;
}

/*
 * One that does all that the driver counts on already. The descriptor belongs to it, and is closed
 * on an error.
 */
static int
virtio_net_make_next_peer(struct virtio_net *net, int fd, struct net_peer **ret_peer)
{
	struct net_peer *peer = NULL;
	int error = virtio_net_make_peer(net, fd, &peer);

	if (error < 0) {
		close(fd);
		return error;
	}
	if (net->device.active)
		error = net_peer_set_offloads(peer, net->device.driver_features);
	if (error < 0) {
		net_peer_free(peer);
		return error;
	}
	*ret_peer = peer;
	return 0;
}

int
virtio_net_set_link(struct virtio_device *device, bool up, int fd)
{
	struct virtio_net *net = (struct virtio_net *)device;
	bool had_link = virtio_net_has_link(device);
	struct net_peer *next = NULL;
	int error = fd < 0 ? 0 : virtio_net_make_next_peer(net, fd, &next);

	if (error < 0)
		return error;
	if (next) {
		net_peer_free(net->peer);
		net->peer = next;
		net->peer_state = VIRTIO_NET_PEER_READY;
	}
	if (up && !virtio_net_has_peer(net))
		return -ENOTCONN;
	net->state.plugged = up;
	if (!up && net->peer) {
		net_peer_set_reading(net->peer, false);
		virtio_net_unblock(net); /* what waits is dropped */
	}
	if (had_link != up)
		virtio_signal_config(device);
	/* frames may have waited for this, on either side */
	virtio_kick_again(device, VIRTIO_NET_RECEIVE);
	virtio_kick_again(device, VIRTIO_NET_SEND);
	return 0;
}

bool
virtio_net_has_link(const struct virtio_device *device)
{
	const struct virtio_net *net = (const struct virtio_net *)device;

	return net->state.plugged && virtio_net_has_peer(net);
}

void
virtio_net_get_statistics(const struct virtio_device *device,
			  struct virtio_net_statistics *ret_statistics)
{
	*ret_statistics = ((const struct virtio_net *)device)->statistics;
}
