/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * net_checksum.c - completes the checksum that a guest has left to its network card (carrel-vmm,
 * loop thread)
 *
 * How it works: the ones' complement sum of 16-bit words is the same in either byte order, and the
 * same of larger words that are folded afterwards; so it is taken 64 bits at a time (RFC 1071
 * section 2). A segment that begins at an odd place has its words the other way round. The sum of
 * what the driver has put into the checksum's place, which is that of the pseudo header, is part of
 * it.
 */
#include "vmm/net_checksum.h"

#include <byteswap.h>
#include <endian.h>
#include <stdbool.h>
#include <string.h>

static uint64_t
net_checksum_add(uint64_t sum, uint64_t word)
{
	sum += word;
	return sum + (sum < word); /* the carry comes in again */
}

static uint16_t
net_checksum_fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

static uint16_t
net_checksum_sum(const uint8_t *bytes, size_t count, bool odd)
{
	uint64_t sum = 0;
	uint64_t word;
	uint16_t folded;

	for (; count >= sizeof(word); count -= sizeof(word), bytes += sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		sum = net_checksum_add(sum, word);
	}
	word = 0;
	memcpy(&word, bytes, count);
	folded = net_checksum_fold(net_checksum_add(sum, word));
	return odd ? bswap_16(folded) : folded;
}

size_t
net_checksum_get_head_bytes(const struct virtio_net_hdr_v1 *header, size_t frame_bytes)
{
	size_t end = (size_t)le16toh(header->csum_start) + le16toh(header->csum_offset) +
		     sizeof(uint16_t);

	return end <= frame_bytes && end <= NET_CHECKSUM_MAX_HEAD_BYTES ? end : 0;
}

void
net_checksum_complete(const struct virtio_net_hdr_v1 *header, uint8_t *head, size_t head_bytes,
		      const struct iovec *rest, int count)
{
	size_t start = le16toh(header->csum_start);
	size_t place = start + le16toh(header->csum_offset);
	size_t done = head_bytes - start;
	uint64_t sum = net_checksum_sum(head + start, done, false);
	uint16_t checksum;

	for (int i = 0; i < count; i++) {
		sum += net_checksum_sum(rest[i].iov_base, rest[i].iov_len, done % 2);
		done += rest[i].iov_len;
	}
	checksum = (uint16_t)~net_checksum_fold(sum);
	/* 0 would mean that there is none (RFC 768) */
	if (checksum == 0)
		checksum = UINT16_MAX;
	memcpy(head + place, &checksum, sizeof(checksum));
}
