/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * loop.c - the device thread's event loop (carrel-vmm, loop thread; sources are also added and
 * removed by vCPU threads)
 *
 * How it works: loop_step() waits in epoll without the lock, then takes it around each handler.
 * Meanwhile a vCPU's thread, or an earlier handler, may have removed the source that an event is
 * for, and a new one may have taken its place. So epoll's events carry the index of a place in
 * loop->sources and the place's generation, which loop_remove() counts up; an event with an old
 * generation is dropped. A timer is a source with a timerfd of its own; it is read before its
 * handler is called, so that a timer that was set anew or switched off meanwhile is not taken for
 * expired.
 *
 * Polling: an event costs the guest an exit or us a wake-up, often more than the work it tells of.
 * So after loop_poll() the loop goes on without waiting until LOOP_POLL_TURNS turns have found
 * nothing. Turns and not time: a turn is a system call, so what is spent in vain keeps in
 * proportion to what events cost on this machine (about 50 us on current processors; in a KVM host
 * that is emulated itself, twenty times as much). Events do not make it longer by themselves, since
 * most of them have nothing to do with what is polled (loop_poll_on()).
 */
#include "vmm/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

#define LOOP_EVENTS_AT_ONCE 16
#define NS_PER_SECOND	    UINT64_C(1000000000)
#define LOOP_POLL_TURNS	    160

struct loop_source {
	struct loop *loop;
	const char *name;
	int fd; /* -1: the place is free */
	uint32_t generation;
	loop_handler handler;
	void *context;
};

struct loop_timer {
	struct loop_source *source;
	int fd;
	loop_timer_handler handler;
	void *context;
};

struct loop_poller {
	struct loop *loop;
	loop_look look; /* NULL: the place is free */
	void *context;
};

struct loop {
	pthread_mutex_t *lock;
	int epoll_fd;
	int stop_fd;
	bool stopped;
	uint32_t poll_turns; /* that are left; 0: the loop waits */
	struct loop_poller pollers[LOOP_MAX_POLLERS];
	struct loop_source sources[LOOP_MAX_SOURCES];
};

static void
loop_handle_stop(void *context, uint32_t events)
{
	struct loop *loop = context;
	uint64_t count;

	(void)events;
	if (read(loop->stop_fd, &count, sizeof(count)) == sizeof(count))
		loop->stopped = true;
}

int
loop_new(pthread_mutex_t *lock, struct loop **ret_loop)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	struct loop_source *source;
	int error;

	if (!loop)
		return -ENOMEM;
	loop->lock = lock;
	for (size_t i = 0; i < LOOP_MAX_SOURCES; i++)
		loop->sources[i].fd = -1;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->epoll_fd < 0 || loop->stop_fd < 0)
		error = -errno;
	else
		error = loop_add(loop, "stop", loop->stop_fd, EPOLLIN, loop_handle_stop, loop,
				 &source);
	if (error) {
		loop_free(loop);
		return error;
	}
	*ret_loop = loop;
	return 0;
}

void
loop_free(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->stop_fd >= 0)
		close(loop->stop_fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	free(loop);
}

static void
loop_dispatch(struct loop *loop, const struct epoll_event *event)
{
	struct loop_source *source = &loop->sources[event->data.u64 & UINT32_MAX];

	pthread_mutex_lock(loop->lock);
	if (source->fd >= 0 && source->generation == event->data.u64 >> 32)
		source->handler(source->context, event->events);
	pthread_mutex_unlock(loop->lock);
}

static int
loop_wait(struct loop *loop, int timeout_ms)
{
	struct epoll_event events[LOOP_EVENTS_AT_ONCE];
	int count = epoll_wait(loop->epoll_fd, events, LOOP_EVENTS_AT_ONCE, timeout_ms);

	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < count; i++)
		loop_dispatch(loop, &events[i]);
	return count;
}

static bool
loop_look_around(struct loop *loop, bool last)
{
	bool found = false;

	pthread_mutex_lock(loop->lock);
	for (size_t i = 0; i < LOOP_MAX_POLLERS; i++)
		if (loop->pollers[i].look && loop->pollers[i].look(loop->pollers[i].context, last))
			found = true;
	pthread_mutex_unlock(loop->lock);
	return found;
}

/* Until something has come, or polling is over. How many things there were, or -errno. */
static int
loop_step_polling(struct loop *loop)
{
	while (loop->poll_turns > 0) {
		bool found = loop_look_around(loop, --loop->poll_turns == 0);
		int count = loop_wait(loop, 0);

		if (count < 0)
			return count;
		if (found)
			loop->poll_turns = LOOP_POLL_TURNS;
		if (found || count > 0)
			return count + found;
	}
	return 0;
}

int
loop_step(struct loop *loop, int timeout_ms)
{
	int count = loop_step_polling(loop);

	return count != 0 ? count : loop_wait(loop, timeout_ms);
}

int
loop_add_poller(struct loop *loop, loop_look look, void *context, struct loop_poller **ret_poller)
{
	for (size_t i = 0; i < LOOP_MAX_POLLERS; i++) {
		struct loop_poller *poller = &loop->pollers[i];

		if (poller->look)
			continue;
		*poller = (struct loop_poller){ .loop = loop, .look = look, .context = context };
		*ret_poller = poller;
		return 0;
	}
	return -ENOSPC;
}

void
loop_remove_poller(struct loop_poller *poller)
{
	if (poller)
		poller->look = NULL;
}

void
loop_poll(struct loop_poller *poller)
{
	poller->loop->poll_turns = LOOP_POLL_TURNS;
}

void
loop_poll_on(struct loop_poller *poller)
{
	if (poller->loop->poll_turns > 0)
		loop_poll(poller);
}

int
loop_run(struct loop *loop)
{
	loop->stopped = false;
	while (!loop->stopped) {
		int result = loop_step(loop, -1);

		if (result < 0)
			return result;
	}
	return 0;
}

void
loop_stop(struct loop *loop)
{
	static const uint64_t one = 1;
	int error = errno;
	ssize_t written = write(loop->stop_fd, &one, sizeof(one));

	(void)written; /* it fails only when it has been stopped 2^64 - 2 times already */
	errno = error;
}

static struct epoll_event
loop_get_event(const struct loop_source *source, uint32_t events)
{
	uint64_t index = (uint64_t)(source - source->loop->sources);

	return (struct epoll_event){
		.events = events,
		.data.u64 = (uint64_t)source->generation << 32 | index,
	};
}

int
loop_add(struct loop *loop, const char *name, int fd, uint32_t events, loop_handler handler,
	 void *context, struct loop_source **ret_source)
{
	struct loop_source *source = loop->sources;
	struct epoll_event event;

	while (source < loop->sources + LOOP_MAX_SOURCES && source->fd >= 0)
		source++;
	if (source == loop->sources + LOOP_MAX_SOURCES)
		return -ENOSPC;
	source->loop = loop;
	event = loop_get_event(source, events);
	/*
	 * the handler may be wanted as soon as epoll knows: by then the caller's lock keeps the
	 * loop out
	 */
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	source->name = name;
	source->fd = fd;
	source->handler = handler;
	source->context = context;
	*ret_source = source;
	return 0;
}

int
loop_change(struct loop_source *source, uint32_t events)
{
	struct epoll_event event = loop_get_event(source, events);

	if (epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event) < 0)
		return -errno;
	return 0;
}

void
loop_remove(struct loop_source *source)
{
	if (!source)
		return;
	if (epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL) < 0)
		log_error("loop: source '%s' cannot be removed: %s; it was closed too early",
			  source->name, strerror(errno));
	source->fd = -1;
	source->generation++;
}

static void
loop_timer_handle_expiry(void *context, uint32_t events)
{
	struct loop_timer *timer = context;
	uint64_t count;

	(void)events;
	if (read(timer->fd, &count, sizeof(count)) == sizeof(count))
		timer->handler(timer->context);
}

int
loop_timer_new(struct loop *loop, const char *name, loop_timer_handler handler, void *context,
	       struct loop_timer **ret_timer)
{
	struct loop_timer *timer = calloc(1, sizeof(*timer));
	int error;

	if (!timer)
		return -ENOMEM;
	timer->handler = handler;
	timer->context = context;
	timer->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (timer->fd < 0)
		error = -errno;
	else
		error = loop_add(loop, name, timer->fd, EPOLLIN, loop_timer_handle_expiry, timer,
				 &timer->source);
	if (error) {
		loop_timer_free(timer);
		return error;
	}
	*ret_timer = timer;
	return 0;
}

void
loop_timer_free(struct loop_timer *timer)
{
	if (!timer)
		return;
	loop_remove(timer->source);
	if (timer->fd >= 0)
		close(timer->fd);
	free(timer);
}

void
loop_timer_set(struct loop_timer *timer, uint64_t deadline_ns)
{
	struct itimerspec when = {
		.it_value.tv_sec = (time_t)(deadline_ns / NS_PER_SECOND),
		.it_value.tv_nsec = (long)(deadline_ns % NS_PER_SECOND),
	};

	if (timerfd_settime(timer->fd, TFD_TIMER_ABSTIME, &when, NULL) < 0)
		log_error("loop: timer '%s' cannot be set: %s", timer->source->name,
			  strerror(errno));
}

uint64_t
loop_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}
