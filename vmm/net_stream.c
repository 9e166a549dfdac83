/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * net_stream.c - the guest's network over a unix stream socket: passt's and QEMU's framing
 *
 * In carrel-vmm, with the machine's lock held.
 *
 * How it works: before each frame stands its length, 32 bits big-endian. What arrives is read into one buffer and taken
 * out of it frame by frame (net_stream_receive()); a frame's rest is moved to the buffer's beginning before more is read.
 * The socket may take a part of what is sent: the rest is copied and goes first when there is room (net_stream_flush()), and
 * no other frame is taken until then.
 *
 * There is no virtio header on the wire: frames are no larger than NET_STREAM_MTU, and checksums are complete. Those of the
 * guest are completed here, which spares its kernel a copy of each frame too (only cards that do that are given a frame in
 * pieces). What comes from the socket has not been through anything that could damage it, so the guest need not check it.
 */
#include "vmm/net_stream.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "vmm/net_checksum.h"
#include "vmm/virtqueue.h"

/* passt is told the same (LAUNCH_NET_MTU): the kernel divides larger pieces */
#define NET_STREAM_MTU		32000
#define NET_STREAM_LENGTH_BYTES sizeof(uint32_t)
#define NET_STREAM_BUFFER_BYTES (128 * 1024)

#define NET_STREAM_FEATURE(name) (UINT64_C(1) << VIRTIO_NET_F_##name)

_Static_assert(NET_STREAM_BUFFER_BYTES >= NET_STREAM_LENGTH_BYTES + NET_PEER_MAX_FRAME_BYTES,
	       "a frame fits");

struct net_stream {
	struct net_peer peer; /* first */
	bool completes;	      /* the guest leaves checksums to us */
	bool vouches;	      /* and takes ours for checked */
	size_t rest_first;    /* what is still to be sent of the last frame */
	size_t rest_end;
	size_t first; /* what was read and not received */
	size_t end;
	size_t last_bytes; /* of the frame received last, with its length */
	uint8_t rest[NET_STREAM_LENGTH_BYTES + NET_PEER_MAX_FRAME_BYTES];
	uint8_t buffer[NET_STREAM_BUFFER_BYTES];
};

/* How many bytes the socket has taken, 0: none at present, negative: it is lost. */
static ssize_t
net_stream_write(struct net_stream *stream, struct iovec *segments, int count)
{
	struct msghdr message = { .msg_iov = segments, .msg_iovlen = (size_t)count };
	ssize_t sent = sendmsg(stream->peer.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent >= 0)
		return sent;
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	net_peer_lose(&stream->peer, strerror(errno));
	return -EPIPE;
}

/* The rest of a frame goes out; true: there is none left. */
static bool
net_stream_flush(struct net_peer *peer)
{
	struct net_stream *stream = (struct net_stream *)peer;
	struct iovec segment = { stream->rest + stream->rest_first,
				 stream->rest_end - stream->rest_first };
	ssize_t sent;

	if (segment.iov_len == 0)
		return true;
	sent = net_stream_write(stream, &segment, 1);
	if (sent > 0)
		stream->rest_first += (size_t)sent;
	return stream->rest_first == stream->rest_end;
}

/* Keeps what the socket has not taken: all but the first "sent" bytes of the segments. */
static void
net_stream_keep_rest(struct net_stream *stream, const struct iovec *segments, int count,
		     size_t sent)
{
	stream->rest_first = 0;
	stream->rest_end = 0;
	for (int i = 0; i < count; i++) {
		size_t skipped = sent < segments[i].iov_len ? sent : segments[i].iov_len;
		size_t bytes = segments[i].iov_len - skipped;

		sent -= skipped;
		memcpy(stream->rest + stream->rest_end, (uint8_t *)segments[i].iov_base + skipped,
		       bytes);
		stream->rest_end += bytes;
	}
}

/* Moves the first bytes out of the segments; how many segments were used up. */
static int
net_stream_take(struct iovec *segments, int count, void *target, size_t bytes)
{
	uint8_t *next = target;
	int i = 0;

	while (i < count && bytes > 0) {
		size_t part = segments[i].iov_len < bytes ? segments[i].iov_len : bytes;

		memcpy(next, segments[i].iov_base, part);
		next += part;
		bytes -= part;
		segments[i].iov_base = (uint8_t *)segments[i].iov_base + part;
		segments[i].iov_len -= part;
		if (segments[i].iov_len == 0)
			i++;
	}
	return i;
}

/* How a frame begins on the wire: its length, and what must be changed in it. */
struct net_stream_begin {
	uint32_t length;
	uint8_t head[NET_CHECKSUM_MAX_HEAD_BYTES];
};

/* As net_stream_take(), of header and head; the head's length comes back too. -EINVAL: the header makes no sense. */
static int
net_stream_begin(const struct net_stream *stream, struct iovec *segments, int count,
		 size_t frame_bytes, struct net_stream_begin *begin, size_t *ret_head_bytes)
{
	struct virtio_net_hdr_v1 header;
	int taken = net_stream_take(segments, count, &header, sizeof(header));
	size_t head_bytes = 0;

	begin->length = htobe32((uint32_t)frame_bytes);
	if (stream->completes && header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		head_bytes = net_checksum_get_head_bytes(&header, frame_bytes);
		if (head_bytes == 0)
			return -EINVAL;
		taken += net_stream_take(segments + taken, count - taken, begin->head, head_bytes);
		net_checksum_complete(&header, begin->head, head_bytes, segments + taken,
				      count - taken);
	}
	*ret_head_bytes = head_bytes;
	return taken;
}

/* Sends what it can, and keeps the rest. */
static int
net_stream_send_all(struct net_stream *stream, struct iovec *segments, int count, size_t bytes)
{
	ssize_t sent = net_stream_write(stream, segments, count);

	if (sent < 0)
		return (int)sent;
	if ((size_t)sent < bytes)
		net_peer_want_room(&stream->peer);
	if (sent == 0)
		return -EAGAIN;
	if ((size_t)sent < bytes)
		net_stream_keep_rest(stream, segments, count, (size_t)sent);
	return 0;
}

static int
net_stream_send(struct net_peer *peer, struct iovec *segments, int count, size_t bytes)
{
	struct net_stream *stream = (struct net_stream *)peer;
	struct iovec all[VIRTQUEUE_MAX_SEGMENTS + 1];
	struct net_stream_begin begin;
	size_t head_bytes;
	int taken;

	if (!stream->peer.source)
		return -EPIPE;
	if (!net_stream_flush(peer)) {
		if (!stream->peer.source)
			return -EPIPE;
		net_peer_want_room(&stream->peer);
		return -EAGAIN;
	}
	bytes -= NET_PEER_HEADER_BYTES;
	taken = net_stream_begin(stream, segments, count, bytes, &begin, &head_bytes);
	if (taken < 0)
		return taken;
	count -= taken;
	all[0] = (struct iovec){ &begin, NET_STREAM_LENGTH_BYTES + head_bytes };
	memcpy(all + 1, segments + taken, (size_t)count * sizeof(*segments));
	return net_stream_send_all(stream, all, count + 1, NET_STREAM_LENGTH_BYTES + bytes);
}

/* Reads what there is; false: nothing, or it is lost. */
static bool
net_stream_fill(struct net_stream *stream)
{
	ssize_t got;

	memmove(stream->buffer, stream->buffer + stream->first, stream->end - stream->first);
	stream->end -= stream->first;
	stream->first = 0;
	got = recv(stream->peer.fd, stream->buffer + stream->end,
		   sizeof(stream->buffer) - stream->end, MSG_DONTWAIT);
	if (got > 0) {
		stream->end += (size_t)got;
		return true;
	}
	if (got == 0)
		net_peer_lose(&stream->peer, "it has closed the connection");
	else if (errno != EAGAIN && errno != EINTR)
		net_peer_lose(&stream->peer, strerror(errno));
	return false;
}

/* 1: a whole frame is in the buffer; 0: not yet; -EPROTO: what stands there is no length. */
static int
net_stream_find_frame(struct net_stream *stream, size_t *ret_bytes)
{
	size_t there = stream->end - stream->first;
	uint32_t length;

	if (there < sizeof(length))
		return 0;
	memcpy(&length, stream->buffer + stream->first, sizeof(length));
	length = be32toh(length);
	if (length < NET_PEER_MIN_FRAME_BYTES || length > NET_PEER_MAX_FRAME_BYTES)
		return -EPROTO;
	*ret_bytes = length;
	return there - sizeof(length) >= length;
}

static int
net_stream_receive(struct net_peer *peer, struct net_peer_frame *ret_frame)
{
	struct net_stream *stream = (struct net_stream *)peer;
	size_t bytes = 0;
	int found;

	if (!stream->peer.source)
		return 0;
	found = net_stream_find_frame(stream, &bytes);
	if (found == 0 && net_stream_fill(stream))
		found = net_stream_find_frame(stream, &bytes);
	if (found < 0) {
		net_peer_lose(&stream->peer, "it has sent a frame of an impossible length");
		return 0;
	}
	if (found == 0)
		return 0;
	*ret_frame = (struct net_peer_frame){
		.header.flags = stream->vouches ? VIRTIO_NET_HDR_F_DATA_VALID : 0,
		.bytes = stream->buffer + stream->first + NET_STREAM_LENGTH_BYTES,
		.size = bytes,
	};
	stream->last_bytes = NET_STREAM_LENGTH_BYTES + bytes;
	stream->first += stream->last_bytes;
	return 1;
}

static void
net_stream_unreceive(struct net_peer *peer)
{
	struct net_stream *stream = (struct net_stream *)peer;

	stream->first -= stream->last_bytes;
	stream->last_bytes = 0;
}

static int
net_stream_set_offloads(struct net_peer *peer, uint64_t features)
{
	struct net_stream *stream = (struct net_stream *)peer;

	stream->completes = features & NET_STREAM_FEATURE(CSUM);
	stream->vouches = features & NET_STREAM_FEATURE(GUEST_CSUM);
	return 0;
}

static const struct net_peer_ops net_stream_ops = {
	.what = "peer",
	.gone = "it has closed the connection",
	.send = net_stream_send,
	.receive = net_stream_receive,
	.unreceive = net_stream_unreceive,
	.set_offloads = net_stream_set_offloads,
	.flush = net_stream_flush,
};

static int
net_stream_new(struct loop *loop, const char *name, int fd, const struct net_peer_events *events,
	       void *context, struct net_peer **ret_peer)
{
	struct net_stream *stream = calloc(1, sizeof(*stream));
	int error;

	if (!stream)
		return -ENOMEM;
	error = net_peer_start(&stream->peer, &net_stream_ops, loop, name, fd, events, context);
	if (error < 0) {
		free(stream);
		return error;
	}
	*ret_peer = &stream->peer;
	return 0;
}

const struct net_peer_kind net_stream_kind = {
	.make = net_stream_new,
	.features = NET_STREAM_FEATURE(CSUM) | NET_STREAM_FEATURE(GUEST_CSUM),
	.mtu = NET_STREAM_MTU,
};
