/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vdagent_owner.c - which of a display's sinks has the guest's vdagent port (carrel-display)
 *
 * How it works: a sink is lent the port by its set_vdagent() and gives it back at the next one; what the guest hears
 * between two of them is the business of vdagent_port_hand_over(). A port that is lost is freed later: whoever
 * notices it may be in the middle of reading.
 */
#include "display/vdagent_owner.h"

#include <glib.h>
#include <string.h>

#include "base/log.h"
#include "display/sink.h"
#include "display/vdagent_port.h"

struct vdagent_owner {
	struct sink *sinks[DISPLAY_SINK_COUNT];
	enum display_sink_kind kind;
	struct vdagent_port *port; /* NULL: the guest has closed it */
	guint port_lost;
};

static void
vdagent_owner_lend(struct vdagent_owner *owner, struct vdagent_port *port)
{
	struct sink *sink = owner->sinks[owner->kind];

	if (sink)
		sink->ops->set_vdagent(sink, port);
}

static gboolean
vdagent_owner_handle_port_lost(gpointer user_data)
{
	struct vdagent_owner *owner = user_data;

	owner->port_lost = 0;
	log_warning("the guest's vdagent port has ended or speaks nonsense; no clipboard and "
		    "resizing until the guest opens it again");
	vdagent_owner_set_port(owner, -1);
	return G_SOURCE_REMOVE;
}

static void
vdagent_owner_note_loss(void *context)
{
	struct vdagent_owner *owner = context;

	if (owner->port_lost == 0)
		owner->port_lost = g_idle_add(vdagent_owner_handle_port_lost, owner);
}

void
vdagent_owner_set_port(struct vdagent_owner *owner, int fd)
{
	g_clear_handle_id(&owner->port_lost, g_source_remove);
	if (owner->port) {
		vdagent_owner_lend(owner, NULL);
		g_clear_pointer(&owner->port, vdagent_port_free);
	}
	if (fd < 0)
		return;
	owner->port = vdagent_port_new(fd, vdagent_owner_note_loss, owner);
	vdagent_owner_lend(owner, owner->port);
}

void
vdagent_owner_choose(struct vdagent_owner *owner, enum display_sink_kind kind)
{
	if (owner->kind == kind)
		return;
	if (owner->port)
		vdagent_owner_lend(owner, NULL);
	owner->kind = kind;
	if (owner->port)
		vdagent_owner_lend(owner, owner->port);
}

void
vdagent_owner_ask_sizes(struct vdagent_owner *owner, const struct heads *wanted)
{
	if (owner->port)
		vdagent_port_ask_sizes(owner->port, wanted);
}

void
vdagent_owner_set_sinks(struct vdagent_owner *owner, struct sink *const sinks[DISPLAY_SINK_COUNT])
{
	memcpy(owner->sinks, sinks, sizeof(owner->sinks));
}

struct vdagent_owner *
vdagent_owner_new(void)
{
	return g_new0(struct vdagent_owner, 1);
}

void
vdagent_owner_free(struct vdagent_owner *owner)
{
	vdagent_owner_set_port(owner, -1);
	g_free(owner);
}
