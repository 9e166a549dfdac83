/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hda_state.c - the sound card is saved and loaded (carrel-vmm, under the machine's lock)
 *
 * How it works: the section "hda" (vmm/state_file.h) is the registers as they lie there, the wall
 * clock's age, the codec, and of each stream the copy of its list with the place in it. Streams
 * stand while the machine is paused; hda_resume() lets them go on from there, and tells the sink,
 * which is a new one. Samples that have left the guest's buffers are not in it: those that nobody
 * has heard yet are lost, some milliseconds.
 *
 * Times are of this host's clock, so what is saved is how long ago something was.
 */
#include "vmm/hda_device.h"

#include "vmm/loop.h"
#include "vmm/state_file.h"

#define STATE_VERSION 1
/* Of a wall clock that was saved: 9 years, so that its ticks can be counted (hda.c). */
#define MAX_WALL_NS (UINT64_C(1) << 58)

static void
hda_save_stream(const struct hda_stream_state *stream, struct state_writer *writer)
{
	state_put_u32(writer, stream->buffer);
	state_put_u32(writer, stream->offset);
	state_put_u32(writer, stream->cycle_bytes);
	state_put_u32(writer, stream->n_buffers);
	for (uint32_t i = 0; i < stream->n_buffers; i++) {
		state_put_u64(writer, stream->buffers[i].gpa);
		state_put_u32(writer, stream->buffers[i].bytes);
		state_put_u32(writer, stream->buffers[i].flags);
	}
}

void
hda_save(void *context, struct state_writer *writer)
{
	const struct hda *hda = context;
	const struct hda_state *state = &hda->state;

	state_writer_begin(writer, STATE_VERSION, "hda");
	state_put_bytes(writer, state->registers, sizeof(state->registers));
	state_put_u32(writer, state->signalled);
	state_put_u64(writer, state->wall_ns != 0 ? loop_now_ns() - state->wall_ns : 0);
	hda_codec_save(&state->codec, writer);
	for (uint32_t i = 0; i < HDA_STREAMS; i++)
		hda_save_stream(&state->streams[i], writer);
	state_writer_end(writer);
}

/* The wall clock runs while the controller does. Zero stands for one that does not. */
static void
hda_take_wall_clock(struct hda *hda, struct state_reader *reader)
{
	uint64_t age_ns = state_take_u64(reader);
	bool runs = hda_get(hda, HDA_GCTL, 4) & HDA_GCTL_RUNS;

	state_reader_want(reader, age_ns <= MAX_WALL_NS, "the wall clock has run for too long");
	state_reader_want(reader, runs || age_ns == 0, "the wall clock runs in a reset");
	hda->state.wall_ns = loop_now_ns() - age_ns;
	if (!runs)
		hda->state.wall_ns = 0;
	else if (hda->state.wall_ns == 0)
		hda->state.wall_ns = 1;
}

static void
hda_take_stream(struct hda_stream_state *stream, struct state_reader *reader)
{
	*stream = (struct hda_stream_state){ 0 };
	stream->buffer = state_take_u32(reader);
	stream->offset = state_take_u32(reader);
	stream->cycle_bytes = state_take_u32(reader);
	stream->n_buffers = state_take_count(reader, HDA_MAX_BUFFERS);
	for (uint32_t i = 0; i < stream->n_buffers; i++) {
		stream->buffers[i].gpa = state_take_u64(reader);
		stream->buffers[i].bytes = state_take_u32(reader);
		stream->buffers[i].flags = state_take_u32(reader);
	}
}

static bool
hda_is_place(const struct hda *hda, uint32_t pointer)
{
	return (hda_get(hda, pointer, 2) & ~HDA_POINTER_RESET) < HDA_RING_ENTRIES;
}

static void
hda_check_registers(const struct hda *hda, struct state_reader *reader)
{
	state_reader_want(reader, hda_get(hda, HDA_CORBWP, 2) < HDA_RING_ENTRIES,
			  "the next command has no place in its ring");
	state_reader_want(reader, hda_is_place(hda, HDA_CORBRP) && hda_is_place(hda, HDA_RIRBWP),
			  "a ring's pointer is outside of it");
	state_reader_want(reader, !(hda->state.signalled & ~(HDA_INT_CONTROLLER | HDA_INT_STREAMS)),
			  "an interrupt has a cause that does not exist");
}

/* A stream that stands keeps its place, which hda_stream_run() checks itself. */
static void
hda_check_stream(const struct hda *hda, uint32_t index, struct state_reader *reader)
{
	const struct hda_stream_state *stream = &hda->state.streams[index];
	uint32_t control = HDA_STREAM + index * HDA_STREAM_BYTES + HDA_SD_CTL;
	bool runs = hda_get(hda, control, 1) & HDA_SD_CTL_RUN;

	state_reader_want(reader, runs == (stream->n_buffers > 0),
			  "a stream runs without buffers, or has some and does not run");
	state_reader_want(reader, stream->buffer < HDA_MAX_BUFFERS,
			  "a stream is in a buffer that no list has");
	if (stream->n_buffers == 0 || state_reader_check(reader) < 0)
		return;
	state_reader_want(reader, stream->cycle_bytes > 0, "a stream has no length");
	for (uint32_t i = 0; i < stream->n_buffers; i++)
		state_reader_want(reader, hda_stream_may_use(hda, &stream->buffers[i]),
				  "a stream's buffer is no memory of this machine, or too long");
	state_reader_want(reader,
			  stream->buffer < stream->n_buffers &&
				  stream->offset < stream->buffers[stream->buffer].bytes,
			  "a stream is at a place that is in none of its buffers");
}

int
hda_load(void *context, struct state_reader *reader)
{
	struct hda *hda = context;
	struct hda loaded = *hda;
	int error;

	state_reader_open(reader, STATE_VERSION, "hda");
	state_take_bytes(reader, loaded.state.registers, sizeof(loaded.state.registers));
	loaded.state.signalled = state_take_u32(reader);
	hda_take_wall_clock(&loaded, reader);
	hda_codec_load(&loaded.state.codec, reader);
	for (uint32_t i = 0; i < HDA_STREAMS; i++)
		hda_take_stream(&loaded.state.streams[i], reader);
	hda_check_registers(&loaded, reader);
	for (uint32_t i = 0; i < HDA_STREAMS; i++)
		hda_check_stream(&loaded, i, reader);
	error = state_reader_close(reader);
	if (error < 0)
		return error;
	hda->state = loaded.state;
	hda_stream_set_timer(hda);
	return 0;
}
