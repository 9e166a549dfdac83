/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hda_codec.h - the codec on the HD Audio link: a line-out and a microphone, each with a converter
 * and a volume
 *
 * High Definition Audio Specification 1.0a, chapter 7.
 */
#ifndef VMM_HDA_CODEC_H
#define VMM_HDA_CODEC_H

#include <stdbool.h>
#include <stdint.h>

struct state_reader;
struct state_writer;

#define HDA_CODEC_ADDRESS 0
#define HDA_CODEC_UNITY	  65536 /* of gains: samples as they are */

enum hda_node {
	HDA_NODE_ROOT,
	HDA_NODE_AUDIO, /* the audio function group */
	HDA_NODE_DAC,
	HDA_NODE_LINE_OUT,
	HDA_NODE_ADC,
	HDA_NODE_MIC,
	HDA_NODE_COUNT,
};

struct hda_node_state {
	uint16_t format;
	uint8_t stream; /* its tag in the upper half, its channel in the lower */
	uint8_t power;
	uint8_t pin_control;
	uint8_t reserved;
	uint8_t gain[2]; /* left and right; bit 7: mute */
};

struct hda_codec_state {
	struct hda_node_state nodes[HDA_NODE_COUNT];
};

void hda_codec_reset(struct hda_codec_state *codec);
/* False: no codec has this address, and nobody answers. */
bool hda_codec_answer(struct hda_codec_state *codec, uint32_t command, uint32_t *ret_answer);
/*
 * False: this converter does not listen to the stream with this tag. Gains are of HDA_CODEC_UNITY
 * at most.
 */
bool hda_codec_find_gain(const struct hda_codec_state *codec, enum hda_node converter, uint32_t tag,
			 uint32_t ret_gain[2]);

/* Its part of an open section (vmm/state_file.h); what a driver could not have set is refused. */
void hda_codec_save(const struct hda_codec_state *codec, struct state_writer *writer);
void hda_codec_load(struct hda_codec_state *codec, struct state_reader *reader);

#endif
