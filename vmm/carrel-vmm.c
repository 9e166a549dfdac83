/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * carrel-vmm.c - one virtual machine: a desktop of engine kvm (carrel-vmm)
 *
 * How it works: it reads one description (vmm/description.h) and has all it ever needs as open
 * descriptors, so that machine_new() can leave the host's files (vmm/vmm_sandbox.h) before it builds
 * the machine; machine_run() is the rest of its life. Whoever started it sees its end in the exit
 * status, and what happens before by its control socket.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/proto_vmm.h"
#include "base/vmm_exit.h"
#include "vmm/control.h"
#include "vmm/description.h"
#include "vmm/loop.h"
#include "vmm/machine.h"
#include "vmm/machine_control.h"
#include "vmm/own_pages.h"
#include "vmm/platform.h"

static const char version_text[] = "carrel-vmm " PACKAGE_VERSION "\n";
static const char usage_text[] =
	"Usage: carrel-vmm --description FD\n"
	"Runs one virtual machine on KVM, for carrel-hostd.\n"
	"\n"
	"  --description FD  descriptor from which the machine's JSON is read\n"
	"  --version         show the version\n"
	"  --help            show this text\n";

static int
vmm_parse_options(int argc, char **argv, int *ret_fd)
{
	static const struct option options[] = {
		{ "description", required_argument, NULL, 'd' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int fd = -1;
	char *end = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h' || option == 'v') {
			fputs(option == 'h' ? usage_text : version_text, stdout);
			exit(0);
		}
		if (option != 'd')
			return -EINVAL;
		fd = (int)strtol(optarg, &end, 10);
		if (*end != '\0' || end == optarg)
			return -EINVAL;
	}
	if (fd < 0 || optind != argc)
		return -EINVAL;
	*ret_fd = fd;
	return 0;
}

/* To its end; one byte more than allowed is enough to see that it is too long. */
static int
vmm_read_text(int fd, char text[DESCRIPTION_MAX_BYTES + 1], size_t *ret_size)
{
	size_t size = 0;

	while (size <= DESCRIPTION_MAX_BYTES) {
		ssize_t got = read(fd, text + size, DESCRIPTION_MAX_BYTES + 1 - size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		size += (size_t)got;
	}
	*ret_size = size;
	return 0;
}

static int
vmm_read_description(int fd, struct description *ret_description)
{
	CLEANUP_FREE char *text = malloc(DESCRIPTION_MAX_BYTES + 1);
	struct json_problem problem;
	size_t size = 0;
	int error;

	if (!text)
		return -ENOMEM;
	error = vmm_read_text(fd, text, &size);
	if (error < 0) {
		log_error("the description cannot be read from descriptor %d: %s", fd,
			  strerror(-error));
		return error;
	}
	error = description_parse(text, size, ret_description, &problem);
	if (error < 0)
		log_error("the description is wrong: %s", problem.text);
	close(fd);
	return error;
}

/* While there is /proc. Whoever suspends it hears that it cannot be; nothing else needs this. */
static void
vmm_open_pagemap(struct description *description)
{
	description->pagemap_fd = description->memory_private ? own_pages_open() : -1;
	if (description->memory_private && description->pagemap_fd < 0)
		log_warning(
			"machine '%s': it cannot be suspended, /proc/self/pagemap does not open: %s",
			description->name, strerror(-description->pagemap_fd));
}

static void
vmm_handle_signal(void *context, uint32_t events)
{
	(void)events;
	machine_ask_quit(context);
}

/* Before the first thread, which inherits it. */
static int
vmm_block_signals(int *ret_fd)
{
	sigset_t signals;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static int
vmm_run(struct machine *machine, const struct description *description, int signal_fd)
{
	struct loop_source *signals = NULL;
	struct control *control = NULL;
	int error = loop_add(machine_get_platform(machine)->loop, "signals", signal_fd, EPOLLIN,
			     vmm_handle_signal, machine, &signals);

	if (error == 0)
		error = machine_control_new(machine, description, &control);
	if (error == 0)
		error = machine_run(machine);
	machine_set_watcher(machine, NULL, NULL);
	control_free(control);
	loop_remove(signals);
	if (error < 0) {
		log_error("the event loop has failed: %s", strerror(-error));
		return VMM_EXIT_FAILED;
	}
	return machine_get_state(machine) == VMM_STATE_FAILED ? VMM_EXIT_FAILED : 0;
}

int
main(int argc, char **argv)
{
	struct description description;
	char problem[MACHINE_PROBLEM_BYTES];
	CLEANUP_CLOSE int signal_fd = -1;
	struct machine *machine;
	int description_fd;
	int status;
	int error;

	log_step("program loaded");
	if (vmm_parse_options(argc, argv, &description_fd) < 0) {
		fputs(usage_text, stderr);
		return VMM_EXIT_USAGE;
	}
	if (vmm_read_description(description_fd, &description) < 0)
		return VMM_EXIT_CANNOT_START;
	log_step("description read");
	vmm_open_pagemap(&description);
	error = vmm_block_signals(&signal_fd);
	if (error < 0) {
		log_error("signals cannot be received: %s", strerror(-error));
		return VMM_EXIT_CANNOT_START;
	}
	error = machine_new(&description, &machine, problem);
	if (error < 0) {
		if (problem[0])
			log_error("machine '%s' does not start: %s", description.name, problem);
		return error == -ENOTSUP && description.state_fd >= 0 ? VMM_EXIT_FOREIGN
								      : VMM_EXIT_CANNOT_START;
	}
	/* The network card has its own of it: when that is closed, passt has to see the end. */
	if (description.net_fd >= 0)
		close(description.net_fd);
	status = vmm_run(machine, &description, signal_fd);
	machine_free(machine);
	return status;
}
