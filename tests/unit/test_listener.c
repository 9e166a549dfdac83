/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_listener.c - who may connect to carrel-vmm's sockets, and what happens when nobody can
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/display_peer.h"
#include "vmm/listener.h"
#include "vmm/loop.h"

#define MAX_ACCEPTED 4

struct stage {
	pthread_mutex_t lock;
	struct loop *loop;
	struct listener *listener;
	int listen_fd;
	int accepted[MAX_ACCEPTED];
	int n_accepted;
};

static void
stage_handle_accepted(void *context, int fd)
{
	struct stage *stage = context;

	assert_in_range(stage->n_accepted, 0, MAX_ACCEPTED - 1);
	stage->accepted[stage->n_accepted++] = fd;
}

static void
stage_open(struct stage *stage, uint32_t uid)
{
	struct listener_setup setup = {
		.name = "test",
		.uid = uid,
		.accepted = stage_handle_accepted,
		.context = stage,
	};

	*stage = (struct stage){ .lock = PTHREAD_MUTEX_INITIALIZER };
	assert_int_equal(loop_new(&stage->lock, &stage->loop), 0);
	setup.listen_fd = stage->listen_fd = display_peer_listen();
	assert_int_equal(listener_new(stage->loop, &setup, &stage->listener), 0);
}

static void
stage_close(struct stage *stage)
{
	while (stage->n_accepted > 0)
		close(stage->accepted[--stage->n_accepted]);
	listener_free(stage->listener);
	loop_free(stage->loop);
	close(stage->listen_fd);
}

static int
stage_connect(struct stage *stage)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(getsockname(stage->listen_fd, (struct sockaddr *)&address, &size), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
	return fd;
}

static void
test_listener__accepts_what_does_not_block(void **state)
{
	struct stage stage;
	char byte;
	int fds[2];

	(void)state;
	stage_open(&stage, getuid());
	for (int i = 0; i < 2; i++)
		fds[i] = stage_connect(&stage);
	while (stage.n_accepted < 2)
		assert_int_equal(loop_step(stage.loop, 0), 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(read(stage.accepted[i], &byte, 1), -1);
		assert_int_equal(errno, EAGAIN);
		assert_true(fcntl(stage.accepted[i], F_GETFD) & FD_CLOEXEC);
		close(fds[i]);
	}
	assert_int_equal(loop_step(stage.loop, 0), 0);
	stage_close(&stage);
}

static void
test_listener__refuses_other_users(void **state)
{
	struct stage stage;
	char byte;
	int fd;

	(void)state;
	stage_open(&stage, getuid() + 1);
	fd = stage_connect(&stage);
	assert_int_equal(loop_step(stage.loop, 0), 1);
	assert_int_equal(stage.n_accepted, 0);
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
	stage_close(&stage);
}

/* No descriptor is left in the process: the loop rests, and takes who has waited when there is one again. */
static void
test_listener__without_descriptors_it_waits(void **state)
{
	struct stage stage;
	struct rlimit before, none;
	int fd;

	(void)state;
	stage_open(&stage, getuid());
	fd = stage_connect(&stage);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)dup(fd);
	close((int)none.rlim_cur);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(loop_step(stage.loop, 0), 1);
	assert_int_equal(loop_step(stage.loop, 0), 0);
	assert_int_equal(loop_step(stage.loop, 2000), 1); /* the timer */
	assert_int_equal(loop_step(stage.loop, 0), 1);
	assert_int_equal(loop_step(stage.loop, 0), 0);
	assert_int_equal(stage.n_accepted, 0);

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(loop_step(stage.loop, 2000), 1);
	assert_int_equal(loop_step(stage.loop, 0), 1);
	assert_int_equal(stage.n_accepted, 1);
	close(fd);
	stage_close(&stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listener__accepts_what_does_not_block),
		cmocka_unit_test(test_listener__refuses_other_users),
		cmocka_unit_test(test_listener__without_descriptors_it_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
