/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_vnc_session.c - texts between a VNC client, byte by byte, and a guest's agent, through the VNC sink
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <spice/vd_agent.h>
#include <string.h>
#include <sys/socket.h>

#include "display/sink.h"
#include "display/vdagent_port.h"
#include "display/vnc_cut_text.h"
#include "tests/unit/rfb_client.h"
#include "tests/unit/vdagent_guest.h"
#include "tests/unit/vnc_stage.h"
#include "tests/unit/wait_for.h"

#define ENCODING_CUT_TEXT ((int32_t)0xc0a1e5ce)
#define CAPS_BYTES	  16 /* the library's message */

struct stage {
	struct vnc_stage vnc;
	struct vdagent_port *port;
	struct vdagent_guest guest;
	guint keys;
};

static const uint32_t utf8 = VD_AGENT_CLIPBOARD_UTF8_TEXT;

static void
note_key(void *context, uint32_t qnum, bool down)
{
	(void)qnum;
	(void)down;
	((struct stage *)context)->keys++;
}

static const struct sink_events events = { .key = note_key };

static void
fail_lost(void *context)
{
	(void)context;
	fail_msg("the port was lost");
}

static int
set_up(void **state)
{
	struct stage *stage = g_new0(struct stage, 1);

	vnc_stage_open(&stage->vnc, &events, stage);
	stage->port = vdagent_port_new(vdagent_guest_open(&stage->guest), fail_lost, NULL);
	*state = stage;
	return 0;
}

static int
tear_down(void **state)
{
	struct stage *stage = *state;

	stage->vnc.sink->ops->set_vdagent(stage->vnc.sink, NULL);
	vnc_stage_close(&stage->vnc);
	vdagent_port_free(stage->port);
	vdagent_guest_close(&stage->guest);
	g_free(stage);
	return 0;
}

/* A client, and an agent that has heard of it. */
static void
begin(struct stage *stage, bool extended)
{
	static const int32_t encodings[] = { 0, ENCODING_CUT_TEXT };
	uint8_t caps[CAPS_BYTES];
	uint16_t size[2];

	vnc_stage_connect(&stage->vnc);
	stage->vnc.sink->ops->set_vdagent(stage->vnc.sink, stage->port);
	rfb_client_greet(stage->vnc.client, encodings, extended ? 2 : 1, size);
	if (extended) {
		rfb_client_read(stage->vnc.client, caps, sizeof(caps));
		/* no notify: what the client copies it provides at once */
		assert_int_equal(caps[8], 0x17);
	}
	vdagent_guest_announce(&stage->guest, 0, GUEST_BY_NAME);
	vdagent_guest_assert_heard(&stage->guest, 1, VD_AGENT_ANNOUNCE_CAPABILITIES, 1);
}

/* What the guest's agent hears wakes no main loop. */
#define SETTLE_UNTIL(stage, condition) \
	WAIT_FOR((vdagent_guest_settle(&(stage)->guest), (condition)))

static bool
can_client_read(const struct stage *stage)
{
	struct pollfd readable = { .fd = stage->vnc.client, .events = POLLIN };

	return poll(&readable, 1, 0) > 0;
}

static void
client_cut(struct stage *stage, int32_t length, const void *body, size_t size)
{
	uint32_t wire = GUINT32_TO_BE((uint32_t)length);
	uint8_t head[8] = { 6 };

	memcpy(head + 4, &wire, sizeof(wire));
	rfb_client_write(stage->vnc.client, head, sizeof(head));
	rfb_client_write(stage->vnc.client, body, size);
}

static void
guest_copies(struct stage *stage, const char *text)
{
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_GRAB, &utf8, NULL, 0);
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD, &utf8, text, strlen(text));
	SETTLE_UNTIL(stage, can_client_read(stage));
}

static void
assert_guest_pastes(struct stage *stage, guint n_heard, const char *text)
{
	SETTLE_UNTIL(stage, stage->guest.n_heard >= n_heard);
	vdagent_guest_assert_heard(&stage->guest, n_heard, VD_AGENT_CLIPBOARD_GRAB, utf8);
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_REQUEST, &utf8, NULL, 0);
	vdagent_guest_assert_heard(&stage->guest, n_heard + 1, VD_AGENT_CLIPBOARD, utf8);
	assert_int_equal(stage->guest.body->len, 4 + strlen(text));
	assert_memory_equal(stage->guest.body->data + 4, text, strlen(text));
}

/* The next message is an extended one; its body. */
static uint32_t
client_hear_extended(struct stage *stage, uint8_t *body, size_t max_bytes, size_t *ret_size)
{
	uint8_t head[1 + VNC_CUT_TEXT_HEAD_BYTES];
	bool extended;

	rfb_client_read(stage->vnc.client, head, sizeof(head));
	assert_int_equal(head[0], 3);
	*ret_size = vnc_cut_text_read_head(head + 1, &extended);
	assert_true(extended);
	assert_in_range(*ret_size, 4, max_bytes);
	rfb_client_read(stage->vnc.client, body, *ret_size);
	return (uint32_t)body[0] << 24 | body[3];
}

static void
test_vnc_session__copies_latin1(void **state)
{
	struct stage *stage = *state;
	uint8_t heard[8 + 6];

	begin(stage, false);
	guest_copies(stage, "gr\xc3\xbcn \xe2\x82\xac");
	rfb_client_read(stage->vnc.client, heard, sizeof(heard));
	assert_memory_equal(heard, "\3\0\0\0\0\0\0\6gr\xfcn ?", sizeof(heard));
	client_cut(stage, 5, "bla\xdf\n", 5);
	/* announce, request, grab */
	assert_guest_pastes(stage, 3, "bla\xc3\x9f\n");
}

static void
test_vnc_session__copies_utf8(void **state)
{
	static const char *const text = "zwei\nZeilen für 12 €";
	static const uint8_t ask_first[] = { 0x1f, 0, 0, 1, 0, 0, 0, 0 };
	static const uint8_t request[] = { 2, 0, 0, 1 }, peek[] = { 4, 0, 0, 0 };
	struct stage *stage = *state;
	GByteArray *provide = vnc_cut_text_make_provide("drei €");
	struct vnc_cut_caps caps;
	uint8_t body[256];
	size_t size;
	char *got;

	begin(stage, true);
	guest_copies(stage, text);
	assert_int_equal(client_hear_extended(stage, body, sizeof(body), &size), 0x10000001);
	assert_int_equal(vnc_cut_text_read_extended(body, size, &caps, &got), VNC_CUT_PROVIDE);
	assert_string_equal(got, text);
	g_free(got);
	/* our own messages are a client's, but for the type */
	rfb_client_write(stage->vnc.client, "\6", 1);
	rfb_client_write(stage->vnc.client, provide->data + 1, provide->len - 1);
	assert_guest_pastes(stage, 3, "drei €");
	/* one that wants to ask */
	client_cut(stage, -8, ask_first, sizeof(ask_first));
	client_cut(stage, -4, peek, sizeof(peek));
	assert_int_equal(client_hear_extended(stage, body, sizeof(body), &size), 0x08000001);
	guest_copies(stage, "vier");
	assert_int_equal(client_hear_extended(stage, body, sizeof(body), &size), 0x08000001);
	client_cut(stage, -4, request, sizeof(request));
	assert_int_equal(client_hear_extended(stage, body, sizeof(body), &size), 0x10000001);
	assert_int_equal(vnc_cut_text_read_extended(body, size, &caps, &got), VNC_CUT_PROVIDE);
	assert_string_equal(got, "vier");
	g_free(got);
	g_byte_array_unref(provide);
}

/* Too long, too short, and nonsense: nothing reaches the guest, and the client stays. */
static void
test_vnc_session__survives_bad_texts(void **state)
{
	static const uint8_t claim[] = { 0x10, 0, 0, 1, 'j', 'u', 'n', 'k' };
	static const uint8_t key[] = { 4, 1, 0, 0, 0, 0, 0, 'A' };
	struct stage *stage = *state;
	size_t size = VNC_CUT_TEXT_MAX_BYTES + 1;
	g_autofree uint8_t *much = g_malloc0(size);

	begin(stage, true);
	client_cut(stage, (int32_t)size, much, size);
	client_cut(stage, -(int32_t)size, much, size);
	client_cut(stage, -8, claim, sizeof(claim));
	client_cut(stage, -3, claim, 3);
	rfb_client_write(stage->vnc.client, key, sizeof(key));
	SETTLE_UNTIL(stage, stage->keys > 0);
	assert_int_equal(stage->guest.n_heard, 1);
	client_cut(stage, 0, NULL, 0);
	client_cut(stage, 2, "ok", 2);
	assert_guest_pastes(stage, 2, "ok");
}

/* What no client sends: it goes. */
static void
test_vnc_session__drops_who_sends_without_end(void **state)
{
	struct stage *stage = *state;
	uint8_t end;

	begin(stage, false);
	client_cut(stage, INT32_MIN, NULL, 0);
	assert_int_equal(recv(stage->vnc.client, &end, sizeof(end), 0), 0);
}

/*
 * SetScale (UltraVNC's, PalmVNC's), which makes the library divide by zero once the picture becomes smaller, file transfer,
 * chat, and types that nobody knows.
 */
static void
test_vnc_session__drops_who_sends_what_is_not_offered(void **state)
{
	static const uint8_t types[] = { 1, 7, 8, 9, 10, 11, 15, 100, 250 };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
		const uint8_t message[] = { types[i], 3, 0, 0 };
		void *own;
		struct stage *stage;
		uint8_t end;

		assert_int_equal(set_up(&own), 0);
		stage = own;
		begin(stage, false);
		rfb_client_write(stage->vnc.client, message, sizeof(message));
		if (recv(stage->vnc.client, &end, sizeof(end), 0) != 0)
			assert_int_equal(errno, ECONNRESET);
		tear_down(&own);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_vnc_session__##name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(copies_latin1),
		TEST(copies_utf8),
		TEST(survives_bad_texts),
		TEST(drops_who_sends_without_end),
		cmocka_unit_test(test_vnc_session__drops_who_sends_what_is_not_offered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
