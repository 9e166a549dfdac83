/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * template_store.h - the template versions on this host's disk, and the memory of those in use
 */
#ifndef HOST_TEMPLATE_STORE_H
#define HOST_TEMPLATE_STORE_H

#include "host/engine.h"

#define TEMPLATE_STORE_MAX 1024

struct template_store;

/* Called when a template that was loading is ready or has failed. */
typedef void (*template_store_callback)(void *context);

struct template_store *template_store_new(const char *lib, template_store_callback callback,
					  void *context);
void template_store_free(struct template_store *store);

/* For sync: [{"name", "version", "engine", "kinds", "ram_mib", "created_ms", "author"}], a new reference. */
json_t *template_store_list(const struct template_store *store);

/*
 * TRUE: ret_template is filled (the store's, valid until the next sweep). FALSE without an error: it is loading, the
 * callback will come. The call also says that the template is in use.
 */
gboolean template_store_find(struct template_store *store, const char *name, guint32 version,
			     const char *kind, struct engine_template *ret_template,
			     GError **error);

/* Forgets the memory of all that nobody asked for since the last sweep. */
void template_store_sweep(struct template_store *store);

#endif
