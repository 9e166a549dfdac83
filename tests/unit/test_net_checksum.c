/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_checksum.c - checksums that a guest leaves to its network card (virtio 1.2 section 5.1.6.2)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <string.h>

#include "tests/unit/internet_sum.h"
#include "vmm/net_checksum.h"

#define START  34
#define OFFSET 16
#define HEAD   (START + OFFSET + 2)
#define FRAME  1600

static struct virtio_net_hdr_v1
make_header(uint16_t start, uint16_t offset)
{
	return (struct virtio_net_hdr_v1){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = htole16(start),
		.csum_offset = htole16(offset),
	};
}

static void
test_net_checksum__is_right_for_any_pieces(void **state)
{
	static const size_t sizes[] = { HEAD, HEAD + 1, HEAD + 7, HEAD + 8, FRAME - 1, FRAME };
	const struct virtio_net_hdr_v1 header = make_header(START, OFFSET);
	uint8_t frame[FRAME];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (size_t cut = 0; cut <= sizes[i] - HEAD; cut += 1 + cut / 16) {
			struct iovec rest[] = { { frame + HEAD, cut },
						{ frame + HEAD + cut, sizes[i] - HEAD - cut } };
			uint16_t should;

			for (size_t at = 0; at < sizeof(frame); at++)
				frame[at] = (uint8_t)(at * 31 + cut * 7 + 200);
			should = (uint16_t)~internet_sum(frame + START, sizes[i] - START);
			net_checksum_complete(&header, frame, HEAD, rest, 2);
			assert_int_equal(frame[START + OFFSET], should >> 8);
			assert_int_equal(frame[START + OFFSET + 1], should & 0xff);
		}
}

static void
test_net_checksum__is_never_zero(void **state)
{
	uint8_t packet[] = { 0, 0, 0xff, 0xff };
	const struct virtio_net_hdr_v1 header = make_header(0, 0);
	const struct iovec rest = { packet + 2, 2 };

	(void)state;
	net_checksum_complete(&header, packet, 2, &rest, 1);
	assert_int_equal(packet[0] << 8 | packet[1], 0xffff);
}

static void
test_net_checksum__must_lie_in_the_frame(void **state)
{
	static const struct {
		uint16_t start;
		uint16_t offset;
		size_t frame_bytes;
		size_t head_bytes;
	} cases[] = {
		{ 34, 16, 54, 52 }, { 34, 16, 52, 52 },	     { 34, 16, 51, 0 },
		{ 0, 0, 60, 2 },    { 60, 0, 60, 0 },	     { 65535, 65535, 65553, 0 },
		{ 65535, 3, 2, 0 }, { 240, 14, 65553, 256 }, { 240, 15, 65553, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct virtio_net_hdr_v1 header =
			make_header(cases[i].start, cases[i].offset);

		assert_int_equal(net_checksum_get_head_bytes(&header, cases[i].frame_bytes),
				 cases[i].head_bytes);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_net_checksum__is_right_for_any_pieces),
		cmocka_unit_test(test_net_checksum__is_never_zero),
		cmocka_unit_test(test_net_checksum__must_lie_in_the_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
