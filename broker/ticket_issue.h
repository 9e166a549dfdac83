/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ticket_issue.h - display tickets between the viewer that asks and the host that acknowledges
 */
#ifndef BROKER_TICKET_ISSUE_H
#define BROKER_TICKET_ISSUE_H

#include <glib.h>

#include "base/json.h"

struct broker;
struct http_request;
struct ticket_table;

struct ticket_table *ticket_table_new(struct broker *broker);

/* Answers those that wait, so HTTP must still be served. */
void ticket_table_free(struct ticket_table *table);

/* Makes a ticket for the session in request->name and answers once its host has acknowledged it. */
void ticket_issue_begin(struct ticket_table *table, struct http_request *request,
			const char *protocol);

/* Those that this host has not acknowledged yet, for its sync answer: holds passwords, the caller wipes what it makes of it. */
json_t *ticket_issue_list(struct ticket_table *table, const char *host);

/* One entry of a host's report. Inside the sync's transaction; the viewer is answered by ticket_issue_answer(). */
gboolean ticket_issue_note(struct ticket_table *table, const char *host, const json_t *report,
			   GError **error);

/* After the commit: answers the viewers whose tickets were decided, or whose sessions have ended. */
void ticket_issue_answer(struct ticket_table *table);

/* A new hostd instance knows none of the old tickets: voids them. Inside the sync's transaction. */
gboolean ticket_issue_void_host(struct ticket_table *table, const char *host, GError **error);

#endif
