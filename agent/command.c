/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * command.c - one program of the guest at work for the agent (carrel-agent, in the guest)
 */
#include "agent/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

/* carrel-x.service of the recipes lets root use the X server by its uid, without a cookie. */
static const char *const command_environment[] = {
	"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
	"LANG=C.UTF-8",
	"DISPLAY=:0",
	NULL,
};

void
command_init(struct command *command)
{
	*command = (struct command){ .pidfd = -1, .output_fd = -1 };
}

static void
command_close(struct command *command)
{
	if (command->pidfd >= 0)
		close(command->pidfd);
	if (command->output_fd >= 0)
		close(command->output_fd);
	command->pidfd = -1;
	command->output_fd = -1;
	command->pid = 0;
}

void
command_done(struct command *command)
{
	if (command->pid > 0) {
		kill(command->pid, SIGKILL);
		waitpid(command->pid, NULL, 0);
	}
	command_close(command);
}

bool
command_running(const struct command *command)
{
	return command->pid > 0;
}

static int
command_spawn(const char *const argv[], int output, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	int error;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attributes, &none);
	error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (error == 0)
		error = posix_spawn_file_actions_adddup2(&actions, output, 1);
	if (error == 0)
		error = posix_spawn_file_actions_adddup2(&actions, output, 2);
	if (error == 0)
		error = posix_spawn(ret_pid, argv[0], &actions, &attributes,
				    (char *const *)(uintptr_t)argv,
				    (char *const *)(uintptr_t)command_environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -error;
}

int
command_start(struct command *command, const char *const argv[], unsigned int timeout_ms)
{
	CLEANUP_CLOSE int read_end = -1;
	CLEANUP_CLOSE int write_end = -1;
	int ends[2];
	int error;

	if (command_running(command))
		return -EBUSY;
	command_init(command);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	read_end = ends[0];
	write_end = ends[1];
	error = io_set_nonblocking(read_end, true);
	if (error == 0)
		error = command_spawn(argv, write_end, &command->pid);
	if (error < 0) {
		command->pid = 0;
		return error;
	}
	error = io_pidfd_open(command->pid, &command->pidfd);
	if (error < 0) {
		command_done(command);
		return error;
	}
	command->output_fd = take_fd(&read_end);
	command->deadline_ms = io_boottime_ms() + timeout_ms;
	return 0;
}

static void
command_read_output(struct command *command)
{
	char rest[1024] = { 0 };
	ssize_t n;

	while (command->output_fd >= 0) {
		size_t room = COMMAND_MAX_OUTPUT - command->output_size;

		n = read(command->output_fd, room ? command->output + command->output_size : rest,
			 room ? room : sizeof(rest));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			close(command->output_fd);
			command->output_fd = -1;
		} else if (room > 0) {
			command->output_size += (size_t)n;
		}
	}
	command->output[command->output_size] = '\0';
}

bool
command_handle_ready(struct command *command)
{
	bool late = io_boottime_ms() >= command->deadline_ms;
	int wait_status;
	pid_t ended;

	if (!command_running(command))
		return false;
	command_read_output(command);
	if (late)
		kill(command->pid, SIGKILL);
	ended = waitpid(command->pid, &wait_status, late ? 0 : WNOHANG);
	if (ended == 0)
		return false;
	command_read_output(command);
	if (late)
		command->status = -ETIMEDOUT;
	else if (ended < 0 || !WIFEXITED(wait_status) || WEXITSTATUS(wait_status) != 0)
		command->status = -EIO;
	else
		command->status = 0;
	command_close(command);
	return true;
}

void
command_get_complaint(const struct command *command, char *ret_text, size_t size)
{
	const char *end = command->output + command->output_size;
	const char *begin;

	while (end > command->output && (end[-1] == '\n' || end[-1] == ' '))
		end--;
	for (begin = end; begin > command->output && begin[-1] != '\n'; begin--)
		;
	if (end == begin)
		snprintf(ret_text, size, "no message");
	else
		snprintf(ret_text, size, "%.*s", (int)(end - begin), begin);
}
