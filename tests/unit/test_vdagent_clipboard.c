/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_vdagent_clipboard.c - texts between a client and a guest whose agent is this test
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <spice/vd_agent.h>
#include <string.h>
#include <sys/socket.h>

#include "display/vdagent_clipboard.h"
#include "display/vdagent_message.h"
#include "display/vdagent_port.h"
#include "tests/unit/vdagent_guest.h"

struct stage {
	struct vdagent_port *port;
	struct vdagent_clipboard *clipboard;
	struct vdagent_guest guest;
	guint losses;
	guint n_copied;
	char *copied;
};

static const uint32_t utf8 = VD_AGENT_CLIPBOARD_UTF8_TEXT, png = VD_AGENT_CLIPBOARD_IMAGE_PNG;

static void
note_loss(void *context)
{
	((struct stage *)context)->losses++;
}

static void
note_copied(void *context, const char *text)
{
	struct stage *stage = context;

	stage->n_copied++;
	g_free(stage->copied);
	stage->copied = g_strdup(text);
}

static int
set_up(void **state)
{
	struct stage *stage = g_new0(struct stage, 1);

	stage->port = vdagent_port_new(vdagent_guest_open(&stage->guest), note_loss, stage);
	stage->clipboard = vdagent_clipboard_new(stage->port, note_copied, stage);
	vdagent_guest_settle(&stage->guest);
	*state = stage;
	return 0;
}

static int
tear_down(void **state)
{
	struct stage *stage = *state;

	vdagent_clipboard_free(stage->clipboard);
	vdagent_port_free(stage->port);
	g_free(stage->copied);
	vdagent_guest_close(&stage->guest);
	g_free(stage);
	return 0;
}

static void
test_vdagent_clipboard__announces_itself(void **state)
{
	struct stage *stage = *state;

	vdagent_guest_assert_heard(&stage->guest, 1, VD_AGENT_ANNOUNCE_CAPABILITIES, 1);
	/* without the selections spice-vdagentd 0.22 cannot tell us of a release, and says nothing more */
	assert_int_equal(vdagent_read_u32(stage->guest.body->data + 4), GUEST_BY_NAME);
	vdagent_guest_announce(&stage->guest, 0, GUEST_BY_NAME);
	assert_int_equal(stage->guest.n_heard, 1);
	/* an agent that has just started */
	vdagent_guest_announce(&stage->guest, 1, GUEST_BY_NAME);
	vdagent_guest_assert_heard(&stage->guest, 2, VD_AGENT_ANNOUNCE_CAPABILITIES, 0);
}

static void
test_vdagent_clipboard__pastes_in_the_guest(void **state)
{
	struct stage *stage = *state;
	g_autofree char *much = g_strnfill(VDAGENT_MAX_TEXT_BYTES, 'm');
	g_autofree char *more = g_strconcat(much, "m", NULL);

	/* it waits for an agent that can */
	vdagent_clipboard_offer(stage->clipboard, "früher");
	vdagent_guest_announce(&stage->guest, 0, 0);
	assert_int_equal(stage->guest.n_heard, 1);
	vdagent_guest_announce(&stage->guest, 0, GUEST_BY_NAME);
	vdagent_guest_assert_heard(&stage->guest, 2, VD_AGENT_CLIPBOARD_GRAB, utf8);
	vdagent_clipboard_offer(stage->clipboard, "später");
	vdagent_guest_settle(&stage->guest);
	vdagent_guest_assert_heard(&stage->guest, 3, VD_AGENT_CLIPBOARD_GRAB, utf8);
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_REQUEST, &utf8, NULL, 0);
	vdagent_guest_assert_heard(&stage->guest, 4, VD_AGENT_CLIPBOARD, utf8);
	assert_memory_equal(stage->guest.body->data + 4, "später", stage->guest.body->len - 4);
	/* not as a picture */
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_REQUEST, &png, NULL, 0);
	vdagent_guest_assert_heard(&stage->guest, 5, VD_AGENT_CLIPBOARD, VD_AGENT_CLIPBOARD_NONE);
	assert_int_equal(stage->guest.body->len, 4);
	/* as much as fits, and not a letter more */
	vdagent_clipboard_offer(stage->clipboard, much);
	vdagent_clipboard_offer(stage->clipboard, more);
	vdagent_guest_settle(&stage->guest);
	assert_int_equal(stage->guest.n_heard, 6);
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_REQUEST, &utf8, NULL, 0);
	vdagent_guest_assert_heard(&stage->guest, 7, VD_AGENT_CLIPBOARD, utf8);
	assert_int_equal(stage->guest.body->len, 4 + VDAGENT_MAX_TEXT_BYTES);
	/* the guest has something else now */
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_GRAB, &png, NULL, 0);
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_REQUEST, &utf8, NULL, 0);
	vdagent_guest_assert_heard(&stage->guest, 8, VD_AGENT_CLIPBOARD, VD_AGENT_CLIPBOARD_NONE);
}

static void
test_vdagent_clipboard__copies_from_the_guest(void **state)
{
	struct stage *stage = *state;

	/* what it says before it has announced itself it says to a client before this one */
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_GRAB, &png, &utf8, sizeof(utf8));
	assert_int_equal(stage->guest.n_heard, 1);
	vdagent_guest_announce(&stage->guest, 0, GUEST_BY_NAME);
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_GRAB, &png, &utf8, sizeof(utf8));
	vdagent_guest_assert_heard(&stage->guest, 2, VD_AGENT_CLIPBOARD_REQUEST, utf8);
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD, &utf8, "grün €", strlen("grün €"));
	assert_int_equal(stage->n_copied, 1);
	assert_string_equal(stage->copied, "grün €");
	/* it was not asked for */
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD, &utf8, "again", 5);
	assert_int_equal(stage->n_copied, 1);
	/* what comes back from the client is no news, until it has had something else */
	vdagent_clipboard_offer(stage->clipboard, "grün €");
	vdagent_guest_settle(&stage->guest);
	assert_int_equal(stage->guest.n_heard, 2);
	vdagent_clipboard_offer(stage->clipboard, "rot");
	vdagent_guest_settle(&stage->guest);
	vdagent_guest_assert_heard(&stage->guest, 3, VD_AGENT_CLIPBOARD_GRAB, utf8);
	vdagent_clipboard_offer(stage->clipboard, "grün €");
	vdagent_guest_settle(&stage->guest);
	vdagent_guest_assert_heard(&stage->guest, 4, VD_AGENT_CLIPBOARD_GRAB, utf8);
}

/* Windows has one clipboard, and its agent names no selection. */
static void
test_vdagent_clipboard__takes_an_agent_without_selections(void **state)
{
	struct stage *stage = *state;

	vdagent_guest_announce(&stage->guest, 0, GUEST_BY_DEMAND);
	vdagent_clipboard_offer(stage->clipboard, "rot");
	vdagent_guest_settle(&stage->guest);
	vdagent_guest_assert_heard(&stage->guest, 2, VD_AGENT_CLIPBOARD_GRAB, utf8);
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_REQUEST, &utf8, NULL, 0);
	vdagent_guest_assert_heard(&stage->guest, 3, VD_AGENT_CLIPBOARD, utf8);
	assert_int_equal(stage->guest.body->len, 4 + strlen("rot"));
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_GRAB, &utf8, NULL, 0);
	vdagent_guest_assert_heard(&stage->guest, 4, VD_AGENT_CLIPBOARD_REQUEST, utf8);
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD, &utf8, "blau", strlen("blau"));
	assert_string_equal(stage->copied, "blau");
}

/* What is merely marked in the guest is not copied. */
static void
test_vdagent_clipboard__leaves_other_selections_alone(void **state)
{
	struct stage *stage = *state;

	vdagent_guest_announce(&stage->guest, 0, GUEST_BY_NAME);
	vdagent_clipboard_offer(stage->clipboard, "rot");
	vdagent_guest_settle(&stage->guest);
	stage->guest.selection = VD_AGENT_CLIPBOARD_SELECTION_PRIMARY;
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_GRAB, &utf8, NULL, 0);
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_REQUEST, &utf8, NULL, 0);
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_RELEASE, NULL, NULL, 0);
	assert_int_equal(stage->guest.n_heard, 2);
	stage->guest.selection = VD_AGENT_CLIPBOARD_SELECTION_CLIPBOARD;
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_REQUEST, &utf8, NULL, 0);
	vdagent_guest_assert_heard(&stage->guest, 3, VD_AGENT_CLIPBOARD, utf8);
}

/* Texts that are none. */
static void
test_vdagent_clipboard__checks_what_the_guest_sends(void **state)
{
	static const struct {
		const char *data;
		size_t size;
		uint32_t type;
	} bad[] = {
		{ "", 0, VD_AGENT_CLIPBOARD_UTF8_TEXT },
		{ "a\0b", 3, VD_AGENT_CLIPBOARD_UTF8_TEXT },
		{ "\xff\xfe", 2, VD_AGENT_CLIPBOARD_UTF8_TEXT },
		{ "\xe2\x82", 2, VD_AGENT_CLIPBOARD_UTF8_TEXT },
		{ "text", 4, VD_AGENT_CLIPBOARD_IMAGE_PNG },
		{ "text", 4, VD_AGENT_CLIPBOARD_NONE },
	};
	static const uint32_t many[100];
	struct stage *stage = *state;

	vdagent_guest_announce(&stage->guest, 0, GUEST_BY_NAME);
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_GRAB, &utf8, NULL, 0);
		vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD, &bad[i].type, bad[i].data,
				  bad[i].size);
	}
	assert_int_equal(stage->n_copied, 0);
	stage->guest.n_heard = 0;
	/* sizes that no such message has, and other messages */
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_REQUEST, NULL, NULL, 0);
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_REQUEST, &utf8, "x", 1);
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD, NULL, "abc", 3);
	vdagent_guest_say(&stage->guest, VD_AGENT_ANNOUNCE_CAPABILITIES, NULL, "abc", 3);
	vdagent_guest_say(&stage->guest, VD_AGENT_ANNOUNCE_CAPABILITIES, NULL, many, sizeof(many));
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_GRAB, NULL, many, sizeof(many));
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_GRAB, NULL, NULL, 0);
	vdagent_guest_say(&stage->guest, VD_AGENT_FILE_XFER_START, NULL, many, sizeof(many));
	vdagent_guest_say(&stage->guest, 4711, NULL, NULL, 0);
	/* without the selection that it has announced */
	stage->guest.selections = false;
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_GRAB, NULL, NULL, 0);
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_REQUEST, &utf8, NULL, 0);
	vdagent_guest_say(&stage->guest, VD_AGENT_CLIPBOARD_RELEASE, NULL, "abc", 3);
	assert_int_equal(stage->guest.n_heard, 0);
	assert_int_equal(stage->losses, 0);
}

/* A guest that asks for a long text again and again and reads nothing: one is on its way, and one is due. */
static void
test_vdagent_clipboard__keeps_one_answer_waiting(void **state)
{
	struct stage *stage = *state;
	g_autofree char *much = g_strnfill(VDAGENT_MAX_TEXT_BYTES, 'm');
	g_autoptr(GByteArray) ask = g_byte_array_new();

	vdagent_guest_announce(&stage->guest, 0, GUEST_BY_DEMAND);
	vdagent_clipboard_offer(stage->clipboard, much);
	vdagent_guest_settle(&stage->guest);
	stage->guest.n_heard = 0;
	vdagent_message_append(ask, VD_AGENT_CLIPBOARD_REQUEST, &utf8, 1, NULL, 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(send(stage->guest.fd, ask->data, ask->len, 0), ask->len);
		while (g_main_context_iteration(NULL, FALSE))
			;
	}
	vdagent_guest_settle(&stage->guest);
	assert_in_range(stage->guest.n_heard, 1, 2);
}

static void
test_vdagent_clipboard__loses_a_port_that_speaks_nonsense(void **state)
{
	static const uint8_t nonsense[8] = { 9 };
	struct stage *stage = *state;

	assert_int_equal(send(stage->guest.fd, nonsense, sizeof(nonsense), 0), sizeof(nonsense));
	vdagent_guest_settle(&stage->guest);
	assert_int_equal(stage->losses, 1);
	vdagent_clipboard_offer(stage->clipboard, "nobody hears it");
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_vdagent_clipboard__##name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(announces_itself),
		TEST(pastes_in_the_guest),
		TEST(copies_from_the_guest),
		TEST(takes_an_agent_without_selections),
		TEST(leaves_other_selections_alone),
		TEST(checks_what_the_guest_sends),
		TEST(keeps_one_answer_waiting),
		TEST(loses_a_port_that_speaks_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
