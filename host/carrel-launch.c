/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * carrel-launch.c - root's part of a host: folders, uids, sockets, processes (carrel-launch)
 *
 * How it works: one thread, one poll loop (launch_loop()) over the listening socket, hostd's connection, signals, and
 * a pidfd for each process, so that children and adopted processes are watched alike. It parses nothing that comes
 * from a guest or the network; the requests are those of base/proto_launch.h. SIGTERM ends launch and nothing else.
 *
 * Modules: launch_options (command line), launch_serve (hostd's connection), launch_desktop and launch_stage (what
 * is made and removed), launch_role and launch_spawn and launch_child (what is started), launch_uids, launch_cgroup,
 * launch_tree (folders that others wrote), launch_state and launch_record (what is known, and its text).
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "host/launch_serve.h"
#include "host/launch_state.h"
#include "host/launch_tree.h"

#define FILES_WANTED	 8192 /* LAUNCH_MAX_RECORDS times sockets and pidfds, and more */
#define MAX_SOURCES	 (3 + LAUNCH_MAX_RECORDS * LAUNCH_ROLE_COUNT)
#define STRANGERS_BURST	 10
#define STRANGERS_EVERY	 1000
#define LAUNCH_PATH_SIZE 256

struct launch_source {
	struct launch_unit *unit;
	uint32_t role;
};

static int
launch_init_folders(const struct launch *launch)
{
	const struct launch_options *options = &launch->options;
	const struct {
		const char *base;
		const char *name;
		gid_t gid;
		mode_t mode;
	} table[] = {
		{ options->run, "desktops", 0, 0711 },
		{ options->run, "jobs", 0, 0700 },
		/* hostd looks what lies there when the host was started again */
		{ options->lib, "desktops", options->hostd_gid, 0751 },
		{ options->lib, "staging", 0, 0711 },
		{ options->lib, "jobs", options->hostd_gid, 0750 },
		{ options->lib, "templates", 0, 0755 },
		{ options->lib, "images", 0, 0755 },
	};
	char path[LAUNCH_PATH_SIZE];
	int error = 0;

	for (size_t i = 0; error == 0 && i < sizeof(table) / sizeof(table[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", table[i].base, table[i].name);
		error = launch_tree_make_folder(path, 0, table[i].gid, table[i].mode);
		if (error < 0)
			log_error("folder '%s' cannot be made: %s", path, strerror(-error));
	}
	return error;
}

/* Who owns a folder above could lead root astray: only root may. */
static int
launch_init_base(const char *path)
{
	struct stat status;

	if (mkdir(path, 0700) == 0) {
		/* The umask is stricter than what services need here. */
		if (chmod(path, 0755) < 0)
			return -errno;
	} else if (errno != EEXIST) {
		log_error("folder '%s' cannot be made: %s", path, strerror(errno));
		return -errno;
	}
	if (lstat(path, &status) < 0)
		return -errno;
	/* The services' group makes its sockets in <run>; the sticky bit keeps what is root's in place. */
	if (S_ISDIR(status.st_mode) && status.st_uid == 0 && !(status.st_mode & S_IWOTH) &&
	    (!(status.st_mode & S_IWGRP) || (status.st_mode & S_ISVTX)))
		return 0;
	log_error("'%s' must be a folder of root that nobody else can write, but for a group with "
		  "the sticky bit: chown root, chmod 0755 or 01771",
		  path);
	return -EPERM;
}

static int
launch_init_lock(struct launch *launch)
{
	char path[LAUNCH_PATH_SIZE];

	snprintf(path, sizeof(path), "%s/launch.lock", launch->options.run);
	launch->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (launch->lock < 0 || flock(launch->lock, LOCK_EX | LOCK_NB) < 0) {
		int error = -errno;

		log_error("'%s': %s", path,
			  error == -EWOULDBLOCK ? "another carrel-launch runs here"
						: strerror(-error));
		return error;
	}
	return 0;
}

static int
launch_init_socket(struct launch *launch)
{
	char path[LAUNCH_PATH_SIZE];
	int error;

	snprintf(path, sizeof(path), "%s/launch.sock", launch->options.run);
	error = io_unix_listen(path, SOCK_SEQPACKET, 0600, &launch->listener);
	if (error == 0 && lchown(path, launch->options.hostd_uid, launch->options.hostd_gid) < 0)
		error = -errno;
	if (error == 0)
		error = io_set_nonblocking(launch->listener, true);
	if (error < 0)
		log_error("socket '%s': %s", path, strerror(-error));
	return error;
}

static int
launch_init_process(struct launch *launch)
{
	struct rlimit files;
	sigset_t ends;

	umask(077);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	if (sigprocmask(SIG_BLOCK, &ends, NULL) < 0)
		return -errno;
	launch->signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
	if (launch->signals < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	if (files.rlim_max < FILES_WANTED)
		files.rlim_max = FILES_WANTED;
	if (files.rlim_cur < FILES_WANTED)
		files.rlim_cur = FILES_WANTED;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		log_warning("only %lu descriptors may be open: fewer desktops fit",
			    (unsigned long)files.rlim_cur);
	return 0;
}

/* The order of a start. */
static int
launch_init(struct launch *launch)
{
	int error;

	launch->listener = launch->peer = launch->signals = launch->lock = -1;
	launch->strangers =
		(struct log_limit){ .burst = STRANGERS_BURST, .every_ms = STRANGERS_EVERY };
	if (geteuid() != 0) {
		log_error("carrel-launch must be started by root");
		return -EPERM;
	}
	error = launch_init_process(launch);
	if (error == 0)
		error = launch_init_base(launch->options.run);
	if (error == 0)
		error = launch_init_base(launch->options.lib);
	if (error == 0)
		error = launch_init_lock(launch);
	if (error == 0)
		error = launch_init_folders(launch);
	if (error < 0)
		return error;
	launch_cgroup_init(&launch->cgroup);
	error = launch_state_load(launch);
	return error < 0 ? error : launch_init_socket(launch);
}

/* All sources of the loop: listener, hostd, signals, then the processes. poll(2) passes over a negative descriptor. */
static nfds_t
launch_list_sources(struct launch *launch, struct pollfd *polls, struct launch_source *sources)
{
	nfds_t count = 3;

	polls[0] = (struct pollfd){ launch->listener, POLLIN, 0 };
	polls[1] = (struct pollfd){ launch->peer, POLLIN, 0 };
	polls[2] = (struct pollfd){ launch->signals, POLLIN, 0 };
	for (size_t i = 0; i < LAUNCH_MAX_RECORDS; i++) {
		struct launch_unit *unit = &launch->units[i];

		for (uint32_t role = 0; unit->name[0] && role < LAUNCH_ROLE_COUNT; role++) {
			if (unit->children[role].pid <= 0)
				continue;
			polls[count] = (struct pollfd){ unit->children[role].pidfd, POLLIN, 0 };
			sources[count++] = (struct launch_source){ unit, role };
		}
	}
	return count;
}

static int
launch_loop(struct launch *launch)
{
	struct pollfd polls[MAX_SOURCES];
	struct launch_source sources[MAX_SOURCES];

	for (;;) {
		nfds_t count = launch_list_sources(launch, polls, sources);

		if (poll(polls, count, -1) < 0 && errno != EINTR) {
			log_error("poll: %s", strerror(errno));
			return -errno;
		}
		/* Ends first: a request may exchange what the other sources stand for. */
		for (nfds_t i = 3; i < count; i++)
			if (polls[i].revents)
				launch_serve_exit(launch, sources[i].unit, sources[i].role);
		if (polls[2].revents)
			return 0;
		if (polls[1].revents && launch->peer >= 0)
			launch_serve_request(launch);
		if (polls[0].revents)
			launch_serve_accept(launch);
	}
}

int
main(int argc, char **argv)
{
	CLEANUP_FREE struct launch *launch = calloc(1, sizeof(*launch));
	enum launch_wish wish;
	char text[200];

	if (!launch)
		return 1;
	if (launch_options_parse(argc, argv, &launch->options, &wish, text, sizeof(text)) < 0) {
		log_error("%s; see carrel-launch --help", text);
		return 2;
	}
	if (wish == LAUNCH_WISH_HELP) {
		launch_options_print_usage(stdout);
		return 0;
	}
	if (wish == LAUNCH_WISH_VERSION) {
		puts("carrel-launch " PACKAGE_VERSION);
		return 0;
	}
	if (launch_init(launch) < 0)
		return 1;
	log_info("ready: uids %u to %u", launch_options_first_uid(&launch->options),
		 launch_options_last_uid(&launch->options));
	if (launch_loop(launch) < 0)
		return 1;
	log_info("ends; what runs goes on");
	return 0;
}
