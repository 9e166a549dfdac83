/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sync_answer.c - what the broker wants of this host, checked before anything is changed (carrel-hostd)
 *
 * How it works: each part of the answer has a table of fields, and a function for what a table cannot say.
 */
#include "host/sync_answer.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/id.h"
#include "base/name.h"

#define MAX_NUMBER    G_GINT64_CONSTANT(0x1fffffffffffff)
#define MAX_TEXT      64
#define MAX_GROUPS    64
#define MAX_RAM_MIB   1048576
#define MAX_VERSION   999999999
#define MAX_TTL_MS    (5 * 60 * 1000)
#define HASH_LENGTH   64
#define FIELDS(table) table, G_N_ELEMENTS(table)

static const struct json_field answer_fields[] = {
	{ "v", JSON_KIND_INTEGER, 0, 1, 1 },
	{ "number", JSON_KIND_INTEGER, 0, 0, MAX_NUMBER },
	{ "acknowledged", JSON_KIND_INTEGER, 0, 0, MAX_NUMBER },
	{ "desktops", JSON_KIND_ARRAY, 0, 0, SYNC_ANSWER_MAX_ELEMENTS },
	{ "left", JSON_KIND_ARRAY, 1, 0, SYNC_ANSWER_MAX_ELEMENTS },
	{ "jobs", JSON_KIND_ARRAY, 0, 0, SYNC_ANSWER_MAX_ELEMENTS },
	{ "tickets", JSON_KIND_ARRAY, 0, 0, SYNC_ANSWER_MAX_ELEMENTS },
	{ "requests", JSON_KIND_ARRAY, 0, 0, SYNC_ANSWER_MAX_ELEMENTS },
	{ "revoked", JSON_KIND_ARRAY, 0, 0, SYNC_ANSWER_MAX_ELEMENTS },
};

static const struct json_field desktop_fields[] = {
	{ "id", JSON_KIND_STRING, 0, 1, ID_SIZE - 1 },
	{ "generation", JSON_KIND_INTEGER, 0, 1, MAX_NUMBER },
	{ "pool", JSON_KIND_STRING, 0, 1, NAME_SIZE - 1 },
	{ "template", JSON_KIND_STRING, 0, 1, NAME_SIZE - 1 },
	{ "version", JSON_KIND_INTEGER, 0, 1, MAX_VERSION },
	{ "engine", JSON_KIND_STRING, 0, 1, 8 },
	{ "kind", JSON_KIND_STRING, 0, 1, NAME_SIZE - 1 },
	{ "ram_mib", JSON_KIND_INTEGER, 0, 1, MAX_RAM_MIB },
	{ "network", JSON_KIND_STRING, 0, 1, 8 },
	{ "want", JSON_KIND_STRING, 0, 4, 9 },
};

static const struct json_field left_fields[] = {
	{ "id", JSON_KIND_STRING, 0, 1, ID_SIZE - 1 },
	{ "template", JSON_KIND_STRING, 0, 1, NAME_SIZE - 1 },
	{ "version", JSON_KIND_INTEGER, 0, 1, MAX_VERSION },
	{ "kind", JSON_KIND_STRING, 0, 1, NAME_SIZE - 1 },
};

static const struct json_field session_fields[] = {
	{ "id", JSON_KIND_STRING, 0, 1, ID_SIZE - 1 },
	{ "user", JSON_KIND_STRING, 0, 1, NAME_USER_SIZE - 1 },
	{ "groups", JSON_KIND_ARRAY, 0, 0, MAX_GROUPS },
	{ "keyboard", JSON_KIND_OBJECT, 0, 0, 0 },
	{ "locale", JSON_KIND_STRING, 0, 0, MAX_TEXT },
	{ "timezone", JSON_KIND_STRING, 0, 0, MAX_TEXT },
};

static const struct json_field keyboard_fields[] = {
	{ "layout", JSON_KIND_STRING, 0, 0, MAX_TEXT },
	{ "variant", JSON_KIND_STRING, 0, 0, MAX_TEXT },
};

static const struct json_field job_fields[] = {
	{ "id", JSON_KIND_STRING, 0, 1, ID_SIZE - 1 },
	{ "kind", JSON_KIND_STRING, 0, 1, 16 },
	{ "arguments", JSON_KIND_OBJECT, 0, 0, 0 },
	{ "cancel", JSON_KIND_BOOLEAN, 0, 0, 0 },
};

static const struct json_field ticket_fields[] = {
	{ "hash", JSON_KIND_STRING, 0, HASH_LENGTH, HASH_LENGTH },
	{ "password", JSON_KIND_STRING, 0, 1, ID_PASSWORD_SIZE - 1 },
	{ "desktop", JSON_KIND_STRING, 0, 1, ID_SIZE - 1 },
	{ "generation", JSON_KIND_INTEGER, 0, 1, MAX_NUMBER },
	{ "session", JSON_KIND_STRING, 0, 1, ID_SIZE - 1 },
	{ "user", JSON_KIND_STRING, 0, 1, NAME_USER_SIZE - 1 },
	{ "protocol", JSON_KIND_STRING, 0, 3, 5 },
	{ "ttl_ms", JSON_KIND_INTEGER, 0, 1, MAX_TTL_MS },
};

static const struct json_field request_fields[] = {
	{ "id", JSON_KIND_INTEGER, 0, 0, MAX_NUMBER },
	{ "verb", JSON_KIND_STRING, 0, 1, 16 },
	{ "desktop", JSON_KIND_STRING, 0, 1, ID_SIZE - 1 },
};

static gboolean
sync_answer_is_one_of(const json_t *object, const char *name, const char *const *words)
{
	return g_strv_contains(words, json_get_text(object, name, ""));
}

static const char *
sync_answer_check_session(const json_t *session, struct json_problem *ret_problem)
{
	const json_t *groups = json_object_get(session, "groups");

	if (json_is_null(session))
		return NULL;
	if (json_check_object(session, "a session", FIELDS(session_fields), ret_problem) < 0 ||
	    json_check_object(json_object_get(session, "keyboard"), "a keyboard",
			      FIELDS(keyboard_fields), ret_problem) < 0)
		return ret_problem->text;
	if (!id_valid(ID_KIND_SESSION, json_get_text(session, "id", "")) ||
	    !name_user_valid(json_get_text(session, "user", "")))
		return "a session's id or user is not of its form";
	for (gsize i = 0; i < json_array_size(groups); i++)
		if (!json_is_string(json_array_get(groups, i)))
			return "a group is no text";
	return NULL;
}

static const char *
sync_answer_check_desktop(const json_t *desktop)
{
	static const char *const wants[] = { "ready",	"suspended", "gone", "exported",
					     "arrives", "returns",   NULL };
	static const char *const networks[] = { "none", "passt", NULL };

	if (!id_valid(ID_KIND_DESKTOP, json_get_text(desktop, "id", "")))
		return "a desktop's id is not of its form";
	if (!name_valid(json_get_text(desktop, "template", "")) ||
	    !name_valid(json_get_text(desktop, "kind", "")))
		return "a desktop's template or kind is no name";
	if (!sync_answer_is_one_of(desktop, "want", wants) ||
	    !sync_answer_is_one_of(desktop, "network", networks))
		return "a desktop's 'want' or 'network' is unknown";
	return NULL;
}

static const char *
sync_answer_check_left(const json_t *desktop)
{
	return id_valid(ID_KIND_DESKTOP, json_get_text(desktop, "id", ""))
		       ? NULL
		       : "the id of a desktop that has left is not of its form";
}

static const char *
sync_answer_check_job(const json_t *job)
{
	return id_valid(ID_KIND_JOB, json_get_text(job, "id", ""))
		       ? NULL
		       : "a job's id is not of its form";
}

static const char *
sync_answer_check_ticket(const json_t *ticket)
{
	static const char *const protocols[] = { "spice", "vnc", NULL };

	if (!id_valid(ID_KIND_DESKTOP, json_get_text(ticket, "desktop", "")) ||
	    !id_valid(ID_KIND_SESSION, json_get_text(ticket, "session", "")))
		return "a ticket's desktop or session is not of its form";
	return sync_answer_is_one_of(ticket, "protocol", protocols)
		       ? NULL
		       : "a ticket's protocol is unknown";
}

static const char *
sync_answer_check_request(const json_t *request)
{
	static const char *const verbs[] = { "screenshot", "powerdown", "stop", NULL };

	return sync_answer_is_one_of(request, "verb", verbs) ? NULL : "a request's verb is unknown";
}

static const struct {
	const char *name;
	const char *what;
	const struct json_field *fields;
	gsize n_fields;
	const char *(*check)(const json_t *element);
} parts[] = {
	{ "left", "a desktop that has left", FIELDS(left_fields), sync_answer_check_left },
	{ "jobs", "a job", FIELDS(job_fields), sync_answer_check_job },
	{ "tickets", "a ticket", FIELDS(ticket_fields), sync_answer_check_ticket },
	{ "requests", "a request", FIELDS(request_fields), sync_answer_check_request },
};

static int
sync_answer_refuse(const char *text, struct json_problem *ret_problem)
{
	if (text != ret_problem->text)
		g_strlcpy(ret_problem->text, text, sizeof(ret_problem->text));
	return -EINVAL;
}

/* "session" may be null or an object, which no table can say: it is checked beside it. */
static int
sync_answer_check_desktops(const json_t *desktops, struct json_problem *ret_problem)
{
	for (gsize i = 0; i < json_array_size(desktops); i++) {
		json_t *plain = json_copy(json_array_get(desktops, i));
		json_t *session = json_incref(json_object_get(plain, "session"));
		const char *bad = session ? NULL : "'session' is missing in a desktop";

		json_object_del(plain, "session");
		if (!bad &&
		    json_check_object(plain, "a desktop", FIELDS(desktop_fields), ret_problem) < 0)
			bad = ret_problem->text;
		if (!bad)
			bad = sync_answer_check_desktop(plain);
		if (!bad)
			bad = sync_answer_check_session(session, ret_problem);
		json_decref(session);
		json_decref(plain);
		if (bad)
			return sync_answer_refuse(bad, ret_problem);
	}
	return 0;
}

static int
sync_answer_check_part(const json_t *list, gsize part, struct json_problem *ret_problem)
{
	for (gsize i = 0; i < json_array_size(list); i++) {
		const json_t *element = json_array_get(list, i);
		const char *bad;

		if (json_check_object(element, parts[part].what, parts[part].fields,
				      parts[part].n_fields, ret_problem) < 0)
			return -EINVAL;
		bad = parts[part].check(element);
		if (bad)
			return sync_answer_refuse(bad, ret_problem);
	}
	return 0;
}

int
sync_answer_check(const json_t *answer, struct json_problem *ret_problem)
{
	const json_t *revoked;

	if (json_check_object(answer, "the broker's answer", FIELDS(answer_fields), ret_problem) <
	    0)
		return -EINVAL;
	if (sync_answer_check_desktops(json_object_get(answer, "desktops"), ret_problem) < 0)
		return -EINVAL;
	for (gsize i = 0; i < G_N_ELEMENTS(parts); i++)
		if (sync_answer_check_part(json_object_get(answer, parts[i].name), i, ret_problem) <
		    0)
			return -EINVAL;
	revoked = json_object_get(answer, "revoked");
	for (gsize i = 0; i < json_array_size(revoked); i++) {
		const char *id = json_string_value(json_array_get(revoked, i));

		if (!id || !id_valid(ID_KIND_SESSION, id))
			return sync_answer_refuse("a revoked session's id is not of its form",
						  ret_problem);
	}
	return 0;
}
