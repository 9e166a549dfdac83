/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vmm_control.h - hostd's end of one carrel-vmm's control socket (base/proto_vmm.h)
 */
#ifndef HOST_VMM_CONTROL_H
#define HOST_VMM_CONTROL_H

#include <gio/gio.h>

#include "base/proto_vmm.h"

struct vmm_control;

struct vmm_control_events {
	void (*event)(void *context, const struct vmm_event *event);
	/* Once: the peer has gone, or broke the protocol. The callee may free the link. */
	void (*ended)(void *context);
};

/*
 * The answer's payload, of the size that base/proto_vmm.h says for the request; or NULL and why there is none. Exactly
 * once for each request. The callee may free the link.
 */
typedef void (*vmm_control_callback)(void *data, const void *payload, const GError *error);

/* Takes over the connected socket. The events must stay. */
struct vmm_control *vmm_control_new(int fd, const struct vmm_control_events *events, void *context);

/* Requests without an answer are told G_IO_ERROR_CLOSED. NULL is allowed. */
void vmm_control_free(struct vmm_control *link);

/*
 * Asks; deadlines are the caller's. payload is of "size" bytes; "fd" goes along unless negative and stays the caller's. An
 * answer of an error is G_IO_ERROR_FAILED with carrel-vmm's words.
 */
void vmm_control_ask(struct vmm_control *link, enum vmm_type type, const void *payload, gsize size,
		     int fd, vmm_control_callback callback, void *data);

/*
 * A fork's state goes to one file, the memory in which it differs from its template's to another (VMM_SEAL). Both stay the
 * caller's.
 */
void vmm_control_suspend(struct vmm_control *link, int state, int pages,
			 vmm_control_callback callback, void *data);

/*
 * A disk comes into the machine's empty slot 'home', or goes (VMM_HOME). image: a raw file, or the overlay over "base",
 * which is -1 without one. Both stay the caller's.
 */
void vmm_control_attach_home(struct vmm_control *link, int base, int image,
			     vmm_control_callback callback, void *data);
void vmm_control_detach_home(struct vmm_control *link, vmm_control_callback callback, void *data);

#endif
