/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * steps.h - an asynchronous operation written as a table of steps
 *
 * Each step starts something and sooner or later calls steps_next() or steps_fail(), once. Every step has a deadline;
 * the caller can cancel the whole. What comes after the end is ignored, so a step need not take back what it started.
 */
#ifndef HOST_STEPS_H
#define HOST_STEPS_H

#include <gio/gio.h>

#include "base/json.h"

struct steps;

struct step {
	const char *name;
	void (*start)(struct steps *steps, void *context);
	guint timeout_ms;
};

/* How the result of an asynchronous call comes back: as a GTask whose result is FALSE and an error, or TRUE. */
struct steps_call {
	GCancellable *cancellable; /* may be NULL */
	GAsyncReadyCallback callback;
	gpointer data;
};

/* Runs table[0..n) one after the other. free_context is called when nobody can reach the context any more. */
void steps_run(const struct step *table, gsize n_steps, void *context, GDestroyNotify free_context,
	       const struct steps_call *call);
void steps_next(struct steps *steps);
void steps_fail(struct steps *steps, GError *error); /* takes the error */

/* For an asynchronous call's user data: keeps steps and context alive. */
struct steps *steps_ref(struct steps *steps);
void steps_unref(struct steps *steps);
gboolean steps_running(const struct steps *steps);
GCancellable *steps_get_cancellable(const struct steps *steps);

/*
 * Callbacks for calls whose end is the step's end; the user data is a steps_ref(). The first is for GTasks of a boolean
 * (steps_run() too), the second for those of a json_t, which is dropped.
 */
void steps_handle_boolean(GObject *object, GAsyncResult *result, gpointer steps);
void steps_handle_json(GObject *object, GAsyncResult *result, gpointer steps);

/* In the callback of steps_run(). */
gboolean steps_finish(GAsyncResult *result, GError **error);

/* In the callback, or later while the result is held: [{"name", "ms"}], a new reference. */
json_t *steps_get_report(GAsyncResult *result);

/* What an operation gives beyond its success. The step hands over the descriptor or reference; the caller takes them. */
void steps_set_fd(struct steps *steps, int fd);
void steps_set_json(struct steps *steps, json_t *value);
int steps_take_fd(GAsyncResult *result);      /* -1 when there is none */
json_t *steps_get_json(GAsyncResult *result); /* a new reference; NULL when there is none */

#endif
