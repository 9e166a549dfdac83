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
#include "agent/agent_record.h"
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
		{ AGENT_STATE_FRESH, AGENT_STATE_IN_SESSION, 0 },
		{ AGENT_STATE_FRESH, AGENT_STATE_QUIESCED, 0 },
		{ AGENT_STATE_FRESH, AGENT_STATE_LOGGING_OFF, -EPERM },
		{ AGENT_STATE_FRESH, AGENT_STATE_LOGGING_IN, -EPERM },
		{ AGENT_STATE_QUIESCED, AGENT_STATE_IDENTIFIED, 0 },
		{ AGENT_STATE_QUIESCED, AGENT_STATE_LOGGING_IN, -EPERM },
		{ AGENT_STATE_IDENTIFIED, AGENT_STATE_LOGGING_IN, 0 },
		{ AGENT_STATE_IDENTIFIED, AGENT_STATE_QUIESCED, -EPERM },
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

static void
test_agent__states_have_words(void **unused)
{
	(void)unused;
	for (int i = 0; i < AGENT_STATE_COUNT; i++)
		assert_int_equal(agent_state_find(agent_state_name((enum agent_state)i)), i);
	assert_int_equal(agent_state_find("in-orbit"), AGENT_STATE_UNKNOWN);
	assert_int_equal(agent_state_find(""), AGENT_STATE_UNKNOWN);
}

static pid_t
test_start_agent(const char *socket_path, const char *record_path)
{
	const char *builddir = getenv("top_builddir");
	char program[512];
	pid_t pid;

	snprintf(program, sizeof(program), "%s/agent/carrel-agent", builddir ? builddir : "../..");
	pid = fork();
	if (pid == 0) {
		execl(program, "carrel-agent", "--port", socket_path, "--record", record_path,
		      NULL);
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

/* The real program at the other end of a socket, with a folder of its own. */
struct program {
	char folder[32];
	char port[64];
	char record[64];
	int listening;
	int fd;
	pid_t pid;
};

static void
program_init(struct program *program)
{
	strcpy(program->folder, "/tmp/test-agent-XXXXXX");
	assert_non_null(mkdtemp(program->folder));
	snprintf(program->port, sizeof(program->port), "%s/port", program->folder);
	snprintf(program->record, sizeof(program->record), "%s/record", program->folder);
	assert_int_equal(io_unix_listen(program->port, SOCK_STREAM, 0600, &program->listening), 0);
}

static void
program_start(struct program *program)
{
	struct timeval patience = { .tv_sec = 20 };

	assert_int_equal(setsockopt(program->listening, SOL_SOCKET, SO_RCVTIMEO, &patience,
				    sizeof(patience)),
			 0);
	program->pid = test_start_agent(program->port, program->record);
	program->fd = accept(program->listening, NULL, NULL);
	assert_true(program->fd >= 0);
	assert_int_equal(
		setsockopt(program->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
}

/* It ends with its socket. */
static void
program_end(struct program *program)
{
	int status;

	close(program->fd);
	assert_int_equal(waitpid(program->pid, &status, 0), program->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
program_done(struct program *program)
{
	close(program->listening);
	unlink(program->port);
	unlink(program->record);
	assert_int_equal(rmdir(program->folder), 0);
}

static void
test_agent__program_talks_and_ends_with_its_socket(void **state)
{
	struct program program;
	int fd;

	(void)state;
	program_init(&program);
	program_start(&program);
	fd = program.fd;
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
	program_end(&program);
	program_done(&program);
}

/* A process that waits, as a session's main process; its record. */
static pid_t
test_start_session(struct agent_record *ret_record)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		for (;;)
			pause();
	*ret_record = (struct agent_record){ .generation = 7, .user = "ada", .pid = pid };
	assert_int_equal(io_process_start(pid, &ret_record->start_ticks), 0);
	return pid;
}

static void
test_agent__killed_agent_finds_its_session_again(void **state)
{
	struct agent_record record;
	struct program program;
	pid_t session = test_start_session(&record);

	(void)state;
	program_init(&program);
	assert_int_equal(agent_record_write(program.record, &record), 0);
	for (int i = 0; i < 2; i++) {
		program_start(&program);
		test_send(program.fd, "{\"v\":1,\"id\":1,\"verb\":\"login\",\"generation\":7,"
				      "\"body\":{\"user\":\"ada\",\"uid\":1500}}");
		test_expect(program.fd, "login", "not possible while in-session");
		if (i > 0)
			break;
		kill(program.pid, SIGKILL);
		assert_int_equal(waitpid(program.pid, NULL, 0), program.pid);
		close(program.fd);
	}
	/* It watches that session: its end is told, with the desktop's generation. */
	kill(session, SIGKILL);
	assert_int_equal(waitpid(session, NULL, 0), session);
	test_expect(program.fd, "logoff", "\"generation\":7,\"body\":{\"user\":\"ada\"");
	program_end(&program);
	assert_int_equal(agent_record_read(program.record, &record), 0);
	assert_string_equal(record.user, "");
	program_done(&program);
}

static void
test_agent__session_that_ended_meanwhile_is_told(void **state)
{
	struct agent_record record;
	struct program program;
	pid_t session = test_start_session(&record);

	(void)state;
	/* Another process has the number: its start says so. */
	record.start_ticks++;
	program_init(&program);
	assert_int_equal(agent_record_write(program.record, &record), 0);
	program_start(&program);
	test_expect(program.fd, "logoff", "\"generation\":7,\"body\":{\"user\":\"ada\"");
	test_send(program.fd, "{\"v\":1,\"id\":1,\"verb\":\"login\",\"body\":{}}");
	test_expect(program.fd, "login", "missing");
	program_end(&program);
	program_done(&program);
	kill(session, SIGKILL);
	waitpid(session, NULL, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agent__life_cycle_table),
		cmocka_unit_test(test_agent__states_have_words),
		cmocka_unit_test(test_agent__program_talks_and_ends_with_its_socket),
		cmocka_unit_test(test_agent__killed_agent_finds_its_session_again),
		cmocka_unit_test(test_agent__session_that_ended_meanwhile_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
