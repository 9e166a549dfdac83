/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * process_log.c - what a desktop's process said last, for the reason of its failure (carrel-hostd)
 */
#include "host/process_log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define TAIL_BYTES 2048

/* A line whose beginning is missing says nothing for sure, not even what kind of line it was. */
static void
process_log_drop_torn_line(char *tail)
{
	const char *end = strchr(tail, '\n');
	const char *rest = end ? end + 1 : "";

	memmove(tail, rest, strlen(rest) + 1);
}

/* The file's end as text in whole lines, NUL behind it; FALSE when there is none. */
static gboolean
process_log_read_tail(const char *path, char tail[TAIL_BYTES + 1])
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat about;
	ssize_t n;

	if (fd < 0 || fstat(fd, &about) < 0 || !S_ISREG(about.st_mode))
		return FALSE;
	n = pread(fd, tail, TAIL_BYTES, MAX(about.st_size - TAIL_BYTES, 0));
	tail[MAX(n, 0)] = '\0';
	if (about.st_size > TAIL_BYTES)
		process_log_drop_torn_line(tail);
	return tail[0] != '\0';
}

/* News and warnings (of base/log.h and of QEMU) were there before whatever ended the process. */
static gboolean
process_log_is_reason(const char *line)
{
	return !strstr(line, ": warning: ") && !strstr(line, ": info: ") &&
	       !strstr(line, ": debug: ");
}

/* The last line that may say what ended the process. Cuts the text behind it; "" when there is none. */
static char *
process_log_find_line(char *tail)
{
	char *line;

	do {
		g_strchomp(tail);
		line = strrchr(tail, '\n');
		line = line ? line + 1 : tail;
		if (process_log_is_reason(line))
			return line;
		*line = '\0';
	} while (line > tail);
	return tail;
}

char *
process_log_explain(const char *folder, const char *role, const char *reason)
{
	g_autofree char *name = g_strconcat(role, ".log", NULL);
	g_autofree char *path = g_build_filename(folder, name, NULL);
	char tail[TAIL_BYTES + 1];
	char *line;

	if (!process_log_read_tail(path, tail))
		return g_strdup(reason);
	line = process_log_find_line(tail);
	for (char *at = line; *at; at++)
		if (!g_ascii_isprint(*at))
			*at = '?';
	if (line[0] == '\0')
		return g_strdup(reason);
	return g_strdup_printf("%s; the last line of '%s' was: %.*s", reason, name,
			       PROCESS_LOG_MAX_LINE, line);
}
