/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * link_fixture.c - a link under test and its fake peer (unit tests)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>

#include "base/io.h"
#include "tests/unit/link_fixture.h"

struct link_fixture *
link_fixture_new(GDestroyNotify free_link, int *ret_fd)
{
	struct link_fixture *f = g_new0(struct link_fixture, 1);
	int ends[2];

	f->free_link = free_link;
	f->fds = fake_peer_count_fds();
	assert_int_equal(io_socketpair(SOCK_STREAM, ends), 0);
	fake_peer_init(&f->peer, ends[0]);
	*ret_fd = ends[1];
	return f;
}

void
link_fixture_note_event(void *context, const char *name, const json_t *body)
{
	struct link_fixture *f = context;

	if (!name) {
		f->ends++;
	} else {
		f->events++;
		g_strlcpy(f->event, name, sizeof(f->event));
		json_decref(f->event_body);
		f->event_body = json_deep_copy(body);
	}
	if (f->free_on_event)
		g_clear_pointer(&f->link, f->free_link);
}

int
link_fixture_teardown(void **state)
{
	struct link_fixture *f = *state;

	if (f->link)
		f->free_link(f->link);
	fake_peer_done(&f->peer);
	fake_peer_settle();
	assert_int_equal(fake_peer_count_fds(), f->fds);
	json_decref(f->event_body);
	g_free(f);
	return 0;
}
