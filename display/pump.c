/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pump.c - carries bytes from one stream to another (carrel-display)
 *
 * How it works: pump_read() -> pump_handle_read() -> pump_write() -> pump_handle_written(), until all is written. Exactly one
 * operation is always under way until the end; pump_stop() cancels it, and its answer frees the pump.
 */
#include "display/pump.h"

struct pump {
	GInputStream *from;
	GOutputStream *to;
	GCancellable *cancel;
	const struct pump_events *events;
	void *context;
	gboolean stopped;
	gsize filled;
	gsize written;
	gboolean idle; /* no operation is under way: pump_stop() frees */
	uint8_t buffer[PUMP_BUFFER_BYTES];
};

static void pump_read(struct pump *pump);
static void pump_write(struct pump *pump);

static void
pump_free(struct pump *pump)
{
	g_object_unref(pump->from);
	g_object_unref(pump->to);
	g_object_unref(pump->cancel);
	g_free(pump);
}

/* The operation has answered; true when the pump goes on. */
static gboolean
pump_go_on(struct pump *pump, gboolean ok)
{
	if (pump->stopped) {
		pump_free(pump);
		return FALSE;
	}
	if (!ok) {
		pump->idle = TRUE;
		pump->events->ended(pump->context);
	}
	return ok;
}

static void
pump_handle_written(GObject *stream, GAsyncResult *result, gpointer user_data)
{
	struct pump *pump = user_data;
	gboolean ok = g_output_stream_write_all_finish(G_OUTPUT_STREAM(stream), result, NULL, NULL);

	if (!pump_go_on(pump, ok))
		return;
	if (pump->written < pump->filled)
		pump_write(pump);
	else
		pump_read(pump);
}

static void
pump_handle_read(GObject *stream, GAsyncResult *result, gpointer user_data)
{
	struct pump *pump = user_data;
	gssize got = g_input_stream_read_finish(G_INPUT_STREAM(stream), result, NULL);

	if (!pump_go_on(pump, got > 0))
		return;
	pump->filled = (gsize)got;
	pump->written = 0;
	pump_write(pump);
}

static void
pump_write(struct pump *pump)
{
	const uint8_t *data = pump->buffer + pump->written;
	gsize size = pump->filled - pump->written;

	if (pump->events->measure)
		size = pump->events->measure(pump->context, data, size);
	pump->written += size;
	g_output_stream_write_all_async(pump->to, data, size, G_PRIORITY_DEFAULT, pump->cancel,
					pump_handle_written, pump);
}

static void
pump_read(struct pump *pump)
{
	g_input_stream_read_async(pump->from, pump->buffer, sizeof(pump->buffer),
				  G_PRIORITY_DEFAULT, pump->cancel, pump_handle_read, pump);
}

struct pump *
pump_start(GInputStream *from, GOutputStream *to, const struct pump_events *events, void *context)
{
	struct pump *pump = g_new(struct pump, 1);

	pump->from = g_object_ref(from);
	pump->to = g_object_ref(to);
	pump->cancel = g_cancellable_new();
	pump->events = events;
	pump->context = context;
	pump->stopped = FALSE;
	pump->idle = FALSE;
	pump_read(pump);
	return pump;
}

void
pump_stop(struct pump *pump)
{
	if (!pump)
		return;
	pump->stopped = TRUE;
	if (pump->idle)
		pump_free(pump);
	else
		g_cancellable_cancel(pump->cancel);
}
