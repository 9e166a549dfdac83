/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * qxl_queue.h - commands on their way to libspice-server's worker, and when to make the next ones
 *
 * The main thread pushes, the worker takes and releases; all functions may be called from any thread, except where the
 * main thread is named.
 */
#ifndef DISPLAY_QXL_QUEUE_H
#define DISPLAY_QXL_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "display/qxl_command.h"

#define QXL_QUEUE_FRAME_MS 16 /* between two refreshes, at least */

enum qxl_queue_kind {
	QXL_QUEUE_DRAW,
	QXL_QUEUE_CURSOR,
	QXL_QUEUE_COUNT
};

struct qxl_queue;

/* "refresh" is called in the main loop after qxl_queue_want_refresh(), and when the worker has emptied a queue. */
struct qxl_queue *qxl_queue_new(void (*refresh)(void *context), void *context);

/* The worker must have released what it took. */
void qxl_queue_free(struct qxl_queue *queue);

void qxl_queue_want_refresh(struct qxl_queue *queue);

/* Owns the command. */
void qxl_queue_push(struct qxl_queue *queue, enum qxl_queue_kind kind, struct qxl_command *command);
bool qxl_queue_take(struct qxl_queue *queue, enum qxl_queue_kind kind, QXLCommandExt *ret_ext);
bool qxl_queue_is_empty(struct qxl_queue *queue, enum qxl_queue_kind kind);

/* The worker is done with a command it took, or nobody will ever take it. */
void qxl_queue_release(struct qxl_queue *queue, struct qxl_command *command);

/* Releases what the worker has not taken yet. */
void qxl_queue_drop(struct qxl_queue *queue, enum qxl_queue_kind kind);

/* Bytes of all commands that are not released. */
size_t qxl_queue_get_held_bytes(struct qxl_queue *queue);

#endif
