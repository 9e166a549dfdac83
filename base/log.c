/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * log.c - one line to standard error for each decision worth knowing (all processes)
 *
 * How it works: log_write() formats the whole line on the stack and hands it to the kernel in one write(2), so
 * that lines of several processes on one terminal do not mix. Control characters in the text are replaced,
 * because names may come from strangers.
 */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEBUG_VARIABLE "CARREL_DEBUG"
#define LINE_MAX_BYTES 2048
#define NS_PER_US      1000

static const struct {
	const char *name;
	int journal;
} level_table[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARNING] = { "warning", 4 },
	[LOG_LEVEL_INFO] = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};
static_assert(sizeof(level_table) / sizeof(level_table[0]) == LOG_LEVEL_COUNT, "a name a level");

static int
log_write_head(char *line, size_t size, enum log_level level)
{
	if (getenv("JOURNAL_STREAM"))
		return snprintf(line, size, "<%d>", level_table[level].journal);
	return snprintf(line, size, "%s[%d]: %s: ", program_invocation_short_name, (int)getpid(),
			level_table[level].name);
}

void
log_write(enum log_level level, const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	int saved_errno = errno;
	size_t length;
	va_list arguments;
	int head;

	if (level == LOG_LEVEL_DEBUG && !getenv(DEBUG_VARIABLE))
		return;
	head = log_write_head(line, sizeof(line), level);
	va_start(arguments, format);
	errno = saved_errno;
	vsnprintf(line + head, sizeof(line) - (size_t)head - 1, format, arguments);
	va_end(arguments);
	length = strlen(line);
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[length++] = '\n';
	if (write(STDERR_FILENO, line, length) < 0) {
		/* Nobody is left to tell. */
	}
	errno = saved_errno;
}

void
log_step(const char *what)
{
	struct timespec now;

	if (!getenv(DEBUG_VARIABLE))
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	log_debug("step at %lld.%06ld: %s", (long long)now.tv_sec, now.tv_nsec / NS_PER_US, what);
}

bool
log_limit_allow(struct log_limit *limit, uint64_t now_ms)
{
	uint64_t refill;

	if (limit->every_ms > 0 && now_ms > limit->last_ms) {
		refill = (now_ms - limit->last_ms) / limit->every_ms;
		if (refill > 0) {
			limit->used -= refill < limit->used ? (unsigned int)refill : limit->used;
			limit->last_ms = now_ms;
		}
	}
	if (limit->used >= limit->burst) {
		limit->dropped++;
		return false;
	}
	limit->used++;
	return true;
}
