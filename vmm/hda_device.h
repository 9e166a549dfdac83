/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hda_device.h - what the sound card is inside: shared by hda.c, hda_command.c, hda_state.c and
 * hda_stream.c alone
 */
#ifndef VMM_HDA_DEVICE_H
#define VMM_HDA_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "vmm/hda_codec.h"
#include "vmm/hda_layout.h"

struct state_reader;
struct state_writer;

/*
 * One entry of a stream's list (section 3.6.3), as the guest wrote it: part of the guest's memory's
 * layout.
 */
struct hda_buffer {
	uint64_t gpa;
	uint32_t bytes;
	uint32_t flags;
};

struct hda_stream_state {
	struct hda_buffer buffers[HDA_MAX_BUFFERS];
	uint32_t n_buffers; /* 0: the stream does not run */
	uint32_t buffer;    /* the next byte's place */
	uint32_t offset;
	uint32_t cycle_bytes;  /* where the position begins anew */
	uint64_t begin_ns;     /* 0: it stands */
	uint64_t moved_frames; /* since then */
};

/* All that the guest can change and see. Times are of CLOCK_MONOTONIC. */
struct hda_state {
	uint8_t registers[HDA_REGISTER_BYTES];
	uint32_t signalled; /* the causes of the last interrupt that are still there */
	uint32_t reserved;
	uint64_t wall_ns; /* when the wall clock was zero */
	struct hda_codec_state codec;
	struct hda_stream_state streams[HDA_STREAMS];
};

struct hda {
	struct platform *platform;
	struct pci_device *pci;
	const struct sound_sink *sink;
	struct loop_timer *timer;
	struct log_limit complaints;
	struct hda_state state;
};

/* Registers as they lie there, without what a guest's access does. */
uint32_t hda_get(const struct hda *hda, uint32_t offset, uint32_t bytes);
void hda_set(struct hda *hda, uint32_t offset, uint32_t bytes, uint32_t value);
/* The address in a pair of registers, without the bits below its alignment. */
uint64_t hda_get_address(const struct hda *hda, uint32_t low);
/* DMA: 0 or -EFAULT, also while the guest does not let the device be a bus master. */
int hda_fetch(const struct hda *hda, uint64_t gpa, void *target, size_t bytes);
int hda_store(const struct hda *hda, uint64_t gpa, const void *source, size_t bytes);
/* Logs what the guest did wrong. */
void hda_complain(struct hda *hda, const char *what);

/* hda_command.c: the ring of commands may go on; a command is in ICOI. */
void hda_command_run(struct hda *hda);
void hda_command_run_now(struct hda *hda);

/* hda_stream.c: its control register was written; what is due is moved, and the timer set. */
void hda_stream_update(struct hda *hda, uint32_t index);
void hda_stream_stop(struct hda *hda, uint32_t index);
void hda_stream_move_due(struct hda *hda);
void hda_stream_pause(struct hda *hda, uint32_t index);
void hda_stream_resume(struct hda *hda, uint32_t index);
void hda_stream_set_timer(struct hda *hda);
/* It is RAM, not empty and not too long. */
bool hda_stream_may_use(const struct hda *hda, const struct hda_buffer *buffer);

/* hda_state.c: as in struct pci_device_ops. What was loaded stands until hda_resume(). */
void hda_save(void *context, struct state_writer *writer);
int hda_load(void *context, struct state_reader *reader);

#endif
