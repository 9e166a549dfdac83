/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_io.c - sockets, descriptors and files
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/io.h"

static char folder[] = "/tmp/carrel-test-io-XXXXXX";

static const char *
in_folder(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int
make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int
remove_folder(void **state)
{
	(void)state;
	unlink(in_folder("file"));
	unlink(in_folder("socket"));
	return rmdir(folder);
}

static void
test_io__durable_file_is_old_or_new(void **state)
{
	CLEANUP_FREE char *data = NULL;
	struct stat status;
	size_t size;

	(void)state;
	assert_int_equal(io_write_file_durably(in_folder("file"), "one", 3, 0600), 0);
	assert_int_equal(io_write_file_durably(in_folder("file"), "second", 6, 0640), 0);
	assert_int_equal(io_read_file(in_folder("file"), 100, &data, &size), 0);
	assert_int_equal(size, 6);
	assert_string_equal(data, "second");
	assert_int_equal(stat(in_folder("file"), &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	assert_int_equal(access(in_folder("file.new"), F_OK), -1);
}

static void
test_io__files_are_read_and_written_anywhere(void **state)
{
	CLEANUP_CLOSE int fd =
		open(in_folder("file"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char data[7] = "";

	(void)state;
	assert_int_equal(io_write_full_at(fd, "second", 6, 5), 0);
	assert_int_equal(io_write_full_at(fd, "first", 5, 0), 0);
	assert_int_equal(io_read_full_at(fd, data, 6, 5), 0);
	assert_string_equal(data, "second");
	assert_int_equal(io_read_full_at(fd, data, 7, 5), -EPIPE);
	assert_int_equal(io_read_full_at(-1, data, 1, 0), -EBADF);
	assert_int_equal(io_read_full_at(fd, data, 1, UINT64_MAX), -EINVAL);
	assert_int_equal(io_write_full_at(-1, data, 1, 0), -EBADF);
	assert_int_equal(unlink(in_folder("file")), 0);
}

static void
test_io__read_file_has_a_limit(void **state)
{
	char *data;
	size_t size;

	(void)state;
	assert_int_equal(io_read_file(in_folder("file"), 5, &data, &size), -EFBIG);
	assert_int_equal(io_read_file(in_folder("none"), 5, &data, &size), -ENOENT);
	assert_int_equal(io_write_file_durably(in_folder("no/file"), "x", 1, 0600), -ENOENT);
}

static void
test_io__unix_socket_knows_its_peer(void **state)
{
	CLEANUP_CLOSE int listening = -1;
	CLEANUP_CLOSE int client = -1;
	CLEANUP_CLOSE int server = -1;
	struct io_peer peer;
	struct stat status;

	(void)state;
	for (int i = 0; i < 2; i++) { /* the second replaces what the first left */
		if (listening >= 0)
			close(take_fd(&listening));
		assert_int_equal(
			io_unix_listen(in_folder("socket"), SOCK_SEQPACKET, 0600, &listening), 0);
	}
	assert_int_equal(stat(in_folder("socket"), &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(io_unix_connect(in_folder("socket"), SOCK_SEQPACKET, &client), 0);
	server = accept(listening, NULL, NULL);
	assert_true(server >= 0);
	assert_int_equal(io_peer_get(server, &peer), 0);
	assert_int_equal(peer.pid, getpid());
	assert_int_equal(peer.uid, getuid());
}

static void
test_io__refuses_a_path_too_long(void **state)
{
	char path[200];
	int fd;

	(void)state;
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(io_unix_listen(path, SOCK_STREAM, 0600, &fd), -ENAMETOOLONG);
	assert_int_equal(io_unix_connect(path, SOCK_STREAM, &fd), -ENAMETOOLONG);
}

static void
test_io__full_read_and_write(void **state)
{
	char data[4];
	int fds[2];

	(void)state;
	assert_int_equal(io_socketpair(SOCK_STREAM, fds), 0);
	assert_int_equal(io_write_full(fds[0], "ab", 2), 0);
	assert_int_equal(io_write_full(fds[0], "cd", 2), 0);
	assert_int_equal(io_read_full(fds[1], data, 4), 0);
	assert_memory_equal(data, "abcd", 4);
	close(fds[0]);
	assert_int_equal(io_read_full(fds[1], data, 4), -EPIPE);
	close(fds[1]);
}

static void
test_io__process_has_a_start_and_a_pidfd(void **state)
{
	uint64_t ours;
	uint64_t childs;
	pid_t child;
	int status;
	int pidfd;

	(void)state;
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	assert_int_equal(io_process_start(getpid(), &ours), 0);
	assert_int_equal(io_process_start(child, &childs), 0);
	assert_true(childs >= ours);
	assert_int_equal(io_pidfd_open(child, &pidfd), 0);
	assert_int_equal(io_pidfd_kill(pidfd, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(io_pidfd_kill(pidfd, 0), -ESRCH);
	close(pidfd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_io__files_are_read_and_written_anywhere),
		cmocka_unit_test(test_io__durable_file_is_old_or_new),
		cmocka_unit_test(test_io__read_file_has_a_limit),
		cmocka_unit_test(test_io__unix_socket_knows_its_peer),
		cmocka_unit_test(test_io__refuses_a_path_too_long),
		cmocka_unit_test(test_io__full_read_and_write),
		cmocka_unit_test(test_io__process_has_a_start_and_a_pidfd),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
