/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * up_drain.h - "carrel up" ends: no new desktops, and those that run are stopped
 */
#ifndef CLI_UP_DRAIN_H
#define CLI_UP_DRAIN_H

struct up_drain;

/* Called once: no desktop is left, or it took too long. */
typedef void (*up_drain_callback)(void *context);

/* note: the path of a file that tells the next start which hosts this one has drained. */
struct up_drain *up_drain_new(const char *broker_socket, const char *note);
void up_drain_free(struct up_drain *drain); /* may be NULL */

/*
 * Called once, before up_drain_begin(): takes back what an earlier end has drained, and nothing else: what an operator has drained or
 * put into maintenance stays so. Goes on until the broker has done it.
 */
void up_drain_resume(struct up_drain *drain);
void up_drain_begin(struct up_drain *drain, up_drain_callback callback, void *context);

#endif
