/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ticket_offers.h - takes the broker's tickets into the table, and reports them with what a client needs to trust the display
 */
#ifndef HOST_TICKET_OFFERS_H
#define HOST_TICKET_OFFERS_H

#include "base/json.h"
#include "host/tickets.h"

/* A port has to stand in a .vv file; any but GATEWAY_VNC_PORT is SPICE's (docs/PROTOCOL.md, CONNECT). */
#define TICKET_OFFERS_TLS_PORT 61000

struct desktop;
struct ticket_offers;

/* The table must outlive it. */
struct ticket_offers *ticket_offers_new(struct ticket_table *tickets);
void ticket_offers_free(struct ticket_offers *offers);

/* A checked ticket of sync's answer; desktop NULL: there is none of that id. What cannot be good here is added as refused. */
void ticket_offers_add(struct ticket_offers *offers, const json_t *ticket, struct desktop *desktop);

/* For sync: "tickets", a new reference. */
json_t *ticket_offers_describe(struct ticket_offers *offers);

#endif
