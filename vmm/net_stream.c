// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * net_stream.c - the guest's network over a unix stream socket: passt's and QEMU's framing
 *
 * In carrel-vmm, with the machine's lock held.
 *
 * How it works: before each frame stands its length, 32 bits big-endian. What arrives is read into one buffer and taken
 * out of it frame by frame (net_stream_receive()); a frame's rest is moved to the buffer's beginning before more is read.
 * The socket may take a part of what is sent: the rest is copied and goes first when there is room (net_stream_flush()), and
 * no other frame is taken until then. There is no virtio header on the wire: checksums are complete, frames are no larger
 * than NET_STREAM_MTU.
 */
#include "vmm/net_stream.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "vmm/virtqueue.h"

/* passt is told the same (LAUNCH_NET_MTU): the kernel divides larger pieces */
#define NET_STREAM_MTU		32000
#define NET_STREAM_LENGTH_BYTES sizeof(uint32_t)
#define NET_STREAM_BUFFER_BYTES (128 * 1024)

_Static_assert(NET_STREAM_BUFFER_BYTES >= NET_STREAM_LENGTH_BYTES + NET_PEER_MAX_FRAME_BYTES,
	       "a frame fits");

struct net_stream {
	struct net_peer peer; /* first */
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

/* The virtio header at the segments' beginning is not sent. */
static int
net_stream_skip_header(struct iovec *segments, int count)
{
	size_t left = NET_PEER_HEADER_BYTES;
	int i = 0;

	while (i < count && segments[i].iov_len <= left)
		left -= segments[i++].iov_len;
	if (i == count)
		return count;
	segments[i].iov_base = (uint8_t *)segments[i].iov_base + left;
	segments[i].iov_len -= left;
	return i;
}

static int
net_stream_send(struct net_peer *peer, struct iovec *segments, int count, size_t bytes)
{
	struct net_stream *stream = (struct net_stream *)peer;
	size_t frame_bytes = bytes - NET_PEER_HEADER_BYTES;
	uint32_t length = htobe32((uint32_t)frame_bytes);
	struct iovec all[VIRTQUEUE_MAX_SEGMENTS + 1];
	int skipped = net_stream_skip_header(segments, count);
	ssize_t sent;

	if (!stream->peer.source)
		return -EPIPE;
	if (!net_stream_flush(peer)) {
		if (!stream->peer.source)
			return -EPIPE;
		net_peer_want_room(&stream->peer);
		return -EAGAIN;
	}
	all[0] = (struct iovec){ &length, sizeof(length) };
	count -= skipped;
	memcpy(all + 1, segments + skipped, (size_t)count * sizeof(*segments));
	sent = net_stream_write(stream, all, count + 1);
	if (sent < 0)
		return (int)sent;
	if (sent == 0) {
		net_peer_want_room(&stream->peer);
		return -EAGAIN;
	}
	if ((size_t)sent < sizeof(length) + frame_bytes) {
		net_stream_keep_rest(stream, all, count + 1, (size_t)sent);
		net_peer_want_room(&stream->peer);
	}
	return 0;
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
	(void)peer;
	(void)features; /* there are none */
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
	.mtu = NET_STREAM_MTU,
};
