/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_peer.h - the other end of a stream socket in the test's own main loop: it keeps what comes, bytes and descriptors
 */
#ifndef TESTS_UNIT_FAKE_PEER_H
#define TESTS_UNIT_FAKE_PEER_H

#include <gio/gio.h>

#include "base/json.h"

#define FAKE_PEER_MAX_FDS 4

struct fake_peer {
	int fd; /* -1 after fake_peer_done() */
	guint source;
	GByteArray *input;
	gboolean ended; /* the module under test has closed its end */
	int fds[FAKE_PEER_MAX_FDS];
	guint n_fds;
};

/* Takes the socket over. */
void fake_peer_init(struct fake_peer *peer, int fd);
void fake_peer_done(struct fake_peer *peer);

/* Stops or goes on reading: what is sent to it then stays in the socket. */
void fake_peer_read(struct fake_peer *peer, gboolean on);

void fake_peer_send(const struct fake_peer *peer, const void *data, gsize size);
void fake_peer_say(const struct fake_peer *peer, const char *text);

/* The next whole line without its end, or NULL; the text is the caller's. */
char *fake_peer_take_line(struct fake_peer *peer);

/* The next whole frame (base/frame.h) as JSON, or NULL. A new reference. */
json_t *fake_peer_take_frame(struct fake_peer *peer);

/* What a request came to; zeroed before it. The test's callback fills it. */
struct fake_answer {
	gboolean came;
	json_t *value;
	GError *error;
};

void fake_answer_clear(struct fake_answer *answer);

/* Waits for it; fails the test when it is not this G_IO_ERROR. Clears it. */
void fake_answer_assert_failed(struct fake_answer *answer, int code);

/* Runs the main loop until nothing is left to do at once. */
void fake_peer_settle(void);

/* How many descriptors this process has: to show that none is left over. */
guint fake_peer_count_fds(void);

#endif
