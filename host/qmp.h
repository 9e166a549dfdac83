/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * qmp.h - one QMP connection to a QEMU process (QEMU Machine Protocol specification 0.2)
 */
#ifndef HOST_QMP_H
#define HOST_QMP_H

#include <gio/gio.h>

#include "base/json.h"

struct qmp;

/* An event, valid during the call. Name NULL: the connection has ended. Any callback may free the connection. */
typedef void (*qmp_event_callback)(void *context, const char *name, const json_t *data);

/* Takes over the connected socket. Commands may be queued at once: they wait for the greeting. */
struct qmp *qmp_new(int fd, qmp_event_callback callback, void *context);

/* Commands without an answer fail with G_IO_ERROR_CLOSED. NULL is allowed. */
void qmp_free(struct qmp *qmp);

/*
 * Sends a command. "arguments" (may be NULL) is taken over; "fd" goes along by SCM_RIGHTS unless negative and stays
 * the caller's. The deadline counts from now. A QEMU that answers with an error gives G_IO_ERROR_FAILED and its text.
 */
void qmp_execute(struct qmp *qmp, const char *command, json_t *arguments, int fd, guint timeout_ms,
		 GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);

/* The answer's "return" (a new reference), or NULL and an error. */
json_t *qmp_execute_finish(GAsyncResult *result, GError **error);

#endif
