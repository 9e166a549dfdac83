/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hda_codec.c - the codec on the HD Audio link (carrel-vmm, under the machine's lock)
 *
 * How it works: a command names a node and a verb. Verbs of 4 bits have 16 bits of payload, verbs
 * of 12 bits have 8. What never changes is in parameter_table; verb_table has what asks for or sets
 * a node's state. Whatever is in neither is answered with zeros, as section 7.3.1 wants it.
 *
 *     line-out (3) <- DAC (2)        microphone (5) -> ADC (4)
 */
#include "vmm/hda_codec.h"

#include <stddef.h>
#include <string.h>

#include "vmm/hda_layout.h"
#include "vmm/state_file.h"

#define CODEC_ID	0x1af40022u /* "duplex codec", of the vendor of the virtio devices */
#define CODEC_REVISION	0x00100101u
#define CODEC_SUBSYSTEM 0x1af40022u

#define GAIN_STEPS 0x4a
#define GAIN_MUTE  0x80
#define GAIN_CAPABILITY \
	(0x80030000u | GAIN_STEPS << 8 | GAIN_STEPS) /* mute, 1 dB a step, all is 0 dB */
#define GAIN_STEP_DOWN 58409			     /* 1 dB less, of 65536 */

#define RATES_AND_BITS 0x00020040u /* 16 bit; 48 kHz */
#define FORMAT_PCM     0x00000001u
#define POWER_STATES   0x00000009u /* D0 and D3 */
#define POWER_OFF      3

/* Section 7.3.4.6 */
#define WIDGET_STEREO	   0x00000001u
#define WIDGET_IN_AMP	   0x00000002u
#define WIDGET_OUT_AMP	   0x00000004u
#define WIDGET_OWN_AMP	   0x00000008u
#define WIDGET_OWN_FORMAT  0x00000010u
#define WIDGET_CONNECTIONS 0x00000100u
#define WIDGET_OUTPUT	   0x00000000u
#define WIDGET_INPUT	   0x00100000u
#define WIDGET_PIN	   0x00400000u

#define PIN_CAN_OUTPUT	  0x10u
#define PIN_CAN_INPUT	  0x20u
#define PIN_OUTPUT	  0x40u
#define PIN_INPUT	  0x20u
#define PIN_IS_LINE_OUT	  0x00004010u /* a green jack, association 1 */
#define PIN_IS_MICROPHONE 0x00a09020u /* a pink jack, association 2 */

/* Section 7.3.4 */
enum parameter {
	PARAMETER_VENDOR = 0x00,
	PARAMETER_REVISION = 0x02,
	PARAMETER_NODES = 0x04,
	PARAMETER_FUNCTION = 0x05,
	PARAMETER_DELAYS = 0x08,
	PARAMETER_WIDGET = 0x09,
	PARAMETER_RATES = 0x0a,
	PARAMETER_FORMATS = 0x0b,
	PARAMETER_PIN = 0x0c,
	PARAMETER_IN_AMP = 0x0d,
	PARAMETER_CONNECTIONS = 0x0e,
	PARAMETER_POWER = 0x0f,
	PARAMETER_OUT_AMP = 0x12,
};

static const struct {
	enum hda_node node;
	enum parameter parameter;
	uint32_t value;
} parameter_table[] = {
	{ HDA_NODE_ROOT, PARAMETER_VENDOR, CODEC_ID },
	{ HDA_NODE_ROOT, PARAMETER_REVISION, CODEC_REVISION },
	{ HDA_NODE_ROOT, PARAMETER_NODES, HDA_NODE_AUDIO << 16 | 1 },
	{ HDA_NODE_AUDIO, PARAMETER_FUNCTION, 1 },
	{ HDA_NODE_AUDIO, PARAMETER_NODES, HDA_NODE_DAC << 16 | (HDA_NODE_COUNT - HDA_NODE_DAC) },
	{ HDA_NODE_AUDIO, PARAMETER_DELAYS, 0x0808 },
	{ HDA_NODE_AUDIO, PARAMETER_RATES, RATES_AND_BITS },
	{ HDA_NODE_AUDIO, PARAMETER_FORMATS, FORMAT_PCM },
	{ HDA_NODE_AUDIO, PARAMETER_POWER, POWER_STATES },
	{ HDA_NODE_DAC, PARAMETER_WIDGET,
	  WIDGET_OUTPUT | WIDGET_STEREO | WIDGET_OUT_AMP | WIDGET_OWN_AMP | WIDGET_OWN_FORMAT },
	{ HDA_NODE_DAC, PARAMETER_RATES, RATES_AND_BITS },
	{ HDA_NODE_DAC, PARAMETER_FORMATS, FORMAT_PCM },
	{ HDA_NODE_DAC, PARAMETER_OUT_AMP, GAIN_CAPABILITY },
	{ HDA_NODE_LINE_OUT, PARAMETER_WIDGET, WIDGET_PIN | WIDGET_STEREO | WIDGET_CONNECTIONS },
	{ HDA_NODE_LINE_OUT, PARAMETER_PIN, PIN_CAN_OUTPUT },
	{ HDA_NODE_LINE_OUT, PARAMETER_CONNECTIONS, 1 },
	{ HDA_NODE_ADC, PARAMETER_WIDGET,
	  WIDGET_INPUT | WIDGET_STEREO | WIDGET_IN_AMP | WIDGET_OWN_AMP | WIDGET_OWN_FORMAT |
		  WIDGET_CONNECTIONS },
	{ HDA_NODE_ADC, PARAMETER_RATES, RATES_AND_BITS },
	{ HDA_NODE_ADC, PARAMETER_FORMATS, FORMAT_PCM },
	{ HDA_NODE_ADC, PARAMETER_IN_AMP, GAIN_CAPABILITY },
	{ HDA_NODE_ADC, PARAMETER_CONNECTIONS, 1 },
	{ HDA_NODE_MIC, PARAMETER_WIDGET, WIDGET_PIN | WIDGET_STEREO },
	{ HDA_NODE_MIC, PARAMETER_PIN, PIN_CAN_INPUT },
};

typedef uint32_t (*verb_handler)(struct hda_codec_state *codec, enum hda_node node,
				 uint32_t payload);

static bool
hda_codec_is_converter(enum hda_node node)
{
	return node == HDA_NODE_DAC || node == HDA_NODE_ADC;
}

static uint32_t
hda_codec_get_parameter(struct hda_codec_state *codec, enum hda_node node, uint32_t payload)
{
	(void)codec;
	for (size_t i = 0; i < sizeof(parameter_table) / sizeof(parameter_table[0]); i++)
		if (parameter_table[i].node == node && parameter_table[i].parameter == payload)
			return parameter_table[i].value;
	return 0;
}

/* Entries from the payload's on; a list has one at most. */
static uint32_t
hda_codec_get_connections(struct hda_codec_state *codec, enum hda_node node, uint32_t payload)
{
	(void)codec;
	if (payload != 0)
		return 0;
	if (node == HDA_NODE_LINE_OUT)
		return HDA_NODE_DAC;
	return node == HDA_NODE_ADC ? HDA_NODE_MIC : 0;
}

static uint32_t
hda_codec_get_format(struct hda_codec_state *codec, enum hda_node node, uint32_t payload)
{
	(void)payload;
	return codec->nodes[node].format;
}

static uint32_t
hda_codec_set_format(struct hda_codec_state *codec, enum hda_node node, uint32_t payload)
{
	if (hda_codec_is_converter(node))
		codec->nodes[node].format = (uint16_t)payload;
	return 0;
}

static uint32_t
hda_codec_get_stream(struct hda_codec_state *codec, enum hda_node node, uint32_t payload)
{
	(void)payload;
	return codec->nodes[node].stream;
}

static uint32_t
hda_codec_set_stream(struct hda_codec_state *codec, enum hda_node node, uint32_t payload)
{
	if (hda_codec_is_converter(node))
		codec->nodes[node].stream = (uint8_t)payload;
	return 0;
}

/* Section 7.3.3.7. A converter has one amplifier, on its own side: others' read as zeros. */
static bool
hda_codec_has_amplifier(enum hda_node node, bool output, uint32_t index)
{
	return index == 0 && node == (output ? HDA_NODE_DAC : HDA_NODE_ADC);
}

static uint32_t
hda_codec_get_gain(struct hda_codec_state *codec, enum hda_node node, uint32_t payload)
{
	bool right = !(payload & 0x2000);

	if (!hda_codec_has_amplifier(node, payload & 0x8000, payload & 0x0f))
		return 0;
	return codec->nodes[node].gain[right];
}

static uint32_t
hda_codec_set_gain(struct hda_codec_state *codec, enum hda_node node, uint32_t payload)
{
	bool output = node == HDA_NODE_DAC;
	uint8_t steps = payload & 0x7f;
	uint8_t gain = (payload & GAIN_MUTE) | (steps < GAIN_STEPS ? steps : GAIN_STEPS);

	if (!(payload & (output ? 0x8000 : 0x4000)) ||
	    !hda_codec_has_amplifier(node, output, payload >> 8 & 0x0f))
		return 0;
	if (payload & 0x2000)
		codec->nodes[node].gain[0] = gain;
	if (payload & 0x1000)
		codec->nodes[node].gain[1] = gain;
	return 0;
}

static uint32_t
hda_codec_get_power(struct hda_codec_state *codec, enum hda_node node, uint32_t payload)
{
	uint32_t power = codec->nodes[node].power;

	(void)payload;
	return power << 4 | power;
}

static uint32_t
hda_codec_set_power(struct hda_codec_state *codec, enum hda_node node, uint32_t payload)
{
	if (node == HDA_NODE_AUDIO)
		codec->nodes[node].power = (payload & 0x07) == 0 ? 0 : POWER_OFF;
	return 0;
}

static uint32_t
hda_codec_get_pin_control(struct hda_codec_state *codec, enum hda_node node, uint32_t payload)
{
	(void)payload;
	return codec->nodes[node].pin_control;
}

/* What of the pin's control a driver can set. */
static uint8_t
hda_codec_get_pin_ability(enum hda_node node)
{
	if (node == HDA_NODE_LINE_OUT)
		return PIN_OUTPUT;
	return node == HDA_NODE_MIC ? PIN_INPUT : 0;
}

static uint32_t
hda_codec_set_pin_control(struct hda_codec_state *codec, enum hda_node node, uint32_t payload)
{
	codec->nodes[node].pin_control = payload & hda_codec_get_pin_ability(node);
	return 0;
}

static uint32_t
hda_codec_get_pin_default(struct hda_codec_state *codec, enum hda_node node, uint32_t payload)
{
	(void)codec;
	(void)payload;
	if (node == HDA_NODE_LINE_OUT)
		return PIN_IS_LINE_OUT;
	return node == HDA_NODE_MIC ? PIN_IS_MICROPHONE : 0;
}

static uint32_t
hda_codec_get_subsystem(struct hda_codec_state *codec, enum hda_node node, uint32_t payload)
{
	(void)codec;
	(void)payload;
	return node == HDA_NODE_AUDIO ? CODEC_SUBSYSTEM : 0;
}

static uint32_t
hda_codec_handle_reset(struct hda_codec_state *codec, enum hda_node node, uint32_t payload)
{
	(void)payload;
	if (node == HDA_NODE_AUDIO)
		hda_codec_reset(codec);
	return 0;
}

/* Section 7.3.3; those of 4 bits with the other 8 as zeros. */
static const struct {
	uint32_t verb;
	verb_handler handler;
} verb_table[] = {
	{ 0x200, hda_codec_set_format },      { 0x300, hda_codec_set_gain },
	{ 0xa00, hda_codec_get_format },      { 0xb00, hda_codec_get_gain },
	{ 0x705, hda_codec_set_power },	      { 0x706, hda_codec_set_stream },
	{ 0x707, hda_codec_set_pin_control }, { 0x7ff, hda_codec_handle_reset },
	{ 0xf00, hda_codec_get_parameter },   { 0xf02, hda_codec_get_connections },
	{ 0xf05, hda_codec_get_power },	      { 0xf06, hda_codec_get_stream },
	{ 0xf07, hda_codec_get_pin_control }, { 0xf1c, hda_codec_get_pin_default },
	{ 0xf20, hda_codec_get_subsystem },
};

void
hda_codec_reset(struct hda_codec_state *codec)
{
	static const enum hda_node converters[] = { HDA_NODE_DAC, HDA_NODE_ADC };

	memset(codec, 0, sizeof(*codec));
	for (size_t i = 0; i < sizeof(converters) / sizeof(converters[0]); i++) {
		struct hda_node_state *node = &codec->nodes[converters[i]];

		node->format = HDA_FORMAT_48000;
		node->gain[0] = GAIN_STEPS;
		node->gain[1] = GAIN_STEPS;
	}
}

/*
 * Section 7.3.2: address in bits 31 to 28, node in 27 to 20 (27: not one of ours), verb and payload
 * below.
 */
bool
hda_codec_answer(struct hda_codec_state *codec, uint32_t command, uint32_t *ret_answer)
{
	uint32_t node = command >> 20 & 0xff;
	uint32_t verb = command >> 8 & 0xfff;
	uint32_t payload = command & 0xff;

	if (command >> 28 != HDA_CODEC_ADDRESS)
		return false;
	*ret_answer = 0;
	if (node >= HDA_NODE_COUNT)
		return true;
	if ((verb & 0x700) != 0x700) {
		verb &= 0xf00;
		payload = command & 0xffff;
	}
	for (size_t i = 0; i < sizeof(verb_table) / sizeof(verb_table[0]); i++)
		if (verb_table[i].verb == verb) {
			*ret_answer = verb_table[i].handler(codec, (enum hda_node)node, payload);
			break;
		}
	return true;
}

static uint32_t
hda_codec_get_factor(uint8_t gain)
{
	uint64_t factor = HDA_CODEC_UNITY;

	if (gain & GAIN_MUTE)
		return 0;
	for (uint8_t step = gain; step < GAIN_STEPS; step++)
		factor = factor * GAIN_STEP_DOWN / HDA_CODEC_UNITY;
	return (uint32_t)factor;
}

bool
hda_codec_find_gain(const struct hda_codec_state *codec, enum hda_node converter, uint32_t tag,
		    uint32_t ret_gain[2])
{
	const struct hda_node_state *node = &codec->nodes[converter];

	if (tag == 0 || node->stream >> 4 != (int)tag)
		return false;
	ret_gain[0] = hda_codec_get_factor(node->gain[0]);
	ret_gain[1] = hda_codec_get_factor(node->gain[1]);
	return true;
}

void
hda_codec_save(const struct hda_codec_state *codec, struct state_writer *writer)
{
	for (enum hda_node i = 0; i < HDA_NODE_COUNT; i++) {
		const struct hda_node_state *node = &codec->nodes[i];

		state_put_u16(writer, node->format);
		state_put_u8(writer, node->stream);
		state_put_u8(writer, node->power);
		state_put_u8(writer, node->pin_control);
		state_put_u8(writer, node->gain[0]);
		state_put_u8(writer, node->gain[1]);
	}
}

static bool
hda_codec_is_possible(enum hda_node i, const struct hda_node_state *node)
{
	uint8_t most = hda_codec_is_converter(i) ? GAIN_STEPS : 0;

	if (!hda_codec_is_converter(i) &&
	    (node->format || node->stream || node->gain[0] || node->gain[1]))
		return false;
	if (node->power != 0 && (i != HDA_NODE_AUDIO || node->power != POWER_OFF))
		return false;
	return !(node->pin_control & ~hda_codec_get_pin_ability(i)) &&
	       (node->gain[0] & ~GAIN_MUTE) <= most && (node->gain[1] & ~GAIN_MUTE) <= most;
}

void
hda_codec_load(struct hda_codec_state *codec, struct state_reader *reader)
{
	for (enum hda_node i = 0; i < HDA_NODE_COUNT; i++) {
		struct hda_node_state *node = &codec->nodes[i];

		node->format = state_take_u16(reader);
		node->stream = state_take_u8(reader);
		node->power = state_take_u8(reader);
		node->pin_control = state_take_u8(reader);
		node->gain[0] = state_take_u8(reader);
		node->gain[1] = state_take_u8(reader);
		state_reader_want(reader, hda_codec_is_possible(i, node),
				  "a node of the codec is as no driver can set it");
	}
}
