/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_display_links.c - clients with TLS, and sinks that only take notes
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "display/display_links.h"
#include "display/link_message.h"
#include "display/sink.h"
#include "display/surface.h"
#include "tests/unit/tls_client.h"
#include "tests/unit/wait_for.h"

#define DESKTOP	    "d-abcdefghijklmnopqrst"
#define MAX_FACTS   32
#define MAX_CLIENTS 4

struct stage {
	struct sink spice;
	struct sink vnc;
	struct surface *surface;
	struct display_links *links;
	guint changes;
	guint clients;
	int client_fds[MAX_CLIENTS];
	guint vnc_clients;
	int vnc_fd;
	char password[ID_PASSWORD_SIZE];
	guint n_facts;
	struct {
		enum display_fact_kind kind;
		uint64_t attachment;
	} facts[MAX_FACTS];
};

static void
spice_set_password(struct sink *sink, const char *password)
{
	struct stage *stage = (struct stage *)((char *)sink - offsetof(struct stage, spice));

	g_strlcpy(stage->password, password ? password : "", sizeof(stage->password));
}

static int
spice_add_client(struct sink *sink, int fd)
{
	struct stage *stage = (struct stage *)((char *)sink - offsetof(struct stage, spice));

	assert_in_range(stage->clients, 0, MAX_CLIENTS - 1);
	stage->client_fds[stage->clients++] = fd;
	return 0;
}

static const struct sink_ops spice_ops = {
	.set_password = spice_set_password,
	.add_client = spice_add_client,
};

static int
vnc_add_client(struct sink *sink, int fd)
{
	struct stage *stage = (struct stage *)((char *)sink - offsetof(struct stage, vnc));

	assert_int_equal(stage->vnc_clients++, 0);
	stage->vnc_fd = fd;
	return 0;
}

static const struct sink_ops vnc_ops = { .add_client = vnc_add_client };

static void
note_fact(void *context, enum display_fact_kind kind, uint64_t attachment, uint64_t value,
	  const char *text)
{
	struct stage *stage = context;

	(void)value;
	(void)text;
	assert_in_range(stage->n_facts, 0, MAX_FACTS - 1);
	stage->facts[stage->n_facts].kind = kind;
	stage->facts[stage->n_facts].attachment = attachment;
	stage->n_facts++;
}

static void
note_change(void *context)
{
	((struct stage *)context)->changes++;
}

static const struct display_links_events events = { .tell = note_fact, .changed = note_change };

static void
assert_last_fact(const struct stage *stage, enum display_fact_kind kind, uint64_t attachment)
{
	assert_in_range(stage->n_facts, 1, MAX_FACTS);
	assert_int_equal(stage->facts[stage->n_facts - 1].kind, kind);
	assert_int_equal(stage->facts[stage->n_facts - 1].attachment, attachment);
}

static int
set_up(void **state)
{
	struct stage *stage = g_new0(struct stage, 1);
	struct sink *const sinks[DISPLAY_SINK_COUNT] = {
		[DISPLAY_SINK_SPICE] = &stage->spice,
		[DISPLAY_SINK_VNC] = &stage->vnc,
	};

	stage->spice.ops = &spice_ops;
	stage->vnc.ops = &vnc_ops;
	stage->surface = surface_new(note_change, stage);
	stage->links = display_links_new(DESKTOP, stage->surface, &events, stage);
	display_links_set_sinks(stage->links, sinks);
	*state = stage;
	return 0;
}

static int
tear_down(void **state)
{
	struct stage *stage = *state;

	display_links_free(stage->links);
	for (guint i = 0; i < stage->clients; i++)
		close(stage->client_fds[i]);
	if (stage->vnc_clients > 0)
		close(stage->vnc_fd);
	surface_free(stage->surface);
	g_free(stage);
	return 0;
}

static void
set_certificate(struct stage *stage)
{
	g_autofree char *pem = tls_client_make_pem(DESKTOP);

	assert_int_equal(display_links_set_certificate(stage->links, pem, strlen(pem)), 0);
}

static int
offer_link(struct stage *stage, uint32_t sink, uint64_t attachment, const char *password,
	   int *ret_fd)
{
	struct display_client client = { .attachment = attachment,
					 .sink = sink,
					 .first = password != NULL };
	int pair[2];

	assert_int_equal(io_socketpair(SOCK_STREAM, pair), 0);
	g_strlcpy(client.password, password ? password : "", sizeof(client.password));
	*ret_fd = pair[0];
	return display_links_add(stage->links, &client, pair[1]);
}

static int
offer_client(struct stage *stage, uint64_t attachment, const char *password, int *ret_fd)
{
	return offer_link(stage, DISPLAY_SINK_SPICE, attachment, password, ret_fd);
}

static void
test_display_links__keeps_a_good_certificate(void **state)
{
	struct stage *stage = *state;
	int fd;

	assert_int_equal(offer_client(stage, 1, "secret", &fd), -ENOKEY);
	close(fd);
	assert_last_fact(stage, DISPLAY_FACT_LINK_REFUSED, 1);
	assert_int_equal(display_links_set_certificate(stage->links, "nonsense", 8), -EINVAL);
	assert_false(display_links_has_certificate(stage->links));
	set_certificate(stage);
	/* What is no certificate leaves the one before. */
	assert_int_equal(display_links_set_certificate(stage->links, "nonsense", 8), -EINVAL);
	assert_true(display_links_has_certificate(stage->links));
}

/* What no sink is there for. */
static void
test_display_links__refuses_unknown_sinks(void **state)
{
	struct stage *stage = *state;
	struct sink *const spice_only[DISPLAY_SINK_COUNT] = { [DISPLAY_SINK_SPICE] =
								      &stage->spice };
	int fd;

	set_certificate(stage);
	assert_int_equal(offer_link(stage, DISPLAY_SINK_COUNT, 1, "secret", &fd), -ENOTSUP);
	close(fd);
	display_links_set_sinks(stage->links, spice_only);
	assert_int_equal(offer_link(stage, DISPLAY_SINK_VNC, 1, "secret", &fd), -ENOTSUP);
	close(fd);
	assert_string_equal(stage->password, "");
}

#define VNC_PASSWORD "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst"

/* The password first, and nothing to the library before it has spoken; the link's end is the attachment's. */
static void
test_display_links__lets_a_vnc_client_in(void **state)
{
	struct stage *stage = *state;
	static const char wrong[] = "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrs2\n";
	static const char right[] = VNC_PASSWORD "\nRFB";
	GIOStream *stream;
	char heard[8];
	ssize_t size = -1;
	int fd;

	set_certificate(stage);
	stage->n_facts = 0;
	assert_int_equal(offer_link(stage, DISPLAY_SINK_VNC, 1, VNC_PASSWORD, &fd), 0);
	assert_string_equal(stage->password, "");
	stream = tls_client_link(fd, wrong, sizeof(wrong) - 1);
	WAIT_FOR(stage->n_facts >= 1);
	assert_last_fact(stage, DISPLAY_FACT_LINK_REFUSED, 1);
	g_object_unref(stream);
	assert_int_equal(stage->vnc_clients, 0);

	assert_int_equal(offer_link(stage, DISPLAY_SINK_VNC, 2, VNC_PASSWORD, &fd), 0);
	stream = tls_client_link(fd, right, sizeof(right) - 1);
	WAIT_FOR(stage->vnc_clients >= 1);
	assert_last_fact(stage, DISPLAY_FACT_CONNECTED, 2);
	for (int i = 0; i < 20; i++) {
		g_main_context_iteration(NULL, FALSE);
		g_usleep(1000);
	}
	assert_int_equal(recv(stage->vnc_fd, heard, sizeof(heard), MSG_DONTWAIT), -1);
	assert_int_equal(send(stage->vnc_fd, "RFB 003.008\n", 12, MSG_NOSIGNAL), 12);
	while (size < 0) {
		g_main_context_iteration(NULL, TRUE);
		size = recv(stage->vnc_fd, heard, sizeof(heard), MSG_DONTWAIT);
	}
	assert_int_equal(size, 3);
	assert_memory_equal(heard, "RFB", 3);
	/* the sink ends it */
	shutdown(stage->vnc_fd, SHUT_RDWR);
	WAIT_FOR(stage->n_facts >= 3);
	assert_last_fact(stage, DISPLAY_FACT_DISCONNECTED, 2);
	g_object_unref(stream);
}

static void
test_display_links__links_one_main_channel(void **state)
{
	struct stage *stage = *state;
	GIOStream *first, *second;
	int fd;

	set_certificate(stage);
	assert_int_equal(offer_client(stage, 1, "", &fd), -EINVAL); /* no password */
	close(fd);
	assert_int_equal(offer_client(stage, 1, NULL, &fd),
			 -ESTALE); /* not the first, of nothing */
	close(fd);
	stage->n_facts = 0;
	assert_int_equal(offer_client(stage, 1, "secret", &fd), 0);
	assert_string_equal(stage->password, "secret");
	first = tls_client_link_channel(fd, LINK_CHANNEL_MAIN, 0);
	WAIT_FOR(stage->clients >= 1);
	display_links_handle_main_linked(stage->links, 4711);
	assert_last_fact(stage, DISPLAY_FACT_CONNECTED, 1);
	/* A second main channel, and a channel of another connection, do not reach the sink. */
	assert_int_equal(offer_client(stage, 1, NULL, &fd), 0);
	second = tls_client_link_channel(fd, LINK_CHANNEL_MAIN, 0);
	WAIT_FOR(stage->n_facts >= 2);
	assert_last_fact(stage, DISPLAY_FACT_LINK_REFUSED, 1);
	g_object_unref(second);
	assert_int_equal(offer_client(stage, 1, NULL, &fd), 0);
	second = tls_client_link_channel(fd, LINK_CHANNEL_DISPLAY, 4712);
	WAIT_FOR(stage->n_facts >= 3);
	assert_last_fact(stage, DISPLAY_FACT_LINK_REFUSED, 1);
	g_object_unref(second);
	assert_int_equal(stage->clients, 1);
	/* Its own goes through. */
	assert_int_equal(offer_client(stage, 1, NULL, &fd), 0);
	second = tls_client_link_channel(fd, LINK_CHANNEL_DISPLAY, 4711);
	WAIT_FOR(stage->clients >= 2);
	g_object_unref(second);
	display_links_handle_main_ended(stage->links, 4711);
	assert_last_fact(stage, DISPLAY_FACT_DISCONNECTED, 1);
	assert_string_equal(stage->password, "");
	assert_int_equal(offer_client(stage, 1, "secret", &fd), -ESTALE); /* never twice */
	close(fd);
	g_object_unref(first);
}

static void
test_display_links__drops_an_attachment(void **state)
{
	struct stage *stage = *state;
	GIOStream *stream;
	int fd;

	set_certificate(stage);
	assert_int_equal(offer_client(stage, 5, "secret", &fd), 0);
	stream = tls_client_link_channel(fd, LINK_CHANNEL_MAIN, 0);
	WAIT_FOR(stage->clients >= 1);
	display_links_handle_main_linked(stage->links, 1);
	assert_int_equal(display_links_get_live(stage->links), 5);
	display_links_drop(stage->links, 4);
	assert_int_equal(display_links_get_live(stage->links), 5);
	display_links_drop(stage->links, 0);
	assert_last_fact(stage, DISPLAY_FACT_DISCONNECTED, 5);
	assert_int_equal(display_links_get_live(stage->links), 0);
	assert_string_equal(stage->password, "");
	g_object_unref(stream);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_display_links__##name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keeps_a_good_certificate), TEST(refuses_unknown_sinks),
		TEST(links_one_main_channel),	TEST(lets_a_vnc_client_in),
		TEST(drops_an_attachment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
