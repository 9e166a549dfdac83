/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_gateway_port.c - the gateway's clients
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/seq.h"
#include "common/hash.h"
#include "host/gateway_port.h"
#include "tests/unit/wait_for.h"

struct fixture {
	char *folder;
	char *path;
	struct ticket_table *tickets;
	struct gateway_port *port;
	char shown[ID_SECRET_SIZE];
	int gateway; /* our end */
	int refuse;  /* what admit() returns */
	struct gateway_port_offer *offer;
	guint admitted;
	guint seen;
	struct ticket_pass pass;
};

static int
admit(void *context, int fd, const struct ticket_pass *pass, struct gateway_port_offer *offer)
{
	struct fixture *f = context;

	f->admitted++;
	if (f->refuse)
		return f->refuse;
	f->pass = *pass;
	f->offer = offer;
	close(fd);
	return 0;
}

static void
shown(void *context, enum ticket_verdict verdict, const struct ticket_pass *pass, const char *peer)
{
	(void)verdict;
	(void)pass;
	assert_string_equal(peer, "192.0.2.1");
	((struct fixture *)context)->seen++;
}

static const struct gateway_port_events events = { admit, shown };

static void
add_ticket(struct fixture *f)
{
	g_autofree char *hash = NULL;
	char password[ID_SECRET_SIZE];

	assert_int_equal(id_new_secret(f->shown), 0);
	assert_int_equal(id_new_secret(password), 0);
	hash = hash_text(f->shown);
	assert_int_equal(tickets_add(f->tickets,
				     &(struct ticket_offer){ .hash = hash,
							     .password = password,
							     .desktop = "d-aaaaaaaaaaaaaaaaaaaa",
							     .generation = 1,
							     .session = "s-aaaaaaaaaaaaaaaaaaaa",
							     .user = "ada",
							     .ttl_ms = 30000 },
				     io_boottime_ms()),
			 0);
}

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->folder = g_dir_make_tmp("carrel-test-XXXXXX", NULL);
	f->path = g_build_filename(f->folder, "gateway.sock", NULL);
	f->tickets = tickets_new(0);
	add_ticket(f);
	f->port = gateway_port_open(f->path, geteuid(), f->tickets, &events, f, NULL);
	assert_non_null(f->port);
	assert_int_equal(io_unix_connect(f->path, SOCK_SEQPACKET, &f->gateway), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	gateway_port_close(f->port);
	close(f->gateway);
	tickets_free(f->tickets);
	g_rmdir(f->folder);
	g_free(f->folder);
	g_free(f->path);
	g_free(f);
	return 0;
}

static void
offer(struct fixture *f, guint32 id, const char *ticket)
{
	struct gateway_offer wish = { .peer = "192.0.2.1", .sink = DISPLAY_SINK_SPICE };
	struct seq_header head = { .type = GATEWAY_OFFER, .id = id, .size = sizeof(wish) };
	int pair[2];

	g_strlcpy(wish.ticket, ticket, sizeof(wish.ticket));
	assert_int_equal(io_socketpair(SOCK_STREAM, pair), 0);
	assert_int_equal(seq_send(f->gateway, &head, &wish, &pair[1], 1), 0);
	close(pair[0]);
	close(pair[1]);
}

/* The HTTP status of the next answer; 0 when the connection was closed. */
static guint
read_answer(struct fixture *f, guint32 id)
{
	struct seq_message *message = g_new0(struct seq_message, 1);
	struct gateway_answer answer = { 0 };
	int error;

	io_set_nonblocking(f->gateway, true);
	WAIT_FOR((error = seq_receive(f->gateway, message)) != -EAGAIN);
	if (error == 0) {
		assert_int_equal(message->head.type, GATEWAY_ANSWER);
		assert_int_equal(message->head.id, id);
		memcpy(&answer, message->payload, sizeof(answer));
		assert_int_equal(message->head.status == 0, answer.http_status == 200);
	}
	g_free(message);
	return answer.http_status;
}

static void
wait_admitted(struct fixture *f, guint n)
{
	WAIT_FOR(f->admitted >= n);
}

static void
test_gateway_port__lets_a_good_ticket_in(void **state)
{
	struct fixture *f = *state;

	offer(f, 7, f->shown);
	wait_admitted(f, 1);
	assert_string_equal(f->pass.user, "ada");
	assert_int_equal(f->pass.attachment, 1);
	gateway_port_handle_passed(f->offer, 0);
	assert_int_equal(read_answer(f, 7), 200);
	assert_int_equal(f->seen, 1);
}

static void
test_gateway_port__sends_a_wrong_ticket_away(void **state)
{
	struct fixture *f = *state;

	offer(f, 8, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	assert_int_equal(read_answer(f, 8), 403);
	offer(f, 9, "");
	assert_int_equal(read_answer(f, 9), 403);
	assert_int_equal(f->admitted, 0);
}

static void
test_gateway_port__says_what_went_wrong_behind_it(void **state)
{
	static const struct {
		int error;
		gboolean at_once;
		guint status;
	} rows[] = {
		{ -ENOENT, TRUE, 404 },	    { -EAGAIN, TRUE, 503 },    { -ESTALE, TRUE, 403 },
		{ -ETIMEDOUT, FALSE, 503 }, { -ENOTCONN, FALSE, 403 }, { -EIO, FALSE, 503 },
	};
	struct fixture *f = *state;

	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		add_ticket(f);
		f->refuse = rows[i].at_once ? rows[i].error : 0;
		offer(f, i, f->shown);
		wait_admitted(f, i + 1);
		if (!rows[i].at_once)
			gateway_port_handle_passed(f->offer, rows[i].error);
		assert_int_equal(read_answer(f, i), rows[i].status);
	}
}

static void
test_gateway_port__newest_connection_replaces(void **state)
{
	struct fixture *f = *state;
	int newest = -1;

	offer(f, 7, f->shown);
	wait_admitted(f, 1);
	assert_int_equal(io_unix_connect(f->path, SOCK_SEQPACKET, &newest), 0);
	assert_int_equal(read_answer(f, 7), 0);
	gateway_port_handle_passed(f->offer, 0);
	close(f->gateway);
	f->gateway = newest;
	offer(f, 9, "");
	assert_int_equal(read_answer(f, 9), 403);
}

static void
test_gateway_port__closes_on_a_broken_message(void **state)
{
	struct fixture *f = *state;
	struct seq_header head = { .type = GATEWAY_OFFER };

	assert_int_equal(seq_send(f->gateway, &head, NULL, NULL, 0), 0);
	assert_int_equal(read_answer(f, 0), 0);
}

static void
test_gateway_port__late_answer_after_its_end_is_harmless(void **state)
{
	struct fixture *f = *state;

	offer(f, 7, f->shown);
	wait_admitted(f, 1);
	gateway_port_close(f->port);
	f->port = NULL;
	gateway_port_handle_passed(f->offer, 0);
}

static void
test_gateway_port__lets_no_other_uid_speak(void **state)
{
	struct fixture *f = *state;

	gateway_port_close(f->port);
	f->port = gateway_port_open(f->path, geteuid() + 1, f->tickets, &events, f, NULL);
	assert_non_null(f->port);
	close(f->gateway);
	assert_int_equal(io_unix_connect(f->path, SOCK_SEQPACKET, &f->gateway), 0);
	assert_int_equal(read_answer(f, 0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_gateway_port__lets_a_good_ticket_in),
		TEST(test_gateway_port__sends_a_wrong_ticket_away),
		TEST(test_gateway_port__says_what_went_wrong_behind_it),
		TEST(test_gateway_port__newest_connection_replaces),
		TEST(test_gateway_port__closes_on_a_broken_message),
		TEST(test_gateway_port__late_answer_after_its_end_is_harmless),
		TEST(test_gateway_port__lets_no_other_uid_speak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
