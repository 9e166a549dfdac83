/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * api_server.c - the server itself, log-in and log-out (carrel-broker)
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/http.h"
#include "broker/login.h"
#include "broker/problem.h"
#include "broker/routes.h"
#include "broker/token.h"
#include "config.h"

void
api_server_show(struct broker *broker, struct http_request *request)
{
	(void)broker;
	http_respond(request, 200,
		     json_pack("{s:s, s:s, s:i}", "name", g_get_host_name(), "version",
			       PACKAGE_VERSION, "api", 1));
}

void
api_login_begin(struct broker *broker, struct http_request *request)
{
	login_begin(broker->logins, request);
}

void
api_login_answer(struct broker *broker, struct http_request *request)
{
	login_continue(broker->logins, request);
}

void
api_logout(struct broker *broker, struct http_request *request)
{
	g_autoptr(GError) error = NULL;

	if (request->identity.token_hash &&
	    !token_revoke(broker->store, request->identity.token_hash, &error)) {
		problem_respond_error(request, error);
		return;
	}
	http_respond(request, 204, NULL);
}

void
api_me_show(struct broker *broker, struct http_request *request)
{
	(void)broker;
	http_respond(request, 200,
		     json_pack("{s:s, s:o, s:O}", "user", request->identity.user, "roles",
			       routes_list_roles(request->identity.roles), "groups",
			       request->identity.groups));
}
