/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * verify.h - does a template version work? Its files by hash, then one fork whose agent answers
 */
#ifndef TEMPLATES_VERIFY_H
#define TEMPLATES_VERIFY_H

#include <gio/gio.h>

#include "base/json.h"

struct verify_request {
	const char *folder;  /* the version */
	const char *scratch; /* where the fork's sockets and overlay may be made */
	const char *template_name;
	guint32 version;
	const char *engine;
	int kvm; /* as in struct job */
	/* What the fork touches of the memory's file is noted beside that; not for an engine that loads it. */
	gboolean notes_touched;
	GCancellable *cancellable;
	/* Before each step; percent of the verification. */
	void (*progress)(void *context, const char *step, guint percent);
	void *context;
};

void verify_start(const struct verify_request *request, GAsyncReadyCallback callback,
		  gpointer data);

/* ret_report: [{"name", "ms"}], a new reference, also after an error. No process is left, and no file but the note. */
gboolean verify_finish(GAsyncResult *result, json_t **ret_report, GError **error);

#endif
