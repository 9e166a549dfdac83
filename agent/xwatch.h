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
	uint64_t alive;	    /* of them, with their threads (sysinfo(2)) */
};

struct xwatch {
	int timer_fd; /* -1: nobody asks, nothing is sampled */
	bool ready;
	unsigned int quiet;	/* samples at rest in a row */
	unsigned int unchanged; /* samples in a row in which no process began or ended */
	unsigned int after;	/* samples taken since it was ready */
	struct xwatch_sample last;
};

void xwatch_init(struct xwatch *xwatch);
void xwatch_done(struct xwatch *xwatch);

#define XWATCH_SAMPLES_A_SECOND 4

/*
 * Samples until X is up and the guest was at rest for a second, and ten seconds beyond; timer_fd
 * stays -1 when it cannot.
 */
void xwatch_begin(struct xwatch *xwatch);

/* The timer: takes a sample, and sends the event "ready" when it has become so. */
void xwatch_handle_timer(struct agent *agent);

/* Fields of the text of /proc/stat (proc(5)). */
bool xwatch_parse_stat(const char *text, struct xwatch_sample *ret_sample);

/* No process, or thread of one, began or ended between the two. */
bool xwatch_is_unchanged(const struct xwatch_sample *before, const struct xwatch_sample *after);

/* Nor was more than one tick in twenty used. */
bool xwatch_at_rest(const struct xwatch_sample *before, const struct xwatch_sample *after);

#endif
