/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktops.h - all desktops of this host: what runs is made equal to what is wanted
 */
#ifndef HOST_DESKTOPS_H
#define HOST_DESKTOPS_H

#include "host/desktop.h"
#include "host/template_store.h"

struct desktops;

struct desktops_events {
	/* docs/PROTOCOL.md, Sync; session may be "". */
	void (*event)(void *context, const struct desktop *desktop, const char *kind, gint64 value,
		      const char *text);
	void (*changed)(void *context); /* something to report */
	void (*fact)(void *context, struct desktop *desktop, const struct display_fact *fact);
	/*
	 * A desktop is wanted of a version that this host cannot restore, and waits; again and again while it is so. holders: which
	 * suspended desktops need that version as it is; NULL: none.
	 */
	void (*foreign)(void *context, const char *name, guint32 version, const char *engine,
			const char *reason, const char *holders);
};

struct desktops_options {
	struct launch_client *launch;
	const char *run;
	const char *lib;
	guint ram_reserve_mib;
	gboolean accept_unisolated; /* run guests without hardware virtualization */
	gboolean templates_in_ram;  /* as template_store_new() says */
	const char *exchange;	    /* the folder through which desktops move; NULL: none */
	struct desktop_agent_times times;
};

struct desktops *desktops_new(const struct desktops_options *options,
			      const struct desktops_events *events, void *context);

/* Processes run on. */
void desktops_free(struct desktops *desktops);

/*
 * What launch listed and what is suspended: adopted when it lives or its folder holds it, removed when neither is so, left alone
 * when that is not known. Known ones stay as they are. FALSE, which is logged: not all that is suspended was found; to be called again.
 */
gboolean desktops_adopt(struct desktops *desktops, const struct launch_record *records, gsize n);

/* The list of a checked answer, all that shall be here; a reference is kept. */
void desktops_want(struct desktops *desktops, json_t *list);
/* The same of what has left this host and is not another's yet: it may come back. NULL: nothing. */
void desktops_note_left(struct desktops *desktops, json_t *list);
void desktops_request(struct desktops *desktops, const char *verb, const char *id);

/* The version was sealed again: desktops that wait for it are made. */
void desktops_renew_template(struct desktops *desktops, const char *name, guint32 version);

/* How a machine's process ended. */
void desktops_handle_exited(struct desktops *desktops, const struct launch_exited *exited);

/* For sync, new references. */
json_t *desktops_list(struct desktops *desktops);
json_t *desktops_get_capacity(struct desktops *desktops); /* memory and CPUs */
json_t *desktops_list_templates(struct desktops *desktops);

struct desktop *desktops_find(struct desktops *desktops, const char *id); /* NULL: none */

#endif
