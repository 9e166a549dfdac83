/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hda_stream.c - the sound card's streams: samples between the guest's buffers and the sink
 * (carrel-vmm, under the machine's lock)
 *
 * How it works: when the guest sets a stream's RUN bit its list of buffers is copied and checked;
 * what the guest writes into the list later counts from the next start on. The stream moves unless
 * it is held by SSYNC. How far it must be follows from the clock: hda_stream_move_due() moves the
 * frames that the time since begin_ns asks for and have not been moved yet, and
 * hda_stream_set_timer() wakes up when the next buffer that asks for an interrupt will be done, or
 * after TICK_NS. A stream that was not moved for long (a host under load) loses the time instead of
 * catching up.
 *
 *     stopped --RUN--> running --not in SSYNC--> moving
 */
#include "vmm/hda_device.h"

#include <string.h>

#include "vmm/guest_memory.h"
#include "vmm/loop.h"
#include "vmm/platform.h"
#include "vmm/sound_sink.h"

#define MAX_BUFFER_BYTES (UINT32_C(64) << 20)
#define TICK_NS		 UINT64_C(10000000)
#define MIN_TICK_NS	 UINT64_C(1000000)
#define NS_PER_S	 UINT64_C(1000000000)
#define LATE_PART	 5 /* of a second: what is caught up at most */

static uint32_t
hda_stream_at(uint32_t index, enum hda_stream_register part)
{
	return HDA_STREAM + index * HDA_STREAM_BYTES + part;
}

static enum sound_direction
hda_stream_get_direction(uint32_t index)
{
	return index == SOUND_PLAY ? SOUND_PLAY : SOUND_RECORD;
}

static bool
hda_stream_is_held(const struct hda *hda, uint32_t index)
{
	return (hda_get(hda, HDA_SSYNC, 4) | hda_get(hda, HDA_SSYNC_ICH6, 4)) >> index & 1;
}

static void
hda_stream_fail(struct hda *hda, uint32_t index, const char *what)
{
	uint32_t control = hda_stream_at(index, HDA_SD_CTL);
	uint32_t status = hda_stream_at(index, HDA_SD_STS);

	hda_set(hda, control, 1, hda_get(hda, control, 1) & ~HDA_SD_CTL_RUN);
	hda_set(hda, status, 1, hda_get(hda, status, 1) | HDA_SD_ERROR);
	hda_stream_stop(hda, index);
	hda_complain(hda, what);
}

bool
hda_stream_may_use(const struct hda *hda, const struct hda_buffer *buffer)
{
	return buffer->bytes <= MAX_BUFFER_BYTES &&
	       guest_memory_find(hda->platform->memory, buffer->gpa, buffer->bytes);
}

/* The list, copied once. False: it has an entry that is no RAM, empty or too long. */
static bool
hda_stream_copy_list(const struct hda *hda, uint32_t index, struct hda_stream_state *stream)
{
	uint32_t n_buffers = (hda_get(hda, hda_stream_at(index, HDA_SD_LVI), 2) & 0xff) + 1;

	if (hda_fetch(hda, hda_get_address(hda, hda_stream_at(index, HDA_SD_BDPL)), stream->buffers,
		      n_buffers * sizeof(stream->buffers[0])) < 0)
		return false;
	for (uint32_t i = 0; i < n_buffers; i++)
		if (!hda_stream_may_use(hda, &stream->buffers[i]))
			return false;
	stream->n_buffers = n_buffers;
	return true;
}

/* After a stop without reset the stream goes on where it was, if that is still a place. */
static void
hda_stream_run(struct hda *hda, uint32_t index)
{
	struct hda_stream_state *stream = &hda->state.streams[index];
	uint32_t status = hda_stream_at(index, HDA_SD_STS);

	stream->cycle_bytes = hda_get(hda, hda_stream_at(index, HDA_SD_CBL), 4);
	if (hda_get(hda, hda_stream_at(index, HDA_SD_FMT), 2) != HDA_FORMAT_48000 ||
	    stream->cycle_bytes == 0) {
		hda_stream_fail(hda, index, "a stream has a format or length that is not offered");
		return;
	}
	if (!hda_stream_copy_list(hda, index, stream)) {
		hda_stream_fail(hda, index, "a stream's list of buffers is bad");
		return;
	}
	if (stream->buffer >= stream->n_buffers ||
	    stream->offset >= stream->buffers[stream->buffer].bytes) {
		stream->buffer = 0;
		stream->offset = 0;
	}
	hda_set(hda, status, 1, hda_get(hda, status, 1) | HDA_SD_STS_READY);
}

static void
hda_stream_tell(const struct hda *hda, uint32_t index, bool moves)
{
	if (hda->sink)
		hda->sink->change(hda->sink->context, hda_stream_get_direction(index), moves);
}

void
hda_stream_pause(struct hda *hda, uint32_t index)
{
	struct hda_stream_state *stream = &hda->state.streams[index];

	if (stream->begin_ns == 0)
		return;
	stream->begin_ns = 0;
	hda_stream_tell(hda, index, false);
}

void
hda_stream_resume(struct hda *hda, uint32_t index)
{
	struct hda_stream_state *stream = &hda->state.streams[index];

	if (stream->n_buffers == 0 || stream->begin_ns != 0 || hda_stream_is_held(hda, index))
		return;
	stream->begin_ns = loop_now_ns();
	stream->moved_frames = 0;
	hda_stream_tell(hda, index, true);
}

void
hda_stream_stop(struct hda *hda, uint32_t index)
{
	uint32_t status = hda_stream_at(index, HDA_SD_STS);

	hda_stream_pause(hda, index);
	hda->state.streams[index].n_buffers = 0;
	hda_set(hda, status, 1, hda_get(hda, status, 1) & ~HDA_SD_STS_READY);
}

/* Moves bytes between the samples and the guest's buffers. False: a buffer is out of reach. */
static bool
hda_stream_copy(struct hda *hda, uint32_t index, uint8_t *samples, uint32_t bytes)
{
	struct hda_stream_state *stream = &hda->state.streams[index];
	uint32_t status = hda_stream_at(index, HDA_SD_STS);

	while (bytes > 0) {
		const struct hda_buffer *buffer = &stream->buffers[stream->buffer];
		uint32_t left = buffer->bytes - stream->offset;
		uint32_t step = bytes < left ? bytes : left;
		uint64_t gpa = buffer->gpa + stream->offset;

		if ((hda_stream_get_direction(index) == SOUND_PLAY
			     ? hda_fetch(hda, gpa, samples, step)
			     : hda_store(hda, gpa, samples, step)) < 0)
			return false;
		samples += step;
		bytes -= step;
		stream->offset += step;
		if (step < left)
			continue;
		if (buffer->flags & HDA_BUFFER_INTERRUPTS)
			hda_set(hda, status, 1, hda_get(hda, status, 1) | HDA_SD_COMPLETE);
		stream->buffer = (stream->buffer + 1) % stream->n_buffers;
		stream->offset = 0;
	}
	return true;
}

static void
hda_stream_amplify(int16_t *samples, uint32_t n_frames, const uint32_t gain[SOUND_CHANNELS])
{
	for (uint32_t i = 0; i < n_frames * SOUND_CHANNELS; i++)
		samples[i] =
			(int16_t)((int64_t)samples[i] * gain[i % SOUND_CHANNELS] / HDA_CODEC_UNITY);
}

/* At most SOUND_MAX_FRAMES. */
static bool
hda_stream_move_some(struct hda *hda, uint32_t index, uint32_t n_frames)
{
	int16_t samples[SOUND_MAX_FRAMES * SOUND_CHANNELS] = { 0 };
	uint32_t bytes = n_frames * (uint32_t)SOUND_FRAME_BYTES;
	uint32_t tag =
		hda_get(hda, hda_stream_at(index, HDA_SD_CTL), 4) >> HDA_SD_CTL_TAG_SHIFT & 0xf;
	bool plays = hda_stream_get_direction(index) == SOUND_PLAY;
	uint32_t gain[SOUND_CHANNELS];
	bool is_heard = hda_codec_find_gain(&hda->state.codec, plays ? HDA_NODE_DAC : HDA_NODE_ADC,
					    tag, gain) &&
			hda->sink;

	if (!plays && is_heard) {
		uint32_t there = hda->sink->record(hda->sink->context, samples, n_frames);

		hda_stream_amplify(samples, there < n_frames ? there : n_frames, gain);
	}
	if (!hda_stream_copy(hda, index, (uint8_t *)samples, bytes))
		return false;
	if (plays && is_heard) {
		hda_stream_amplify(samples, n_frames, gain);
		hda->sink->play(hda->sink->context, samples, n_frames);
	}
	return true;
}

/* The position, in its register and where the guest wants to find it in memory (section 3.6.1). */
static void
hda_stream_tell_position(struct hda *hda, uint32_t index, uint64_t moved_bytes)
{
	uint32_t place = hda_stream_at(index, HDA_SD_LPIB);
	uint32_t position[2] = { 0 };

	position[0] = (uint32_t)((hda_get(hda, place, 4) + moved_bytes) %
				 hda->state.streams[index].cycle_bytes);
	hda_set(hda, place, 4, position[0]);
	if (hda_get(hda, HDA_DPLBASE, 4) & HDA_DPLBASE_ENABLE &&
	    hda_store(hda, hda_get_address(hda, HDA_DPLBASE) + index * sizeof(position), position,
		      sizeof(position)) < 0)
		hda_stream_fail(hda, index, "a stream's position is not in its memory");
}

static void
hda_stream_move(struct hda *hda, uint32_t index, uint32_t n_frames)
{
	for (uint32_t left = n_frames, step; left > 0; left -= step) {
		step = left < SOUND_MAX_FRAMES ? left : SOUND_MAX_FRAMES;
		if (!hda_stream_move_some(hda, index, step)) {
			hda_stream_fail(hda, index, "a stream's buffer is out of reach");
			return;
		}
	}
	hda_stream_tell_position(hda, index, (uint64_t)n_frames * SOUND_FRAME_BYTES);
}

/* The clock's beginning moves on with each second that is done, so that the numbers stay small. */
static void
hda_stream_move_until(struct hda *hda, uint32_t index, uint64_t now_ns)
{
	struct hda_stream_state *stream = &hda->state.streams[index];
	uint64_t elapsed_ns = now_ns - stream->begin_ns;
	uint64_t most = SOUND_RATE / LATE_PART;
	uint64_t due = most + 1;

	if (elapsed_ns < 2 * NS_PER_S)
		due = elapsed_ns * SOUND_RATE / NS_PER_S - stream->moved_frames;
	if (due > most) {
		due = most;
		stream->begin_ns = now_ns;
		stream->moved_frames = 0;
	} else {
		stream->moved_frames += due;
		if (stream->moved_frames >= SOUND_RATE) {
			stream->moved_frames -= SOUND_RATE;
			stream->begin_ns += NS_PER_S;
		}
	}
	if (due > 0)
		hda_stream_move(hda, index, (uint32_t)due);
}

void
hda_stream_move_due(struct hda *hda)
{
	uint64_t now_ns = loop_now_ns();

	for (uint32_t i = 0; i < HDA_STREAMS; i++)
		if (hda->state.streams[i].begin_ns != 0)
			hda_stream_move_until(hda, i, now_ns);
}

/* When the next buffer that asks for an interrupt will be done; not later than a tick. */
static uint64_t
hda_stream_get_deadline(const struct hda_stream_state *stream, uint64_t now_ns)
{
	uint64_t most = SOUND_RATE * TICK_NS / NS_PER_S * SOUND_FRAME_BYTES;
	uint64_t bytes = stream->buffers[stream->buffer].bytes - stream->offset;
	uint64_t deadline_ns, n_frames;

	for (uint32_t i = 0; bytes < most; i++) {
		uint32_t at = (stream->buffer + i) % stream->n_buffers;

		if (stream->buffers[at].flags & HDA_BUFFER_INTERRUPTS)
			break;
		bytes += stream->buffers[(at + 1) % stream->n_buffers].bytes;
	}
	n_frames = ((bytes < most ? bytes : most) + SOUND_FRAME_BYTES - 1) / SOUND_FRAME_BYTES;
	n_frames += stream->moved_frames;
	deadline_ns = stream->begin_ns + (n_frames * NS_PER_S + SOUND_RATE - 1) / SOUND_RATE;
	return deadline_ns > now_ns + MIN_TICK_NS ? deadline_ns : now_ns + MIN_TICK_NS;
}

void
hda_stream_set_timer(struct hda *hda)
{
	uint64_t now_ns = loop_now_ns();
	uint64_t first_ns = 0;

	for (uint32_t i = 0; i < HDA_STREAMS; i++) {
		const struct hda_stream_state *stream = &hda->state.streams[i];
		uint64_t deadline_ns;

		if (stream->begin_ns == 0)
			continue;
		deadline_ns = hda_stream_get_deadline(stream, now_ns);
		if (first_ns == 0 || deadline_ns < first_ns)
			first_ns = deadline_ns;
	}
	loop_timer_set(hda->timer, first_ns);
}

void
hda_stream_update(struct hda *hda, uint32_t index)
{
	const struct hda_stream_state *stream = &hda->state.streams[index];
	bool runs = hda_get(hda, hda_stream_at(index, HDA_SD_CTL), 1) & HDA_SD_CTL_RUN;

	if (!runs && stream->n_buffers != 0)
		hda_stream_stop(hda, index);
	else if (runs && stream->n_buffers == 0)
		hda_stream_run(hda, index);
	if (hda_stream_is_held(hda, index))
		hda_stream_pause(hda, index);
	else
		hda_stream_resume(hda, index);
	hda_stream_set_timer(hda);
}
