/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tiny_tcp.c - the key of the kernel's TCP sequence numbers, as far as it can be seen
 *
 * How it works: a connection's first sequence number is a hash of both ends under the key, and the wall clock in units of 64 ns is
 * added to it (Linux, net/core/secure_seq.c). The ends are the same here in each guest. The clock is read a moment before the kernel
 * reads it: so of each hash the upper eight bits count, which are those of more than a second, and of as many connections that no
 * two keys look alike by chance. TCP_REPAIR lets root read the number.
 */
#include "tests/recipes/tiny/tiny_tcp.h"

#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT	    7000 /* the others follow it */
#define CONNECTIONS 8
#define CLOCK_SHIFT 6  /* nanoseconds to the clock's units */
#define HASH_SHIFT  24 /* to the bits that count */

_Static_assert(2 * CONNECTIONS + 1 == TINY_TCP_TEXT_SIZE, "two digits of each connection");

static struct sockaddr_in
tiny_tcp_make_address(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* The kernel gives it 127.0.0.1. */
static bool
tiny_tcp_bring_lo_up(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	request.ifr_flags = IFF_UP;
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return false;
	close(fd);
	return true;
}

static int
tiny_tcp_open(uint16_t port)
{
	const struct sockaddr_in own = tiny_tcp_make_address(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&own, sizeof(own)) < 0)
		return -1;
	return fd;
}

static bool
tiny_tcp_read_hash(uint16_t port, uint32_t *ret_hash)
{
	const struct sockaddr_in peer = tiny_tcp_make_address(PORT);
	const int on = TCP_REPAIR_ON;
	const int queue = TCP_SEND_QUEUE;
	struct timespec now;
	uint32_t next;
	socklen_t size = sizeof(next);
	int fd = tiny_tcp_open(port);

	clock_gettime(CLOCK_REALTIME, &now);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&peer, sizeof(peer)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)) < 0 ||
	    getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &next, &size) < 0)
		return false;
	close(fd);
	/* The SYN has taken the first number. */
	*ret_hash = next - 1 -
		    (uint32_t)(((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec) >>
			       CLOCK_SHIFT);
	return true;
}

bool
tiny_tcp_read_key(char ret_text[TINY_TCP_TEXT_SIZE])
{
	uint32_t hash;
	int listener;

	if (!tiny_tcp_bring_lo_up())
		return false;
	listener = tiny_tcp_open(PORT);
	if (listener < 0 || listen(listener, CONNECTIONS) < 0)
		return false;
	for (int i = 0; i < CONNECTIONS; i++) {
		if (!tiny_tcp_read_hash((uint16_t)(PORT + 1 + i), &hash))
			return false;
		snprintf(ret_text + 2 * i, 3, "%02x", hash >> HASH_SHIFT);
	}
	close(listener);
	return true;
}
