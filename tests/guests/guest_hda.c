/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_hda.c - an HD Audio controller with a codec that plays and records (High Definition Audio Specification 1.0a)
 *
 * The command line's number is the right sample of each frame that is played, the left ones count up from 0; the host says
 * frames of SPOKEN.
 */
#include <linux/pci_regs.h>

#include "tests/guests/bare.h"
#include "tests/guests/bare_irq.h"
#include "tests/guests/bare_pci.h"
#include "vmm/hda_layout.h"

#define SLOT	      27
#define CLASS	      0x0403
#define NO_RAM	      0xd0000000
#define CODEC_ID      0x1af40022
#define RECORDS	      0 /* streams; their tags are one more */
#define PLAYS	      1
#define BUFFER_FRAMES 2400 /* 50 ms */
#define N_BUFFERS     2
#define BUFFER_BYTES  (BUFFER_FRAMES * 4)
#define SPOKEN	      0x12345678
#define RESPONSES     (HDA_RIRBCTL_RESPONSE | HDA_RIRBCTL_OVERRUN)

/* Verbs with their payload, section 7.3.3 */
#define GET_PARAMETER(number) (0xf0000u | (number))
#define GET_CONNECTIONS	      0xf0200u
#define GET_CONFIGURATION     0xf1c00u
#define SET_FORMAT	      (0x20000u | HDA_FORMAT_48000)
#define SET_STREAM(tag)	      (0x70600u | (tag) << 4)
#define SET_PIN(control)      (0x70700u | (control))
#define GET_STREAM	      0xf0600u

static struct codec {
	uint32_t plays, records, line_out, microphone; /* nodes; 0: not found */
} codec;
static struct {
	uint64_t address;
	uint32_t bytes, flags;
} list[N_BUFFERS] __attribute__((aligned(128)));
static uint32_t commands[HDA_RING_ENTRIES] __attribute__((aligned(128)));
static volatile uint64_t answers[HDA_RING_ENTRIES] __attribute__((aligned(128)));
static volatile uint32_t frames[N_BUFFERS * BUFFER_FRAMES];
static uint64_t card;
static uint32_t n_commands;

static uint32_t
get(uint32_t offset, uint32_t bytes)
{
	if (bytes == 1)
		return BARE_REGISTER(uint8_t, card + offset);
	return bytes == 2 ? BARE_REGISTER(uint16_t, card + offset)
			  : BARE_REGISTER(uint32_t, card + offset);
}

static void
set(uint32_t offset, uint32_t bytes, uint32_t value)
{
	if (bytes == 1)
		BARE_REGISTER(uint8_t, card + offset) = (uint8_t)value;
	else if (bytes == 2)
		BARE_REGISTER(uint16_t, card + offset) = (uint16_t)value;
	else
		BARE_REGISTER(uint32_t, card + offset) = value;
}

static uint32_t
stream_at(uint32_t stream, uint32_t offset)
{
	return HDA_STREAM + stream * HDA_STREAM_BYTES + offset;
}

static uint32_t
command(uint32_t node, uint32_t verb)
{
	n_commands = (n_commands + 1) % HDA_RING_ENTRIES;
	commands[n_commands] = node << 20 | verb;
	set(HDA_RIRBSTS, 1, RESPONSES);
	set(HDA_CORBWP, 2, n_commands);
	if (!BARE_WAIT(get(HDA_RIRBWP, 2) == n_commands))
		return 0;
	return (uint32_t)answers[n_commands];
}

static bool
start(void)
{
	set(HDA_GCTL, 4, 0);
	if (!BARE_WAIT(get(HDA_GCTL, 4) == 0))
		return false;
	set(HDA_GCTL, 4, HDA_GCTL_RUNS);
	if (!BARE_WAIT(get(HDA_STATESTS, 2) == 1))
		return false;
	n_commands = 0;
	set(HDA_CORBLBASE, 4, (uint32_t)(uintptr_t)commands);
	set(HDA_RIRBLBASE, 4, (uint32_t)(uintptr_t)answers);
	set(HDA_CORBRP, 2, HDA_POINTER_RESET);
	set(HDA_CORBRP, 2, 0);
	set(HDA_RIRBWP, 2, HDA_POINTER_RESET);
	set(HDA_RINTCNT, 2, 1);
	set(HDA_INTCTL, 4, HDA_INT_GLOBAL | HDA_INT_CONTROLLER | HDA_INT_STREAMS);
	set(HDA_CORBCTL, 1, HDA_CORBCTL_RUN | HDA_CORBCTL_ERROR);
	set(HDA_RIRBCTL, 1, HDA_RIRBCTL_RUN | RESPONSES);
	return true;
}

static bool
works(void)
{
	return start() && command(0, GET_PARAMETER(0)) == CODEC_ID;
}

static void
find_widget(uint32_t node)
{
	bool is_output = command(node, GET_CONFIGURATION) >> 20 == 0;

	switch (command(node, GET_PARAMETER(9)) >> 20 & 0xf) {
	case 0:
		codec.plays = node;
		break;
	case 1:
		codec.records = node;
		break;
	case 4:
		*(is_output ? &codec.line_out : &codec.microphone) = node;
		break;
	}
}

static void
test_codec(void)
{
	uint32_t interrupts = bare_irq_get_count(BARE_IRQ_FIRST);
	uint32_t nodes, function;

	bare_check(works(), "there is a codec");
	bare_check(BARE_WAIT(bare_irq_get_count(BARE_IRQ_FIRST) > interrupts), "answers interrupt");
	function = command(0, GET_PARAMETER(4)) >> 16 & 0xff;
	bare_check_equal(command(function, GET_PARAMETER(5)) & 0x7f, 1, "it has an audio function");
	nodes = command(function, GET_PARAMETER(4));
	for (uint32_t i = 0; i < (nodes & 0xff); i++)
		find_widget((nodes >> 16 & 0xff) + i);
	bare_check(codec.plays && codec.records && codec.line_out && codec.microphone,
		   "with all that sound needs");
	bare_check_equal(command(codec.line_out, GET_CONNECTIONS), codec.plays, "connected");
	bare_check_equal(command(codec.records, GET_CONNECTIONS), codec.microphone, "on both ways");
	command(codec.plays, SET_FORMAT);
	command(codec.plays, SET_STREAM(PLAYS + 1));
	command(codec.line_out, SET_PIN(0x40u));
	command(codec.records, SET_FORMAT);
	command(codec.records, SET_STREAM(RECORDS + 1));
	command(codec.microphone, SET_PIN(0x20u));
	bare_check_equal(command(codec.plays, GET_STREAM), (PLAYS + 1) << 4, "it knows its stream");
}

/* With the list of all frames, unless a test has another one. */
static void
set_up_stream(uint32_t stream)
{
	uint32_t control = stream_at(stream, HDA_SD_CTL);

	set(control, 1, HDA_SD_CTL_RESET);
	set(control, 1, 0);
	for (uint32_t i = 0; i < N_BUFFERS; i++) {
		list[i].address = (uintptr_t)frames + i * BUFFER_BYTES;
		list[i].bytes = BUFFER_BYTES;
		list[i].flags = HDA_BUFFER_INTERRUPTS;
	}
	set(stream_at(stream, HDA_SD_CBL), 4, N_BUFFERS * BUFFER_BYTES);
	set(stream_at(stream, HDA_SD_LVI), 2, N_BUFFERS - 1);
	set(stream_at(stream, HDA_SD_FMT), 2, HDA_FORMAT_48000);
	set(stream_at(stream, HDA_SD_BDPL), 4, (uint32_t)(uintptr_t)list);
}

static void
run_stream(uint32_t stream)
{
	set(stream_at(stream, HDA_SD_CTL), 4,
	    (stream + 1) << HDA_SD_CTL_TAG_SHIFT | HDA_SD_CTL_RUN | HDA_SD_INTERRUPTS);
}

static bool
wait_for_status(uint32_t stream, uint32_t status)
{
	bool good = BARE_WAIT(get(stream_at(stream, HDA_SD_STS), 1) & status);

	set(stream_at(stream, HDA_SD_STS), 1, HDA_SD_INTERRUPTS);
	return good;
}

static void
test_playing(void)
{
	uint32_t place = stream_at(PLAYS, HDA_SD_LPIB), interrupts, at;

	for (uint32_t i = 0; i < N_BUFFERS * BUFFER_FRAMES; i++)
		frames[i] = bare_command_line_number() << 16 | i;
	bare_say("note: plays");
	set_up_stream(PLAYS);
	interrupts = bare_irq_get_count(BARE_IRQ_FIRST);
	run_stream(PLAYS);
	bare_check(BARE_WAIT(get(place, 4) > 0), "the position moves");
	at = get(place, 4);
	bare_check(BARE_WAIT(get(place, 4) > at), "and moves on");
	for (int i = 0; i < 2 * N_BUFFERS; i++)
		bare_check(wait_for_status(PLAYS, HDA_SD_COMPLETE), "a buffer is played");
	bare_check(bare_irq_get_count(BARE_IRQ_FIRST) > interrupts + 1, "which interrupts");
	bare_check(get(place, 4) < N_BUFFERS * BUFFER_BYTES, "the position begins anew");
	set(stream_at(PLAYS, HDA_SD_CTL), 1, 0);
	at = get(place, 4);
	for (int i = 0; i < 100; i++)
		get(HDA_WALCLK, 4);
	bare_check_equal(get(place, 4), at, "a stream that was stopped stands");
}

static bool
has_recorded(void)
{
	for (uint32_t i = 0; i < N_BUFFERS * BUFFER_FRAMES; i += 100)
		if (frames[i] == SPOKEN)
			return true;
	return false;
}

static void
test_recording(void)
{
	for (uint32_t i = 0; i < N_BUFFERS * BUFFER_FRAMES; i++)
		frames[i] = UINT32_MAX;
	bare_say("note: records");
	set_up_stream(RECORDS);
	run_stream(RECORDS);
	bare_check(wait_for_status(RECORDS, HDA_SD_COMPLETE), "a buffer is recorded");
	bare_check(BARE_WAIT(has_recorded()), "it has what was said");
	bare_check(BARE_WAIT(frames[N_BUFFERS * BUFFER_FRAMES - 1] != UINT32_MAX),
		   "the next is recorded, too");
	set(stream_at(RECORDS, HDA_SD_CTL), 1, 0);
}

static void
refuses(const char *what)
{
	run_stream(PLAYS);
	bare_check(wait_for_status(PLAYS, HDA_SD_ERROR), what);
	bare_check_equal(get(stream_at(PLAYS, HDA_SD_CTL), 1) & HDA_SD_CTL_RUN, 0, "it stands");
	bare_check(works(), "the card works after that");
}

static void
test_bad_streams(void)
{
	set_up_stream(PLAYS);
	set(stream_at(PLAYS, HDA_SD_BDPL), 4, NO_RAM);
	refuses("a list that is not in RAM is refused");
	set_up_stream(PLAYS);
	list[1].address = NO_RAM;
	refuses("a buffer that is not in RAM is refused");
	set_up_stream(PLAYS);
	list[0].bytes = 0;
	refuses("an empty buffer is refused");
	set_up_stream(PLAYS);
	list[0].address = UINT64_MAX - 16;
	refuses("a buffer at the end of the addresses is refused");
	set_up_stream(PLAYS);
	set(stream_at(PLAYS, HDA_SD_CBL), 4, 0);
	refuses("a stream without length is refused");
	set_up_stream(PLAYS);
	set(stream_at(PLAYS, HDA_SD_FMT), 2, 0x7f7f);
	refuses("a format that is not offered is refused");
}

static void
test_bad_rings(void)
{
	set(HDA_CORBCTL, 1, 0);
	set(HDA_CORBLBASE, 4, NO_RAM);
	set(HDA_CORBCTL, 1, HDA_CORBCTL_RUN);
	set(HDA_CORBWP, 2, n_commands + 1);
	bare_check_equal(get(HDA_CORBSTS, 1), HDA_CORBCTL_ERROR, "commands not in RAM are refused");
	bare_check(works(), "the card works after that");
	set(HDA_RIRBLBASE, 4, NO_RAM);
	set(HDA_CORBWP, 2, n_commands + 1);
	bare_check(get(HDA_RIRBSTS, 1) & HDA_RIRBCTL_OVERRUN,
		   "so is room for answers that is not in RAM");
	bare_check(works(), "the card works after that");
}

/* Written while it is played, and reset in the middle of it. */
static void
test_late(void)
{
	uint32_t place = stream_at(PLAYS, HDA_SD_LPIB), at;

	set_up_stream(PLAYS);
	run_stream(PLAYS);
	at = get(place, 4);
	list[0].address = list[1].address = NO_RAM;
	set(stream_at(PLAYS, HDA_SD_BDPL), 4, NO_RAM);
	set(stream_at(PLAYS, HDA_SD_LVI), 2, HDA_MAX_BUFFERS - 1);
	for (int i = 0; i < N_BUFFERS; i++)
		bare_check(wait_for_status(PLAYS, HDA_SD_COMPLETE),
			   "what is written too late changes nothing");
	bare_check(works(), "a reset in mid-stream is done");
	bare_check_equal(get(place, 4), 0, "the stream is at its beginning");
	bare_check(at != UINT32_MAX && get(stream_at(PLAYS, HDA_SD_CTL), 4) == 0, "and stands");
	for (uint32_t i = 0; i < HDA_REGISTER_BYTES; i++) {
		set(i, 1, 0xa5);
		set(i & ~3u, 4, UINT32_MAX);
	}
	bare_check(works(), "after nonsense in all registers the card works");
}

void
guest_main(void)
{
	bare_irq_set_up();
	bare_check_equal(bare_pci_get(SLOT, PCI_CLASS_DEVICE, 2), CLASS, "there is a sound card");
	bare_pci_enable(SLOT);
	bare_check(bare_pci_enable_msi(SLOT, BARE_IRQ_FIRST), "it has MSI");
	card = bare_pci_get_bar(SLOT, 0);
	test_codec();
	test_playing();
	test_recording();
	test_bad_streams();
	test_bad_rings();
	test_late();
}
