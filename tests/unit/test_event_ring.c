/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_event_ring.c - the numbered events that a host tells its broker
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "host/event_ring.h"

static void
add(struct event_ring *ring, const char *kind, const char *desktop, const char *text)
{
	struct event event = { .kind = kind, .desktop = desktop, .session = "", .text = text };

	event_ring_add(ring, &event);
}

/* The numbers of what is told, such as "1 2 3". */
static char *
numbers(struct event_ring *ring, guint max)
{
	json_t *list = event_ring_list(ring, max);
	GString *text = g_string_new(NULL);

	for (gsize i = 0; i < json_array_size(list); i++)
		g_string_append_printf(text, "%s%d", i ? " " : "",
				       (int)json_get_integer(json_array_get(list, i), "number", 0));
	json_decref(list);
	return g_string_free(text, FALSE);
}

static void
assert_numbers(struct event_ring *ring, guint max, const char *wanted)
{
	g_autofree char *found = numbers(ring, max);

	assert_string_equal(found, wanted);
}

static void
test_event_ring__forgets_what_is_acknowledged(void **state)
{
	struct event_ring *ring = event_ring_new();

	(void)state;
	for (guint i = 0; i < 4; i++)
		add(ring, "connected", "d-a", "");
	assert_numbers(ring, 10, "1 2 3 4");
	assert_numbers(ring, 2, "1 2");
	event_ring_acknowledge(ring, 2);
	assert_numbers(ring, 10, "3 4");
	event_ring_acknowledge(ring, 1);
	assert_numbers(ring, 10, "3 4");
	/* Of another instance: nothing of ours was meant. */
	event_ring_acknowledge(ring, 500);
	assert_numbers(ring, 10, "3 4");
	event_ring_acknowledge(ring, 4);
	assert_numbers(ring, 10, "");
	add(ring, "connected", "d-a", "");
	assert_numbers(ring, 10, "5");
	event_ring_free(ring);
}

static void
test_event_ring__replaces_the_last_of_a_kind(void **state)
{
	struct event_ring *ring = event_ring_new();
	struct event input = { .kind = "input", .desktop = "d-a", .session = "", .text = "" };

	(void)state;
	event_ring_replace(ring, &input);
	add(ring, "connected", "d-a", "");
	input.desktop = "d-b";
	event_ring_replace(ring, &input);
	input.desktop = "d-a";
	event_ring_replace(ring, &input);
	assert_numbers(ring, 10, "2 3 4");
	event_ring_free(ring);
}

static void
test_event_ring__is_bounded(void **state)
{
	struct event_ring *ring = event_ring_new();
	json_t *list;

	(void)state;
	for (guint i = 0; i < EVENT_RING_MAX + 5; i++)
		add(ring, "connected", "d-a", "");
	list = event_ring_list(ring, G_MAXUINT);
	assert_int_equal(json_array_size(list), EVENT_RING_MAX);
	assert_int_equal(json_get_integer(json_array_get(list, 0), "number", 0), 6);
	json_decref(list);
	event_ring_free(ring);
}

static void
test_event_ring__cuts_a_long_text_at_a_character(void **state)
{
	struct event_ring *ring = event_ring_new();
	g_autofree char *filler = g_strnfill(EVENT_RING_MAX_TEXT - 1, 'x');
	g_autofree char *text = g_strconcat(filler, "\xc3\xa4", "tail", NULL);
	json_t *list;

	(void)state;
	add(ring, "failed", "d-a", text);
	add(ring, "failed", "d-a", NULL);
	list = event_ring_list(ring, 10);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(json_get_text(json_array_get(list, 0), "text", "?"), filler);
	assert_string_equal(json_get_text(json_array_get(list, 1), "text", "?"), "");
	json_decref(list);
	event_ring_free(ring);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_event_ring__forgets_what_is_acknowledged),
		cmocka_unit_test(test_event_ring__replaces_the_last_of_a_kind),
		cmocka_unit_test(test_event_ring__is_bounded),
		cmocka_unit_test(test_event_ring__cuts_a_long_text_at_a_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
