/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_virtqueue_notify.c - split virtqueues: who tells whom that there is something to do, and that nothing gets lost
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "tests/unit/driver_ring.h"
#include "tests/unit/fake_platform.h"
#include "tests/unit/queue_stage.h"
#include "vmm/loop.h"
#include "vmm/virtqueue.h"

#define RACE_CHAINS	20000
#define RACE_SPINS	256
#define RACE_TIMEOUT_NS UINT64_C(20000000000)

/* As long as chains wait the driver need not kick; who finds none, asks. */
static void
test_virtqueue__is_kicked_only_when_it_needs_to_be(void **state)
{
	struct queue_stage *stage = *state;
	const struct driver_buffer buffer = { stage->buffer, 16, true };

	queue_stage_start(stage, true);
	assert_true(driver_ring_add(&stage->ring, &buffer, 1) >= 0);
	assert_true(driver_ring_wants_kick(&stage->ring)); /* the first */
	for (int i = 0; i < 3; i++) {
		assert_true(driver_ring_add(&stage->ring, &buffer, 1) >= 0);
		assert_false(driver_ring_wants_kick(&stage->ring));
	}
	while (virtqueue_pop(&stage->queue, &stage->chain) > 0)
		;
	assert_true(driver_ring_add(&stage->ring, &buffer, 1) >= 0);
	assert_true(driver_ring_wants_kick(&stage->ring));
	assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain), 1);
	/* a device that wants none even then */
	virtqueue_set_notify(&stage->queue, false);
	assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain), 0);
	assert_true(driver_ring_add(&stage->ring, &buffer, 1) >= 0);
	assert_false(driver_ring_wants_kick(&stage->ring));
	assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain), 1);
	virtqueue_set_notify(&stage->queue, true);
	assert_true(driver_ring_add(&stage->ring, &buffer, 1) >= 0);
	assert_true(driver_ring_wants_kick(&stage->ring));

	queue_stage_start(stage, false);
	virtqueue_set_notify(&stage->queue, false);
	assert_true(driver_ring_add(&stage->ring, &buffer, 1) >= 0);
	assert_false(driver_ring_wants_kick(&stage->ring));
	assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain), 1);
	assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain), 0);
	virtqueue_set_notify(&stage->queue, true);
	assert_true(driver_ring_wants_kick(&stage->ring));
}

static void
push_next(struct queue_stage *stage)
{
	const struct driver_buffer buffer = { stage->buffer, 16, true };

	assert_true(driver_ring_add(&stage->ring, &buffer, 1) >= 0);
	assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain), 1);
	virtqueue_push(&stage->queue, stage->chain.head, 0);
}

static void
test_virtqueue__signals_only_who_wants_it(void **state)
{
	struct queue_stage *stage = *state;
	uint16_t head;
	uint32_t written;

	for (int event_index = 0; event_index < 2; event_index++) {
		queue_stage_start(stage, event_index);
		assert_false(virtqueue_should_signal(&stage->queue));
		push_next(stage);
		assert_true(virtqueue_should_signal(&stage->queue));
		assert_false(virtqueue_should_signal(&stage->queue)); /* nothing new */
		push_next(stage);
		/* with the index, the driver has not moved it since; without, it wants them all */
		assert_int_equal(virtqueue_should_signal(&stage->queue), !event_index);
		while (driver_ring_get_used(&stage->ring, &head, &written))
			;
		push_next(stage);
		push_next(stage);
		assert_true(virtqueue_should_signal(&stage->queue));
		while (driver_ring_get_used(&stage->ring, &head, &written))
			;
		driver_ring_set_interrupts(&stage->ring, false);
		push_next(stage);
		assert_false(virtqueue_should_signal(&stage->queue));
		driver_ring_set_interrupts(&stage->ring, true);
		push_next(stage);
		/* the index names a chain that has passed: no interrupt for those after it */
		assert_int_equal(virtqueue_should_signal(&stage->queue), !event_index);
	}
}

static void
test_virtqueue__goes_round_and_round(void **state)
{
	struct queue_stage *stage = *state;
	const struct driver_buffer buffers[] = { { stage->buffer, 16, false },
						 { stage->buffer + 16, 16, true } };
	uint16_t head;
	uint32_t written;

	for (int event_index = 0; event_index < 2; event_index++) {
		queue_stage_start(stage, event_index);
		for (uint32_t i = 0; i < 70000; i++) { /* the indexes have 16 bits */
			int added = i % 2 ? driver_ring_add_indirect(&stage->ring, buffers, 2)
					  : driver_ring_add(&stage->ring, buffers, 2);

			assert_true(added >= 0);
			assert_true(driver_ring_wants_kick(&stage->ring));
			assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain), 1);
			assert_int_equal(stage->chain.head, added);
			virtqueue_push(&stage->queue, stage->chain.head, i);
			assert_true(virtqueue_should_signal(&stage->queue));
			assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain), 0);
			assert_true(driver_ring_get_used(&stage->ring, &head, &written));
			assert_int_equal(head, added);
			assert_int_equal(written, i);
		}
	}
}

/* What the handler of the fault needs; handlers have no context. */
static struct {
	struct queue_stage *stage;
	void *page;
	bool wanted_kick;
} trap;

static void
trap_handle_fault(int number)
{
	const struct driver_buffer buffer = { trap.stage->buffer, 16, true };

	(void)number;
	driver_ring_add(&trap.stage->ring, &buffer, 1);
	mprotect(trap.page, 4096, PROT_READ | PROT_WRITE);
	trap.wanted_kick = driver_ring_wants_kick(&trap.stage->ring);
}

/* The driver adds a chain after the device has found none and before it asks to be told: by a fault at that very write. */
static void
test_virtqueue__finds_what_was_added_while_it_asked(void **state)
{
	struct queue_stage *stage = *state;
	const struct sigaction action = { .sa_handler = trap_handle_fault };
	struct sigaction before;
	int result;

	for (int event_index = 0; event_index < 2; event_index++) {
		queue_stage_start(stage, event_index);
		stage->ring.setup.used = fake_platform_alloc(stage->fake, 4096, 4096);
		virtqueue_start(&stage->queue, stage->fake->platform.memory, &stage->ring.setup);
		virtqueue_set_notify(&stage->queue, event_index);
		push_next(stage);
		trap.stage = stage;
		trap.page = fake_platform_map(stage->fake, stage->ring.setup.used, 4096);
		assert_true(driver_ring_wants_kick(&stage->ring) == event_index);
		assert_int_equal(mprotect(trap.page, 4096, PROT_READ), 0);
		sigaction(SIGSEGV, &action, &before);
		if (!event_index)
			virtqueue_set_notify(&stage->queue, true); /* "look once more" */
		result = virtqueue_pop(&stage->queue, &stage->chain);
		sigaction(SIGSEGV, &before, NULL);
		assert_false(trap.wanted_kick);
		assert_int_equal(result, 1);
	}
}

/*
 * A driver in a thread of its own: both wait when they have nothing to do, and must be woken. They wait by looking at a
 * counter, which takes so little time that each often meets the other on its way to sleep.
 */
struct race {
	struct queue_stage *stage;
	atomic_uint kicks;
	atomic_uint signals;
	atomic_bool lost;
};

static bool
race_wait(struct race *race, atomic_uint *counter, unsigned int *seen)
{
	uint64_t deadline_ns = loop_now_ns() + RACE_TIMEOUT_NS;

	for (uint32_t i = 1; atomic_load(counter) == *seen && !atomic_load(&race->lost); i++) {
		if (i % RACE_SPINS != 0)
			continue;
		sched_yield();
		if (loop_now_ns() > deadline_ns)
			atomic_store(&race->lost, true);
	}
	*seen = atomic_load(counter);
	return !atomic_load(&race->lost);
}

static void *
race_drive(void *context)
{
	struct race *race = context;
	struct driver_ring *ring = &race->stage->ring;
	const struct driver_buffer buffer = { race->stage->buffer, 16, true };
	uint32_t n_added = 0, n_used = 0, written;
	unsigned int seen = 0;
	uint16_t head;

	while (n_used < RACE_CHAINS && !atomic_load(&race->lost)) {
		/* two on their way, so that one is added while the device looks for more */
		if (n_added < RACE_CHAINS && n_added - n_used < 2) {
			if (driver_ring_add(ring, &buffer, 1) < 0)
				atomic_store(&race->lost, true);
			n_added++;
			if (driver_ring_wants_kick(ring))
				atomic_fetch_add(&race->kicks, 1);
		}
		if (driver_ring_get_used(ring, &head, &written))
			n_used++;
		else if (n_added - n_used == 2 || n_added == RACE_CHAINS)
			race_wait(race, &race->signals, &seen);
	}
	return NULL;
}

static void
test_virtqueue__loses_no_notification(void **state)
{
	struct queue_stage *stage = *state;

	for (int event_index = 0; event_index < 2; event_index++) {
		struct race race = { .stage = stage };
		uint32_t n_popped = 0;
		unsigned int seen = 0;
		pthread_t thread;

		queue_stage_start(stage, event_index);
		assert_int_equal(pthread_create(&thread, NULL, race_drive, &race), 0);
		while (n_popped < RACE_CHAINS && race_wait(&race, &race.kicks, &seen)) {
			while (virtqueue_pop(&stage->queue, &stage->chain) == 1) {
				n_popped++;
				virtqueue_push(&stage->queue, stage->chain.head, 0);
				if (virtqueue_should_signal(&stage->queue))
					atomic_fetch_add(&race.signals, 1);
			}
		}
		pthread_join(thread, NULL);
		assert_false(race.lost);
		assert_false(stage->queue.state.broken);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, queue_stage_setup, queue_stage_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_virtqueue__is_kicked_only_when_it_needs_to_be),
		TEST(test_virtqueue__signals_only_who_wants_it),
		TEST(test_virtqueue__goes_round_and_round),
		TEST(test_virtqueue__finds_what_was_added_while_it_asked),
		TEST(test_virtqueue__loses_no_notification),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
