/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_sink_spice.c - a SPICE client (spice-gtk) sees a desktop's heads through libspice-server, both in this process
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <spice-client.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "display/heads.h"
#include "display/sink.h"
#include "display/sink_spice.h"
#include "display/surface.h"
#include "display/vdagent_port.h"
#include "tests/unit/wait_for.h"

#define PASSWORD "not secret at all"
#define N_HEADS	 2

struct stage {
	struct surface *surfaces[HEADS_MAX];
	struct sink *sink;
	SpiceSession *session;
	SpiceChannel *main;
	SpiceChannel *display;
	SpiceChannel *inputs;
	int vdagent; /* the guest's end */
	struct vdagent_port *port;
	struct heads wanted;
	guint n_wanted;
	uint32_t position[3]; /* head, x, y */
	guint n_positions;
};

/* The sink's events. */

static void
ignore_main(void *context, uint32_t connection_id)
{
	(void)context;
	(void)connection_id;
}

static void
note_wanted(void *context, uint32_t head, uint32_t width, uint32_t height)
{
	struct stage *stage = context;

	stage->wanted.list[head].width = width;
	stage->wanted.list[head].height = height;
	stage->n_wanted++;
}

static void
ignore_shown(void *context, uint32_t width, uint32_t height)
{
	(void)context;
	(void)width;
	(void)height;
}

static void
ignore_key(void *context, uint32_t qnum, bool down)
{
	(void)context;
	(void)qnum;
	(void)down;
}

static void
note_position(void *context, uint32_t head, uint32_t x, uint32_t y)
{
	struct stage *stage = context;

	stage->position[0] = head;
	stage->position[1] = x;
	stage->position[2] = y;
	stage->n_positions++;
}

static void
ignore_button(void *context, enum source_button button, bool down)
{
	(void)context;
	(void)button;
	(void)down;
}

static void
ignore_loss(void *context)
{
	(void)context;
}

static void
ignore_spoken(void *context, const void *frames, uint32_t n_frames)
{
	(void)context;
	(void)frames;
	(void)n_frames;
}

static uint32_t
get_backlog(void *context)
{
	(void)context;
	return 0;
}

static const struct sink_events events = {
	.main_linked = ignore_main,
	.main_ended = ignore_main,
	.size_wanted = note_wanted,
	.size_shown = ignore_shown,
	.key = ignore_key,
	.position = note_position,
	.button = ignore_button,
	.spoken = ignore_spoken,
	.backlog = get_backlog,
};

static void
handle_changed(void *context)
{
	struct stage *stage = context;

	if (stage->sink)
		stage->sink->ops->refresh(stage->sink);
}

/* The client. */

static void
handle_open_fd(SpiceChannel *channel, int with_tls, gpointer data)
{
	struct stage *stage = data;
	int pair[2];

	(void)with_tls;
	assert_int_equal(io_socketpair(SOCK_STREAM, pair), 0);
	assert_int_equal(stage->sink->ops->add_client(stage->sink, pair[0]), 0);
	spice_channel_open_fd(channel, pair[1]);
}

static void
handle_channel(SpiceSession *session, SpiceChannel *channel, gpointer data)
{
	struct stage *stage = data;

	(void)session;
	g_signal_connect(channel, "open-fd", G_CALLBACK(handle_open_fd), stage);
	if (SPICE_IS_MAIN_CHANNEL(channel)) {
		stage->main = channel;
		return;
	}
	if (SPICE_IS_DISPLAY_CHANNEL(channel))
		stage->display = channel;
	else if (SPICE_IS_INPUTS_CHANNEL(channel))
		stage->inputs = channel;
	else
		return;
	spice_channel_connect(channel);
}

static void
show(struct stage *stage, uint32_t head, uint32_t width, uint32_t height, uint8_t colour)
{
	size_t bytes = (size_t)width * height * 4;
	g_autofree uint8_t *data = g_malloc(bytes);
	const struct surface_pixels pixels = { width * 4, SURFACE_FORMAT_X8R8G8B8, data, bytes };

	memset(data, colour, bytes);
	assert_int_equal(surface_set_scanout(stage->surfaces[head], width, height, &pixels), 0);
}

static int
set_up(void **state)
{
	struct stage *stage = test_calloc(1, sizeof(*stage));
	int pair[2];

	for (guint i = 0; i < HEADS_MAX; i++)
		stage->surfaces[i] = surface_new(handle_changed, stage);
	stage->sink = sink_spice_new("test", stage->surfaces, &events, stage);
	assert_non_null(stage->sink);
	stage->sink->ops->set_device(stage->sink, "pci/0000/01.0", N_HEADS);
	stage->sink->ops->set_password(stage->sink, PASSWORD);
	assert_int_equal(io_socketpair(SOCK_STREAM, pair), 0);
	stage->vdagent = pair[0];
	stage->port = vdagent_port_new(pair[1], ignore_loss, NULL);
	stage->sink->ops->set_vdagent(stage->sink, stage->port);
	stage->session = spice_session_new();
	g_object_set(stage->session, "password", PASSWORD, NULL);
	g_signal_connect(stage->session, "channel-new", G_CALLBACK(handle_channel), stage);
	*state = stage;
	return 0;
}

static int
tear_down(void **state)
{
	struct stage *stage = *state;

	spice_session_disconnect(stage->session);
	for (int i = 0; i < 100; i++)
		g_main_context_iteration(NULL, FALSE);
	g_object_unref(stage->session);
	stage->sink->ops->free(stage->sink);
	for (guint i = 0; i < HEADS_MAX; i++)
		surface_free(stage->surfaces[i]);
	vdagent_port_free(stage->port);
	close(stage->vdagent);
	test_free(stage);
	return 0;
}

/* The client's monitor, if it has as many as this. */
static bool
find_monitor(struct stage *stage, guint count, guint index, SpiceDisplayMonitorConfig *ret_monitor)
{
	g_autoptr(GArray) monitors = NULL;

	if (!stage->display)
		return false;
	g_object_get(stage->display, "monitors", &monitors, NULL);
	if (!monitors || monitors->len != count)
		return false;
	*ret_monitor = g_array_index(monitors, SpiceDisplayMonitorConfig, index);
	return true;
}

static bool
has_two_monitors(struct stage *stage)
{
	SpiceDisplayMonitorConfig monitor;

	return find_monitor(stage, 2, 0, &monitor);
}

static bool
has_one_monitor(struct stage *stage)
{
	SpiceDisplayMonitorConfig monitor;

	return find_monitor(stage, 1, 0, &monitor);
}

/* Each head's colour in its middle. */
static bool
sees_colours(struct stage *stage)
{
	SpiceDisplayPrimary primary;
	const uint8_t *row;

	if (!stage->display || !spice_display_channel_get_primary(stage->display, 0, &primary))
		return false;
	row = primary.data + (gsize)100 * (gsize)primary.stride;
	return row[4 * 200] == 0x33 && row[4 * (400 + 160)] == 0x77;
}

static bool
is_client_mouse(struct stage *stage)
{
	gint mode = 0;

	g_object_get(stage->main, "mouse-mode", &mode, NULL);
	return stage->inputs && mode == SPICE_MOUSE_MODE_CLIENT;
}

static bool
has_position(struct stage *stage)
{
	return stage->n_positions > 0;
}

static bool
has_agent(struct stage *stage)
{
	gboolean connected = FALSE;

	g_object_get(stage->main, "agent-connected", &connected, NULL);
	return connected;
}

static bool
has_wanted(struct stage *stage)
{
	return stage->n_wanted >= HEADS_MAX;
}

static void
test_sink_spice__a_client_sees_two_heads(void **state)
{
	struct stage *stage = *state;
	SpiceDisplayMonitorConfig monitor = { 0 };
	guint max = 0;

	show(stage, 0, 400, 300, 0x33);
	show(stage, 1, 320, 240, 0x77);
	assert_true(spice_session_open_fd(stage->session, -1));
	WAIT_FOR(has_two_monitors(stage));
	assert_true(find_monitor(stage, 2, 1, &monitor));
	assert_int_equal(monitor.id, 1);
	assert_int_equal(monitor.x, 400);
	assert_int_equal(monitor.y, 0);
	assert_int_equal(monitor.width, 320);
	assert_int_equal(monitor.height, 240);
	g_object_get(stage->display, "monitors-max", &max, NULL);
	assert_int_equal(max, N_HEADS);
	WAIT_FOR(sees_colours(stage));
	/* the guest switches the second one off: the first is drawn anew */
	surface_set_off(stage->surfaces[1]);
	WAIT_FOR(has_one_monitor(stage));
	show(stage, 1, 320, 240, 0x77);
	WAIT_FOR(has_two_monitors(stage));
	WAIT_FOR(sees_colours(stage));
}

static void
test_sink_spice__a_client_points_and_asks_on_two_heads(void **state)
{
	struct stage *stage = *state;

	show(stage, 0, 400, 300, 0x33);
	show(stage, 1, 320, 240, 0x77);
	assert_true(spice_session_open_fd(stage->session, -1));
	WAIT_FOR(has_two_monitors(stage));
	/* without a guest's agent for the mouse, too */
	WAIT_FOR(is_client_mouse(stage));
	spice_inputs_channel_position(SPICE_INPUTS_CHANNEL(stage->inputs), 405, 6, 0, 0);
	WAIT_FOR(has_position(stage));
	assert_int_equal(stage->position[0], 1);
	assert_int_equal(stage->position[1], 5);
	assert_int_equal(stage->position[2], 6);
	WAIT_FOR(has_agent(stage));
	stage->n_wanted = 0;
	spice_main_channel_update_display(SPICE_MAIN_CHANNEL(stage->main), 0, 0, 0, 640, 480,
					  FALSE);
	spice_main_channel_update_display(SPICE_MAIN_CHANNEL(stage->main), 1, 640, 0, 800, 600,
					  FALSE);
	spice_main_channel_update_display_enabled(SPICE_MAIN_CHANNEL(stage->main), 0, TRUE, FALSE);
	spice_main_channel_update_display_enabled(SPICE_MAIN_CHANNEL(stage->main), 1, TRUE, FALSE);
	assert_true(spice_main_channel_send_monitor_config(SPICE_MAIN_CHANNEL(stage->main)));
	WAIT_FOR(has_wanted(stage));
	assert_int_equal(stage->wanted.list[0].width, 640);
	assert_int_equal(stage->wanted.list[1].width, 800);
	assert_int_equal(stage->wanted.list[1].height, 600);
	assert_int_equal(stage->wanted.list[2].width, 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_sink_spice__a_client_sees_two_heads),
		TEST(test_sink_spice__a_client_points_and_asks_on_two_heads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
