/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_agent.c - the life cycle, and the real program at the end of a socket
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/io.h"

static void
test_agent__life_cycle_table(void **state)
{
	static const struct {
		enum agent_state from;
		enum agent_state to;
		int result;
	} rows[] = {
		{ AGENT_STATE_FRESH, AGENT_STATE_IDENTIFIED, 0 },
		{ AGENT_STATE_FRESH, AGENT_STATE_IN_SESSION, -EPERM },
		{ AGENT_STATE_FRESH, AGENT_STATE_LOGGING_IN, -EPERM },
		{ AGENT_STATE_IDENTIFIED, AGENT_STATE_LOGGING_IN, 0 },
		{ AGENT_STATE_IDENTIFIED, AGENT_STATE_FRESH, -EPERM },
		{ AGENT_STATE_LOGGING_IN, AGENT_STATE_IDENTIFIED, 0 },
		{ AGENT_STATE_IN_SESSION, AGENT_STATE_LOGGING_IN, -EPERM },
		{ AGENT_STATE_LOGGING_OFF, AGENT_STATE_IN_SESSION, 0 },
		{ AGENT_STATE_ENDING, AGENT_STATE_IDENTIFIED, -EPERM },
	};
	struct agent agent;

	(void)state;
	agent_init(&agent);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		agent.state = rows[i].from;
		assert_int_equal(agent_set_state(&agent, rows[i].to), rows[i].result);
		assert_int_equal(agent.state, rows[i].result == 0 ? rows[i].to : rows[i].from);
	}
	agent_done(&agent);
}

static pid_t
test_start_agent(const char *socket_path)
{
	const char *builddir = getenv("top_builddir");
	char program[512];
	pid_t pid;

	snprintf(program, sizeof(program), "%s/agent/carrel-agent", builddir ? builddir : "../..");
	pid = fork();
	if (pid == 0) {
		execl(program, "carrel-agent", "--port", socket_path, NULL);
		_exit(127);
	}
	return pid;
}

static void
test_send(int fd, const char *text)
{
	uint8_t *frame;
	size_t size;

	assert_int_equal(frame_encode(text, strlen(text), &frame, &size), 0);
	assert_int_equal(io_write_full(fd, frame, size), 0);
	free(frame);
}

/* Reads frames until one with that verb comes; events of the machine's own X server may lie between. */
static void
test_expect(int fd, const char *verb, const char *part)
{
	char data[FRAME_MAX_BYTES + 1];

	for (;;) {
		uint8_t head[FRAME_HEAD_BYTES];
		size_t size;

		assert_int_equal(io_read_full(fd, head, sizeof(head)), 0);
		size = (size_t)head[0] | (size_t)head[1] << 8;
		assert_int_equal(io_read_full(fd, data, size), 0);
		data[size] = '\0';
		if (strstr(data, verb))
			break;
	}
	assert_non_null(strstr(data, part));
}

static void
test_agent__program_talks_and_ends_with_its_socket(void **state)
{
	char folder[] = "/tmp/test-agent-XXXXXX";
	struct timeval patience = { .tv_sec = 20 };
	char path[64];
	int listening = -1;
	int status;
	pid_t pid;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/port", folder);
	assert_int_equal(io_unix_listen(path, SOCK_STREAM, 0600, &listening), 0);
	assert_int_equal(
		setsockopt(listening, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	pid = test_start_agent(path);
	fd = accept(listening, NULL, NULL);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	test_send(fd, "{\"v\":1,\"id\":1,\"verb\":\"hello\",\"body\":{\"version\":1}}");
	test_expect(fd, "hello", "\"verbs\":[\"hello\"");
	test_send(fd, "{\"v\":1,\"id\":2,\"verb\":\"dance\"}");
	test_expect(fd, "dance", "unsupported");
	assert_int_equal(io_write_full(fd, "\xff\xff\xff\xffnonsense", 12), 0);
	test_send(fd,
		  "{\"v\":1,\"id\":3,\"verb\":\"resync\",\"body\":{\"nonce\":\"after-the-fork\"}}");
	test_expect(fd, "resync", "after-the-fork");
	test_send(fd,
		  "{\"v\":1,\"id\":4,\"verb\":\"login\",\"body\":{\"user\":\"ada\",\"uid\":1500}}");
	test_expect(fd, "login", "not possible while fresh");
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(listening);
	unlink(path);
	rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agent__life_cycle_table),
		cmocka_unit_test(test_agent__program_talks_and_ends_with_its_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
