/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_display_clients.c - what a display does as its clients come and go: who has the guest's vdagent, who hears and speaks
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "display/display_core.h"
#include "display/link_message.h"
#include "display/tls_link.h"
#include "display/vdagent_port.h"
#include "tests/unit/core_stage.h"
#include "tests/unit/tls_client.h"
#include "tests/unit/wait_for.h"

static void
set_certificate(void)
{
	g_autofree char *pem = tls_client_make_pem(DESKTOP);

	assert_int_equal(display_core_set_certificate(core_stage.core, pem, strlen(pem)), 0);
}

static void
offer_link(enum display_sink_kind sink, uint64_t attachment, const char *password, int *ret_fd)
{
	struct display_client client = { .attachment = attachment,
					 .sink = sink,
					 .first = password != NULL };
	int pair[2];

	assert_int_equal(io_socketpair(SOCK_STREAM, pair), 0);
	g_strlcpy(client.password, password ? password : "", sizeof(client.password));
	*ret_fd = pair[0];
	assert_int_equal(display_core_add_client(core_stage.core, &client, pair[1]), 0);
}

static void
offer_client(const char *password, int *ret_fd)
{
	offer_link(DISPLAY_SINK_SPICE, 1, password, ret_fd);
}

static void
read_nonsense(void *port)
{
	uint8_t data[8];

	assert_int_equal(vdagent_port_read(port, data, sizeof(data)), 0);
}

/* The VNC sink has it while its client is there, and the SPICE sink at all other times. */
static void
test_display_clients__lends_the_vdagent_to_one_sink(void **state)
{
	static const char words[] = "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst\n";
	g_autofree char *password = g_strndup(words, TLS_LINK_PASSWORD_BYTES - 1);
	GIOStream *spice, *vnc;
	int guest, fd;

	(void)state;
	set_certificate();
	guest = core_stage_open_vdagent();
	assert_non_null(core_stage.ports[1]);
	offer_link(DISPLAY_SINK_SPICE, 1, "secret", &fd);
	spice = tls_client_link_channel(fd, LINK_CHANNEL_MAIN, 0);
	WAIT_FOR(core_stage.clients >= 1);
	core_stage.sink_events->main_linked(core_stage.sink_context, 4711);
	assert_non_null(core_stage.ports[1]);
	/* a VNC client takes over */
	offer_link(DISPLAY_SINK_VNC, 2, password, &fd);
	assert_non_null(core_stage.ports[1]);
	vnc = tls_client_link(fd, words, sizeof(words) - 1);
	WAIT_FOR(core_stage.vnc_clients >= 1);
	assert_non_null(core_stage.ports[0]);
	/* the guest's agent starts again */
	display_core_set_vdagent(core_stage.core, -1);
	assert_true(!core_stage.ports[0] && !core_stage.ports[1]);
	close(guest);
	guest = core_stage_open_vdagent();
	assert_non_null(core_stage.ports[0]);
	/* the client goes */
	display_core_drop(core_stage.core, 2);
	assert_non_null(core_stage.ports[1]);
	/* the guest speaks nonsense */
	vdagent_port_hand_over(core_stage.ports[1], read_nonsense, core_stage.ports[1]);
	assert_int_equal(send(guest, words, sizeof(words), 0), sizeof(words));
	WAIT_FOR(!core_stage.ports[1]);
	close(guest);
	g_object_unref(vnc);
	g_object_unref(spice);
}

/* Links a channel of the one client, whose main channel is there. */
static GIOStream *
link_another(uint8_t type, guint n_clients)
{
	GIOStream *stream;
	int fd;

	offer_client(NULL, &fd);
	stream = tls_client_link_channel(fd, type, 4711);
	WAIT_FOR(core_stage.clients >= n_clients);
	return stream;
}

/* A client with a main channel, which is returned, and one that sound is played to. */
static GIOStream *
link_listener(GIOStream **ret_playback)
{
	GIOStream *main_channel;
	int fd;

	set_certificate();
	offer_client("secret", &fd);
	main_channel = tls_client_link_channel(fd, LINK_CHANNEL_MAIN, 0);
	WAIT_FOR(core_stage.clients >= 1);
	core_stage.sink_events->main_linked(core_stage.sink_context, 4711);
	*ret_playback = link_another(LINK_CHANNEL_PLAYBACK, 2);
	return main_channel;
}

static void
test_display_clients__plays_to_who_has_the_channel(void **state)
{
	static const uint8_t much[4096];
	GIOStream *main_channel, *playback, *record;

	(void)state;
	main_channel = link_listener(&playback);
	/* A source that comes later is told when it is ready. */
	core_stage_set_source();
	core_stage.source_events->ready(core_stage.source_context, "", 1);
	assert_true(core_stage.hears && !core_stage.speaks);
	core_stage.source_events->sound(core_stage.source_context, true, true);
	assert_true(core_stage.plays && !core_stage.records); /* nobody speaks */
	core_stage.source_events->played(core_stage.source_context, "seven", 7);
	assert_int_equal(core_stage.played, 7);
	/* It does not read what the sink has written for it. */
	assert_int_equal(io_set_nonblocking(core_stage.client_fds[1], true), 0);
	while (write(core_stage.client_fds[1], much, sizeof(much)) > 0)
		;
	core_stage.source_events->played(core_stage.source_context, "seven", 7);
	assert_int_equal(core_stage.played, 7);
	record = link_another(LINK_CHANNEL_RECORD, 3);
	assert_true(core_stage.hears && core_stage.speaks && core_stage.records);
	core_stage.sink_events->spoken(core_stage.sink_context, "three", 3);
	assert_int_equal(core_stage.spoken, 3);
	core_stage.listens = 0;
	g_object_unref(record);
	WAIT_FOR(core_stage.listens >= 1);
	assert_true(core_stage.hears && !core_stage.speaks && !core_stage.records);
	core_stage.sink_events->main_ended(core_stage.sink_context, 4711);
	assert_true(!core_stage.hears && core_stage.plays);
	/* The guest has gone in the middle of a tune. */
	core_stage.source_events->lost(core_stage.source_context, "gone");
	assert_false(core_stage.plays);
	g_object_unref(playback);
	g_object_unref(main_channel);
}

static void
test_display_clients__has_sources_without_sound(void **state)
{
	GIOStream *main_channel, *playback;

	(void)state;
	core_stage.silent = true;
	core_stage_set_source();
	core_stage.source_events->ready(core_stage.source_context, "", 1);
	main_channel = link_listener(&playback);
	core_stage.sink_events->spoken(core_stage.sink_context, "three", 3);
	assert_int_equal(core_stage.listens + core_stage.spoken, 0);
	g_object_unref(playback);
	g_object_unref(main_channel);
}

#define TEST(name)                                                                       \
	cmocka_unit_test_setup_teardown(test_display_clients__##name, core_stage_set_up, \
					core_stage_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lends_the_vdagent_to_one_sink),
		TEST(plays_to_who_has_the_channel),
		TEST(has_sources_without_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
