/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agent_record.h - what an agent that was killed and started again must know: a line of text in a file
 */
#ifndef AGENT_AGENT_RECORD_H
#define AGENT_AGENT_RECORD_H

#include <stdint.h>

#include "base/name.h"

struct agent_record {
	int64_t generation;
	char user[NAME_USER_SIZE]; /* empty: identified, nobody is logged in */
	int32_t pid;		   /* the session's main process; 0 with nobody */
	uint64_t start_ticks;	   /* io_process_start() */
};

/* Replaces the file, for root only. 0 or a negative errno. */
int agent_record_write(const char *path, const struct agent_record *record);

/* 0, -ENOENT, or another negative errno; -EPROTO when it is no such file. */
int agent_record_read(const char *path, struct agent_record *ret_record);

#endif
