/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hda_stage.h - a sound card, driven as Linux's snd_hda_intel does, at a time that the test sets; with cmocka's assertions
 *
 * The linker puts the stage's clock in the place of loop_now_ns(), and learns what the card's timer is set to: a test with
 * it is linked with --wrap for that and for loop_timer_set().
 */
#ifndef TESTS_UNIT_HDA_STAGE_H
#define TESTS_UNIT_HDA_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/hda_layout.h"
#include "vmm/pci.h"
#include "vmm/slots.h"
#include "vmm/sound_sink.h"

#define HDA_STAGE_CONFIG (PCI_ECAM_BASE + (SLOT_SOUND << 15))
#define HDA_STAGE_MSI	 0x41		  /* what its interrupts say */
#define HDA_STAGE_CYCLE	 (4 * 4800 * 4)	  /* bytes of samples */
#define HDA_STAGE_HEARD	 (3 * SOUND_RATE) /* frames, at most */
/* Registers of the streams */
#define HDA_STAGE_IN	  HDA_STREAM
#define HDA_STAGE_OUT	  (HDA_STREAM + HDA_STREAM_BYTES)
#define HDA_STAGE_NOT_RAM UINT64_C(0xb0000000)
/* A cycle of the samples, as hda_stage_prepare() makes it */
#define HDA_STAGE_PERIODS	4
#define HDA_STAGE_PERIOD_FRAMES 4800 /* 100 ms */
#define HDA_STAGE_PERIOD_BYTES	(HDA_STAGE_PERIOD_FRAMES * 4)
#define HDA_STAGE_TAG		5

struct fake_platform;
struct hda;
struct pci_root;

/* An entry of a stream's list */
struct hda_stage_buffer {
	uint64_t gpa;
	uint32_t bytes;
	uint32_t flags;
};

struct hda_stage {
	struct fake_platform *fake;
	struct pci_root *root;
	struct hda *hda;
	struct sound_sink sink;
	uint64_t bar;
	uint64_t corb, rirb, positions, list, samples;
	int16_t heard[HDA_STAGE_HEARD * 2];
	uint32_t n_heard;
	bool moves[SOUND_DIRECTION_COUNT];
	uint32_t next_recorded; /* a ramp */
	uint32_t most_recorded;
};

/* The linker's functions have no context. */
extern uint64_t hda_stage_now_ns;
extern uint64_t hda_stage_deadline_ns;

/* cmocka's: *state is the stage, its controller started. */
int hda_stage_open(void **state);
int hda_stage_close(void **state);

/* What opening has done: bus mastering and one MSI; the controller out of its reset, with rings. */
void hda_stage_open_pci(struct hda_stage *stage);
void hda_stage_start_controller(struct hda_stage *stage);

uint32_t hda_stage_get(struct hda_stage *stage, uint32_t offset, uint32_t bytes);
void hda_stage_put(struct hda_stage *stage, uint32_t offset, uint32_t bytes, uint64_t value);
/* The clock begins so early that the loop finds a timer due at once: it runs here, when it really is. */
void hda_stage_wait(struct hda_stage *stage, uint32_t ms);
void hda_stage_send(struct hda_stage *stage, uint32_t command);
/* One command through the rings, with its interrupt. */
uint32_t hda_stage_ask(struct hda_stage *stage, uint32_t node, uint32_t verb_and_payload);

/* Streams, by their first register and the codec's converter: a cycle of four periods, and on. */
void hda_stage_write_list(struct hda_stage *stage, const struct hda_stage_buffer *buffers,
			  uint32_t n_buffers);
void hda_stage_prepare(struct hda_stage *stage, uint32_t base, uint32_t node);
void hda_stage_run(struct hda_stage *stage, uint32_t base);
/* Samples that rise with each frame, and that so many of them were heard, from this one on. */
void hda_stage_fill(struct hda_stage *stage);
void hda_stage_expect_ramp(const struct hda_stage *stage, uint32_t first, uint32_t n_frames);
/* What the interrupt's handler reads and takes away. */
bool hda_stage_take_period(struct hda_stage *stage, uint32_t base);

#endif
