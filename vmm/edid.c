/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * edid.c - what a virtual monitor says of itself (carrel-vmm)
 *
 * The timing is VESA CVT 1.1 with reduced blanking. A detailed timing descriptor of EDID holds 12
 * bits of pixels and 655 MHz; a mode beyond that stands in a DisplayID extension block instead, and
 * the base block's preferred one is 1024x768.
 */
#include "vmm/edid.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define REFRESH_HZ	   60
#define H_BLANK		   160 /* CVT 1.1 section 5: reduced blanking */
#define H_FRONT		   48
#define H_SYNC		   32
#define V_FRONT		   3
#define V_SYNC		   6
#define V_MIN_BACK	   6
#define V_MIN_BLANK_US	   460
#define MAX_DETAILED_SIDE  4095
#define MAX_DETAILED_CLOCK 0xffff /* in 10 kHz */
#define DESCRIPTOR_BYTES   18
#define DESCRIPTORS_AT	   54
#define MODEL_YEAR	   2026
#define FALLBACK_WIDTH	   1024
#define FALLBACK_HEIGHT	   768

struct edid_timing {
	uint32_t width;
	uint32_t height;
	uint32_t v_blank;
	uint32_t clock_10khz;
	uint32_t width_mm;
	uint32_t height_mm;
};

static struct edid_timing
edid_compute_timing(uint32_t width, uint32_t height)
{
	struct edid_timing timing = { .width = width, .height = height };
	/* The lines of V_MIN_BLANK_US when the visible ones share what is left of a frame. */
	uint64_t left_us = 1000000 / REFRESH_HZ - V_MIN_BLANK_US;
	uint32_t v_blank = (uint32_t)((uint64_t)height * V_MIN_BLANK_US / left_us) + 1;

	timing.v_blank =
		v_blank > V_FRONT + V_SYNC + V_MIN_BACK ? v_blank : V_FRONT + V_SYNC + V_MIN_BACK;
	timing.clock_10khz = (uint32_t)((uint64_t)(width + H_BLANK) * (height + timing.v_blank) *
					REFRESH_HZ / 10000);
	timing.width_mm = width * 254 / 960;
	timing.height_mm = height * 254 / 960;
	return timing;
}

static bool
edid_is_detailed(const struct edid_timing *timing)
{
	return timing->width <= MAX_DETAILED_SIDE && timing->height <= MAX_DETAILED_SIDE &&
	       timing->clock_10khz <= MAX_DETAILED_CLOCK;
}

static void
edid_put_16(uint8_t *target, uint32_t value)
{
	target[0] = (uint8_t)value;
	target[1] = (uint8_t)(value >> 8);
}

static uint8_t
edid_checksum(const uint8_t *bytes, size_t count)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += bytes[i];
	return (uint8_t)-sum;
}

/* E-EDID 1.4 section 3.10.2. */
static void
edid_put_detailed(uint8_t *target, const struct edid_timing *timing)
{
	edid_put_16(target, timing->clock_10khz);
	target[2] = (uint8_t)timing->width;
	target[3] = (uint8_t)H_BLANK;
	target[4] = (uint8_t)(timing->width >> 8 << 4 | H_BLANK >> 8);
	target[5] = (uint8_t)timing->height;
	target[6] = (uint8_t)timing->v_blank;
	target[7] = (uint8_t)(timing->height >> 8 << 4 | timing->v_blank >> 8);
	target[8] = H_FRONT;
	target[9] = H_SYNC;
	target[10] = V_FRONT << 4 | V_SYNC;
	target[11] = 0;
	target[12] = (uint8_t)timing->width_mm;
	target[13] = (uint8_t)timing->height_mm;
	target[14] = (uint8_t)(timing->width_mm >> 8 << 4 | timing->height_mm >> 8);
	target[17] = 0x1a; /* digital separate sync, horizontal positive (CVT: reduced blanking) */
}

/* E-EDID 1.4 section 3.10.3: a text of 13 characters at most, ended by a line feed. */
static void
edid_put_text(uint8_t *target, uint8_t tag, const char *text)
{
	size_t length = strlen(text);

	memset(target, 0, 5);
	target[3] = tag;
	memset(target + 5, ' ', 13);
	memcpy(target + 5, text, length);
	target[5 + length] = '\n';
}

static void
edid_make_base(const struct edid_timing *timing, const struct edid_timing *preferred,
	       uint32_t number, uint8_t *edid)
{
	static const uint8_t head[] = {
		0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, /* header */
		0x0e, 0x4c, /* vendor "CRL", five bits a letter */
		0x01, 0x00, /* product */
	};
	/* Chromaticity of sRGB. */
	static const uint8_t colours[] = { 0xee, 0x91, 0xa3, 0x54, 0x4c,
					   0x99, 0x26, 0x0f, 0x50, 0x54 };
	char serial[12];

	memcpy(edid, head, sizeof(head));
	edid[12] = (uint8_t)(number + 1);
	edid[16] = 255; /* not a week: the year is the model's */
	edid[17] = MODEL_YEAR - 1990;
	edid[18] = 1;
	edid[19] = 4;
	edid[20] = 0xa0; /* digital, 8 bits a colour, no connector named */
	edid[21] = (uint8_t)(timing->width_mm / 10 < 255 ? timing->width_mm / 10 : 255);
	edid[22] = (uint8_t)(timing->height_mm / 10 < 255 ? timing->height_mm / 10 : 255);
	edid[23] = 120;	 /* gamma 2.2 */
	edid[24] = 0x06; /* sRGB; the preferred timing is the native one */
	memcpy(edid + 25, colours, sizeof(colours));
	memset(edid + 38, 0x01, 16); /* standard timings: unused */
	edid_put_detailed(edid + DESCRIPTORS_AT, preferred);
	edid_put_text(edid + DESCRIPTORS_AT + DESCRIPTOR_BYTES, 0xfc, "Carrel");
	snprintf(serial, sizeof(serial), "head-%u", number);
	edid_put_text(edid + DESCRIPTORS_AT + 2 * DESCRIPTOR_BYTES, 0xff, serial);
	edid[DESCRIPTORS_AT + 3 * DESCRIPTOR_BYTES + 3] = 0x10; /* an unused descriptor */
}

/* DisplayID 1.3 section 4.4.2: a detailed timing of type I has less one in every field. */
static void
edid_put_display_id_timing(uint8_t *target, const struct edid_timing *timing)
{
	edid_put_16(target, timing->clock_10khz - 1);
	target[2] = (uint8_t)((timing->clock_10khz - 1) >> 16);
	target[3] = 0x80 | 0x08; /* preferred; aspect ratio undefined */
	edid_put_16(target + 4, timing->width - 1);
	edid_put_16(target + 6, H_BLANK - 1);
	edid_put_16(target + 8, (H_FRONT - 1) | 0x8000); /* positive sync */
	edid_put_16(target + 10, H_SYNC - 1);
	edid_put_16(target + 12, timing->height - 1);
	edid_put_16(target + 14, timing->v_blank - 1);
	edid_put_16(target + 16, V_FRONT - 1);
	edid_put_16(target + 18, V_SYNC - 1);
}

/* DisplayID 1.3 section 2.2: one section with a product block and a block of one timing. */
static void
edid_make_display_id(const struct edid_timing *timing, uint8_t *block)
{
	static const uint8_t head[] = {
		0x70, /* an extension of EDID */
		0x13, 3 + 12 + 3 + 20,
		0x03, /* version, bytes of blocks, a monitor by itself */
		0x00, /* sections that follow */
		0x00, 0x00,
		12,   'C',
		'R',  'L', /* product identification: 12 bytes */
		0x01, 0x00,
		0,    0,
		0,    0,
		0,    MODEL_YEAR - 2000,
		0,    0x03,
		0x00, 20, /* detailed timings of type I: 20 bytes */
	};
	uint8_t *section = block + 1;
	size_t bytes = sizeof(head) - 1 + 20;

	memcpy(block, head, sizeof(head));
	edid_put_display_id_timing(block + sizeof(head), timing);
	section[bytes] = edid_checksum(section, bytes);
	block[EDID_BLOCK_BYTES - 1] = edid_checksum(block, EDID_BLOCK_BYTES - 1);
}

size_t
edid_make(uint32_t width, uint32_t height, uint32_t number, uint8_t ret_edid[EDID_MAX_BYTES])
{
	struct edid_timing timing = edid_compute_timing(width, height);
	struct edid_timing preferred = timing;
	bool detailed = edid_is_detailed(&timing);

	if (!detailed) {
		preferred = edid_compute_timing(FALLBACK_WIDTH, FALLBACK_HEIGHT);
		preferred.width_mm = timing.width_mm;
		preferred.height_mm = timing.height_mm;
	}
	memset(ret_edid, 0, EDID_MAX_BYTES);
	edid_make_base(&timing, &preferred, number, ret_edid);
	ret_edid[126] = detailed ? 0 : 1;
	ret_edid[127] = edid_checksum(ret_edid, EDID_BLOCK_BYTES - 1);
	if (detailed)
		return EDID_BLOCK_BYTES;
	edid_make_display_id(&timing, ret_edid + EDID_BLOCK_BYTES);
	return EDID_MAX_BYTES;
}
