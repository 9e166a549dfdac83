/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agent_record.c - what an agent that was killed and started again must know (carrel-agent, in the guest)
 *
 * The file is in a folder of root's in /run, so it goes with the machine's run, and a template is sealed before there is
 * one. It is one line: "GENERATION PID START-TICKS USER", where "-" is nobody.
 */
#include "agent/agent_record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"

#define RECORD_MAX_BYTES 256
#define NOBODY		 "-"

int
agent_record_write(const char *path, const struct agent_record *record)
{
	char line[RECORD_MAX_BYTES];
	int size = snprintf(line, sizeof(line), "%" PRId64 " %" PRId32 " %" PRIu64 " %s\n",
			    record->generation, record->pid, record->start_ticks,
			    record->user[0] != '\0' ? record->user : NOBODY);

	return io_write_file_durably(path, line, (size_t)size, 0600);
}

int
agent_record_read(const char *path, struct agent_record *ret_record)
{
	struct agent_record record = { 0 };
	CLEANUP_FREE char *text = NULL;
	char user[64];
	char rest;
	size_t size;
	int error = io_read_file(path, RECORD_MAX_BYTES, &text, &size);

	if (error < 0)
		return error;
	if (sscanf(text, "%" SCNd64 " %" SCNd32 " %" SCNu64 " %63s %c", &record.generation,
		   &record.pid, &record.start_ticks, user, &rest) != 4 ||
	    record.generation < 0 || record.pid < 0)
		return -EPROTO;
	if (strcmp(user, NOBODY) != 0) {
		if (!name_user_valid(user) || record.pid <= 1)
			return -EPROTO;
		memcpy(record.user, user, strlen(user) + 1);
	}
	*ret_record = record;
	return 0;
}
