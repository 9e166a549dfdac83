/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seq.c - typed messages with descriptors over SOCK_SEQPACKET unix sockets (all processes)
 */
#include "base/seq.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

int
seq_send(int fd, const struct seq_header *head, const void *payload, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * SEQ_MAX_FDS)];
	} control = { 0 };
	struct iovec parts[2] = {
		{ .iov_base = (void *)(uintptr_t)head, .iov_len = sizeof(*head) },
		{ .iov_base = (void *)(uintptr_t)payload, .iov_len = head->size },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = head->size > 0 ? 2 : 1 };
	ssize_t sent;

	if (head->size > SEQ_MAX_PAYLOAD || n_fds > SEQ_MAX_FDS)
		return -EMSGSIZE;
	if (n_fds > 0) {
		struct cmsghdr *part;

		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		part = CMSG_FIRSTHDR(&message);
		part->cmsg_level = SOL_SOCKET;
		part->cmsg_type = SCM_RIGHTS;
		part->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(part), fds, sizeof(int) * n_fds);
	}
	do
		sent = sendmsg(fd, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

static void
seq_collect_fds(struct msghdr *received, struct seq_message *message)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(received); part;
	     part = CMSG_NXTHDR(received, part)) {
		size_t count;

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (count > SEQ_MAX_FDS - message->n_fds)
			count = SEQ_MAX_FDS - message->n_fds;
		memcpy(message->fds + message->n_fds, CMSG_DATA(part), count * sizeof(int));
		message->n_fds += count;
	}
}

int
seq_receive(int fd, struct seq_message *ret_message)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * SEQ_MAX_FDS)];
	} control;
	struct iovec parts[2] = {
		{ .iov_base = &ret_message->head, .iov_len = sizeof(ret_message->head) },
		{ .iov_base = ret_message->payload, .iov_len = sizeof(ret_message->payload) },
	};
	struct msghdr message = {
		.msg_iov = parts,
		.msg_iovlen = 2,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t got;

	ret_message->n_fds = 0;
	do
		got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (got == 0)
		return -EPIPE;
	seq_collect_fds(&message, ret_message);
	if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
	    (size_t)got < sizeof(ret_message->head) ||
	    ret_message->head.size != (size_t)got - sizeof(ret_message->head)) {
		seq_close_fds(ret_message);
		return -EPROTO;
	}
	return 0;
}

int
seq_take_fd(struct seq_message *message, size_t index)
{
	int fd;

	if (index >= message->n_fds)
		return -1;
	fd = message->fds[index];
	message->fds[index] = -1;
	return fd;
}

void
seq_close_fds(struct seq_message *message)
{
	for (size_t i = 0; i < message->n_fds; i++)
		if (message->fds[i] >= 0)
			close(message->fds[i]);
	message->n_fds = 0;
}

static int
seq_check_rule(const struct seq_rule *rule, unsigned int state, const struct seq_message *message)
{
	if (message->head.size < rule->size_min || message->head.size > rule->size_max)
		return -EBADMSG;
	if (message->n_fds < rule->fds_min || message->n_fds > rule->fds_max)
		return -EBADMSG;
	if (state >= 32 || !(rule->states & (UINT32_C(1) << state)))
		return -EBUSY;
	return 0;
}

int
seq_dispatch(const struct seq_rule *rules, size_t n_rules, unsigned int state, void *context,
	     struct seq_message *message)
{
	int result = -ENOSYS;

	for (size_t i = 0; i < n_rules; i++) {
		if (rules[i].type != message->head.type)
			continue;
		result = seq_check_rule(&rules[i], state, message);
		if (result == 0)
			result = rules[i].handle(context, message);
		break;
	}
	seq_close_fds(message);
	return result;
}

bool
seq_text_ok(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (text[i] == '\0')
			return true;
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	}
	return false;
}

int
seq_text_set(char *target, size_t size, const char *source)
{
	size_t length = strlen(source);

	if (length >= size)
		return -ENAMETOOLONG;
	memset(target, 0, size);
	memcpy(target, source, length);
	return 0;
}
