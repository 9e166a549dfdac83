/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * loop.h - the device thread's event loop: descriptors and timers, each with a name
 *
 * The loop's thread takes the machine's lock around each handler. Everything but loop_stop() may be
 * called only with that lock held (or before loop_run()).
 */
#ifndef VMM_LOOP_H
#define VMM_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define LOOP_MAX_SOURCES 96
#define LOOP_MAX_POLLERS 16

struct loop;
struct loop_source;
struct loop_timer;
struct loop_poller;

/* events: EPOLLIN and so on, see epoll_ctl(2) */
typedef void (*loop_handler)(void *context, uint32_t events);
typedef void (*loop_timer_handler)(void *context);

int loop_new(pthread_mutex_t *lock, struct loop **ret_loop);
void loop_free(struct loop *loop);

/* Handles events until loop_stop(). 0 or -errno. */
int loop_run(struct loop *loop);
/* From any thread and from signal handlers. */
void loop_stop(struct loop *loop);
/*
 * Handles what is ready now, and waits at most timeout_ms (-1: for ever) for the first of it; the
 * lock is not held. How many events there were, or -errno. For tests.
 */
int loop_step(struct loop *loop, int timeout_ms);

/*
 * The descriptor stays the caller's, who removes the source before closing it. The name is for
 * logs.
 */
int loop_add(struct loop *loop, const char *name, int fd, uint32_t events, loop_handler handler,
	     void *context, struct loop_source **ret_source);
int loop_change(struct loop_source *source, uint32_t events);
/* Its handler is not called any more; allowed inside of any handler. NULL is allowed. */
void loop_remove(struct loop_source *source);

int loop_timer_new(struct loop *loop, const char *name, loop_timer_handler handler, void *context,
		   struct loop_timer **ret_timer);
void loop_timer_free(struct loop_timer *timer);
/* Once, at this time of CLOCK_MONOTONIC in nanoseconds; 0 switches it off. */
void loop_timer_set(struct loop_timer *timer, uint64_t deadline_ns);

/*
 * A poller saves events by looking for work itself, for a short while after there has been some
 * (loop_poll()). "last": the loop is about to wait, so from now on events must come. Returns
 * whether there was work.
 */
typedef bool (*loop_look)(void *context, bool last);

/* 0, or -ENOSPC: there are LOOP_MAX_POLLERS. */
int loop_add_poller(struct loop *loop, loop_look look, void *context,
		    struct loop_poller **ret_poller);
/* NULL is allowed. */
void loop_remove_poller(struct loop_poller *poller);
/* More work is likely to come soon: all pollers are asked for it, instead of waiting. */
void loop_poll(struct loop_poller *poller);
/* If they are asked at all now, they are asked from here on for as long again. */
void loop_poll_on(struct loop_poller *poller);

uint64_t loop_now_ns(void);

#endif
