/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hda.c - the sound card's registers and interrupts (carrel-vmm, under the machine's lock)
 *
 * How it works: the registers are an array of bytes; register_table and stream_table say which bits
 * of each the guest may set, which it clears by writing ones, and what a write starts. So accesses
 * of any width need no code of their own. hda_handle_read() first brings up to date what changes by
 * itself. After each access, and when the timer has moved samples, hda_update_interrupts() compares
 * the causes with those at the last interrupt and sends another when they have changed.
 */
#include "vmm/hda.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "vmm/bus.h"
#include "vmm/guest_memory.h"
#include "vmm/hda_device.h"
#include "vmm/loop.h"
#include "vmm/pci.h"
#include "vmm/platform.h"
#include "vmm/slots.h"
#include "vmm/sound_sink.h"

#define BAR_BYTES	   0x4000
#define NS_PER_MS	   UINT64_C(1000000)
#define NS_PER_US	   1000
#define COMPLAINTS_AT_ONCE 5
#define COMPLAIN_EVERY_MS  10000
#define CODECS		   (1u << HDA_CODEC_ADDRESS) /* as STATESTS and WAKEEN show them */
/*
 * The ICH6 has its traffic class register at 0x44 of configuration space, and Linux clears the low
 * bits there: that must not be in the MSI capability.
 */
#define VENDOR_CAPABILITY_BYTES 16

/* What a rule does with a register; the masks are of the guest's writes. */
struct hda_rule {
	uint32_t offset;
	uint32_t bytes;
	uint32_t initial;
	uint32_t writable;
	uint32_t clears; /* bits that a one clears */
	void (*written)(struct hda *hda, uint32_t index);
};

uint32_t
hda_get(const struct hda *hda, uint32_t offset, uint32_t bytes)
{
	uint32_t value = 0;

	memcpy(&value, hda->state.registers + offset, bytes);
	return value;
}

void
hda_set(struct hda *hda, uint32_t offset, uint32_t bytes, uint32_t value)
{
	memcpy(hda->state.registers + offset, &value, bytes);
}

uint64_t
hda_get_address(const struct hda *hda, uint32_t low)
{
	return (uint64_t)hda_get(hda, low + 4, 4) << 32 | (hda_get(hda, low, 4) & ~0x7fu);
}

int
hda_fetch(const struct hda *hda, uint64_t gpa, void *target, size_t bytes)
{
	if (!pci_device_may_master(hda->pci))
		return -EFAULT;
	return guest_memory_read(hda->platform->memory, gpa, target, bytes);
}

int
hda_store(const struct hda *hda, uint64_t gpa, const void *source, size_t bytes)
{
	if (!pci_device_may_master(hda->pci))
		return -EFAULT;
	return guest_memory_write(hda->platform->memory, gpa, source, bytes);
}

void
hda_complain(struct hda *hda, const char *what)
{
	if (log_limit_allow(&hda->complaints, loop_now_ns() / NS_PER_MS))
		log_warning("hda: the guest's driver is wrong: %s; the card stops there", what);
}

static void
hda_write_commands(struct hda *hda, uint32_t index)
{
	(void)index;
	hda_command_run(hda);
}

static void
hda_write_command_now(struct hda *hda, uint32_t index)
{
	(void)index;
	hda_command_run_now(hda);
}

/* The bit stays until the driver takes it back: Linux waits for that. */
static void
hda_write_command_place(struct hda *hda, uint32_t index)
{
	(void)index;
	hda_set(hda, HDA_CORBRP, 2, hda_get(hda, HDA_CORBRP, 2) & HDA_POINTER_RESET);
}

static void
hda_write_response_place(struct hda *hda, uint32_t index)
{
	(void)index;
	hda_set(hda, HDA_RIRBWP, 2, 0);
}

static void
hda_write_sync(struct hda *hda, uint32_t index)
{
	(void)index;
	for (uint32_t i = 0; i < HDA_STREAMS; i++)
		hda_stream_update(hda, i);
}

static void hda_write_control(struct hda *hda, uint32_t index);
static void hda_write_stream(struct hda *hda, uint32_t index);

static const struct hda_rule register_table[] = {
	/* 64-bit addresses; an input and an output */
	{ .offset = HDA_GCAP, .bytes = 2, .initial = 1u << 12 | 1u << 8 | 1 },
	{ .offset = HDA_VMAJ, .bytes = 1, .initial = 1 },
	{ .offset = HDA_OUTPAY, .bytes = 2, .initial = 0x3c },
	{ .offset = HDA_INPAY, .bytes = 2, .initial = 0x1d },
	{ HDA_GCTL, 4, 0, HDA_GCTL_RUNS | HDA_GCTL_UNSOLICITED, 0, hda_write_control },
	{ .offset = HDA_WAKEEN, .bytes = 2, .writable = CODECS },
	{ .offset = HDA_STATESTS, .bytes = 2, .clears = CODECS },
	{ .offset = HDA_OUTSTRMPAY, .bytes = 2, .initial = 0x3c },
	{ .offset = HDA_INSTRMPAY, .bytes = 2, .initial = 0x1d },
	{ .offset = HDA_INTCTL,
	  .bytes = 4,
	  .writable = HDA_INT_GLOBAL | HDA_INT_CONTROLLER | HDA_INT_STREAMS },
	{ HDA_SSYNC_ICH6, 4, 0, HDA_INT_STREAMS, 0, hda_write_sync },
	{ HDA_SSYNC, 4, 0, HDA_INT_STREAMS, 0, hda_write_sync },
	{ .offset = HDA_CORBLBASE, .bytes = 4, .writable = 0xffffff80 },
	{ .offset = HDA_CORBUBASE, .bytes = 4, .writable = 0xffffffff },
	{ HDA_CORBWP, 2, 0, HDA_RING_ENTRIES - 1, 0, hda_write_commands },
	{ HDA_CORBRP, 2, 0, HDA_POINTER_RESET, 0, hda_write_command_place },
	{ HDA_CORBCTL, 1, 0, HDA_CORBCTL_ERROR | HDA_CORBCTL_RUN, 0, hda_write_commands },
	{ .offset = HDA_CORBSTS, .bytes = 1, .clears = HDA_CORBCTL_ERROR },
	{ .offset = HDA_CORBSIZE, .bytes = 1, .initial = HDA_SIZE_256 },
	{ .offset = HDA_RIRBLBASE, .bytes = 4, .writable = 0xffffff80 },
	{ .offset = HDA_RIRBUBASE, .bytes = 4, .writable = 0xffffffff },
	{ HDA_RIRBWP, 2, 0, HDA_POINTER_RESET, 0, hda_write_response_place },
	{ .offset = HDA_RINTCNT, .bytes = 2, .writable = 0xff },
	{ .offset = HDA_RIRBCTL,
	  .bytes = 1,
	  .writable = HDA_RIRBCTL_RESPONSE | HDA_RIRBCTL_RUN | HDA_RIRBCTL_OVERRUN },
	{ .offset = HDA_RIRBSTS, .bytes = 1, .clears = HDA_RIRBCTL_RESPONSE | HDA_RIRBCTL_OVERRUN },
	{ .offset = HDA_RIRBSIZE, .bytes = 1, .initial = HDA_SIZE_256 },
	{ .offset = HDA_ICOI, .bytes = 4, .writable = 0xffffffff },
	{ HDA_ICS, 2, 0, HDA_ICS_BUSY, HDA_ICS_VALID, hda_write_command_now },
	{ .offset = HDA_DPLBASE, .bytes = 4, .writable = 0xffffff80 | HDA_DPLBASE_ENABLE },
	{ .offset = HDA_DPUBASE, .bytes = 4, .writable = 0xffffffff },
};

/* From a stream's first register; status is the control register's highest byte. */
static const struct hda_rule stream_table[] = {
	{ HDA_SD_CTL, 4, 0, 0x00f00000 | HDA_SD_CTL_RESET | HDA_SD_CTL_RUN | HDA_SD_INTERRUPTS,
	  HDA_SD_INTERRUPTS << 24, hda_write_stream },
	{ .offset = HDA_SD_LPIB, .bytes = 4 },
	{ .offset = HDA_SD_CBL, .bytes = 4, .writable = 0xffffffff },
	{ .offset = HDA_SD_LVI, .bytes = 2, .writable = HDA_MAX_BUFFERS - 1 },
	{ .offset = HDA_SD_FIFOS, .bytes = 2, .initial = 0xbf },
	{ .offset = HDA_SD_FMT, .bytes = 2, .writable = 0x7f7f },
	{ .offset = HDA_SD_BDPL, .bytes = 4, .writable = 0xffffff80 },
	{ .offset = HDA_SD_BDPU, .bytes = 4, .writable = 0xffffffff },
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void
hda_reset_stream(struct hda *hda, uint32_t index)
{
	uint32_t base = HDA_STREAM + index * HDA_STREAM_BYTES;

	memset(&hda->state.streams[index], 0, sizeof(hda->state.streams[index]));
	for (size_t i = 0; i < COUNT(stream_table); i++)
		hda_set(hda, base + stream_table[i].offset, stream_table[i].bytes,
			stream_table[i].initial);
}

/* What a reset by the GCTL register does; afterwards the controller is held in reset. */
static void
hda_reset(void *context)
{
	struct hda *hda = context;

	for (uint32_t i = 0; i < HDA_STREAMS; i++)
		hda_stream_stop(hda, i);
	memset(&hda->state, 0, sizeof(hda->state));
	for (size_t i = 0; i < COUNT(register_table); i++)
		hda_set(hda, register_table[i].offset, register_table[i].bytes,
			register_table[i].initial);
	for (uint32_t i = 0; i < HDA_STREAMS; i++)
		hda_reset_stream(hda, i);
	hda_codec_reset(&hda->state.codec);
	hda_stream_set_timer(hda);
}

/* A codec says that it is there when the reset ends. */
static void
hda_write_control(struct hda *hda, uint32_t index)
{
	(void)index;
	if (!(hda_get(hda, HDA_GCTL, 4) & HDA_GCTL_RUNS)) {
		hda_reset(hda);
	} else if (hda->state.wall_ns == 0) {
		hda->state.wall_ns = loop_now_ns();
		hda_set(hda, HDA_STATESTS, 2, CODECS);
	}
}

static void
hda_write_stream(struct hda *hda, uint32_t index)
{
	uint32_t control = HDA_STREAM + index * HDA_STREAM_BYTES + HDA_SD_CTL;

	if (hda_get(hda, control, 1) & HDA_SD_CTL_RESET) {
		hda_stream_stop(hda, index);
		hda_reset_stream(hda, index);
		hda_set(hda, control, 1, HDA_SD_CTL_RESET);
	}
	hda_stream_update(hda, index);
}

/* Sections 3.3.14 and 3.3.15: the causes that are there, enabled or not. */
static uint32_t
hda_get_causes(const struct hda *hda)
{
	uint32_t causes = 0;

	if (hda_get(hda, HDA_STATESTS, 2) & hda_get(hda, HDA_WAKEEN, 2) ||
	    hda_get(hda, HDA_CORBSTS, 1) & hda_get(hda, HDA_CORBCTL, 1) & HDA_CORBCTL_ERROR ||
	    hda_get(hda, HDA_RIRBSTS, 1) & hda_get(hda, HDA_RIRBCTL, 1) &
		    (HDA_RIRBCTL_RESPONSE | HDA_RIRBCTL_OVERRUN))
		causes |= HDA_INT_CONTROLLER;
	for (uint32_t i = 0; i < HDA_STREAMS; i++) {
		uint32_t base = HDA_STREAM + i * HDA_STREAM_BYTES;

		if (hda_get(hda, base + HDA_SD_CTL, 1) & hda_get(hda, base + HDA_SD_STS, 1) &
		    HDA_SD_INTERRUPTS)
			causes |= 1u << i;
	}
	return causes;
}

static void
hda_update_interrupts(struct hda *hda)
{
	uint32_t causes = hda_get_causes(hda);
	uint32_t control = hda_get(hda, HDA_INTCTL, 4);
	uint32_t enabled = causes & control;

	hda_set(hda, HDA_INTSTS, 4, causes | (enabled ? HDA_INT_GLOBAL : 0));
	if (!(control & HDA_INT_GLOBAL))
		enabled = 0;
	if (enabled != 0 && enabled != hda->state.signalled)
		pci_device_signal(hda->pci, 0);
	hda->state.signalled = enabled;
}

static void
hda_handle_timer(void *context)
{
	struct hda *hda = context;

	hda_stream_move_due(hda);
	hda_stream_set_timer(hda);
	hda_update_interrupts(hda);
}

static void
hda_refresh(struct hda *hda)
{
	uint64_t wall_ns = loop_now_ns() - hda->state.wall_ns;

	if (hda->state.wall_ns == 0)
		return;
	hda_set(hda, HDA_WALCLK, 4, (uint32_t)(wall_ns * HDA_WALL_CLOCK_MHZ / NS_PER_US));
	hda_stream_move_due(hda);
	hda_update_interrupts(hda);
}

static uint64_t
hda_handle_read(void *context, uint64_t offset, uint32_t bytes)
{
	struct hda *hda = context;
	uint64_t value = 0;

	if (offset + bytes > HDA_REGISTER_BYTES)
		return 0;
	hda_refresh(hda);
	memcpy(&value, hda->state.registers + offset, bytes);
	return value;
}

/* The part of a guest's write that falls on one register. */
static void
hda_apply(struct hda *hda, const struct hda_rule *rule, uint32_t index, uint64_t offset,
	  uint32_t bytes, uint64_t value)
{
	uint32_t base = rule->offset;
	bool is_touched = false;

	if (rule >= stream_table && rule < stream_table + COUNT(stream_table))
		base += HDA_STREAM + index * HDA_STREAM_BYTES;
	for (uint32_t i = 0; i < rule->bytes; i++) {
		uint8_t *at = &hda->state.registers[base + i];
		uint8_t writable = (uint8_t)(rule->writable >> 8 * i);
		uint8_t written;

		if (base + i < offset || base + i >= offset + bytes)
			continue;
		written = (uint8_t)(value >> 8 * (base + i - offset));
		*at = (uint8_t)((*at & ~writable) | (written & writable));
		*at &= (uint8_t) ~(written & rule->clears >> 8 * i);
		is_touched = true;
	}
	if (is_touched && rule->written)
		rule->written(hda, index);
}

static void
hda_handle_write(void *context, uint64_t offset, uint32_t bytes, uint64_t value)
{
	struct hda *hda = context;

	if (offset + bytes > HDA_REGISTER_BYTES)
		return;
	hda_stream_move_due(hda);
	for (size_t i = 0; i < COUNT(register_table); i++)
		if (hda_get(hda, HDA_GCTL, 4) & HDA_GCTL_RUNS ||
		    register_table[i].offset == HDA_GCTL)
			hda_apply(hda, &register_table[i], 0, offset, bytes, value);
	for (uint32_t index = 0; index < HDA_STREAMS; index++)
		for (size_t i = 0; i < COUNT(stream_table); i++)
			if (hda_get(hda, HDA_GCTL, 4) & HDA_GCTL_RUNS)
				hda_apply(hda, &stream_table[i], index, offset, bytes, value);
	hda_update_interrupts(hda);
}

void
hda_pause(struct hda *hda)
{
	hda_stream_move_due(hda);
	for (uint32_t i = 0; i < HDA_STREAMS; i++)
		hda_stream_pause(hda, i);
	hda_stream_set_timer(hda);
	hda_update_interrupts(hda);
}

void
hda_resume(struct hda *hda)
{
	for (uint32_t i = 0; i < HDA_STREAMS; i++)
		hda_stream_resume(hda, i);
	hda_stream_set_timer(hda);
}

static void
hda_free(void *context)
{
	struct hda *hda = context;

	loop_timer_free(hda->timer);
	free(hda);
}

static int
hda_plug_in(struct hda *hda, struct pci_root *root)
{
	static const struct bus_ops registers = { hda_handle_read, hda_handle_write };
	static const struct pci_device_ops ops = {
		.reset = hda_reset,
		.free = hda_free,
		.save = hda_save,
		.load = hda_load,
	};
	static const struct pci_identity identity = {
		.vendor = 0x8086,
		.device = 0x2668,
		.subsystem_vendor = 0x1af4,
		.subsystem = 0x1100,
		.revision = 1,
		.class_code = 0x040300, /* HD Audio */
	};
	uint8_t offset;
	int error = pci_device_new(root, SLOT_SOUND, "hda", &identity, &hda->pci);

	if (error < 0)
		return error;
	error = pci_device_add_bar(hda->pci, 0, BAR_BYTES, &registers, hda);
	if (!error)
		error = pci_device_add_capability(hda->pci, PCI_CAP_ID_VNDR,
						  VENDOR_CAPABILITY_BYTES, &offset);
	if (!error)
		pci_device_set_config(hda->pci, offset + PCI_CAP_FLAGS, 1, VENDOR_CAPABILITY_BYTES,
				      0);
	if (!error)
		error = pci_device_add_msi(hda->pci);
	if (error < 0) {
		pci_device_free(hda->pci);
		return error;
	}
	pci_device_set_ops(hda->pci, &ops, hda);
	return 0;
}

int
hda_new(struct platform *platform, struct pci_root *root, const struct sound_sink *sink,
	struct hda **ret_hda)
{
	struct hda *hda = calloc(1, sizeof(*hda));
	int error;

	if (!hda)
		return -ENOMEM;
	hda->platform = platform;
	hda->sink = sink;
	hda->complaints = (struct log_limit){
		.burst = COMPLAINTS_AT_ONCE,
		.every_ms = COMPLAIN_EVERY_MS,
	};
	error = loop_timer_new(platform->loop, "sound", hda_handle_timer, hda, &hda->timer);
	if (!error)
		error = hda_plug_in(hda, root);
	if (error < 0) {
		hda_free(hda);
		return error;
	}
	hda_reset(hda);
	*ret_hda = hda;
	return 0;
}
