/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_display_core.c - a display between a source and a sink that only take notes
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
#include "display/display_core.h"
#include "display/link_message.h"
#include "display/sink.h"
#include "display/heads.h"
#include "display/surface.h"
#include "display/tls_link.h"
#include "display/vdagent_port.h"
#include "display/vdagent_stream.h"
#include "tests/unit/tls_client.h"
#include "tests/unit/wait_for.h"

#define DESKTOP	    "d-abcdefghijklmnopqrst"
#define MAX_FACTS   32
#define MAX_CLIENTS 4

struct note {
	struct sink sink;
	struct source source;
	struct display_core *core;
	struct surface *const *surfaces;
	const struct sink_events *sink_events;
	void *sink_context;
	const struct source_events *source_events;
	void *source_context;
	guint refreshes;
	guint sources;
	guint freed_sources;
	guint sizes;
	guint clients;
	guint keys;
	guint positions;
	guint buttons;
	bool silent; /* the source is one without sound */
	guint listens;
	bool hears, speaks;   /* as the source was told */
	bool plays, records;  /* as the sink was told */
	guint played, spoken; /* frames */
	uint32_t n_heads;
	struct heads set;
	struct vdagent_port *ports[2]; /* as the VNC and as the SPICE sink were lent it */
	int client_fds[MAX_CLIENTS];
	struct sink vnc;
	guint vnc_clients;
	int vnc_fd;
	char password[ID_PASSWORD_SIZE + 7];
	char device[SOURCE_ADDRESS_SIZE];
	guint n_facts;
	struct {
		enum display_fact_kind kind;
		uint64_t attachment;
		uint64_t value;
	} facts[MAX_FACTS];
};

/* The makers have no context, as the program's have none. */
static struct note note;

static void
sink_refresh(struct sink *sink)
{
	(void)sink;
	note.refreshes++;
}

static void
sink_set_device(struct sink *sink, const char *address, uint32_t n_heads)
{
	(void)sink;
	g_strlcpy(note.device, address, sizeof(note.device));
	note.n_heads = n_heads;
}

static void
sink_set_password(struct sink *sink, const char *password)
{
	(void)sink;
	g_strlcpy(note.password, password ? password : "", sizeof(note.password));
}

static int
sink_add_client(struct sink *sink, int fd)
{
	(void)sink;
	assert_in_range(note.clients, 0, MAX_CLIENTS - 1);
	note.client_fds[note.clients++] = fd;
	return 0;
}

static void
sink_set_vdagent(struct sink *sink, struct vdagent_port *port)
{
	/* never two at a time */
	assert_true(!port || !note.ports[sink != &note.sink]);
	note.ports[sink == &note.sink] = port;
}

static void
sink_set_sound(struct sink *sink, bool plays, bool records)
{
	(void)sink;
	note.plays = plays;
	note.records = records;
}

static void
sink_play(struct sink *sink, const void *frames, uint32_t n_frames)
{
	(void)sink;
	assert_string_equal(frames, "seven");
	note.played += n_frames;
}

static void
sink_free(struct sink *sink)
{
	(void)sink;
	for (guint i = 0; i < note.clients; i++)
		close(note.client_fds[i]);
}

static const struct sink_ops sink_ops = {
	.refresh = sink_refresh,
	.set_device = sink_set_device,
	.set_password = sink_set_password,
	.add_client = sink_add_client,
	.set_vdagent = sink_set_vdagent,
	.set_sound = sink_set_sound,
	.play = sink_play,
	.free = sink_free,
};

static struct sink *
make_sink(const char *name, struct surface *const *surfaces, const struct sink_events *events,
	  void *context)
{
	assert_string_equal(name, DESKTOP);
	note.sink.ops = &sink_ops;
	note.surfaces = surfaces;
	note.sink_events = events;
	note.sink_context = context;
	return &note.sink;
}

static void
source_send_key(struct source *source, uint32_t qnum, bool down)
{
	(void)source;
	note.keys += qnum == 30 && down;
}

static void
source_send_position(struct source *source, uint32_t head, uint32_t x, uint32_t y)
{
	(void)source;
	note.positions += head == 0 && x == 3 && y == 4;
}

static void
source_send_button(struct source *source, enum source_button button, bool down)
{
	(void)source;
	note.buttons += button == SOURCE_BUTTON_RIGHT && down;
}

static void
source_set_size(struct source *source, uint32_t head, uint32_t width, uint32_t height)
{
	(void)source;
	note.sizes++;
	note.set.list[head].width = width;
	note.set.list[head].height = height;
}

static void
source_listen(struct source *source, bool hears, bool speaks)
{
	(void)source;
	note.listens++;
	note.hears = hears;
	note.speaks = speaks;
}

static void
source_speak(struct source *source, const void *frames, uint32_t n_frames)
{
	(void)source;
	assert_string_equal(frames, "three");
	note.spoken += n_frames;
}

static void
source_free(struct source *source)
{
	(void)source;
	note.freed_sources++;
}

static const struct source_ops source_ops = {
	.send_key = source_send_key,
	.send_position = source_send_position,
	.send_button = source_send_button,
	.set_size = source_set_size,
	.listen = source_listen,
	.speak = source_speak,
	.free = source_free,
};

static const struct source_ops silent_source_ops = {
	.send_key = source_send_key,
	.send_position = source_send_position,
	.send_button = source_send_button,
	.set_size = source_set_size,
	.free = source_free,
};

static struct source *
make_source(int fd, struct surface *const *surfaces, const struct source_events *events,
	    void *context)
{
	close(fd);
	assert_ptr_equal(surfaces[HEADS_MAX - 1], note.surfaces[HEADS_MAX - 1]);
	note.source.ops = note.silent ? &silent_source_ops : &source_ops;
	note.source_events = events;
	note.source_context = context;
	note.sources++;
	return &note.source;
}

static void
vnc_refresh(struct sink *sink)
{
	(void)sink;
}

static int
vnc_add_client(struct sink *sink, int fd)
{
	(void)sink;
	assert_int_equal(note.vnc_clients++, 0);
	note.vnc_fd = fd;
	return 0;
}

static void
vnc_free(struct sink *sink)
{
	(void)sink;
	if (note.vnc_clients > 0)
		close(note.vnc_fd);
}

static const struct sink_ops vnc_ops = {
	.refresh = vnc_refresh,
	.set_vdagent = sink_set_vdagent,
	.add_client = vnc_add_client,
	.free = vnc_free,
};

static struct sink *
make_vnc(const char *name, struct surface *const *surfaces, const struct sink_events *events,
	 void *context)
{
	assert_string_equal(name, DESKTOP);
	assert_ptr_equal(surfaces, note.surfaces);
	assert_non_null(events);
	assert_ptr_equal(context, note.sink_context);
	note.vnc.ops = &vnc_ops;
	return &note.vnc;
}

static const struct display_core_makers makers = {
	.new_sink = make_sink,
	.new_vnc = make_vnc,
	.new_source = { [DISPLAY_SOURCE_QEMU] = make_source },
};

static void
note_fact(void *context, enum display_fact_kind kind, uint64_t attachment, uint64_t value,
	  const char *text)
{
	(void)context;
	assert_non_null(text);
	assert_in_range(note.n_facts, 0, MAX_FACTS - 1);
	note.facts[note.n_facts].kind = kind;
	note.facts[note.n_facts].attachment = attachment;
	note.facts[note.n_facts].value = value;
	note.n_facts++;
}

static void
assert_last_fact(enum display_fact_kind kind, uint64_t attachment)
{
	assert_in_range(note.n_facts, 1, MAX_FACTS);
	assert_int_equal(note.facts[note.n_facts - 1].kind, kind);
	assert_int_equal(note.facts[note.n_facts - 1].attachment, attachment);
}

static int
set_up(void **state)
{
	(void)state;
	memset(&note, 0, sizeof(note));
	note.core = display_core_new(DESKTOP, &makers, note_fact, NULL);
	return note.core ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	display_core_free(note.core);
	return 0;
}

static int
open_null(void)
{
	return dup(STDIN_FILENO);
}

static void
test_display_core__passes_input_to_the_source(void **state)
{
	(void)state;
	/* Nobody is there yet: nothing happens. */
	note.sink_events->key(note.sink_context, 30, true);
	note.sink_events->position(note.sink_context, 0, 3, 4);
	note.sink_events->button(note.sink_context, SOURCE_BUTTON_RIGHT, true);
	assert_int_equal(display_core_set_source(note.core, DISPLAY_SOURCE_QEMU, open_null()), 0);
	note.n_facts = 0;
	note.sink_events->key(note.sink_context, 30, true);
	note.sink_events->position(note.sink_context, 0, 3, 4);
	note.sink_events->button(note.sink_context, SOURCE_BUTTON_RIGHT, true);
	assert_int_equal(note.keys, 1);
	assert_int_equal(note.positions, 1);
	assert_int_equal(note.buttons, 1);
	assert_in_range(note.n_facts, 0, 1); /* one INPUT a second */
}

static void
test_display_core__replaces_a_source(void **state)
{
	struct display_hello hello;

	(void)state;
	assert_int_equal(display_core_set_source(note.core, DISPLAY_SOURCE_VMM, open_null()),
			 -ENOTSUP);
	assert_int_equal(display_core_set_source(note.core, 77, open_null()), -ENOTSUP);
	assert_int_equal(display_core_set_source(note.core, DISPLAY_SOURCE_QEMU, open_null()), 0);
	assert_int_equal(display_core_set_source(note.core, DISPLAY_SOURCE_QEMU, open_null()), 0);
	assert_int_equal(note.freed_sources, 1);
	note.source_events->ready(note.source_context, "pci/0000/02.0", 1);
	assert_string_equal(note.device, "pci/0000/02.0");
	note.source_events->lost(note.source_context, "gone");
	assert_last_fact(DISPLAY_FACT_SOURCE_LOST, 0);
	assert_int_equal(note.freed_sources, 1); /* not inside its own call */
	display_core_describe(note.core, &hello);
	assert_int_equal(hello.has_source, 0);
	WAIT_FOR(note.freed_sources >= 2);
	assert_int_equal(display_core_set_source(note.core, DISPLAY_SOURCE_QEMU, open_null()), 0);
	display_core_describe(note.core, &hello);
	assert_int_equal(hello.has_source, 1);
	assert_string_equal(hello.desktop, DESKTOP);
}

/* Returns the guest's end. */
static int
open_vdagent(void)
{
	int pair[2];

	assert_int_equal(io_socketpair(SOCK_STREAM, pair), 0);
	display_core_set_vdagent(note.core, pair[1]);
	return pair[0];
}

/* The monitors that the guest's agent has heard of last. */
static void
hear_sizes(int guest, struct heads *ret_heads)
{
	uint32_t words[VDAGENT_MAX_MONITORS_BYTES / 4] = { 0 };
	ssize_t size = recv(guest, words, sizeof(words), MSG_DONTWAIT);

	memset(ret_heads, 0, sizeof(*ret_heads));
	assert_in_range(words[7], 1, HEADS_MAX);
	assert_int_equal(size, (9 + 5 * words[7]) * 4);
	for (uint32_t i = 0; i < words[7]; i++) {
		ret_heads->list[i].height = words[9 + 5 * i];
		ret_heads->list[i].width = words[10 + 5 * i];
		ret_heads->list[i].x = words[12 + 5 * i];
	}
}

static void
test_display_core__asks_for_the_last_size_once(void **state)
{
	struct heads heard;
	int guest = open_vdagent();

	(void)state;
	display_core_set_source(note.core, DISPLAY_SOURCE_QEMU, open_null());
	note.sink_events->size_wanted(note.sink_context, 0, 900, 700);
	note.sink_events->size_wanted(note.sink_context, 0, 1003, 701);
	WAIT_FOR(note.sizes >= 1);
	assert_int_equal(note.sizes, 1);
	assert_int_equal(note.set.list[0].width, 1000); /* a multiple of 8 */
	assert_int_equal(note.set.list[0].height, 701);
	hear_sizes(guest, &heard);
	assert_int_equal(heard.list[0].width, 1000);
	note.sink_events->size_wanted(note.sink_context, 0, 100000, 100000);
	WAIT_FOR(note.sizes >= 2);
	assert_int_equal(note.set.list[0].width, DISPLAY_MAX_WIDTH);
	assert_int_equal(note.set.list[0].height, DISPLAY_MAX_HEIGHT);
	close(guest);
}

static void
test_display_core__gives_a_client_as_many_heads_as_there_are(void **state)
{
	struct heads heard;
	int guest = open_vdagent();

	(void)state;
	display_core_set_source(note.core, DISPLAY_SOURCE_QEMU, open_null());
	note.source_events->ready(note.source_context, "", 2);
	assert_int_equal(note.n_heads, 2);
	note.sink_events->size_wanted(note.sink_context, 0, 1000, 700);
	note.sink_events->size_wanted(note.sink_context, 1, 806, 600);
	note.sink_events->size_wanted(note.sink_context, 2, 640, 480);
	WAIT_FOR(note.sizes >= 2);
	assert_int_equal(note.set.list[1].width, 800);
	assert_int_equal(note.set.list[2].width, 0);
	hear_sizes(guest, &heard);
	assert_int_equal(heard.list[1].x, 1000);
	assert_int_equal(heard.list[1].width, 800);
	assert_int_equal(heads_count(&heard), 2);
	/* the client puts its second monitor away */
	note.sink_events->size_wanted(note.sink_context, 1, 0, 0);
	WAIT_FOR(note.sizes >= 4);
	assert_int_equal(note.set.list[1].width, 0);
	hear_sizes(guest, &heard);
	assert_int_equal(heads_count(&heard), 1);
	/* a source with one head, such as QEMU's, is not asked for more */
	note.sink_events->size_wanted(note.sink_context, 1, 800, 600);
	note.source_events->ready(note.source_context, "", 1);
	WAIT_FOR(note.sizes >= 5);
	assert_int_equal(note.sizes, 5);
	hear_sizes(guest, &heard);
	assert_int_equal(heads_count(&heard), 1);
	close(guest);
}

static void
test_display_core__refreshes_and_tells_sizes(void **state)
{
	static const uint8_t pixel[4];
	const struct surface_pixels pixels = { 4, SURFACE_FORMAT_X8R8G8B8, pixel, sizeof(pixel) };

	(void)state;
	assert_int_equal(surface_set_scanout(note.surfaces[0], 1, 1, &pixels), 0);
	assert_int_equal(note.refreshes, 1);
	note.sink_events->size_shown(note.sink_context, 800, 600);
	assert_last_fact(DISPLAY_FACT_RESIZED, 0);
	assert_true(note.facts[note.n_facts - 1].value == ((uint64_t)800 << 32 | 600));
}

/* A client with TLS. */

static void
set_certificate(void)
{
	g_autofree char *pem = tls_client_make_pem(DESKTOP);

	assert_int_equal(display_core_set_certificate(note.core, pem, strlen(pem)), 0);
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
	assert_int_equal(display_core_add_client(note.core, &client, pair[1]), 0);
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
test_display_core__lends_the_vdagent_to_one_sink(void **state)
{
	static const char words[] = "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst\n";
	g_autofree char *password = g_strndup(words, TLS_LINK_PASSWORD_BYTES - 1);
	GIOStream *spice, *vnc;
	int guest, fd;

	(void)state;
	set_certificate();
	guest = open_vdagent();
	assert_non_null(note.ports[1]);
	offer_link(DISPLAY_SINK_SPICE, 1, "secret", &fd);
	spice = tls_client_link_channel(fd, LINK_CHANNEL_MAIN, 0);
	WAIT_FOR(note.clients >= 1);
	note.sink_events->main_linked(note.sink_context, 4711);
	assert_non_null(note.ports[1]);
	/* a VNC client takes over */
	offer_link(DISPLAY_SINK_VNC, 2, password, &fd);
	assert_non_null(note.ports[1]);
	vnc = tls_client_link(fd, words, sizeof(words) - 1);
	WAIT_FOR(note.vnc_clients >= 1);
	assert_non_null(note.ports[0]);
	/* the guest's agent starts again */
	display_core_set_vdagent(note.core, -1);
	assert_true(!note.ports[0] && !note.ports[1]);
	close(guest);
	guest = open_vdagent();
	assert_non_null(note.ports[0]);
	/* the client goes */
	display_core_drop(note.core, 2);
	assert_non_null(note.ports[1]);
	/* the guest speaks nonsense */
	vdagent_port_hand_over(note.ports[1], read_nonsense, note.ports[1]);
	assert_int_equal(send(guest, words, sizeof(words), 0), sizeof(words));
	WAIT_FOR(!note.ports[1]);
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
	WAIT_FOR(note.clients >= n_clients);
	return stream;
}

static void
test_display_core__plays_to_who_has_the_channel(void **state)
{
	static const uint8_t much[4096];
	GIOStream *main_channel, *playback, *record;
	int fd;

	(void)state;
	set_certificate();
	offer_client("secret", &fd);
	main_channel = tls_client_link_channel(fd, LINK_CHANNEL_MAIN, 0);
	WAIT_FOR(note.clients >= 1);
	note.sink_events->main_linked(note.sink_context, 4711);
	playback = link_another(LINK_CHANNEL_PLAYBACK, 2);
	/* A source that comes later is told when it is ready. */
	display_core_set_source(note.core, DISPLAY_SOURCE_QEMU, open_null());
	note.source_events->ready(note.source_context, "", 1);
	assert_true(note.hears && !note.speaks);
	note.source_events->sound(note.source_context, true, true);
	assert_true(note.plays && !note.records); /* nobody speaks */
	note.source_events->played(note.source_context, "seven", 7);
	assert_int_equal(note.played, 7);
	/* It does not read what the sink has written for it. */
	assert_int_equal(io_set_nonblocking(note.client_fds[1], true), 0);
	while (write(note.client_fds[1], much, sizeof(much)) > 0)
		;
	note.source_events->played(note.source_context, "seven", 7);
	assert_int_equal(note.played, 7);
	record = link_another(LINK_CHANNEL_RECORD, 3);
	assert_true(note.hears && note.speaks && note.records);
	note.sink_events->spoken(note.sink_context, "three", 3);
	assert_int_equal(note.spoken, 3);
	note.listens = 0;
	g_object_unref(record);
	WAIT_FOR(note.listens >= 1);
	assert_true(note.hears && !note.speaks && !note.records);
	note.sink_events->main_ended(note.sink_context, 4711);
	assert_true(!note.hears && note.plays);
	/* The guest has gone in the middle of a tune. */
	note.source_events->lost(note.source_context, "gone");
	assert_false(note.plays);
	g_object_unref(playback);
	g_object_unref(main_channel);
}

static void
test_display_core__has_sources_without_sound(void **state)
{
	GIOStream *main_channel, *playback;
	int fd;

	(void)state;
	note.silent = true;
	display_core_set_source(note.core, DISPLAY_SOURCE_QEMU, open_null());
	note.source_events->ready(note.source_context, "", 1);
	set_certificate();
	offer_client("secret", &fd);
	main_channel = tls_client_link_channel(fd, LINK_CHANNEL_MAIN, 0);
	WAIT_FOR(note.clients >= 1);
	note.sink_events->main_linked(note.sink_context, 4711);
	playback = link_another(LINK_CHANNEL_PLAYBACK, 2);
	note.sink_events->spoken(note.sink_context, "three", 3);
	assert_int_equal(note.listens + note.spoken, 0);
	g_object_unref(playback);
	g_object_unref(main_channel);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_display_core__##name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(passes_input_to_the_source),
		TEST(replaces_a_source),
		TEST(asks_for_the_last_size_once),
		TEST(gives_a_client_as_many_heads_as_there_are),
		TEST(lends_the_vdagent_to_one_sink),
		TEST(refreshes_and_tells_sizes),
		TEST(plays_to_who_has_the_channel),
		TEST(has_sources_without_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
