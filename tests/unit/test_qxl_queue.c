/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_qxl_queue.c - commands on their way to a worker thread
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>

#include "display/qxl_queue.h"
#include "display/surface.h"
#include "tests/unit/wait_for.h"

static void
count_refresh(void *context)
{
	++*(guint *)context;
}

static struct qxl_command *
make_command(void)
{
	uint8_t *pixels;

	return qxl_command_new_draw(&(struct damage_rect){ 0, 0, 4, 4 }, 1, &pixels);
}

static struct qxl_command *
take(struct qxl_queue *queue, enum qxl_queue_kind kind)
{
	QXLCommandExt ext;

	if (!qxl_queue_take(queue, kind, &ext))
		return NULL;
	return (struct qxl_command *)(uintptr_t)((QXLDrawable *)(uintptr_t)ext.cmd.data)
		->release_info.id;
}

static void
test_qxl_queue__keeps_order_and_counts_bytes(void **state)
{
	guint refreshes = 0;
	struct qxl_queue *queue = qxl_queue_new(count_refresh, &refreshes);
	struct qxl_command *first = make_command();
	struct qxl_command *second = make_command();
	size_t bytes = first->bytes;

	(void)state;
	assert_true(qxl_queue_is_empty(queue, QXL_QUEUE_DRAW));
	assert_null(take(queue, QXL_QUEUE_DRAW));
	qxl_queue_push(queue, QXL_QUEUE_DRAW, first);
	qxl_queue_push(queue, QXL_QUEUE_DRAW, second);
	assert_true(qxl_queue_is_empty(queue, QXL_QUEUE_CURSOR));
	assert_int_equal(qxl_queue_get_held_bytes(queue), 2 * bytes);
	assert_ptr_equal(take(queue, QXL_QUEUE_DRAW), first);
	/* Taken is not released. */
	assert_int_equal(qxl_queue_get_held_bytes(queue), 2 * bytes);
	qxl_queue_release(queue, first);
	assert_int_equal(qxl_queue_get_held_bytes(queue), bytes);
	qxl_queue_drop(queue, QXL_QUEUE_DRAW);
	assert_int_equal(qxl_queue_get_held_bytes(queue), 0);
	assert_int_equal(refreshes, 0);
	qxl_queue_push(queue, QXL_QUEUE_CURSOR, make_command()); /* freed with the queue */
	qxl_queue_free(queue);
}

static void
test_qxl_queue__paces_refreshes(void **state)
{
	guint refreshes = 0;
	struct qxl_queue *queue = qxl_queue_new(count_refresh, &refreshes);
	gint64 first_us;

	(void)state;
	for (int i = 0; i < 100; i++)
		qxl_queue_want_refresh(queue);
	WAIT_FOR(refreshes >= 1);
	first_us = g_get_monotonic_time();
	for (int i = 0; i < 100; i++)
		qxl_queue_want_refresh(queue);
	WAIT_FOR(refreshes >= 2);
	assert_int_equal(refreshes, 2);
	/* The first one began before we looked at the clock. */
	assert_in_range(g_get_monotonic_time() - first_us, (QXL_QUEUE_FRAME_MS - 3) * 1000,
			G_MAXINT);
	qxl_queue_want_refresh(queue); /* its timer goes with the queue */
	qxl_queue_free(queue);
	while (g_main_context_iteration(NULL, FALSE))
		;
	assert_int_equal(refreshes, 2);
}

static gpointer
work(gpointer data)
{
	struct qxl_command *command = take(data, QXL_QUEUE_DRAW);

	qxl_queue_release(data, command);
	return NULL;
}

static void
test_qxl_queue__emptied_by_the_worker_wants_more(void **state)
{
	guint refreshes = 0;
	struct qxl_queue *queue = qxl_queue_new(count_refresh, &refreshes);

	(void)state;
	qxl_queue_push(queue, QXL_QUEUE_DRAW, make_command());
	g_thread_join(g_thread_new("worker", work, queue));
	WAIT_FOR(refreshes >= 1);
	assert_int_equal(qxl_queue_get_held_bytes(queue), 0);
	qxl_queue_free(queue);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_qxl_queue__keeps_order_and_counts_bytes),
		cmocka_unit_test(test_qxl_queue__paces_refreshes),
		cmocka_unit_test(test_qxl_queue__emptied_by_the_worker_wants_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
