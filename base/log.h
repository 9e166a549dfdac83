/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * log.h - one line to standard error for each decision worth knowing
 *
 * A line reads "program[pid]: level: text". Under systemd standard error is the journal and the level is given
 * as its <N> prefix. The writer puts names in single quotes and ids as key=value, and never a secret.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG, /* printed only when CARREL_DEBUG is in the environment */
	LOG_LEVEL_COUNT,
};

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * A debug line for whoever wonders where the time goes: this step of a program's start is done now, on CLOCK_MONOTONIC. The time
 * between two such lines is what the second one's step took. "what" is words, without a colon.
 */
void log_step(const char *what);

#define log_error(...)	 log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

/*
 * A budget of lines for what a stranger can trigger: "burst" lines at once, refilled one each "every_ms".
 * log_limit_allow() says whether this line may be written; zero-initialised it is full.
 */
struct log_limit {
	unsigned int burst;
	unsigned int every_ms;
	unsigned int used;
	uint64_t last_ms;
	unsigned int dropped; /* lines refused so far; for the next line's text */
};

bool log_limit_allow(struct log_limit *limit, uint64_t now_ms);

#endif
