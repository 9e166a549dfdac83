/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * xwatch.h - is the X server up, and has the guest come to rest?
 */
#ifndef AGENT_XWATCH_H
#define AGENT_XWATCH_H

#include <stdbool.h>
#include <stdint.h>

struct agent;

/* What /proc/stat says, summed over the CPUs. */
struct xwatch_sample {
	uint64_t busy; /* clock ticks not idle; waiting for a disk is busy */
	uint64_t total;
	uint64_t processes; /* started since boot */
};

struct xwatch {
	int timer_fd; /* -1: nobody asks, nothing is sampled */
	bool ready;
	unsigned int quiet; /* samples at rest in a row */
	unsigned int after; /* samples taken since it was ready */
	struct xwatch_sample last;
};

void xwatch_init(struct xwatch *xwatch);
void xwatch_done(struct xwatch *xwatch);

/* Samples until X is up and the guest was at rest for a second, and a while beyond. */
void xwatch_begin(struct xwatch *xwatch);

/* The timer: takes a sample, and sends the event "ready" when it has become so. */
void xwatch_handle_timer(struct agent *agent);

/* Fields of the text of /proc/stat (proc(5)). */
bool xwatch_parse_stat(const char *text, struct xwatch_sample *ret_sample);

/* Nothing was started and at most one tick in twenty was used between the two. */
bool xwatch_at_rest(const struct xwatch_sample *before, const struct xwatch_sample *after);

#endif
