/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * link_fixture.h - a link under test on one end of a socket, a fake peer on the other, and what the link told
 */
#ifndef TESTS_UNIT_LINK_FIXTURE_H
#define TESTS_UNIT_LINK_FIXTURE_H

#include "tests/unit/fake_peer.h"

struct link_fixture {
	struct fake_peer peer;
	void *link; /* under test; NULL: it was freed on an event */
	GDestroyNotify free_link;
	gboolean free_on_event;
	guint events;
	guint ends;
	char event[32]; /* the last one */
	json_t *event_body;
	guint fds; /* before the test */
};

/* The test makes its link of the descriptor. */
struct link_fixture *link_fixture_new(GDestroyNotify free_link, int *ret_fd);

/* The link's callback: an event's name and body, or its end. */
void link_fixture_note_event(void *context, const char *name, const json_t *body);

/* For cmocka; the state is a link_fixture. Fails when a descriptor is left over. */
int link_fixture_teardown(void **state);

#endif
