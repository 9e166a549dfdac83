/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_sink_vnc.c - a VNC client, byte by byte, sees and steers a desktop through libvncserver, both in this process
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "display/sink.h"
#include "display/surface.h"
#include "tests/unit/rfb_client.h"
#include "tests/unit/vnc_stage.h"
#include "tests/unit/wait_for.h"

#define WIDTH	       64
#define HEIGHT	       32
#define MAX_EVENTS     512
#define ENCODING_RAW   0
#define ENCODING_RICH  (-239)
#define ENCODING_SIZE  (-223)
#define ENCODING_EXT   (-308)
#define ENCODING_QEMU  (-258)
#define RECT_BYTES     12
#define REQUEST_UPDATE 3

struct rect {
	uint16_t x, y, width, height;
	int32_t encoding;
};

struct stage {
	struct vnc_stage vnc;
	uint16_t asked[2]; /* the size that it has asked for last */
	guint keys;
	uint32_t key;
	bool down;
	guint buttons;
	enum source_button button;
	uint32_t position[2];
	uint32_t wanted[2];
	guint drawn;
};

/* The sink's events. */

static void
note_wanted(void *context, uint32_t head, uint32_t width, uint32_t height)
{
	struct stage *stage = context;

	assert_int_equal(head, 0);
	stage->wanted[0] = width;
	stage->wanted[1] = height;
}

static void
note_key(void *context, uint32_t qnum, bool down)
{
	struct stage *stage = context;

	stage->key = qnum;
	stage->down = down;
	stage->keys++;
}

static void
note_position(void *context, uint32_t head, uint32_t x, uint32_t y)
{
	struct stage *stage = context;

	assert_int_equal(head, 0);
	stage->position[0] = x;
	stage->position[1] = y;
}

static void
note_button(void *context, enum source_button button, bool down)
{
	struct stage *stage = context;

	stage->button = button;
	stage->down = down;
	stage->buttons++;
}

static void
note_drawn(void *context)
{
	((struct stage *)context)->drawn++;
}

static const struct sink_events events = {
	.size_wanted = note_wanted,
	.key = note_key,
	.position = note_position,
	.button = note_button,
	.drawn = note_drawn,
};

/* The client. */

static void
client_greet(struct stage *stage, uint16_t ret_size[2])
{
	static const int32_t encodings[] = { ENCODING_RAW, ENCODING_RICH, ENCODING_SIZE,
					     ENCODING_EXT, ENCODING_QEMU };

	rfb_client_greet(stage->vnc.client, encodings, G_N_ELEMENTS(encodings), ret_size);
}

static void
client_ask(struct stage *stage, bool incremental, uint16_t width, uint16_t height)
{
	const uint8_t ask[] = { REQUEST_UPDATE,
				incremental,
				0,
				0,
				0,
				0,
				(uint8_t)(width >> 8),
				(uint8_t)width,
				(uint8_t)(height >> 8),
				(uint8_t)height };

	stage->asked[0] = width;
	stage->asked[1] = height;
	rfb_client_write(stage->vnc.client, ask, sizeof(ask));
}

static uint16_t
client_read_head(struct stage *stage)
{
	uint8_t head[4];

	rfb_client_read(stage->vnc.client, head, sizeof(head));
	assert_int_equal(head[0], 0); /* FramebufferUpdate */
	return (uint16_t)(head[2] << 8 | head[3]);
}

static void
client_read_rect(struct stage *stage, struct rect *ret_rect)
{
	uint8_t wire[RECT_BYTES];

	rfb_client_read(stage->vnc.client, wire, sizeof(wire));
	ret_rect->x = (uint16_t)(wire[0] << 8 | wire[1]);
	ret_rect->y = (uint16_t)(wire[2] << 8 | wire[3]);
	ret_rect->width = (uint16_t)(wire[4] << 8 | wire[5]);
	ret_rect->height = (uint16_t)(wire[6] << 8 | wire[7]);
	ret_rect->encoding = (int32_t)((uint32_t)wire[8] << 24 | (uint32_t)wire[9] << 16 |
				       (uint32_t)wire[10] << 8 | wire[11]);
}

/* Reads on, and asks on, until a rectangle of this kind; its pixels in "pixels" when it is a raw one (NULL: skipped). */
static struct rect
client_find(struct stage *stage, int32_t encoding, uint8_t *pixels)
{
	static uint8_t data[1024 * 1024];

	for (;;) {
		uint16_t n_rects = client_read_head(stage);
		struct rect found = { .encoding = encoding + 1 };

		for (uint16_t i = 0; i < n_rects; i++) {
			struct rect rect;
			size_t area;

			client_read_rect(stage, &rect);
			area = (size_t)rect.width * rect.height;
			if (rect.encoding == encoding)
				found = rect;
			if (rect.encoding == ENCODING_RAW)
				rfb_client_read(stage->vnc.client, pixels ? pixels : data,
						area * 4);
			else if (rect.encoding == ENCODING_RICH)
				rfb_client_skip(stage->vnc.client,
						area * 4 + (rect.width + 7U) / 8 * rect.height);
			else if (rect.encoding == ENCODING_EXT)
				rfb_client_skip(stage->vnc.client, 4 + 16);
		}
		if (found.encoding == encoding)
			return found;
		/* each full request is answered with the size alone first */
		client_ask(stage, true, stage->asked[0], stage->asked[1]);
	}
}

static void
paint(struct stage *stage, uint32_t width, uint32_t height, uint32_t colour)
{
	g_autofree uint32_t *data = g_new(uint32_t, (size_t)width * height);
	const struct surface_pixels pixels = { .stride = width * 4,
					       .format = SURFACE_FORMAT_X8R8G8B8,
					       .data = (uint8_t *)data,
					       .size = (size_t)width * height * 4 };

	for (size_t i = 0; i < (size_t)width * height; i++)
		data[i] = colour;
	assert_int_equal(surface_set_scanout(stage->vnc.surfaces[0], width, height, &pixels), 0);
}

static int
set_up(void **state)
{
	struct stage *stage = g_new0(struct stage, 1);

	vnc_stage_open(&stage->vnc, &events, stage);
	*state = stage;
	return 0;
}

static int
tear_down(void **state)
{
	struct stage *stage = *state;

	vnc_stage_close(&stage->vnc);
	g_free(stage);
	return 0;
}

static void
test_sink_vnc__shows_what_the_surface_shows(void **state)
{
	struct stage *stage = *state;
	uint32_t pixels[WIDTH * HEIGHT];
	uint16_t size[2];
	const uint32_t red = 0xff0000;
	const struct damage_rect place = { 3, 5, 1, 1 };
	const struct surface_pixels one = { 4, SURFACE_FORMAT_X8R8G8B8, (const uint8_t *)&red, 4 };
	struct rect rect;

	paint(stage, WIDTH, HEIGHT, 0x102030);
	vnc_stage_connect(&stage->vnc);
	client_greet(stage, size);
	assert_int_equal(size[0], WIDTH);
	assert_int_equal(size[1], HEIGHT);
	client_ask(stage, false, WIDTH, HEIGHT);
	rect = client_find(stage, ENCODING_RAW, (uint8_t *)pixels);
	assert_int_equal(rect.width, WIDTH);
	assert_int_equal(pixels[0] & 0xffffff, 0x102030);
	assert_int_equal(pixels[WIDTH * HEIGHT - 1] & 0xffffff, 0x102030);
	WAIT_FOR(stage->drawn == 1);

	/* what changes comes, and nothing else */
	client_ask(stage, true, WIDTH, HEIGHT);
	assert_int_equal(surface_set_rect(stage->vnc.surfaces[0], &place, &one), 0);
	rect = client_find(stage, ENCODING_RAW, (uint8_t *)pixels);
	assert_int_equal(rect.x, 3);
	assert_int_equal(rect.y, 5);
	assert_int_equal(rect.width, 1);
	assert_int_equal(pixels[0] & 0xffffff, red);
}

static void
test_sink_vnc__resizes_both_ways(void **state)
{
	struct stage *stage = *state;
	const uint8_t wish[8 + 16] = { 251, 0, 0x03, 0x48, 0x02, 0x58, 1,    0,	   0, 0, 0, 0,
				       0,   0, 0,    0,	   0x03, 0x48, 0x02, 0x58, 0, 0, 0, 0 };
	static uint32_t pixels[2 * WIDTH * HEIGHT];
	uint16_t size[2];
	struct rect rect;

	paint(stage, WIDTH, HEIGHT, 1);
	vnc_stage_connect(&stage->vnc);
	client_greet(stage, size);
	rfb_client_write(stage->vnc.client, wish, sizeof(wish));
	WAIT_FOR(stage->wanted[0] == 840 && stage->wanted[1] == 600);

	client_ask(stage, false, WIDTH, HEIGHT);
	client_find(stage, ENCODING_RAW, NULL);
	client_ask(stage, true, WIDTH, HEIGHT);
	paint(stage, 2 * WIDTH, HEIGHT, 0x405060);
	do {
		rect = client_find(stage, ENCODING_EXT, NULL);
	} while (rect.width != 2 * WIDTH);
	assert_int_equal(rect.height, HEIGHT);
	client_ask(stage, false, 2 * WIDTH, HEIGHT);
	/* the left half may still answer what was asked before */
	do {
		rect = client_find(stage, ENCODING_RAW, (uint8_t *)pixels);
	} while (rect.width != 2 * WIDTH);
	/* the library forgets the pixel format with the old size */
	assert_int_equal(pixels[2 * WIDTH * HEIGHT - 1] & 0xffffff, 0x405060);
}

static void
test_sink_vnc__types_and_points(void **state)
{
	struct stage *stage = *state;
	const uint8_t plain[] = { 4, 1, 0, 0, 0, 0, 0, 'A' };
	const uint8_t unknown[] = { 4, 1, 0, 0, 0x01, 0, 0x20, 0xac };
	const uint8_t arrow[] = { 4, 1, 0, 0, 0, 0, 0xff, 0x53 };
	const uint8_t qemu[] = { 255, 0, 0, 1, 0, 0, 0, 'y', 0, 0, 0, 0x2c };
	const uint8_t right[] = { 5, 4, 0, 7, 0, 9 };
	const uint8_t moved[] = { 5, 4, 0, 8, 0, 9 };
	const uint8_t wheel[] = { 5, 4 | 8, 0xff, 0xff, 0, 9 };
	uint16_t size[2];

	paint(stage, WIDTH, HEIGHT, 1);
	vnc_stage_connect(&stage->vnc);
	client_greet(stage, size);
	rfb_client_write(stage->vnc.client, plain, sizeof(plain));
	WAIT_FOR(stage->keys == 1);
	assert_int_equal(stage->key, 0x1e);
	assert_true(stage->down);
	rfb_client_write(stage->vnc.client, unknown, sizeof(unknown));
	rfb_client_write(stage->vnc.client, arrow, sizeof(arrow));
	WAIT_FOR(stage->keys == 2);
	assert_int_equal(stage->key, 0xcd);
	/* a key by its place: the German y */
	assert_int_equal(client_find(stage, ENCODING_QEMU, NULL).encoding, ENCODING_QEMU);
	rfb_client_write(stage->vnc.client, qemu, sizeof(qemu));
	WAIT_FOR(stage->keys == 3);
	assert_int_equal(stage->key, 0x2c);

	rfb_client_write(stage->vnc.client, right, sizeof(right));
	WAIT_FOR(stage->buttons == 1);
	assert_int_equal(stage->button, SOURCE_BUTTON_RIGHT);
	assert_int_equal(stage->position[0], 7);
	assert_int_equal(stage->position[1], 9);
	/* a move comes by itself */
	rfb_client_write(stage->vnc.client, moved, sizeof(moved));
	WAIT_FOR(stage->position[0] == 8);
	rfb_client_write(stage->vnc.client, wheel, sizeof(wheel));
	WAIT_FOR(stage->buttons == 2);
	assert_int_equal(stage->button, SOURCE_BUTTON_WHEEL_UP);
	assert_int_equal(stage->position[0], WIDTH - 1);

	/* what is pressed is released when the client goes */
	close(stage->vnc.client);
	stage->vnc.client = -1;
	WAIT_FOR(stage->buttons == 4 && stage->keys == 6);
	assert_false(stage->down);
}

static void
test_sink_vnc__shows_the_pointer(void **state)
{
	struct stage *stage = *state;
	const uint32_t argb[2 * 3] = { 0xff112233, 0 };
	const struct surface_pixels shape = { 8, SURFACE_FORMAT_A8R8G8B8, (const uint8_t *)argb,
					      sizeof(argb) };
	uint16_t size[2];
	struct rect rect;

	paint(stage, WIDTH, HEIGHT, 1);
	vnc_stage_connect(&stage->vnc);
	client_greet(stage, size);
	assert_int_equal(surface_set_cursor(stage->vnc.surfaces[0], 2, 3, 1, 2, &shape), 0);
	do {
		client_ask(stage, false, WIDTH, HEIGHT);
		rect = client_find(stage, ENCODING_RICH, NULL);
	} while (rect.width != 2);
	assert_int_equal(rect.height, 3);
	assert_int_equal(rect.x, 1);
	assert_int_equal(rect.y, 2);
}

/* A client that asks for more than fits on its way and reads nothing holds up nobody, and goes when another comes. */
static void
test_sink_vnc__a_slow_client_is_replaced(void **state)
{
	struct stage *stage = *state;
	uint16_t size[2];
	int slow;
	gint64 begun;

	paint(stage, 1920, 1080, 0x0a0b0c);
	vnc_stage_connect(&stage->vnc);
	client_greet(stage, size);
	client_ask(stage, false, 1920, 1080);
	slow = stage->vnc.client;
	g_usleep(200 * 1000);
	begun = g_get_monotonic_time();
	paint(stage, WIDTH, HEIGHT, 1);
	vnc_stage_connect(&stage->vnc);
	assert_in_range(g_get_monotonic_time() - begun, 0, 5 * G_USEC_PER_SEC);
	client_greet(stage, size);
	assert_int_equal(size[0], WIDTH);
	close(slow);
}

static void
test_sink_vnc__a_broken_client_is_dropped(void **state)
{
	static const char *const nonsense[] = { "GET / HTTP/1.1\r\n\r\n", "RFB 009.999\n",
						"\x16\x03\x01\x02" };
	struct stage *stage = *state;
	char data[256];

	for (size_t i = 0; i < G_N_ELEMENTS(nonsense); i++) {
		vnc_stage_connect(&stage->vnc);
		rfb_client_skip(stage->vnc.client, 12);
		rfb_client_write(stage->vnc.client, nonsense[i], strlen(nonsense[i]));
		assert_int_equal(shutdown(stage->vnc.client, SHUT_WR), 0);
		while (read(stage->vnc.client, data, sizeof(data)) > 0)
			;
		close(stage->vnc.client);
		stage->vnc.client = -1;
	}
}

static guint
count_sockets(void)
{
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;
	guint count = 0;

	assert_non_null(folder);
	while ((entry = readdir(folder))) {
		struct stat status;

		if (fstat(atoi(entry->d_name), &status) == 0 && S_ISSOCK(status.st_mode))
			count++;
	}
	closedir(folder);
	return count;
}

/* Two ends of the pair, and the library's copy of one. */
static void
test_sink_vnc__opens_no_socket(void **state)
{
	struct stage *stage = *state;
	guint before = count_sockets();
	uint16_t size[2];

	vnc_stage_connect(&stage->vnc);
	client_greet(stage, size);
	assert_int_equal(count_sockets(), before + 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sink_vnc__shows_what_the_surface_shows, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_sink_vnc__resizes_both_ways, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_sink_vnc__types_and_points, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sink_vnc__shows_the_pointer, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_sink_vnc__a_slow_client_is_replaced, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_sink_vnc__a_broken_client_is_dropped, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_sink_vnc__opens_no_socket, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
