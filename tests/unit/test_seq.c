/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_seq.c - typed messages with descriptors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/seq.h"

static struct seq_message message;

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void
test_seq__carries_payload_and_descriptors(void **state)
{
	struct seq_header head = { .type = 7, .id = 9, .status = -2, .size = 5 };
	int fds[2];
	int pipe_fds[2];
	int got;

	(void)state;
	assert_int_equal(io_socketpair(SOCK_SEQPACKET, fds), 0);
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(seq_send(fds[0], &head, "hello", pipe_fds, 2), 0);
	assert_int_equal(seq_receive(fds[1], &message), 0);
	assert_int_equal(message.head.type, 7);
	assert_int_equal(message.head.status, -2);
	assert_memory_equal(message.payload, "hello", 5);
	assert_int_equal(message.n_fds, 2);
	got = seq_take_fd(&message, 1);
	assert_int_equal(seq_take_fd(&message, 1), -1);
	assert_int_equal(seq_take_fd(&message, 2), -1);
	seq_close_fds(&message);
	assert_true(is_open(got));
	assert_int_equal(write(got, "x", 1), 1);
	close(got);
	for (int i = 0; i < 2; i++) {
		close(pipe_fds[i]);
		close(fds[i]);
	}
}

static void
test_seq__refuses_what_has_not_the_form(void **state)
{
	struct seq_header wrong = { .type = 1, .size = 100 };
	static const uint8_t longer[sizeof(struct seq_header) + SEQ_MAX_PAYLOAD + 1];
	int fds[2];

	(void)state;
	assert_int_equal(io_socketpair(SOCK_SEQPACKET, fds), 0);
	assert_int_equal(send(fds[0], "abc", 3, 0), 3);
	assert_int_equal(seq_receive(fds[1], &message), -EPROTO);
	assert_int_equal(send(fds[0], &wrong, sizeof(wrong), 0), sizeof(wrong));
	assert_int_equal(seq_receive(fds[1], &message), -EPROTO);
	assert_int_equal(send(fds[0], longer, sizeof(longer), 0), sizeof(longer));
	assert_int_equal(seq_receive(fds[1], &message), -EPROTO);
	wrong.size = SEQ_MAX_PAYLOAD + 1;
	assert_int_equal(seq_send(fds[0], &wrong, longer, NULL, 0), -EMSGSIZE);
	close(fds[0]);
	assert_int_equal(seq_receive(fds[1], &message), -EPIPE);
	close(fds[1]);
}

static int
count_call(void *context, struct seq_message *received)
{
	(void)received;
	(*(int *)context)++;
	return 0;
}

static void
test_seq__dispatch_denies_first(void **state)
{
	static const struct seq_rule rules[] = {
		{ 1, 4, 8, 0, 0, 1 << 0, count_call },
		{ 2, 0, 0, 1, 1, 1 << 0 | 1 << 1, count_call },
	};
	static const struct {
		uint32_t type;
		uint32_t size;
		size_t n_fds;
		unsigned int state;
		int result;
	} table[] = {
		{ 1, 4, 0, 0, 0 },	  { 1, 8, 0, 0, 0 },	    { 1, 3, 0, 0, -EBADMSG },
		{ 1, 9, 0, 0, -EBADMSG }, { 1, 4, 1, 0, -EBADMSG }, { 1, 4, 0, 1, -EBUSY },
		{ 1, 4, 0, 40, -EBUSY },  { 2, 0, 1, 1, 0 },	    { 2, 0, 0, 1, -EBADMSG },
		{ 3, 0, 0, 0, -ENOSYS },
	};
	int expected = 0;
	int calls = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		message.head = (struct seq_header){ .type = table[i].type, .size = table[i].size };
		message.n_fds = table[i].n_fds;
		message.fds[0] = table[i].n_fds ? dup(0) : -1;
		assert_int_equal(seq_dispatch(rules, 2, table[i].state, &calls, &message),
				 table[i].result);
		expected += table[i].result == 0;
		assert_int_equal(calls, expected);
		assert_int_equal(message.n_fds, 0);
	}
}

static void
test_seq__texts(void **state)
{
	char text[4];

	(void)state;
	assert_true(seq_text_ok("abc", 4));
	assert_false(seq_text_ok("abc", 3));
	assert_false(seq_text_ok("a\nc", 4));
	assert_int_equal(seq_text_set(text, sizeof(text), "abc"), 0);
	assert_int_equal(seq_text_set(text, sizeof(text), "abcd"), -ENAMETOOLONG);
	assert_string_equal(text, "abc");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seq__carries_payload_and_descriptors),
		cmocka_unit_test(test_seq__refuses_what_has_not_the_form),
		cmocka_unit_test(test_seq__dispatch_denies_first),
		cmocka_unit_test(test_seq__texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
