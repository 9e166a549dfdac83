/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * connection_file.h - where a display is and how to prove that one may see it: the .vv file and its JSON form
 *
 * The keys are virt-viewer's (its man page, "CONNECTION FILE"): type, host, tls-port, password, proxy, ca,
 * host-subject, title, delete-this-file.
 */
#ifndef VIEWER_CONNECTION_FILE_H
#define VIEWER_CONNECTION_FILE_H

#include <glib.h>

#include "base/json.h"

#define CONNECTION_FILE_MAX_BYTES (64 * 1024)

struct connection_file {
	char *host;
	char *tls_port;
	char *password;
	char *proxy;
	char *ca; /* PEM */
	char *host_subject;
	char *title;
};

/*
 * From the object "vv" of a ticket answer; numbers are taken as texts. NULL and error when a key is missing or the port is
 * none.
 */
struct connection_file *connection_file_from_json(const json_t *object, GError **error);

/*
 * From a .vv file's text; "name" is for messages. ret_remove says whether the file wants to be removed, also when it is
 * refused for a missing key or a wrong port.
 */
struct connection_file *connection_file_parse(const char *text, gsize size, const char *name,
					      gboolean *ret_remove, GError **error);

/* From a .vv file, which is removed when it says delete-this-file=1: its ticket is good once. */
struct connection_file *connection_file_load(const char *path, GError **error);

/* Wipes the secrets. NULL is fine. */
void connection_file_free(struct connection_file *file);

#endif
