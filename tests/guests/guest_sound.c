/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_sound.c - plays a tone on the sound card until it is switched off from outside; with "echo" on the command line what
 * it records instead (High Definition Audio Specification 1.0a)
 *
 * Both streams have the same buffer, so echoing takes no work: the card records into what it plays.
 */
#include "tests/guests/bare.h"
#include "tests/guests/bare_pci.h"
#include "vmm/hda_codec.h"
#include "vmm/hda_layout.h"

#define SLOT	   27
#define TONE_HZ	   500
#define N_FRAMES   (48000 / TONE_HZ * 10)
#define N_BUFFERS  8 /* the same one again and again */
#define LOUD	   8000
#define TURN	   32698 /* 2 cos(2 pi 500 / 48000), 14 bits behind the point */
#define FIRST	   523	 /* 8000 sin(2 pi 500 / 48000) */
#define FIXED_BITS 14

struct buffer {
	uint64_t address;
	uint32_t bytes;
	uint32_t flags;
};

static uint64_t card;

static uint32_t
stream_at(uint32_t stream, uint32_t part)
{
	return HDA_STREAM + stream * HDA_STREAM_BYTES + part;
}

static void
ask(uint32_t node, uint32_t verb_and_payload)
{
	BARE_REGISTER(uint32_t, card + HDA_ICOI) = node << 20 | verb_and_payload;
	BARE_REGISTER(uint16_t, card + HDA_ICS) = HDA_ICS_BUSY;
	bare_check(BARE_WAIT(BARE_REGISTER(uint16_t, card + HDA_ICS) & HDA_ICS_VALID),
		   "the codec answers");
}

/* sin((n + 1) a) = 2 cos(a) sin(n a) - sin((n - 1) a) */
static void
make_tone(int16_t *samples)
{
	int32_t before = 0;
	int32_t now = FIRST;

	for (uint32_t i = 0; i < N_FRAMES; i++) {
		int32_t next = (TURN * now >> FIXED_BITS) - before;

		samples[2 * i] = (int16_t)before;
		samples[2 * i + 1] = (int16_t)before;
		before = now;
		now = next > LOUD ? LOUD : next < -LOUD ? -LOUD : next;
	}
}

static void
start(uint32_t stream, uint32_t converter, const struct buffer *buffers)
{
	uint32_t tag = stream + 1;

	BARE_REGISTER(uint32_t, card + stream_at(stream, HDA_SD_CTL)) = tag << HDA_SD_CTL_TAG_SHIFT;
	BARE_REGISTER(uint32_t, card + stream_at(stream, HDA_SD_CBL)) =
		N_BUFFERS * buffers[0].bytes;
	BARE_REGISTER(uint16_t, card + stream_at(stream, HDA_SD_LVI)) = N_BUFFERS - 1;
	BARE_REGISTER(uint16_t, card + stream_at(stream, HDA_SD_FMT)) = HDA_FORMAT_48000;
	BARE_REGISTER(uint32_t, card + stream_at(stream, HDA_SD_BDPL)) =
		(uint32_t)(uintptr_t)buffers;
	BARE_REGISTER(uint32_t, card + stream_at(stream, HDA_SD_BDPU)) = 0;
	ask(converter, 0x70600 | tag << 4);
	ask(converter, 0x20000 | HDA_FORMAT_48000);
	BARE_REGISTER(uint8_t, card + stream_at(stream, HDA_SD_CTL)) = HDA_SD_CTL_RUN;
}

void
guest_main(void)
{
	int16_t *samples = bare_allocate(N_FRAMES * 4, 128);
	struct buffer *buffers = bare_allocate(N_BUFFERS * sizeof(*buffers), 128);
	bool echoes = bare_command_line_has("echo");

	bare_pci_enable(SLOT);
	card = bare_pci_get_bar(SLOT, 0);
	BARE_REGISTER(uint32_t, card + HDA_GCTL) = HDA_GCTL_RUNS;
	if (!bare_check(BARE_WAIT(BARE_REGISTER(uint16_t, card + HDA_STATESTS) == 1),
			"there is a codec"))
		return;
	if (!echoes)
		make_tone(samples);
	for (uint32_t i = 0; i < N_BUFFERS; i++)
		buffers[i] = (struct buffer){ (uintptr_t)samples, N_FRAMES * 4, 0 };
	if (echoes)
		start(0, HDA_NODE_ADC, buffers);
	start(1, HDA_NODE_DAC, buffers);
	bare_check(BARE_WAIT(BARE_REGISTER(uint32_t, card + stream_at(1, HDA_SD_LPIB)) > 0),
		   "the stream moves");
	for (;;)
		__asm__ volatile("hlt");
}
