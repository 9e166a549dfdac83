/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * problem.c - errors of the API (carrel-broker)
 */
#include "broker/problem.h"

#include "base/log.h"
#include "broker/http.h"

void
problem_respond(struct http_request *request, guint status, const char *code, const char *format,
		...)
{
	g_autofree char *title = NULL;
	g_autofree char *clean = NULL;
	va_list arguments;

	va_start(arguments, format);
	title = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	clean = g_utf8_make_valid(title, -1);
	http_respond(request, status,
		     json_pack("{s:s, s:i, s:s, s:s}", "type", "about:blank", "status", (int)status,
			       "code", code, "title", clean));
}

void
problem_respond_error(struct http_request *request, const GError *error)
{
	log_error("%s %s failed: %s; the request is answered with 500, nothing was changed",
		  request->method, request->path, error ? error->message : "no reason given");
	problem_respond(request, 500, "server.error",
			"the broker could not do that; its log says why");
}

void
problem_respond_unknown(struct http_request *request, const char *noun, const GError *error)
{
	g_autofree char *code = g_strconcat(noun, ".unknown", NULL);

	if (error)
		problem_respond_error(request, error);
	else
		problem_respond(request, 404, code,
				"there is no %s '%s' that you may see (carrel %s list)", noun,
				request->name, noun);
}
