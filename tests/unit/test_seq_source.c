/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_seq_source.c - messages in the main loop
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <glib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "common/seq_source.h"
#include "tests/unit/wait_for.h"

struct log {
	struct seq_source *source;
	guint messages;
	guint ends;
	guint32 last_id;
	gboolean free_at_once;
};

static void
handle(void *context, struct seq_message *message)
{
	struct log *log = context;

	if (message) {
		log->messages++;
		log->last_id = message->head.id;
	} else {
		log->ends++;
	}
	if (!message || log->free_at_once)
		g_clear_pointer(&log->source, seq_source_free);
}

static void
test_seq_source__tells_messages_and_the_end(void **state)
{
	struct seq_header head = { .type = 1, .id = 5 };
	struct log log = { 0 };
	int fds[2];

	(void)state;
	assert_int_equal(io_socketpair(SOCK_SEQPACKET, fds), 0);
	log.source = seq_source_new(fds[1], "test", handle, &log);
	assert_int_equal(seq_send(fds[0], &head, NULL, NULL, 0), 0);
	WAIT_FOR(log.messages >= 1);
	assert_int_equal(log.last_id, 5);
	close(fds[0]);
	WAIT_FOR(log.ends >= 1);
	assert_null(log.source);
}

static void
test_seq_source__may_be_freed_in_its_callback(void **state)
{
	struct seq_header head = { .type = 1 };
	struct log log = { .free_at_once = TRUE };
	int fds[2];

	(void)state;
	assert_int_equal(io_socketpair(SOCK_SEQPACKET, fds), 0);
	log.source = seq_source_new(fds[1], "test", handle, &log);
	assert_int_equal(seq_send(fds[0], &head, NULL, NULL, 0), 0);
	WAIT_FOR(log.messages >= 1);
	assert_null(log.source);
	close(fds[0]);
}

static void
test_seq_source__queues_in_order_and_not_without_end(void **state)
{
	static struct seq_message message;
	static const guint8 payload[4096];
	struct seq_header head = { .type = 1, .size = sizeof(payload) };
	struct log log = { 0 };
	guint sent = 0;
	int fds[2];

	(void)state;
	assert_int_equal(io_socketpair(SOCK_SEQPACKET, fds), 0);
	log.source = seq_source_new(fds[1], "test", handle, &log);
	do
		head.id = sent;
	while (seq_source_send(log.source, &head, payload, NULL, 0) == 0 && ++sent < 5000);
	assert_true(sent > 1024 && sent < 5000);
	io_set_nonblocking(fds[0], TRUE);
	for (guint got = 0; got < sent;) {
		if (seq_receive(fds[0], &message) == 0)
			assert_int_equal(message.head.id, got++);
		else
			g_main_context_iteration(NULL, TRUE);
	}
	seq_source_free(log.source);
	close(fds[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seq_source__tells_messages_and_the_end),
		cmocka_unit_test(test_seq_source__may_be_freed_in_its_callback),
		cmocka_unit_test(test_seq_source__queues_in_order_and_not_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
