/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_loop.c - the VMM's event loop: sources, timers, and their removal at the worst moment
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/loop.h"

#define MS UINT64_C(1000000)

static pthread_mutex_t test_lock = PTHREAD_MUTEX_INITIALIZER;

struct test_source {
	struct loop *loop;
	struct loop_source *source;
	int fd;
	uint32_t events;
	unsigned int calls;
	struct test_source *victim; /* removed by the handler */
	struct test_source *heir;   /* added by the handler in the victim's place */
};

static void test_source_add(struct test_source *source, struct loop *loop);

static void
test_source_handle(void *context, uint32_t events)
{
	struct test_source *source = context;

	assert_int_equal(pthread_mutex_trylock(&test_lock), EBUSY);
	source->calls++;
	source->events = events;
	if (source->victim)
		loop_remove(source->victim->source);
	if (source->heir)
		test_source_add(source->heir, source->loop);
}

static void
test_source_add(struct test_source *source, struct loop *loop)
{
	source->loop = loop;
	assert_int_equal(loop_add(loop, "test", source->fd, EPOLLIN, test_source_handle, source,
				  &source->source),
			 0);
}

static void
test_source_open(struct test_source *source, unsigned int count)
{
	*source = (struct test_source){ .fd = eventfd(count, EFD_CLOEXEC) };
	assert_true(source->fd >= 0);
}

static struct loop *
test_new(void)
{
	struct loop *loop = NULL;

	assert_int_equal(loop_new(&test_lock, &loop), 0);
	return loop;
}

static void
test_loop__calls_what_is_ready(void **state)
{
	struct loop *loop = test_new();
	struct test_source ready, idle;

	(void)state;
	test_source_open(&ready, 1);
	test_source_open(&idle, 0);
	test_source_add(&ready, loop);
	test_source_add(&idle, loop);
	assert_int_equal(loop_step(loop, 0), 1);
	assert_int_equal(ready.calls, 1);
	assert_int_equal(ready.events, EPOLLIN);
	assert_int_equal(loop_change(ready.source, 0), 0);
	assert_int_equal(loop_step(loop, 0), 0);
	assert_int_equal(loop_change(ready.source, EPOLLOUT), 0);
	assert_int_equal(loop_step(loop, 0), 1);
	assert_int_equal(ready.events, EPOLLOUT);
	loop_remove(ready.source);
	loop_remove(NULL);
	assert_int_equal(loop_step(loop, 0), 0);
	assert_int_equal(ready.calls, 2);
	assert_int_equal(idle.calls, 0);
	loop_remove(idle.source);
	close(ready.fd);
	close(idle.fd);
	loop_free(loop);
}

/* Both are ready at once, and whoever is called first removes the other; a third source takes the free place. */
static void
test_loop__forgets_the_event_of_a_removed_source(void **state)
{
	struct loop *loop = test_new();
	struct test_source first, second, heir;

	(void)state;
	test_source_open(&first, 1);
	test_source_open(&second, 1);
	test_source_open(&heir, 0);
	first.victim = &second;
	second.victim = &first;
	first.heir = second.heir = &heir;
	test_source_add(&first, loop);
	test_source_add(&second, loop);
	assert_int_equal(loop_step(loop, 0), 2);
	assert_int_equal(first.calls + second.calls, 1);
	assert_int_equal(heir.calls, 0);
	loop_remove(heir.source);
	close(first.fd);
	close(second.fd);
	close(heir.fd);
	loop_free(loop);
}

static void
test_loop__holds_so_many(void **state)
{
	struct loop *loop = test_new();
	struct test_source sources[LOOP_MAX_SOURCES];
	struct loop_source *none = NULL;
	size_t count;

	(void)state;
	for (count = 0; count < LOOP_MAX_SOURCES - 1; count++) { /* one is the loop's own */
		test_source_open(&sources[count], 0);
		test_source_add(&sources[count], loop);
	}
	test_source_open(&sources[count], 0);
	assert_int_equal(
		loop_add(loop, "more", sources[count].fd, EPOLLIN, test_source_handle, NULL, &none),
		-ENOSPC);
	loop_remove(sources[7].source);
	assert_int_equal(loop_add(loop, "bad", -1, EPOLLIN, test_source_handle, NULL, &none),
			 -EBADF);
	test_source_add(&sources[count], loop);
	for (size_t i = 0; i < LOOP_MAX_SOURCES; i++)
		close(sources[i].fd);
	loop_free(loop);
}

static void
test_count(void *context)
{
	(*(unsigned int *)context)++;
}

static void
test_loop__timers_expire_once_and_not_early(void **state)
{
	struct loop *loop = test_new();
	struct loop_timer *timer = NULL;
	unsigned int calls = 0;
	uint64_t deadline_ns;

	(void)state;
	assert_int_equal(loop_timer_new(loop, "test", test_count, &calls, &timer), 0);
	assert_int_equal(loop_step(loop, 0), 0);
	deadline_ns = loop_now_ns() + 20 * MS;
	loop_timer_set(timer, deadline_ns);
	assert_int_equal(loop_step(loop, 5000), 1);
	assert_true(loop_now_ns() >= deadline_ns);
	assert_int_equal(calls, 1);
	assert_int_equal(loop_step(loop, 30), 0);
	loop_timer_set(timer, 1); /* long ago */
	assert_int_equal(loop_step(loop, 0), 1);
	assert_int_equal(calls, 2);
	loop_timer_set(timer, 1);
	loop_timer_set(timer, 0);
	assert_int_equal(loop_step(loop, 30), 0);
	loop_timer_free(timer);
	loop_timer_free(NULL);
	loop_free(loop);
}

struct test_pair {
	struct loop_timer *timers[2];
	unsigned int calls;
};

static void
test_switch_both_off(void *context)
{
	struct test_pair *pair = context;

	pair->calls++;
	loop_timer_set(pair->timers[0], 0);
	loop_timer_set(pair->timers[1], 0);
}

static void
test_loop__a_timer_switched_off_in_time_does_not_expire(void **state)
{
	struct loop *loop = test_new();
	struct test_pair pair = { 0 };

	(void)state;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(
			loop_timer_new(loop, "test", test_switch_both_off, &pair, &pair.timers[i]),
			0);
	loop_timer_set(pair.timers[0], 1);
	loop_timer_set(pair.timers[1], 1);
	assert_int_equal(loop_step(loop, 0), 2);
	assert_int_equal(pair.calls, 1);
	loop_timer_free(pair.timers[0]);
	loop_timer_free(pair.timers[1]);
	loop_free(loop);
}

struct test_poller {
	struct loop_poller *poller;
	unsigned int work; /* is found, a piece a look */
	unsigned int looks;
	unsigned int last_looks;
};

static bool
test_look(void *context, bool last)
{
	struct test_poller *poller = context;

	assert_int_equal(pthread_mutex_trylock(&test_lock), EBUSY);
	assert_int_equal(poller->last_looks, 0);
	poller->looks++;
	poller->last_looks += last;
	if (poller->work == 0)
		return false;
	poller->work--;
	return true;
}

/* Work keeps it from waiting; before it waits it says so, once. */
static void
test_loop__polls_until_nothing_comes(void **state)
{
	struct loop *loop = test_new();
	struct test_poller poller = { .work = 2 };
	struct test_source source;
	unsigned int in_vain;

	(void)state;
	assert_int_equal(loop_add_poller(loop, test_look, &poller, &poller.poller), 0);
	assert_int_equal(loop_step(loop, 0), 0);
	assert_int_equal(poller.looks, 0);
	loop_poll(poller.poller);
	assert_int_equal(loop_step(loop, -1), 1);
	assert_int_equal(loop_step(loop, -1), 1);
	assert_int_equal(poller.looks, 2);
	assert_int_equal(loop_step(loop, 0), 0);
	assert_int_equal(poller.last_looks, 1);
	in_vain = poller.looks - 2;
	assert_true(in_vain > 1);
	assert_int_equal(loop_step(loop, 0), 0);
	assert_int_equal(poller.looks, 2 + in_vain);

	/* what comes while it looks for the last time counts */
	poller = (struct test_poller){ .poller = poller.poller, .work = 1, .last_looks = 0 };
	loop_poll(poller.poller);
	test_source_open(&source, 1);
	test_source_add(&source, loop);
	assert_int_equal(loop_step(loop, -1), 2);
	/* events are no work: so many, one a turn, and it is over, unless somebody says that it goes on */
	loop_poll_on(poller.poller);
	while (poller.last_looks == 0)
		assert_int_equal(loop_step(loop, -1), 1);
	assert_int_equal(poller.looks, 1 + in_vain);
	loop_poll_on(poller.poller); /* it is over */
	assert_int_equal(loop_step(loop, -1), 1);
	assert_int_equal(poller.looks, 1 + in_vain);
	poller = (struct test_poller){ .poller = poller.poller };
	loop_poll(poller.poller);
	while (poller.looks < in_vain - 1)
		assert_int_equal(loop_step(loop, -1), 1);
	loop_poll_on(poller.poller);
	assert_int_equal(loop_step(loop, -1), 1);
	assert_int_equal(poller.last_looks, 0);
	loop_remove(source.source);
	close(source.fd);
	assert_int_equal(loop_step(loop, 0), 0);
	assert_int_equal(poller.looks, in_vain - 1 + in_vain);
	loop_poll(poller.poller);
	loop_remove_poller(poller.poller);
	assert_int_equal(loop_step(loop, 0), 0);
	assert_int_equal(poller.looks, in_vain - 1 + in_vain);
	loop_remove_poller(NULL);
	loop_free(loop);
}

static void *
test_run(void *context)
{
	assert_int_equal(loop_run(context), 0);
	return NULL;
}

static void
test_loop__runs_until_stopped(void **state)
{
	struct loop *loop = test_new();
	struct test_source source;
	pthread_t thread;
	unsigned int calls = 0;

	(void)state;
	loop_stop(loop); /* before it runs counts too */
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(pthread_create(&thread, NULL, test_run, loop), 0);
	test_source_open(&source, 1);
	pthread_mutex_lock(&test_lock);
	test_source_add(&source, loop);
	pthread_mutex_unlock(&test_lock);
	for (int i = 0; i < 5000 && calls == 0; i++) {
		usleep(1000);
		pthread_mutex_lock(&test_lock);
		calls = source.calls;
		pthread_mutex_unlock(&test_lock);
	}
	assert_true(calls > 0);
	pthread_mutex_lock(&test_lock);
	loop_remove(source.source);
	close(source.fd);
	calls = source.calls;
	pthread_mutex_unlock(&test_lock);
	loop_stop(loop);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(source.calls, calls);
	loop_free(loop);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loop__calls_what_is_ready),
		cmocka_unit_test(test_loop__forgets_the_event_of_a_removed_source),
		cmocka_unit_test(test_loop__holds_so_many),
		cmocka_unit_test(test_loop__timers_expire_once_and_not_early),
		cmocka_unit_test(test_loop__a_timer_switched_off_in_time_does_not_expire),
		cmocka_unit_test(test_loop__polls_until_nothing_comes),
		cmocka_unit_test(test_loop__runs_until_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
