/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seq.h - typed messages with descriptors over SOCK_SEQPACKET unix sockets
 *
 * All processes of one host talk to each other like this: a header, one payload struct of fixed size (listed in a
 * proto_*.h page), and descriptors by SCM_RIGHTS (unix(7)). The kernel keeps message borders. A receiver is a table
 * of seq_rule: seq_dispatch() checks type, size, number of descriptors and state before a handler sees anything.
 * Numbers are in host byte order: both ends are on one machine. Text fields are NUL-terminated arrays; the receiver
 * checks them with seq_text_ok().
 */
#ifndef BASE_SEQ_H
#define BASE_SEQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEQ_MAX_PAYLOAD (48 * 1024)
#define SEQ_MAX_FDS	24

struct seq_header {
	uint32_t type;
	uint32_t id;	/* chosen by the asking side; the answer carries the same */
	int32_t status; /* in answers: 0 or a negative errno */
	uint32_t size;	/* of the payload, bytes */
};

struct seq_message {
	struct seq_header head;
	size_t n_fds;
	int fds[SEQ_MAX_FDS]; /* owned by the message until seq_take_fd() */
	_Alignas(16) uint8_t payload[SEQ_MAX_PAYLOAD];
};

struct seq_rule {
	uint32_t type;
	uint32_t size_min; /* payload, bytes */
	uint32_t size_max;
	size_t fds_min;
	size_t fds_max;
	uint32_t states; /* bit set of (1 << state) in which it is legal */
	int (*handle)(void *context, struct seq_message *message);
};

/* 0; -EAGAIN when the socket is full (nonblocking); -EMSGSIZE; else what sendmsg(2) says. Descriptors stay the caller's. */
int seq_send(int fd, const struct seq_header *head, const void *payload, const int *fds,
	     size_t n_fds);

/* 0; -EPIPE when the peer has gone; -EAGAIN; -EPROTO for a message that is not of this form (its descriptors are closed). */
int seq_receive(int fd, struct seq_message *ret_message);

/* Moves descriptor "index" out of the message; -1 when there is none. */
int seq_take_fd(struct seq_message *message, size_t index);
void seq_close_fds(struct seq_message *message);

/*
 * Finds the rule, checks, calls its handler and closes the descriptors that the handler did not take. Returns the
 * handler's result; -ENOSYS for an unknown type, -EBADMSG for a wrong size or descriptor count, -EBUSY for a
 * message that is not legal in this state.
 */
int seq_dispatch(const struct seq_rule *rules, size_t n_rules, unsigned int state, void *context,
		 struct seq_message *message);

/* True when the array holds a NUL and no control character before it. */
bool seq_text_ok(const char *text, size_t size);

/* Copies "source" into a fixed array, all of it or nothing: -ENAMETOOLONG. The rest is zeroed. */
int seq_text_set(char *target, size_t size, const char *source);

#endif
