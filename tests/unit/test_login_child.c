/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_login_child.c - one log-in over its socket: order, sizes, and the time of a refusal
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/login_child.h"
#include "auth/pam_conv.h"
#include "base/io.h"
#include "base/proto_auth.h"
#include "base/seq.h"

/* Stands in for PAM: the service's name says what happens. */
void
pam_conv_run(const struct pam_conv_request *request, struct pam_conv_outcome *ret_outcome)
{
	struct auth_prompt prompt = { .style = AUTH_STYLE_INFO, .text = "Welcome" };
	struct auth_reply answer = { 0 };

	*ret_outcome = (struct pam_conv_outcome){ .class = AUTH_CLASS_UNAVAILABLE, .step = "test" };
	if (request->ask(request->context, &prompt, &answer) < 0)
		return;
	prompt = (struct auth_prompt){ .style = AUTH_STYLE_ECHO_OFF, .text = "Password:" };
	if (request->ask(request->context, &prompt, &answer) < 0)
		return;
	ret_outcome->class = strcmp(answer.text, "geheim") == 0 ? AUTH_CLASS_OK : AUTH_CLASS_DENIED;
	if (ret_outcome->class == AUTH_CLASS_OK)
		seq_text_set(ret_outcome->user, sizeof(ret_outcome->user), request->user);
}

static int
begin(pid_t *ret_pid)
{
	const struct login_child_settings settings = { .service = "test" };
	int fds[2];

	assert_int_equal(io_socketpair(SOCK_SEQPACKET, fds), 0);
	*ret_pid = fork();
	assert_true(*ret_pid >= 0);
	if (*ret_pid == 0) {
		close(fds[0]);
		_exit(login_child_run(fds[1], &settings));
	}
	close(fds[1]);
	return fds[0];
}

static int
end(int fd, pid_t pid)
{
	int status;

	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
send_start(int fd, const char *user)
{
	const struct seq_header head = { .type = AUTH_START, .size = sizeof(struct auth_start) };
	struct auth_start start = { .remote_host = "192.0.2.1" };

	assert_int_equal(seq_text_set(start.user, sizeof(start.user), user), 0);
	assert_int_equal(seq_send(fd, &head, &start, NULL, 0), 0);
}

static void
send_reply(int fd, const char *text)
{
	const struct seq_header head = { .type = AUTH_REPLY, .size = sizeof(struct auth_reply) };
	struct auth_reply reply = { 0 };

	assert_int_equal(seq_text_set(reply.text, sizeof(reply.text), text), 0);
	assert_int_equal(seq_send(fd, &head, &reply, NULL, 0), 0);
}

static void
expect_prompts(int fd)
{
	struct seq_message message;

	assert_int_equal(seq_receive(fd, &message), 0);
	assert_int_equal(message.head.type, AUTH_PROMPT);
	assert_int_equal(((struct auth_prompt *)message.payload)->style, AUTH_STYLE_INFO);
	assert_int_equal(seq_receive(fd, &message), 0);
	assert_int_equal(((struct auth_prompt *)message.payload)->style, AUTH_STYLE_ECHO_OFF);
}

static struct auth_result
expect_result(int fd)
{
	struct seq_message message;
	struct auth_result result;

	assert_int_equal(seq_receive(fd, &message), 0);
	assert_int_equal(message.head.type, AUTH_RESULT);
	assert_int_equal(message.head.size, sizeof(result));
	memcpy(&result, message.payload, sizeof(result));
	return result;
}

static void
test_login_child__lets_in_with_groups(void **state)
{
	struct auth_result result;
	pid_t pid;
	int fd = begin(&pid);

	(void)state;
	send_start(fd, "root");
	expect_prompts(fd);
	send_reply(fd, "geheim");
	result = expect_result(fd);
	assert_int_equal(result.class, AUTH_CLASS_OK);
	assert_string_equal(result.user, "root");
	assert_true(result.n_groups >= 1);
	assert_string_equal(result.groups[0], "root");
	assert_int_equal(end(fd, pid), 0);
}

static void
test_login_child__unknown_to_nss_has_no_groups(void **state)
{
	struct auth_result result;
	pid_t pid;
	int fd = begin(&pid);

	(void)state;
	send_start(fd, "carrel-nobody-here");
	expect_prompts(fd);
	send_reply(fd, "geheim");
	result = expect_result(fd);
	assert_int_equal(result.class, AUTH_CLASS_OK);
	assert_int_equal(result.n_groups, 0);
	assert_int_equal(end(fd, pid), 0);
}

static void
test_login_child__refusal_leaves_at_its_time(void **state)
{
	struct auth_result result;
	uint64_t begun_ms;
	uint64_t took_ms;
	pid_t pid;
	int fd = begin(&pid);

	(void)state;
	send_start(fd, "root");
	expect_prompts(fd);
	begun_ms = io_boottime_ms();
	send_reply(fd, "wrong");
	result = expect_result(fd);
	took_ms = io_boottime_ms() - begun_ms;
	assert_int_equal(result.class, AUTH_CLASS_DENIED);
	assert_string_equal(result.user, "");
	assert_int_equal(result.n_groups, 0);
	assert_in_range(took_ms, 1990, 3900);
	assert_int_equal(end(fd, pid), 0);
}

static void
test_login_child__ends_when_the_broker_does(void **state)
{
	uint64_t begun_ms = io_boottime_ms();
	pid_t pid;
	int fd = begin(&pid);

	(void)state;
	assert_int_equal(end(fd, pid), 1);
	fd = begin(&pid);
	send_start(fd, "root");
	expect_prompts(fd);
	end(fd, pid);
	assert_true(io_boottime_ms() - begun_ms < 1900);
}

static void
test_login_child__refuses_what_is_out_of_order(void **state)
{
	static const struct seq_header heads[] = {
		{ .type = AUTH_REPLY, .size = sizeof(struct auth_reply) },
		{ .type = AUTH_RESULT, .size = sizeof(struct auth_result) },
		{ .type = AUTH_START, .size = sizeof(struct auth_start) - 1 },
		{ .type = 77, .size = 0 },
	};
	static const char zeros[sizeof(struct auth_result)];
	struct seq_message message;
	struct auth_start start;
	const struct seq_header head = { .type = AUTH_START, .size = sizeof(start) };
	pid_t pid;
	int fd;

	(void)state;
	for (size_t i = 0; i <= sizeof(heads) / sizeof(heads[0]); i++) {
		fd = begin(&pid);
		memset(&start, 'a', sizeof(start)); /* no end */
		if (i < sizeof(heads) / sizeof(heads[0]))
			assert_int_equal(seq_send(fd, &heads[i], zeros, NULL, 0), 0);
		else
			assert_int_equal(seq_send(fd, &head, &start, NULL, 0), 0);
		assert_int_equal(seq_receive(fd, &message), -EPIPE);
		assert_int_equal(end(fd, pid), 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_login_child__lets_in_with_groups),
		cmocka_unit_test(test_login_child__unknown_to_nss_has_no_groups),
		cmocka_unit_test(test_login_child__refusal_leaves_at_its_time),
		cmocka_unit_test(test_login_child__ends_when_the_broker_does),
		cmocka_unit_test(test_login_child__refuses_what_is_out_of_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
