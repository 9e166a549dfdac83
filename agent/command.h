/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * command.h - one program of the guest at work for the agent, without a shell
 */
#ifndef AGENT_COMMAND_H
#define AGENT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define COMMAND_MAX_OUTPUT 8192

struct command {
	pid_t pid;     /* 0: nothing runs */
	int pidfd;     /* readable at its end */
	int output_fd; /* its standard output and error */
	uint64_t deadline_ms;
	int status; /* after its end: 0, -ETIMEDOUT, or -EIO when it failed */
	size_t output_size;
	char output[COMMAND_MAX_OUTPUT + 1]; /* NUL-terminated, cut at the size */
};

void command_init(struct command *command);
void command_done(struct command *command); /* kills what still runs */

/*
 * argv[0] is an absolute path; the list ends with NULL. The program gets a fixed environment with the X server's
 * address in it, and is killed after timeout_ms. 0 or a negative errno.
 */
int command_start(struct command *command, const char *const argv[], unsigned int timeout_ms);
bool command_running(const struct command *command);

/* To be called when a descriptor is readable or the deadline is over. True when the command has ended. */
bool command_handle_ready(struct command *command);

/* The last line that it printed, for messages; "no message" when there is none. ret_text is cut. */
void command_get_complaint(const struct command *command, char *ret_text, size_t size);

#endif
