/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * api.h - the handlers of the API, one for each line of the table in routes.c
 *
 * Each answers its request, now or later. The body has been checked against the route's fields.
 */
#ifndef BROKER_API_H
#define BROKER_API_H

#include "base/json.h"

struct broker;
struct http_request;

/* api_server.c */
void api_server_show(struct broker *broker, struct http_request *request);
void api_login_begin(struct broker *broker, struct http_request *request);
void api_login_answer(struct broker *broker, struct http_request *request);
void api_logout(struct broker *broker, struct http_request *request);
void api_me_show(struct broker *broker, struct http_request *request);

/* api_pools.c */
void api_pools_list(struct broker *broker, struct http_request *request);
void api_pools_create(struct broker *broker, struct http_request *request);
void api_pools_show(struct broker *broker, struct http_request *request);
void api_pools_change(struct broker *broker, struct http_request *request);
void api_pools_delete(struct broker *broker, struct http_request *request);
void api_pools_assign(struct broker *broker, struct http_request *request);

/* api_sessions.c */
void api_sessions_list(struct broker *broker, struct http_request *request);
void api_sessions_show(struct broker *broker, struct http_request *request);
void api_sessions_timing(struct broker *broker, struct http_request *request);
void api_sessions_ticket(struct broker *broker, struct http_request *request);
void api_sessions_delete(struct broker *broker, struct http_request *request);
void api_sessions_revoke(struct broker *broker, struct http_request *request);

/* api_desktops.c */
void api_desktops_list(struct broker *broker, struct http_request *request);
void api_desktops_show(struct broker *broker, struct http_request *request);
void api_desktops_stop(struct broker *broker, struct http_request *request);
void api_desktops_suspend(struct broker *broker, struct http_request *request);
void api_desktops_resume(struct broker *broker, struct http_request *request);
void api_desktops_move(struct broker *broker, struct http_request *request);
void api_desktops_powerdown(struct broker *broker, struct http_request *request);
void api_desktops_screenshot(struct broker *broker, struct http_request *request);
void api_hosts_list(struct broker *broker, struct http_request *request);
void api_hosts_change(struct broker *broker, struct http_request *request);
void api_hosts_sync(struct broker *broker, struct http_request *request);

/* api_templates.c */
void api_templates_list(struct broker *broker, struct http_request *request);
void api_templates_build(struct broker *broker, struct http_request *request);
void api_templates_publish(struct broker *broker, struct http_request *request);
void api_templates_verify(struct broker *broker, struct http_request *request);
void api_jobs_list(struct broker *broker, struct http_request *request);
void api_jobs_show(struct broker *broker, struct http_request *request);
void api_jobs_cancel(struct broker *broker, struct http_request *request);

/* api_list.c: what ?after= takes to get the page behind these rows: a full page may have one. null: there is none. */
json_t *api_list_find_next(const json_t *rows, const char *key);

/* Answers {"<noun>": rows, "next": text or null}; takes over rows. "key" is the column that pages go by. */
void api_list_respond(struct http_request *request, const char *noun, const char *key,
		      json_t *rows);

/* Replaces JSON text in a column (a list kept as text) by what it says. */
void api_list_unpack(json_t *row, const char *column);

#endif
