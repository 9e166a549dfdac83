/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * carrel-agent.c - the agent in the guest: main program and its one loop (carrel-agent, root in the guest)
 *
 * How it works: source_table lists everything the loop waits for: the port, the task's command (its end and its
 * output), the session's main process, the sampling timer. Descriptors come and go, so each row says where its own is
 * now; -1 is skipped by poll(2).
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "agent/notes.h"
#include "agent/verbs.h"
#include "base/io.h"
#include "base/log.h"
#include "base/proto_agent.h"
#include "config.h"

#define PORT_PATH   "/dev/virtio-ports/" AGENT_PORT_NAME
#define RECORD_PATH "/run/carrel/agent-record"
#define EXIT_USAGE  2

static void
main_on_frame(void *context, const char *text, size_t size)
{
	verbs_handle_frame(context, text, size);
}

static int
main_handle_port(struct agent *agent)
{
	return port_handle_ready(&agent->port, main_on_frame, agent);
}

static int
main_handle_command(struct agent *agent)
{
	task_handle_command(agent);
	return 0;
}

static int
main_handle_session(struct agent *agent)
{
	guest_session_handle_end(agent);
	return 0;
}

static int
main_handle_timer(struct agent *agent)
{
	xwatch_handle_timer(agent);
	task_handle_sample(agent);
	return 0;
}

static int
main_port_fd(const struct agent *agent)
{
	return agent->port.epoll_fd;
}

static int
main_command_fd(const struct agent *agent)
{
	return agent->task.command.pidfd;
}

static int
main_output_fd(const struct agent *agent)
{
	return agent->task.command.output_fd;
}

static int
main_session_fd(const struct agent *agent)
{
	return agent->session.pidfd;
}

static int
main_timer_fd(const struct agent *agent)
{
	return agent->xwatch.timer_fd;
}

static const struct {
	const char *name;
	int (*get_fd)(const struct agent *agent);
	int (*handle)(struct agent *agent);
} source_table[] = {
	{ "port", main_port_fd, main_handle_port },
	{ "command", main_command_fd, main_handle_command },
	{ "output", main_output_fd, main_handle_command },
	{ "session", main_session_fd, main_handle_session },
	{ "timer", main_timer_fd, main_handle_timer },
};

#define N_SOURCES (sizeof(source_table) / sizeof(source_table[0]))

static int
main_get_timeout(const struct agent *agent)
{
	const struct command *command = &agent->task.command;
	uint64_t now_ms = io_boottime_ms();

	if (!command_running(command))
		return -1;
	return command->deadline_ms > now_ms ? (int)(command->deadline_ms - now_ms) : 0;
}

static int
main_loop_once(struct agent *agent)
{
	struct pollfd fds[N_SOURCES];
	int n;

	for (size_t i = 0; i < N_SOURCES; i++)
		fds[i] = (struct pollfd){ .fd = source_table[i].get_fd(agent), .events = POLLIN };
	n = poll(fds, N_SOURCES, main_get_timeout(agent));
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 0)
		return main_handle_command(agent);
	for (size_t i = 0; i < N_SOURCES; i++) {
		int result;

		/* An earlier source's handler may have closed this one. */
		if (fds[i].revents == 0 || source_table[i].get_fd(agent) != fds[i].fd)
			continue;
		result = source_table[i].handle(agent);
		if (result < 0)
			return result;
	}
	return 0;
}

static int
main_run(const char *port_path, const char *record_path)
{
	struct agent agent;
	int error;

	agent_init(&agent);
	agent.record = record_path;
	error = notes_prepare(NOTES_FOLDER);
	if (error < 0)
		log_warning("no notes folder '%s': %s", NOTES_FOLDER, strerror(-error));
	error = port_open(&agent.port, port_path);
	if (error < 0) {
		log_error("cannot open the agent port '%s': %s: is this a Carrel desktop, and does "
			  "nobody else have it open?",
			  port_path, strerror(-error));
		agent_done(&agent);
		return 1;
	}
	agent_restore(&agent);
	xwatch_begin(&agent.xwatch);
	while (error == 0)
		error = main_loop_once(&agent);
	if (error != -EPIPE)
		log_error("the loop ended: %s", strerror(-error));
	agent_done(&agent);
	return error == -EPIPE ? 0 : 1;
}

static void
main_print_help(void)
{
	printf("Usage: carrel-agent [OPTION]...\n"
	       "The agent of a Carrel desktop; runs in the guest, started by systemd.\n"
	       "\n"
	       "  -p, --port=PATH  the agent port, or a unix socket to connect to\n"
	       "                   [" PORT_PATH "]\n"
	       "  -r, --record=FILE  what an agent that is started again must know\n"
	       "                   [" RECORD_PATH "]\n"
	       "  -h, --help       print this and exit\n"
	       "  -V, --version    print the version and exit\n");
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "record", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	const char *port_path = PORT_PATH;
	const char *record_path = RECORD_PATH;
	int option;

	while ((option = getopt_long(argc, argv, "p:r:hV", options, NULL)) != -1) {
		switch (option) {
		case 'p':
			port_path = optarg;
			break;
		case 'r':
			record_path = optarg;
			break;
		case 'h':
			main_print_help();
			return 0;
		case 'V':
			printf("carrel-agent %s\n", PACKAGE_VERSION);
			return 0;
		default:
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "carrel-agent: unknown argument '%s': see --help\n", argv[optind]);
		return EXIT_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	umask(022);
	return main_run(port_path, record_path);
}
