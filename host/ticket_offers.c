/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ticket_offers.c - takes the broker's tickets into the table, and reports them (carrel-hostd)
 *
 * How it works: a ticket promises its client one certificate. It is asked of the display when the ticket comes, since that
 * may make a new one, and kept by the ticket's hash as long as the ticket is ready.
 */
#include "host/ticket_offers.h"

#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/proto_gateway.h"
#include "host/desktop.h"

struct ticket_trust {
	char *certificate;
	char *subject;
	enum display_sink_kind sink;
};

struct ticket_offers {
	struct ticket_table *tickets;
	GHashTable *trust; /* hash -> struct ticket_trust */
};

static void
ticket_offers_free_trust(gpointer data)
{
	struct ticket_trust *trust = data;

	g_free(trust->certificate);
	g_free(trust->subject);
	g_free(trust);
}

struct ticket_offers *
ticket_offers_new(struct ticket_table *tickets)
{
	struct ticket_offers *offers = g_new0(struct ticket_offers, 1);

	offers->tickets = tickets;
	offers->trust =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, ticket_offers_free_trust);
	return offers;
}

void
ticket_offers_free(struct ticket_offers *offers)
{
	if (!offers)
		return;
	g_hash_table_unref(offers->trust);
	g_free(offers);
}

/* NULL, or why it cannot be good. */
static const char *
ticket_offers_refuse(const struct ticket_offer *offer, struct desktop *desktop)
{
	if (!desktop)
		return "there is no such desktop";
	if (desktop_get_generation(desktop) != offer->generation)
		return "it is for another generation";
	if (!desktop_get_display(desktop) ||
	    !display_control_get_certificate(desktop_get_display(desktop)))
		return "the desktop has no display";
	return NULL;
}

static void
ticket_offers_trust(struct ticket_offers *offers, const struct ticket_offer *offer,
		    struct display_control *display)
{
	struct ticket_trust *trust = g_new0(struct ticket_trust, 1);

	trust->certificate = g_strdup(display_control_get_certificate(display));
	trust->subject = g_strdup(display_control_get_subject(display));
	trust->sink = offer->sink;
	g_hash_table_replace(offers->trust, g_strdup(offer->hash), trust);
}

void
ticket_offers_add(struct ticket_offers *offers, const json_t *ticket, struct desktop *desktop)
{
	gboolean spice = strcmp(json_get_text(ticket, "protocol", ""), "spice") == 0;
	struct ticket_offer offer = {
		.hash = json_get_text(ticket, "hash", ""),
		.password = json_get_text(ticket, "password", ""),
		.desktop = json_get_text(ticket, "desktop", ""),
		.generation = (guint64)json_get_integer(ticket, "generation", 0),
		.session = json_get_text(ticket, "session", ""),
		.user = json_get_text(ticket, "user", ""),
		.sink = spice ? DISPLAY_SINK_SPICE : DISPLAY_SINK_VNC,
		.ttl_ms = (guint64)json_get_integer(ticket, "ttl_ms", 0),
	};
	const char *reason = ticket_offers_refuse(&offer, desktop);
	int error;

	if (g_hash_table_contains(offers->trust, offer.hash))
		return;
	if (reason)
		error = tickets_add_refused(offers->tickets, &offer, io_boottime_ms());
	else
		error = tickets_add(offers->tickets, &offer, io_boottime_ms());
	if (reason)
		log_warning("desktop=%s session=%s: a ticket is refused: %s", offer.desktop,
			    offer.session, reason);
	if (error < 0)
		log_warning("desktop=%s session=%s: a ticket is not taken: %s", offer.desktop,
			    offer.session, g_strerror(-error));
	else if (!reason)
		ticket_offers_trust(offers, &offer, desktop_get_display(desktop));
}

static void
ticket_offers_describe_one(void *context, const struct ticket_view *ticket)
{
	struct ticket_offers *offers = ((gpointer *)context)[0];
	json_t *list = ((gpointer *)context)[1];
	const struct ticket_trust *trust = g_hash_table_lookup(offers->trust, ticket->hash);
	json_t *object = json_pack("{s:s, s:s}", "hash", ticket->hash, "state",
				   tickets_state_name(ticket->state));

	if (ticket->state == TICKET_STATE_READY && trust) {
		json_object_set_new(object, "ca", json_string(trust->certificate));
		json_object_set_new(object, "host_subject", json_string(trust->subject));
		json_object_set_new(object, "tls_port",
				    json_integer(trust->sink == DISPLAY_SINK_VNC
							 ? GATEWAY_VNC_PORT
							 : TICKET_OFFERS_TLS_PORT));
	}
	json_array_append_new(list, object);
}

static void
ticket_offers_mark_ready(void *context, const struct ticket_view *ticket)
{
	if (ticket->state == TICKET_STATE_READY)
		g_hash_table_add(context, g_strdup(ticket->hash));
}

static gboolean
ticket_offers_is_over(gpointer key, gpointer value, gpointer ready)
{
	(void)value;
	return !g_hash_table_contains(ready, key);
}

json_t *
ticket_offers_describe(struct ticket_offers *offers)
{
	g_autoptr(GHashTable) ready = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	json_t *list = json_array();
	gpointer context[] = { offers, list };

	tickets_each(offers->tickets, ticket_offers_mark_ready, ready);
	g_hash_table_foreach_remove(offers->trust, ticket_offers_is_over, ready);
	tickets_each(offers->tickets, ticket_offers_describe_one, context);
	return list;
}
