/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * net_checksum.h - completes the checksum that a guest has left to its network card (virtio 1.2
 * section 5.1.6.2, RFC 1071)
 *
 * The guest's memory is not written to: the frame's head, which is everything up to the end of the
 * checksum's place, has been copied.
 */
#ifndef VMM_NET_CHECKSUM_H
#define VMM_NET_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <linux/virtio_net.h>

/* Ethernet, IP and the beginning of TCP or UDP, with all that stands between them in practice */
#define NET_CHECKSUM_MAX_HEAD_BYTES 256

/* How long the head is of a frame of so many bytes; 0: what the header says cannot be done. */
size_t net_checksum_get_head_bytes(const struct virtio_net_hdr_v1 *header, size_t frame_bytes);

/* Sets the checksum in the head; "rest" is all that follows it in the frame. */
void net_checksum_complete(const struct virtio_net_hdr_v1 *header, uint8_t *head, size_t head_bytes,
			   const struct iovec *rest, int count);

#endif
