/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * connect_head.c - the head of a CONNECT request (carrel-gateway)
 *
 * How it works: one function a state takes one byte; step_table finds it. A byte that fits nowhere ends the parse with
 * the status that tells its sender most. Headers are skipped: none of them means anything to us.
 */
#include "broker/connect_head.h"

#include <string.h>

#define MAX_PORT_DIGITS 5

static void
connect_head_fail(struct connect_head *head, unsigned int status)
{
	head->state = CONNECT_HEAD_FAILED;
	head->status = status;
	explicit_bzero(head->ticket, sizeof(head->ticket));
}

static void
connect_head_enter(struct connect_head *head, enum connect_head_state state)
{
	head->state = state;
	head->n_text = 0;
}

static void
connect_head_add(struct connect_head *head, char byte)
{
	if (head->n_text + 1 >= sizeof(head->text)) {
		connect_head_fail(head, 400);
		return;
	}
	head->text[head->n_text++] = byte;
	head->text[head->n_text] = '\0';
}

static void
connect_head_take_method(struct connect_head *head, char byte)
{
	if (byte >= 'A' && byte <= 'Z')
		connect_head_add(head, byte);
	else if (byte != ' ' || head->n_text == 0)
		connect_head_fail(head, 400);
	else if (strcmp(head->text, "CONNECT") != 0)
		connect_head_fail(head, 405);
	else
		connect_head_enter(head, CONNECT_HEAD_HOST);
}

static void
connect_head_take_host(struct connect_head *head, char byte)
{
	if (byte == ':') {
		head->bad_ticket = head->bad_ticket || !id_secret_valid(head->ticket);
		connect_head_enter(head, CONNECT_HEAD_PORT);
	} else if (byte <= ' ' || byte > '~') {
		connect_head_fail(head, 400);
	} else if (head->n_text >= sizeof(head->ticket) - 1) {
		head->bad_ticket = true;
	} else {
		head->ticket[head->n_text++] = byte;
	}
}

static void
connect_head_take_port(struct connect_head *head, char byte)
{
	if (byte >= '0' && byte <= '9' && head->n_text < MAX_PORT_DIGITS) {
		head->n_text++;
		head->port = head->port * 10 + (unsigned int)(byte - '0');
	} else if (byte == ' ' && head->n_text > 0) {
		connect_head_enter(head, CONNECT_HEAD_VERSION);
	} else {
		connect_head_fail(head, 400);
	}
}

static void
connect_head_take_version(struct connect_head *head, char byte)
{
	if (byte != '\n') {
		connect_head_add(head, byte);
		return;
	}
	if (head->n_text > 0 && head->text[head->n_text - 1] == '\r')
		head->text[head->n_text - 1] = '\0';
	if (strcmp(head->text, "HTTP/1.0") != 0 && strcmp(head->text, "HTTP/1.1") != 0)
		connect_head_fail(head, 400);
	else
		connect_head_enter(head, CONNECT_HEAD_LINE_START);
}

static void
connect_head_end(struct connect_head *head)
{
	if (head->bad_ticket)
		connect_head_fail(head, 403);
	else
		head->state = CONNECT_HEAD_DONE;
}

static void
connect_head_take_line_start(struct connect_head *head, char byte)
{
	if (byte == '\n')
		connect_head_end(head);
	else
		head->state = byte == '\r' ? CONNECT_HEAD_LAST : CONNECT_HEAD_LINE;
}

static void
connect_head_take_line(struct connect_head *head, char byte)
{
	if (byte == '\n')
		head->state = CONNECT_HEAD_LINE_START;
	else if (byte == '\0')
		connect_head_fail(head, 400);
}

static void
connect_head_take_last(struct connect_head *head, char byte)
{
	if (byte == '\n')
		connect_head_end(head);
	else
		connect_head_fail(head, 400);
}

static void (*const step_table[])(struct connect_head *head, char byte) = {
	[CONNECT_HEAD_METHOD] = connect_head_take_method,
	[CONNECT_HEAD_HOST] = connect_head_take_host,
	[CONNECT_HEAD_PORT] = connect_head_take_port,
	[CONNECT_HEAD_VERSION] = connect_head_take_version,
	[CONNECT_HEAD_LINE_START] = connect_head_take_line_start,
	[CONNECT_HEAD_LINE] = connect_head_take_line,
	[CONNECT_HEAD_LAST] = connect_head_take_last,
};

size_t
connect_head_feed(struct connect_head *head, const char *data, size_t size)
{
	size_t used = 0;

	while (used < size && head->state < CONNECT_HEAD_DONE) {
		if (head->bytes == CONNECT_HEAD_MAX_BYTES) {
			connect_head_fail(head, 431);
			break;
		}
		head->bytes++;
		step_table[head->state](head, data[used++]);
	}
	return used;
}
