/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_vdagent_port.c - the sink's bytes and our own on the guest's port
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "display/vdagent_port.h"
#include "display/vdagent_stream.h"
#include "tests/unit/wait_for.h"

struct scene {
	struct vdagent_port *port;
	int guest;
	guint wakeups;
	guint losses;
};

static void
note_wakeup(void *context)
{
	((struct scene *)context)->wakeups++;
}

static void
note_other_wakeup(void *context)
{
	++*(guint *)context;
}

static void
note_loss(void *context)
{
	((struct scene *)context)->losses++;
}

static void
scene_open(struct scene *scene)
{
	int pair[2];

	memset(scene, 0, sizeof(*scene));
	assert_int_equal(io_socketpair(SOCK_STREAM, pair), 0);
	scene->guest = pair[0];
	io_set_nonblocking(scene->guest, true);
	scene->port = vdagent_port_new(pair[1], note_loss, scene);
	vdagent_port_hand_over(scene->port, note_wakeup, scene);
}

static void
scene_close(struct scene *scene)
{
	vdagent_port_free(scene->port);
	close(scene->guest);
}

/* A chunk of "size" bytes behind its head. */
static size_t
make_chunk(uint8_t *target, size_t size)
{
	memset(target, 0, VDAGENT_CHUNK_HEAD_BYTES + size);
	target[0] = 1;
	target[4] = (uint8_t)size;
	target[5] = (uint8_t)(size >> 8);
	return VDAGENT_CHUNK_HEAD_BYTES + size;
}

static void
test_vdagent_port__reads_until_nothing_is_left(void **state)
{
	uint8_t chunk[32], got[32];
	size_t size = make_chunk(chunk, 5);
	struct scene scene;

	(void)state;
	scene_open(&scene);
	assert_int_equal(vdagent_port_read(scene.port, got, sizeof(got)), 0);
	assert_int_equal(send(scene.guest, chunk, size, 0), size);
	WAIT_FOR(scene.wakeups >= 1);
	assert_int_equal(vdagent_port_read(scene.port, got, 8), 8);
	assert_int_equal(vdagent_port_read(scene.port, got, sizeof(got)), 5);
	assert_int_equal(vdagent_port_read(scene.port, got, sizeof(got)), 0);
	assert_int_equal(send(scene.guest, chunk, size, 0), size);
	WAIT_FOR(scene.wakeups >= 2);
	assert_int_equal(scene.losses, 0);
	scene_close(&scene);
}

static const struct heads older = { .list = { { 0, 800, 600 } } };
static const struct heads wanted = { .list = { { 0, 1024, 768 } } };

static void
test_vdagent_port__puts_a_size_between_chunks(void **state)
{
	uint8_t chunk[32], monitors[VDAGENT_MAX_MONITORS_BYTES], got[256];
	size_t size = make_chunk(chunk, 10);
	size_t bytes = vdagent_stream_make_monitors(&wanted, monitors);
	struct scene scene;

	(void)state;
	scene_open(&scene);
	/* In the middle of a chunk: the newest size waits for its end. */
	assert_int_equal(vdagent_port_write(scene.port, chunk, 12), 12);
	vdagent_port_ask_sizes(scene.port, &older);
	vdagent_port_ask_sizes(scene.port, &wanted);
	assert_int_equal(recv(scene.guest, got, sizeof(got), 0), 12);
	/* The rest of this chunk and the beginning of the next one, in one go. */
	memcpy(got, chunk + 12, size - 12);
	memcpy(got + size - 12, chunk, 4);
	assert_int_equal(vdagent_port_write(scene.port, got, size - 8), size - 8);
	assert_int_equal(recv(scene.guest, got, sizeof(got), 0), size - 12 + bytes + 4);
	assert_memory_equal(got + size - 12, monitors, bytes);
	scene_close(&scene);
	/* Between two chunks: at once. */
	scene_open(&scene);
	vdagent_port_ask_sizes(scene.port, &wanted);
	assert_int_equal(recv(scene.guest, got, sizeof(got), 0), bytes);
	assert_memory_equal(got, monitors, bytes);
	scene_close(&scene);
}

/* A guest that reads nothing: a named number of bytes, then no room; room again when it reads. */
static void
test_vdagent_port__stops_and_goes_on(void **state)
{
	static uint8_t chunk[VDAGENT_CHUNK_HEAD_BYTES + 2048], got[64 * 1024];
	size_t size = make_chunk(chunk, 2048);
	size_t total = 0, seen = 0;
	struct scene scene;

	(void)state;
	scene_open(&scene);
	for (;;) {
		size_t part = vdagent_port_write(scene.port, chunk, size);

		total += part;
		assert_in_range(total, 0, 4 * 1024 * 1024);
		if (part < size)
			break;
	}
	assert_int_equal(scene.wakeups, 0);
	while (seen < total) {
		ssize_t part = recv(scene.guest, got, sizeof(got), 0);

		if (part > 0)
			seen += (size_t)part;
		else
			g_main_context_iteration(NULL, TRUE);
	}
	WAIT_FOR(scene.wakeups >= 1);
	assert_int_equal(vdagent_port_write(scene.port, chunk, size), size);
	scene_close(&scene);
}

static void
test_vdagent_port__is_lost_once(void **state)
{
	static const uint8_t nonsense[8] = { 9 };
	uint8_t got[32];

	(void)state;
	for (int by_nonsense = 0; by_nonsense < 2; by_nonsense++) {
		struct scene scene;

		scene_open(&scene);
		if (by_nonsense)
			assert_int_equal(send(scene.guest, nonsense, sizeof(nonsense), 0), 8);
		else
			shutdown(scene.guest, SHUT_RDWR);
		WAIT_FOR(scene.wakeups >= 1);
		assert_int_equal(vdagent_port_read(scene.port, got, sizeof(got)), 0);
		assert_int_equal(vdagent_port_read(scene.port, got, sizeof(got)), 0);
		assert_int_equal(scene.losses, 1);
		/* What is written now is taken, or the sink would try again for ever. */
		assert_int_equal(vdagent_port_write(scene.port, nonsense, 8), 8);
		vdagent_port_ask_sizes(scene.port, &older);
		scene_close(&scene);
	}
}

/* Two users: the second one meets chunks only, and the guest one that has just come. */
static void
test_vdagent_port__is_handed_over_between_chunks(void **state)
{
	uint8_t chunk[64], farewell[VDAGENT_FAREWELL_BYTES], got[128];
	uint8_t zeros[32] = { 0 };
	size_t size = make_chunk(chunk, 20);
	struct scene scene;
	guint wakeups = 0;

	(void)state;
	scene_open(&scene);
	vdagent_stream_make_farewell(farewell);
	/* both directions are in the middle of a chunk */
	assert_int_equal(vdagent_port_write(scene.port, chunk, 12), 12);
	assert_int_equal(recv(scene.guest, got, sizeof(got), 0), 12);
	assert_int_equal(send(scene.guest, chunk, size, 0), size);
	WAIT_FOR(scene.wakeups >= 1);
	assert_int_equal(vdagent_port_read(scene.port, got, 10), 10);
	vdagent_port_hand_over(scene.port, NULL, NULL);
	for (int i = 0; i < 10; i++)
		g_main_context_iteration(NULL, FALSE);
	assert_int_equal(recv(scene.guest, got, sizeof(got), 0), -1);
	vdagent_port_hand_over(scene.port, note_other_wakeup, &wakeups);
	assert_int_equal(recv(scene.guest, got, sizeof(got), 0), size - 12 + sizeof(farewell));
	assert_memory_equal(got, zeros, size - 12);
	assert_memory_equal(got + size - 12, farewell, sizeof(farewell));
	chunk[9] = 7;
	assert_int_equal(send(scene.guest, chunk, size, 0), size);
	WAIT_FOR(wakeups >= 1);
	while (vdagent_port_read(scene.port, got, sizeof(got)) == 0)
		g_main_context_iteration(NULL, TRUE);
	assert_memory_equal(got, chunk, size);
	assert_int_equal(scene.losses, 0);
	scene_close(&scene);
}

/* What the user before has left cannot be brought to an end: too long for the room there is, or no chunk at all. */
static void
test_vdagent_port__is_lost_when_no_border_can_be_reached(void **state)
{
	static const uint8_t heads[][VDAGENT_CHUNK_HEAD_BYTES] = {
		{ 1, 0, 0, 0, 1, 0, 2, 0 },
		{ 1, 0, 0, 0, 1, 0, 0, 8 },
		{ 9 },
	};
	uint8_t got[32];

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(heads); i++) {
		struct scene scene;

		scene_open(&scene);
		assert_int_equal(vdagent_port_write(scene.port, heads[i], sizeof(heads[i])),
				 sizeof(heads[i]));
		assert_int_equal(recv(scene.guest, got, sizeof(got), 0), sizeof(heads[i]));
		vdagent_port_hand_over(scene.port, NULL, NULL);
		vdagent_port_hand_over(scene.port, note_wakeup, &scene);
		assert_int_equal(scene.losses, 1);
		assert_int_equal(recv(scene.guest, got, sizeof(got), 0), -1);
		scene_close(&scene);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vdagent_port__reads_until_nothing_is_left),
		cmocka_unit_test(test_vdagent_port__puts_a_size_between_chunks),
		cmocka_unit_test(test_vdagent_port__stops_and_goes_on),
		cmocka_unit_test(test_vdagent_port__is_lost_once),
		cmocka_unit_test(test_vdagent_port__is_handed_over_between_chunks),
		cmocka_unit_test(test_vdagent_port__is_lost_when_no_border_can_be_reached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
