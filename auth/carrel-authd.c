/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * carrel-authd.c - asks PAM who a user is, for the broker (root)
 *
 * How it works: authd listens on <run>/auth.sock, which only the broker's uid may open, and forks one child for each
 * connection (login_child.c). It keeps a table of its children with a pidfd and a deadline each, and its loop
 * (authd_loop) waits for a new connection, the end of a child, a deadline or a signal. It reads nothing itself: what the
 * broker and the PAM modules say is between them and the child. A child that outlives its deadline is killed with its
 * process group; so is what a module may have left behind.
 *
 * Beyond half of MAX_CHILDREN new connections are dropped at random, more and more of them up to all: a flood then cannot keep
 * everybody else out for good.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "auth/login_child.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/name.h"
#include "base/sandbox.h"
#include "config.h"

#define MAX_CHILDREN	  64
#define DROP_FROM	  32
#define CHILD_DEADLINE_MS 60000
#define CHILD_FD	  3
#define MAX_PATH_BYTES	  108

struct authd_child {
	pid_t pid;
	int pidfd;
	uint64_t deadline_ms;
};

struct authd {
	const char *run_folder;
	uid_t broker_uid;
	bool have_broker_uid;
	struct login_child_settings login;
	int listen_fd;
	int signal_fd;
	struct authd_child children[MAX_CHILDREN];
	size_t n_children;
	struct log_limit drops;
};

static const char version_text[] = "carrel-authd " PACKAGE_VERSION "\n";
static const char usage_text[] =
	"Usage: carrel-authd --run DIR --broker-uid UID --service NAME [--confdir DIR]\n"
	"Asks PAM who a user is, for carrel-broker. Must be started as root.\n"
	"\n"
	"  --run DIR         folder of the socket auth.sock\n"
	"  --broker-uid UID  the only uid that may connect\n"
	"  --service NAME    PAM service (lower case)\n"
	"  --confdir DIR     folder of PAM service files instead of /etc/pam.d\n"
	"  --version         show the version\n"
	"  --help            show this text\n";

static int
authd_parse_uid(const char *text, uid_t *ret_uid)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || text[0] < '0' || text[0] > '9' || value >= (uid_t)-1)
		return -EINVAL;
	*ret_uid = (uid_t)value;
	return 0;
}

static int
authd_parse_options(struct authd *authd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "run", required_argument, NULL, 'r' },
		{ "broker-uid", required_argument, NULL, 'u' },
		{ "service", required_argument, NULL, 's' },
		{ "confdir", required_argument, NULL, 'c' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h' || option == 'v') {
			fputs(option == 'h' ? usage_text : version_text, stdout);
			exit(0);
		}
		if (option == 'r')
			authd->run_folder = optarg;
		else if (option == 's')
			authd->login.service = optarg;
		else if (option == 'c')
			authd->login.confdir = optarg;
		else if (option == 'u' && authd_parse_uid(optarg, &authd->broker_uid) == 0)
			authd->have_broker_uid = true;
		else
			return -EINVAL;
	}
	if (optind != argc || !authd->run_folder || !authd->have_broker_uid ||
	    !name_valid(authd->login.service))
		return -EINVAL;
	return 0;
}

static int
authd_listen(struct authd *authd)
{
	char path[MAX_PATH_BYTES];
	int error;

	if (snprintf(path, sizeof(path), "%s/auth.sock", authd->run_folder) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	error = io_unix_listen(path, SOCK_SEQPACKET, 0600, &authd->listen_fd);
	if (error < 0)
		return error;
	if (chown(path, authd->broker_uid, (gid_t)-1) < 0)
		return -errno;
	return io_set_nonblocking(authd->listen_fd, true);
}

static int
authd_watch_signals(struct authd *authd)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	authd->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	return authd->signal_fd < 0 ? -errno : 0;
}

/* Between DROP_FROM and MAX_CHILDREN the chance to be dropped grows from nothing to certainty. */
static bool
authd_drops_early(const struct authd *authd)
{
	unsigned char random = 0;

	if (authd->n_children >= MAX_CHILDREN)
		return true;
	if (authd->n_children < DROP_FROM || getrandom(&random, sizeof(random), 0) < 0)
		return false;
	return random % (MAX_CHILDREN - DROP_FROM) < authd->n_children - DROP_FROM;
}

/* In the child: nothing of authd stays open but the connection and the log. */
static void __attribute__((noreturn)) authd_become_child(const struct authd *authd, int fd)
{
	struct login_child_settings login = authd->login;
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	setsid();
	sigemptyset(&none);
	if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(null_fd, STDOUT_FILENO) < 0)
		_exit(1);
	if (fd != CHILD_FD && dup2(fd, CHILD_FD) < 0)
		_exit(1);
	if (fcntl(CHILD_FD, F_SETFD, FD_CLOEXEC) < 0 || sandbox_close_from(CHILD_FD + 1) < 0)
		_exit(1);
	sigprocmask(SIG_SETMASK, &none, NULL);
	_exit(login_child_run(CHILD_FD, &login));
}

static void
authd_start_child(struct authd *authd, int fd)
{
	struct authd_child child = { .deadline_ms = io_boottime_ms() + CHILD_DEADLINE_MS };
	int error;

	child.pid = fork();
	if (child.pid == 0)
		authd_become_child(authd, fd);
	if (child.pid < 0) {
		log_error("cannot start a log-in process: %s; the log-in is refused",
			  strerror(errno));
		return;
	}
	error = io_pidfd_open(child.pid, &child.pidfd);
	if (error < 0) {
		log_error("cannot watch log-in process pid=%d: %s; it is killed", (int)child.pid,
			  strerror(-error));
		kill(child.pid, SIGKILL);
		waitpid(child.pid, NULL, 0);
		return;
	}
	authd->children[authd->n_children++] = child;
}

static void
authd_accept(struct authd *authd)
{
	// cppcheck-suppress nullPointer ; accept4(2) allows it
	CLEANUP_CLOSE int fd = accept4(authd->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	struct io_peer peer;

	if (fd < 0)
		return;
	if (io_peer_get(fd, &peer) < 0 || peer.uid != authd->broker_uid) {
		if (log_limit_allow(&authd->drops, io_boottime_ms()))
			log_warning(
				"a connection of uid=%u was closed: only the broker may log users in",
				peer.uid);
		return;
	}
	if (authd_drops_early(authd)) {
		if (log_limit_allow(&authd->drops, io_boottime_ms()))
			log_warning(
				"a log-in was dropped: %zu are in progress, at most %d may be (%u lines left out)",
				authd->n_children, MAX_CHILDREN, authd->drops.dropped);
		return;
	}
	authd_start_child(authd, fd);
}

static void
authd_end_child(struct authd *authd, size_t index)
{
	struct authd_child *child = &authd->children[index];
	int status = 0;

	/* Its group first: while the child is not reaped nobody else can have that number. */
	kill(-child->pid, SIGKILL);
	waitpid(child->pid, &status, 0);
	close(child->pidfd);
	if (WIFSIGNALED(status))
		log_warning("log-in process pid=%d ended by signal %d; that log-in is refused",
			    (int)child->pid, WTERMSIG(status));
	*child = authd->children[--authd->n_children];
}

static void
authd_check_children(struct authd *authd, const struct pollfd *polls)
{
	uint64_t now_ms = io_boottime_ms();

	/* From the end, because authd_end_child() moves the last one into the gap. */
	for (size_t i = authd->n_children; i-- > 0;) {
		if (polls[i].revents) {
			authd_end_child(authd, i);
		} else if (now_ms >= authd->children[i].deadline_ms) {
			log_warning("log-in process pid=%d took longer than %d s and is killed",
				    (int)authd->children[i].pid, CHILD_DEADLINE_MS / 1000);
			io_pidfd_kill(authd->children[i].pidfd, SIGKILL);
			authd->children[i].deadline_ms = now_ms + 1000;
		}
	}
}

static int
authd_next_timeout_ms(const struct authd *authd)
{
	uint64_t now_ms = io_boottime_ms();
	uint64_t nearest_ms = UINT64_MAX;

	for (size_t i = 0; i < authd->n_children; i++)
		if (authd->children[i].deadline_ms < nearest_ms)
			nearest_ms = authd->children[i].deadline_ms;
	if (nearest_ms == UINT64_MAX)
		return -1;
	return nearest_ms <= now_ms ? 0 : (int)(nearest_ms - now_ms);
}

static void
authd_loop(struct authd *authd)
{
	struct pollfd polls[MAX_CHILDREN + 2];

	for (;;) {
		size_t n = authd->n_children;

		for (size_t i = 0; i < n; i++)
			polls[i] =
				(struct pollfd){ .fd = authd->children[i].pidfd, .events = POLLIN };
		polls[n] = (struct pollfd){ .fd = authd->listen_fd, .events = POLLIN };
		polls[n + 1] = (struct pollfd){ .fd = authd->signal_fd, .events = POLLIN };
		if (poll(polls, n + 2, authd_next_timeout_ms(authd)) < 0 && errno != EINTR)
			return;
		if (polls[n + 1].revents)
			return;
		authd_check_children(authd, polls);
		if (polls[n].revents)
			authd_accept(authd);
	}
}

int
main(int argc, char **argv)
{
	struct authd authd = { .drops = { .burst = 10, .every_ms = 10000 } };
	int error;

	if (authd_parse_options(&authd, argc, argv) < 0) {
		fputs(usage_text, stderr);
		return 2;
	}
	error = sandbox_hide_memory();
	if (error == 0)
		error = authd_watch_signals(&authd);
	if (error == 0)
		error = authd_listen(&authd);
	if (error < 0) {
		log_error(
			"cannot listen on '%s/auth.sock': %s; start carrel-authd as root and let the folder exist",
			authd.run_folder, strerror(-error));
		return 1;
	}
	log_info("waiting for log-ins on '%s/auth.sock', PAM service '%s'", authd.run_folder,
		 authd.login.service);
	authd_loop(&authd);
	while (authd.n_children > 0)
		authd_end_child(&authd, authd.n_children - 1);
	return 0;
}
