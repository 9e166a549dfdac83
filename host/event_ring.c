/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * event_ring.c - the numbered events that a host tells its broker (carrel-hostd)
 */
#include "host/event_ring.h"

#include <string.h>

#include "base/log.h"

struct kept_event {
	gint64 number;
	gint64 time_ms;
	const char *kind;
	char desktop[ID_SIZE];
	guint64 generation;
	char session[ID_SIZE];
	gint64 value;
	char *text;
};

struct event_ring {
	GQueue events; /* struct kept_event, numbers grow */
	gint64 last_number;
	gboolean losing; /* said already */
};

static void
event_ring_free_event(gpointer data)
{
	struct kept_event *event = data;

	g_free(event->text);
	g_free(event);
}

struct event_ring *
event_ring_new(void)
{
	struct event_ring *ring = g_new0(struct event_ring, 1);

	g_queue_init(&ring->events);
	return ring;
}

void
event_ring_free(struct event_ring *ring)
{
	if (!ring)
		return;
	g_queue_clear_full(&ring->events, event_ring_free_event);
	g_free(ring);
}

/* Cut at a character: the text goes into JSON. */
static char *
event_ring_copy_text(const char *text)
{
	const char *end;
	gsize size = strnlen(text ? text : "", EVENT_RING_MAX_TEXT);

	if (size == 0)
		return g_strdup("");
	if (g_utf8_validate(text, (gssize)size, &end))
		return g_strndup(text, size);
	return g_strndup(text, (gsize)(end - text));
}

void
event_ring_add(struct event_ring *ring, const struct event *event)
{
	struct kept_event *kept = g_new0(struct kept_event, 1);

	kept->number = ++ring->last_number;
	kept->time_ms = event->time_ms > 0 ? event->time_ms : g_get_real_time() / 1000;
	kept->kind = event->kind;
	g_strlcpy(kept->desktop, event->desktop, sizeof(kept->desktop));
	kept->generation = event->generation;
	g_strlcpy(kept->session, event->session, sizeof(kept->session));
	kept->value = event->value;
	kept->text = event_ring_copy_text(event->text);
	g_queue_push_tail(&ring->events, kept);
	if (ring->events.length <= EVENT_RING_MAX)
		return;
	event_ring_free_event(g_queue_pop_head(&ring->events));
	if (!ring->losing)
		log_warning("the broker has not taken %d events: the oldest are lost from its "
			    "timings, desktops are not touched",
			    EVENT_RING_MAX);
	ring->losing = TRUE;
}

void
event_ring_replace(struct event_ring *ring, const struct event *event)
{
	for (GList *link = ring->events.tail; link; link = link->prev) {
		struct kept_event *old = link->data;

		if (strcmp(old->kind, event->kind) != 0 ||
		    strcmp(old->desktop, event->desktop) != 0)
			continue;
		event_ring_free_event(old);
		g_queue_delete_link(&ring->events, link);
		break;
	}
	event_ring_add(ring, event);
}

void
event_ring_acknowledge(struct event_ring *ring, gint64 number)
{
	struct kept_event *event;

	if (number > ring->last_number)
		return;
	while ((event = g_queue_peek_head(&ring->events)) && event->number <= number)
		event_ring_free_event(g_queue_pop_head(&ring->events));
	ring->losing = FALSE;
}

json_t *
event_ring_list(const struct event_ring *ring, guint max)
{
	json_t *list = json_array();

	for (GList *link = ring->events.head; link && json_array_size(list) < max;
	     link = link->next) {
		const struct kept_event *event = link->data;

		json_array_append_new(
			list,
			json_pack("{s:I, s:I, s:s, s:s, s:I, s:s, s:I, s:s}", "number",
				  (json_int_t)event->number, "time_ms", (json_int_t)event->time_ms,
				  "kind", event->kind, "desktop", event->desktop, "generation",
				  (json_int_t)event->generation, "session", event->session, "value",
				  (json_int_t)event->value, "text", event->text));
	}
	return list;
}
