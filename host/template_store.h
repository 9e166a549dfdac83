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

/* in_ram: also the memory of engines that could map the version's file is loaded, and not read from the disk by their forks. */
struct template_store *template_store_new(const char *lib, gboolean in_ram,
					  template_store_callback callback, void *context);
void template_store_free(struct template_store *store);

/* For sync: [{"name", "version", "engine", "kinds", "ram_mib", "created_ms", "author"}], a new reference. */
json_t *template_store_list(const struct template_store *store);

/*
 * TRUE: ret_template is filled (the store's, valid until the next sweep). FALSE without an error: it is loading, the
 * callback will come. ENGINE_ERROR_FOREIGN: this host cannot restore it. The call also says that the template is in use.
 */
gboolean template_store_find(struct template_store *store, const char *name, guint32 version,
			     const char *kind, struct engine_template *ret_template,
			     GError **error);

/* The version's manifest, the caller's, where this host can restore it; else NULL and an error as above. Nothing is loaded. */
struct manifest *template_store_check(const struct template_store *store, const char *name,
				      guint32 version, const char *kind, GError **error);

/*
 * The same for a desktop that was suspended as a fork of it: it has a state of its own, of which only itself finds out that this
 * host cannot restore it.
 */
gboolean template_store_find_suspended(struct template_store *store, const char *name,
				       guint32 version, const char *kind,
				       struct engine_template *ret_template, GError **error);

/*
 * TRUE and the error: that is what a fork has found out. Nothing is loaded, but what is known stays so until the next sweep, as above.
 */
gboolean template_store_is_foreign(struct template_store *store, const char *name, guint32 version,
				   const char *kind, GError **error);

/* A fork has found out that this host cannot restore it: so template_store_find() says from now on. */
void template_store_set_foreign(struct template_store *store, const char *name, guint32 version,
				const char *kind, const char *reason);

/* The version was replaced on the disk: it is opened again when it is asked for. */
void template_store_forget(struct template_store *store, const char *name, guint32 version);

/* Forgets the memory of all that nobody asked for since the last sweep. */
void template_store_sweep(struct template_store *store);

#endif
