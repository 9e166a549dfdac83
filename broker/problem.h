/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * problem.h - errors of the API: application/problem+json (RFC 9457) with a stable code that clients translate
 */
#ifndef BROKER_PROBLEM_H
#define BROKER_PROBLEM_H

#include <glib.h>

struct http_request;

/* Answers the request. "code" is noun.what and never changes once released; the text says what to do. */
void problem_respond(struct http_request *request, guint status, const char *code,
		     const char *format, ...) G_GNUC_PRINTF(4, 5);

/* For errors of the broker itself: logs the error, answers 500 without its text. Frees nothing. */
void problem_respond_error(struct http_request *request, const GError *error);

/*
 * For what the path names and the store does not give: 404 "<noun>.unknown", which does not tell what is not there from
 * what the caller may not see. With an error it is the broker's own: 500.
 */
void problem_respond_unknown(struct http_request *request, const char *noun, const GError *error);

#endif
