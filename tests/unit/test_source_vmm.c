/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_source_vmm.c - what a carrel-vmm, good or taken over by its guest, may say to the display, and what it is told
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/proto_sound.h"
#include "base/proto_source.h"
#include "base/seq.h"
#include "display/heads.h"
#include "display/source_vmm.h"
#include "display/surface.h"

#define WIDTH  40
#define HEIGHT 30
#define STRIDE (WIDTH * 4)
#define SEALED (F_SEAL_SHRINK | F_SEAL_GROW)

struct stage {
	struct surface *surfaces[HEADS_MAX];
	struct surface *surface; /* the first of them */
	struct source *source;
	int vmm; /* the other end */
	char address[SOURCE_ADDRESS_SIZE];
	guint n_ready;
	guint n_heads;
	guint n_lost;
	guint n_changes;
	bool plays;
	bool records;
	guint n_played; /* frames */
	uint8_t last_played[SOURCE_FRAME_BYTES];
	struct seq_message message;
};

static void
handle_changed(void *context)
{
	((struct stage *)context)->n_changes++;
}

static void
handle_ready(void *context, const char *device_address, uint32_t n_heads)
{
	struct stage *stage = context;

	stage->n_ready++;
	stage->n_heads = n_heads;
	g_strlcpy(stage->address, device_address, sizeof(stage->address));
}

static void
handle_lost(void *context, const char *why)
{
	assert_non_null(why);
	((struct stage *)context)->n_lost++;
}

static void
handle_sound(void *context, bool plays, bool records)
{
	struct stage *stage = context;

	stage->plays = plays;
	stage->records = records;
}

static void
handle_played(void *context, const void *frames, uint32_t n_frames)
{
	struct stage *stage = context;

	stage->n_played += n_frames;
	memcpy(stage->last_played, (const uint8_t *)frames + (n_frames - 1) * SOURCE_FRAME_BYTES,
	       SOURCE_FRAME_BYTES);
}

static const struct source_events events = {
	.ready = handle_ready,
	.sound = handle_sound,
	.played = handle_played,
	.lost = handle_lost,
};

static void
settle(void)
{
	while (g_main_context_iteration(NULL, FALSE))
		;
}

static void
open_source(struct stage *stage)
{
	int pair[2];

	assert_int_equal(io_socketpair(SOCK_SEQPACKET, pair), 0);
	stage->source = source_vmm_new(pair[0], stage->surfaces, &events, stage);
	stage->vmm = pair[1];
	assert_int_equal(io_set_nonblocking(stage->vmm, true), 0);
}

static void
close_source(struct stage *stage)
{
	stage->source->ops->free(stage->source);
	close(stage->vmm);
}

static int
set_up(void **state)
{
	struct stage *stage = test_calloc(1, sizeof(*stage));

	for (guint i = 0; i < HEADS_MAX; i++)
		stage->surfaces[i] = surface_new(handle_changed, stage);
	stage->surface = stage->surfaces[0];
	open_source(stage);
	*state = stage;
	return 0;
}

static int
tear_down(void **state)
{
	struct stage *stage = *state;

	close_source(stage);
	for (guint i = 0; i < HEADS_MAX; i++)
		surface_free(stage->surfaces[i]);
	test_free(stage);
	return 0;
}

static void
say(struct stage *stage, uint32_t type, const void *payload, size_t size, int fd)
{
	struct seq_header head = { .type = type, .size = (uint32_t)size };

	seq_send(stage->vmm, &head, payload, &fd, fd >= 0);
	settle();
}

static void
greet(struct stage *stage)
{
	const struct source_hello hello = { SOURCE_PROTOCOL_VERSION, 2, "pci/0000/01.0" };

	say(stage, SOURCE_HELLO, &hello, sizeof(hello), -1);
}

/* A file of shared memory, as for a picture. */
static int
make_file(size_t bytes, int seals)
{
	int fd = memfd_create("picture", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void
offer(struct stage *stage, uint32_t scanout, uint64_t generation, int fd)
{
	const struct source_scanout payload = { scanout, WIDTH, HEIGHT, STRIDE, generation };

	say(stage, SOURCE_SCANOUT, &payload, sizeof(payload), fd);
}

/* The next message of this type that came, and its payload; false when there is none. */
static bool
hear(struct stage *stage, uint32_t type, void *payload, size_t size)
{
	settle();
	if (seq_receive(stage->vmm, &stage->message) < 0)
		return false;
	assert_int_equal(stage->message.head.type, type);
	assert_int_equal(stage->message.head.size, size);
	memcpy(payload, stage->message.payload, size);
	return true;
}

static void
test_source_vmm__shows_the_shared_picture(void **state)
{
	struct stage *stage = *state;
	CLEANUP_CLOSE int fd = make_file(STRIDE * HEIGHT, SEALED);
	struct source_damage damage = { 0, 1, 7, { { 2, 3, 4, 5 } } };
	struct damage_rect rects[DAMAGE_MAX_RECTS];
	struct source_ack ack;
	uint8_t out[16];

	greet(stage);
	assert_int_equal(stage->n_ready, 1);
	assert_int_equal(stage->n_heads, 2);
	assert_string_equal(stage->address, "pci/0000/01.0");
	assert_int_equal(pwrite(fd, "pixel...", 8, 29 * STRIDE + 38 * 4), 8);
	offer(stage, 0, 7, fd);
	assert_true(hear(stage, SOURCE_ACK, &ack, sizeof(ack)));
	assert_int_equal(ack.scanout, 0);
	assert_int_equal(ack.generation, 7);
	assert_int_equal(surface_get_info(stage->surface).width, WIDTH);
	assert_int_equal(surface_take_damage(stage->surface, SURFACE_READER_SPICE, 1, rects), 1);
	assert_int_equal(
		surface_copy_rect(stage->surface, 1, &(struct damage_rect){ 38, 29, 2, 1 }, out),
		0);
	assert_memory_equal(out, "pixel...", 8);
	/* What was taken before it came does not answer a DAMAGE; what is taken after it does. */
	assert_int_equal(pwrite(fd, "new pixels......", 16, 3 * STRIDE + 2 * 4), 16);
	say(stage, SOURCE_DAMAGE, &damage, sizeof(damage), -1);
	assert_false(hear(stage, SOURCE_DRAWN, &ack, sizeof(ack)));
	assert_int_equal(surface_take_damage(stage->surface, SURFACE_READER_SPICE, 1, rects), 1);
	assert_memory_equal(&rects[0], &damage.boxes[0], sizeof(rects[0]));
	assert_int_equal(
		surface_copy_rect(stage->surface, 1, &(struct damage_rect){ 2, 3, 4, 1 }, out), 0);
	assert_memory_equal(out, "new pixels......", 16);
	assert_true(hear(stage, SOURCE_DRAWN, &ack, sizeof(ack)));
	assert_int_equal(ack.generation, 7);
	assert_false(hear(stage, SOURCE_DRAWN, &ack, sizeof(ack)));
	assert_int_equal(stage->n_lost, 0);
}

static void
test_source_vmm__goes_black_and_comes_back(void **state)
{
	struct stage *stage = *state;
	CLEANUP_CLOSE int fd = make_file(STRIDE * HEIGHT, SEALED);
	const struct source_scanout off = { .generation = 2 };
	struct source_ack ack;
	uint8_t out[4];

	greet(stage);
	assert_int_equal(pwrite(fd, "abcd", 4, 0), 4);
	offer(stage, 0, 1, fd);
	say(stage, SOURCE_SCANOUT, &off, sizeof(off), -1);
	assert_int_equal(
		surface_copy_rect(stage->surface, 1, &(struct damage_rect){ 0, 0, 1, 1 }, out), 0);
	assert_memory_equal(out, "\0\0\0\0", 4);
	offer(stage, 0, 3, fd);
	assert_int_equal(
		surface_copy_rect(stage->surface, 1, &(struct damage_rect){ 0, 0, 1, 1 }, out), 0);
	assert_memory_equal(out, "abcd", 4);
	for (uint64_t i = 1; i <= 3; i++) {
		assert_true(hear(stage, SOURCE_ACK, &ack, sizeof(ack)));
		assert_int_equal(ack.generation, i);
	}
	/* The picture stays when its maker has gone. */
	shutdown(stage->vmm, SHUT_RDWR);
	settle();
	assert_int_equal(stage->n_lost, 1);
	assert_int_equal(
		surface_copy_rect(stage->surface, 1, &(struct damage_rect){ 0, 0, 1, 1 }, out), 0);
	assert_memory_equal(out, "abcd", 4);
	stage->source->ops->send_key(stage->source, 30, true);
}

static void
test_source_vmm__a_second_head_comes_and_goes(void **state)
{
	struct stage *stage = *state;
	CLEANUP_CLOSE int fd = make_file(STRIDE * HEIGHT, SEALED);
	const struct source_scanout off = { .scanout = 1, .generation = 2 };
	struct source_damage damage = { 1, 1, 1, { { 2, 3, 4, 5 } } };
	const struct source_move move = { 1, 1, 11, 12 };
	struct damage_rect rects[DAMAGE_MAX_RECTS];
	struct surface_cursor cursor;
	struct source_ack ack;

	greet(stage);
	offer(stage, 1, 1, fd);
	assert_true(hear(stage, SOURCE_ACK, &ack, sizeof(ack)));
	assert_int_equal(ack.scanout, 1);
	assert_int_equal(surface_get_info(stage->surface).width, 0);
	assert_int_equal(surface_get_info(stage->surfaces[1]).width, WIDTH);
	/* its damage is its own, and answered for it */
	say(stage, SOURCE_DAMAGE, &damage, sizeof(damage), -1);
	assert_int_equal(surface_take_damage(stage->surface, SURFACE_READER_SPICE, 0, rects), 0);
	assert_false(hear(stage, SOURCE_DRAWN, &ack, sizeof(ack)));
	assert_int_equal(surface_take_damage(stage->surfaces[1], SURFACE_READER_SPICE, 1, rects),
			 1);
	assert_true(hear(stage, SOURCE_DRAWN, &ack, sizeof(ack)));
	assert_int_equal(ack.scanout, 1);
	assert_int_equal(ack.generation, 1);
	say(stage, SOURCE_MOVE, &move, sizeof(move), -1);
	surface_copy_cursor(stage->surfaces[1], 0, &cursor);
	assert_int_equal(cursor.y, 12);
	surface_copy_cursor(stage->surface, 0, &cursor);
	assert_int_equal(cursor.y, 0);
	say(stage, SOURCE_SCANOUT, &off, sizeof(off), -1);
	assert_true(hear(stage, SOURCE_ACK, &ack, sizeof(ack)));
	assert_int_equal(ack.generation, 2);
	assert_int_equal(surface_get_info(stage->surfaces[1]).width, 0);
	assert_int_equal(stage->n_lost, 0);
	/* one that the source does not have */
	offer(stage, 2, 1, fd);
	assert_int_equal(stage->n_lost, 1);
}

static void
test_source_vmm__shows_cursor_and_lights(void **state)
{
	struct stage *stage = *state;
	struct {
		struct source_cursor head;
		uint8_t argb[8];
	} shape = { { .width = 1, .height = 2, .hot_y = 1, .x = -3, .y = 9, .visible = 1 },
		    "ABCDefgh" };
	const struct source_move move = { 0, 0, 100, 200 };
	const struct source_leds leds = { 6 };
	struct surface_cursor cursor;

	greet(stage);
	say(stage, SOURCE_CURSOR, &shape, sizeof(shape), -1);
	surface_copy_cursor(stage->surface, 0, &cursor);
	assert_memory_equal(cursor.argb, "ABCDefgh", 8);
	assert_int_equal(cursor.hot_y, 1);
	assert_int_equal(cursor.x, -3);
	assert_true(cursor.visible);
	g_free(cursor.argb);
	say(stage, SOURCE_MOVE, &move, sizeof(move), -1);
	surface_copy_cursor(stage->surface, cursor.shape, &cursor);
	assert_int_equal(cursor.y, 200);
	assert_false(cursor.visible);
	say(stage, SOURCE_LEDS, &leds, sizeof(leds), -1);
	assert_int_equal(surface_get_info(stage->surface).leds, 6);
	assert_int_equal(stage->n_lost, 0);
}

static void
test_source_vmm__sends_input(void **state)
{
	struct stage *stage = *state;
	const struct source_ops *ops = stage->source->ops;
	struct source_key key;
	struct source_pointer pointer;
	struct source_wheel wheel;
	struct source_size size;

	ops->send_key(stage->source, 0x1e, true); /* nobody has greeted */
	greet(stage);
	ops->send_key(stage->source, 0x9d, true);
	ops->send_key(stage->source, 0x100, true); /* no key */
	assert_true(hear(stage, SOURCE_KEY, &key, sizeof(key)));
	assert_int_equal(key.qnum, 0x9d);
	ops->send_position(stage->source, 1, 12, 34);
	ops->send_position(stage->source, 2, 1, 1); /* no such head */
	ops->send_button(stage->source, SOURCE_BUTTON_RIGHT, true);
	ops->send_button(stage->source, SOURCE_BUTTON_EXTRA, true);
	ops->send_button(stage->source, SOURCE_BUTTON_RIGHT, false);
	for (uint32_t buttons = 0; buttons < 4; buttons++) {
		static const uint32_t expected[] = { 0, 4, 4 | 16, 16 };

		assert_true(hear(stage, SOURCE_POINTER, &pointer, sizeof(pointer)));
		assert_int_equal(pointer.scanout, 1);
		assert_int_equal(pointer.x, 12);
		assert_int_equal(pointer.y, 34);
		assert_int_equal(pointer.buttons, expected[buttons]);
	}
	ops->send_button(stage->source, SOURCE_BUTTON_WHEEL_UP, true);
	ops->send_button(stage->source, SOURCE_BUTTON_WHEEL_UP, false);
	ops->send_button(stage->source, SOURCE_BUTTON_WHEEL_DOWN, true);
	assert_true(hear(stage, SOURCE_WHEEL, &wheel, sizeof(wheel)));
	assert_int_equal(wheel.steps, 1);
	assert_true(hear(stage, SOURCE_WHEEL, &wheel, sizeof(wheel)));
	assert_int_equal(wheel.steps, -1);
	ops->set_size(stage->source, 2, 1280, 720); /* no such head */
	ops->set_size(stage->source, 0, 1280, 3);
	assert_true(hear(stage, SOURCE_SIZE, &size, sizeof(size)));
	assert_int_equal(size.width, 1280);
	assert_int_equal(size.height, SOURCE_MIN_SIZE);
	ops->set_size(stage->source, 1, 0, 0);
	assert_true(hear(stage, SOURCE_SIZE, &size, sizeof(size)));
	assert_int_equal(size.scanout, 1);
	assert_int_equal(size.width, 0);
	assert_false(hear(stage, 0, &size, sizeof(size)));
}

static void
test_source_vmm__plays(void **state)
{
	struct stage *stage = *state;
	const struct source_sound sound = { 1, 0 };
	static uint8_t frames[SOURCE_MAX_FRAMES * SOURCE_FRAME_BYTES];
	struct source_listen listen;

	greet(stage);
	stage->source->ops->listen(stage->source, true, false);
	assert_true(hear(stage, SOURCE_LISTEN, &listen, sizeof(listen)));
	assert_int_equal(listen.hears, 1);
	assert_int_equal(listen.speaks, 0);
	say(stage, SOURCE_SOUND, &sound, sizeof(sound), -1);
	assert_true(stage->plays);
	assert_false(stage->records);
	memcpy(frames + sizeof(frames) - 4, "last", 4);
	say(stage, SOURCE_PLAYED, frames, sizeof(frames), -1);
	assert_int_equal(stage->n_played, SOURCE_MAX_FRAMES);
	assert_memory_equal(stage->last_played, "last", 4);
	assert_true(hear(stage, SOURCE_HEARD, frames, 0));
	say(stage, SOURCE_PLAYED, "once", 4, -1);
	assert_int_equal(stage->n_played, SOURCE_MAX_FRAMES + 1);
	assert_int_equal(stage->n_lost, 0);
}

static void
test_source_vmm__speaks_while_the_guest_records(void **state)
{
	struct stage *stage = *state;
	const struct source_ops *ops = stage->source->ops;
	struct source_sound sound = { 0, 1 };
	static uint8_t frames[(SOURCE_MAX_FRAMES + 1) * SOURCE_FRAME_BYTES];
	struct source_listen listen;

	greet(stage);
	ops->listen(stage->source, false, true);
	assert_true(hear(stage, SOURCE_LISTEN, &listen, sizeof(listen)));
	ops->speak(stage->source, "none", 1);
	say(stage, SOURCE_SOUND, &sound, sizeof(sound), -1);
	ops->speak(stage->source, frames, SOURCE_MAX_FRAMES + 1);
	ops->speak(stage->source, frames, 0);
	ops->speak(stage->source, "yes.", 1);
	assert_true(hear(stage, SOURCE_SPOKEN, frames, 4));
	assert_memory_equal(frames, "yes.", 4);
	sound.records = 0;
	say(stage, SOURCE_SOUND, &sound, sizeof(sound), -1);
	ops->speak(stage->source, "none", 1);
	sound.records = 1;
	say(stage, SOURCE_SOUND, &sound, sizeof(sound), -1);
	ops->listen(stage->source, false, false);
	assert_true(hear(stage, SOURCE_LISTEN, &listen, sizeof(listen)));
	ops->speak(stage->source, "none", 1);
	assert_false(hear(stage, SOURCE_SPOKEN, frames, 4));
}

static const struct {
	uint32_t type;
	uint32_t size;
	uint32_t words[8];
} hostile_table[] = {
	{ 0, 0, { 0 } },
	{ 99, 4, { 0 } },
	{ SOURCE_HELLO, sizeof(struct source_hello), { 1, 1 } }, /* once more */
	{ SOURCE_KEY, sizeof(struct source_key), { 30, 1 } },
	{ SOURCE_SCANOUT, 24, { 2, 0, 0, 0, 9, 0 } },
	{ SOURCE_SCANOUT, 24, { 0, 0, 0, 0, 5, 0 } }, /* the generation that is there */
	{ SOURCE_SCANOUT, 23, { 0, 0, 0, 0, 9, 0 } },
	{ SOURCE_DAMAGE, sizeof(struct source_damage), { 0, 0, 5, 0, 0, 0, 1, 1 } },
	{ SOURCE_DAMAGE, sizeof(struct source_damage), { 0, 17, 5, 0, 0, 0, 1, 1 } },
	{ SOURCE_DAMAGE, sizeof(struct source_damage), { 1, 1, 5, 0, 0, 0, 1, 1 } },
	{ SOURCE_DAMAGE, sizeof(struct source_damage), { 0, 1, 6, 0, 0, 0, 1, 1 } },
	{ SOURCE_DAMAGE, sizeof(struct source_damage), { 0, 1, 5, 0, 0, 0, 41, 1 } },
	{ SOURCE_DAMAGE, sizeof(struct source_damage), { 0, 1, 5, 0, 0xffffffff, 0, 2, 1 } },
	{ SOURCE_DAMAGE, sizeof(struct source_damage), { 0, 1, 5, 0, 0, 0, 0, 0 } },
	{ SOURCE_CURSOR, 32, { 2, 0, 0, 0, 0, 0, 0, 0 } },
	{ SOURCE_CURSOR, 32, { 0, 1, 1, 0, 0, 0, 0, 1 } }, /* its pixel is missing */
	{ SOURCE_CURSOR, 36, { 0, 1, 1, 1, 0, 0, 0, 1 } }, /* its tip is outside */
	{ SOURCE_CURSOR, 36, { 0, 0x40000001, 1, 0, 0, 0, 0, 1 } },
	{ SOURCE_CURSOR, 32, { 0, 65, 0, 0, 0, 0, 0, 1 } },
	{ SOURCE_MOVE, 16, { 2, 0, 0, 0 } },
	{ SOURCE_LEDS, 3, { 0 } },
	{ SOURCE_SOUND, 8, { 2, 0 } },
	{ SOURCE_SOUND, 8, { 0, 2 } },
	{ SOURCE_SOUND, 4, { 1 } },
	{ SOURCE_PLAYED, 4, { 0 } }, /* it does not play */
	{ SOURCE_HEARD, 0, { 0 } },
};

static void
test_source_vmm__ends_with_whoever_breaks_the_rules(void **state)
{
	struct stage *stage = *state;
	CLEANUP_CLOSE int fd = make_file(STRIDE * HEIGHT, SEALED);
	const struct source_sound sound = { 1, 0 };

	for (size_t i = 0; i < G_N_ELEMENTS(hostile_table); i++) {
		struct source_damage padded = { 0 };

		memcpy(&padded, hostile_table[i].words, sizeof(hostile_table[i].words));
		greet(stage);
		offer(stage, 0, 5, fd);
		assert_int_equal(stage->n_lost, i);
		say(stage, hostile_table[i].type, &padded, hostile_table[i].size, -1);
		assert_int_equal(stage->n_lost, i + 1);
		close_source(stage);
		open_source(stage);
	}
	greet(stage);
	say(stage, SOURCE_SOUND, &sound, sizeof(sound), -1);
	say(stage, SOURCE_PLAYED, "half a", 6, -1);
	assert_int_equal(stage->n_lost, G_N_ELEMENTS(hostile_table) + 1);
}

static const struct {
	uint32_t width, height, stride;
	size_t bytes;
	int seals;
	bool good;
} file_table[] = {
	{ WIDTH, HEIGHT, STRIDE, STRIDE *HEIGHT, SEALED, true },
	{ WIDTH, HEIGHT, STRIDE + 4, (STRIDE + 4) * HEIGHT, SEALED | F_SEAL_SEAL, true },
	{ WIDTH, HEIGHT, STRIDE, STRIDE *HEIGHT - 1, SEALED, false },
	{ WIDTH, HEIGHT, STRIDE, STRIDE *HEIGHT, F_SEAL_GROW, false },
	{ WIDTH, HEIGHT, STRIDE, STRIDE *HEIGHT, F_SEAL_SHRINK, false },
	{ WIDTH, HEIGHT, STRIDE - 1, STRIDE *HEIGHT, SEALED, false },
	{ WIDTH, HEIGHT, 8192 * 4 + 1, (8192 * 4 + 1) * HEIGHT, SEALED, false },
	{ 0, HEIGHT, STRIDE, STRIDE *HEIGHT, SEALED, false },
	{ WIDTH, 0, STRIDE, STRIDE *HEIGHT, SEALED, false },
	{ 0, 0, 0, STRIDE *HEIGHT, SEALED, false },
	{ 1, 8193, 4, 8193 * 4, SEALED, false },
	{ 0x40000001, 1, 4, 4096, SEALED, false },
};

static void
test_source_vmm__maps_only_what_cannot_shrink(void **state)
{
	struct stage *stage = *state;

	for (size_t i = 0; i < G_N_ELEMENTS(file_table); i++) {
		const struct source_scanout payload = { 0, file_table[i].width,
							file_table[i].height, file_table[i].stride,
							1 };
		CLEANUP_CLOSE int fd = make_file(file_table[i].bytes, file_table[i].seals);

		greet(stage);
		stage->n_lost = 0;
		say(stage, SOURCE_SCANOUT, &payload, sizeof(payload), fd);
		assert_int_equal(stage->n_lost, !file_table[i].good);
		close_source(stage);
		open_source(stage);
	}
}

static void
test_source_vmm__maps_no_file_of_another_kind(void **state)
{
	struct stage *stage = *state;
	static const char *const paths[] = { "/dev/null", "/dev/zero", "/proc/self/mem", "/" };

	for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
		CLEANUP_CLOSE int fd = open(paths[i], O_RDONLY | O_CLOEXEC);

		assert_true(fd >= 0);
		greet(stage);
		offer(stage, 0, 1, fd);
		assert_int_equal(stage->n_lost, i + 1);
		close_source(stage);
		open_source(stage);
	}
}

static void
test_source_vmm__hears_nothing_from_another_version(void **state)
{
	struct stage *stage = *state;
	struct source_hello hello[] = {
		{ SOURCE_PROTOCOL_VERSION + 1, 1, "" },
		{ SOURCE_PROTOCOL_VERSION, 0, "" },
		{ SOURCE_PROTOCOL_VERSION, SOURCE_MAX_SCANOUTS + 1, "" },
		{ SOURCE_PROTOCOL_VERSION, 1, "a\nb" },
	};
	const struct source_leds leds = { 6 };

	for (size_t i = 0; i < G_N_ELEMENTS(hello); i++) {
		say(stage, SOURCE_HELLO, &hello[i], sizeof(hello[i]), -1);
		assert_int_equal(stage->n_lost, i + 1);
		close_source(stage);
		open_source(stage);
	}
	say(stage, SOURCE_LEDS, &leds, sizeof(leds), -1); /* before it has greeted */
	assert_int_equal(stage->n_lost, G_N_ELEMENTS(hello) + 1);
	assert_int_equal(stage->n_ready, 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_source_vmm__shows_the_shared_picture),
		TEST(test_source_vmm__goes_black_and_comes_back),
		TEST(test_source_vmm__a_second_head_comes_and_goes),
		TEST(test_source_vmm__shows_cursor_and_lights),
		TEST(test_source_vmm__sends_input),
		TEST(test_source_vmm__plays),
		TEST(test_source_vmm__speaks_while_the_guest_records),
		TEST(test_source_vmm__ends_with_whoever_breaks_the_rules),
		TEST(test_source_vmm__maps_only_what_cannot_shrink),
		TEST(test_source_vmm__maps_no_file_of_another_kind),
		TEST(test_source_vmm__hears_nothing_from_another_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
