/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * login.c - log-ins in progress (carrel-broker)
 *
 * How it works: POST /login opens a connection to carrel-authd and sends START; the HTTP request waits. authd's prompts
 * are collected until one needs an answer or the result comes (login_handle_message), which answers the request.
 *
 *   WORKING  authd is busy, an HTTP request waits for it
 *   ASKED    a prompt was handed to the user, no request waits     WORKING -> ASKED -> WORKING ...
 *   TOLD     authd has decided, but had something to say before: the user has that and no request waits. The next
 *            one, with no answers in it, gets the decision          WORKING -> TOLD
 *   over     the login is removed from the table
 *
 * What PAM has to say is passed on when the password was right (login_may_tell): after a wrong one it could tell
 * whether the account exists.
 *
 * Answers go from the parsed body to authd in one message on the stack, which is wiped; Jansson's memory is wiped when it is
 * freed (carrel-broker.c). A login that is not done after LOGIN_DEADLINE_S is over.
 */
#include "broker/login.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/log.h"
#include "base/proto_auth.h"
#include "broker/broker.h"
#include "broker/http.h"
#include "broker/login_limit.h"
#include "broker/problem.h"
#include "broker/routes.h"
#include "broker/token.h"
#include "common/seq_source.h"
#include "common/settings.h"

#define LOGIN_MAX	      64
#define LOGIN_MAX_PER_ADDRESS 24
#define LOGIN_DEADLINE_S      62 /* authd's own is 60 s */

enum login_state {
	LOGIN_WORKING,
	LOGIN_ASKED,
	LOGIN_TOLD
};

struct login_table {
	struct broker *broker;
	GHashTable *logins; /* id -> struct login */
	struct login_limit *limit;
};

struct login {
	struct login_table *table;
	char id[ID_SIZE];
	enum login_state state;
	struct seq_source *source;
	struct http_request *request; /* waits, or NULL */
	json_t *prompts;
	struct auth_result *result; /* in state TOLD */
	char *user;
	char *remote;
	guint deadline;
	gint64 begun_us;
	gint64 working_since_us;
	gint64 working_us; /* without the time the user needed */
};

static const struct {
	guint status;
	const char *code;
	const char *text;
} result_table[AUTH_CLASS_COUNT] = {
	[AUTH_CLASS_OK] = { 200, "", "" },
	[AUTH_CLASS_DENIED] = { 401, "login.denied", "user name or password is wrong" },
	[AUTH_CLASS_EXPIRED] = { 401, "login.expired",
				 "the account or its password has expired; ask an admin" },
	[AUTH_CLASS_LOCKED] = { 401, "login.locked", "the account is locked; ask an admin" },
	[AUTH_CLASS_UNAVAILABLE] = { 503, "login.unavailable",
				     "nobody can log in at the moment; the admin finds the reason in the log of carrel-authd" },
};

static void
login_free(gpointer data)
{
	struct login *login = data;

	if (login->request)
		problem_respond(login->request, 503, "login.unavailable",
				"the log-in was cut off; try again");
	if (login->deadline)
		g_source_remove(login->deadline);
	seq_source_free(login->source);
	json_decref(login->prompts);
	g_free(login->result);
	g_free(login->user);
	g_free(login->remote);
	g_free(login);
}

struct login_table *
login_table_new(struct broker *broker)
{
	struct login_table *table = g_new0(struct login_table, 1);

	table->broker = broker;
	table->logins = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, login_free);
	table->limit = login_limit_new();
	return table;
}

void
login_table_free(struct login_table *table)
{
	if (!table)
		return;
	g_hash_table_unref(table->logins);
	login_limit_free(table->limit);
	g_free(table);
}

static void
login_end(struct login *login)
{
	g_hash_table_remove(login->table->logins, login->id);
}

static void
login_refuse(struct login *login, enum auth_class class)
{
	struct http_request *request = g_steal_pointer(&login->request);

	if (class == AUTH_CLASS_DENIED || class == AUTH_CLASS_LOCKED)
		login_limit_count_failure(login->table->limit, login->remote, login->user,
					  g_get_monotonic_time());
	if (request)
		problem_respond(request, result_table[class].status, result_table[class].code, "%s",
				result_table[class].text);
	login_end(login);
}

static json_t *
login_read_groups(const struct auth_result *result)
{
	json_t *groups = json_array();

	for (guint i = 0; i < MIN(result->n_groups, AUTH_MAX_GROUPS); i++)
		if (seq_text_ok(result->groups[i], sizeof(result->groups[i])) &&
		    g_utf8_validate(result->groups[i], -1, NULL))
			json_array_append_new(groups, json_string(result->groups[i]));
	return groups;
}

static void
login_accept(struct login *login, const struct auth_result *result)
{
	struct broker *broker = login->table->broker;
	struct http_request *request = g_steal_pointer(&login->request);
	gint64 hours = settings_get_integer(broker->settings, "broker", "token_hours");
	json_t *groups = login_read_groups(result);
	char token[ID_SECRET_SIZE] = "";
	g_autoptr(GError) error = NULL;
	json_t *roles;

	if (!request) {
		/* The client has what it asked for; nobody waits for a token. */
	} else if (!token_issue(broker->store, result->user, groups, hours,
				login->working_us / 1000, token, &error)) {
		problem_respond_error(request, error);
	} else {
		roles = routes_list_roles(routes_compute_roles(broker, result->user, groups));
		http_respond(request, 200,
			     json_pack("{s:s, s:s, s:s, s:o, s:I}", "state", "done", "token", token,
				       "user", result->user, "roles", roles, "expires_s",
				       (json_int_t)(hours * 3600)));
	}
	explicit_bzero(token, sizeof(token));
	json_decref(groups);
	login_end(login);
}

static void
login_respond_prompts(struct login *login, enum login_state state)
{
	login->state = state;
	login->working_us += g_get_monotonic_time() - login->working_since_us;
	http_respond(g_steal_pointer(&login->request), 200,
		     json_pack("{s:s, s:s, s:o}", "login", login->id, "state", "prompt", "prompts",
			       g_steal_pointer(&login->prompts)));
	login->prompts = json_array();
}

static void
login_decide(struct login *login, const struct auth_result *result)
{
	if (result->class >= AUTH_CLASS_COUNT ||
	    (result->class == AUTH_CLASS_OK && result->pam_code != 0))
		login_refuse(login, AUTH_CLASS_UNAVAILABLE);
	else if (result->class != AUTH_CLASS_OK)
		login_refuse(login, result->class);
	else if (!seq_text_ok(result->user, sizeof(result->user)) || !name_user_valid(result->user))
		login_refuse(login, AUTH_CLASS_DENIED);
	else
		login_accept(login, result);
}

/* Only whoever has given the right password gets that far. */
static gboolean
login_may_tell(const struct auth_result *result)
{
	return result->class == AUTH_CLASS_OK || result->class == AUTH_CLASS_EXPIRED;
}

static void
login_handle_result(struct login *login, const struct auth_result *result)
{
	if (login->request && login_may_tell(result) && json_array_size(login->prompts) > 0) {
		login->result = g_memdup2(result, sizeof(*result));
		seq_source_free(g_steal_pointer(&login->source));
		login_respond_prompts(login, LOGIN_TOLD);
		return;
	}
	login->working_us += g_get_monotonic_time() - login->working_since_us;
	login_decide(login, result);
}

static void
login_handle_prompt(struct login *login, struct auth_prompt *prompt)
{
	static const char *const styles[] = {
		[AUTH_STYLE_ECHO_OFF] = "echo-off",
		[AUTH_STYLE_ECHO_ON] = "echo-on",
		[AUTH_STYLE_ERROR] = "error",
		[AUTH_STYLE_INFO] = "info",
	};
	g_autofree char *text = NULL;

	if (prompt->style < AUTH_STYLE_ECHO_OFF || prompt->style > AUTH_STYLE_INFO ||
	    !seq_text_ok(prompt->text, sizeof(prompt->text))) {
		login_refuse(login, AUTH_CLASS_UNAVAILABLE);
		return;
	}
	text = g_utf8_make_valid(prompt->text, -1);
	json_array_append_new(login->prompts, json_pack("{s:s, s:s}", "style",
							styles[prompt->style], "text", text));
	if (prompt->style == AUTH_STYLE_ERROR || prompt->style == AUTH_STYLE_INFO ||
	    !login->request)
		return;
	login_respond_prompts(login, LOGIN_ASKED);
}

static void
login_handle_message(void *context, struct seq_message *message)
{
	struct login *login = context;

	if (!message || login->state != LOGIN_WORKING)
		login_refuse(login, AUTH_CLASS_UNAVAILABLE);
	else if (message->head.type == AUTH_PROMPT &&
		 message->head.size == sizeof(struct auth_prompt))
		login_handle_prompt(login, (struct auth_prompt *)message->payload);
	else if (message->head.type == AUTH_RESULT &&
		 message->head.size == sizeof(struct auth_result))
		login_handle_result(login, (const struct auth_result *)message->payload);
	else
		login_refuse(login, AUTH_CLASS_UNAVAILABLE);
}

static gboolean
login_handle_deadline(gpointer data)
{
	struct login *login = data;

	login->deadline = 0;
	login_refuse(login, AUTH_CLASS_UNAVAILABLE);
	return G_SOURCE_REMOVE;
}

static int
login_send_start(struct login *login)
{
	const struct seq_header head = { .type = AUTH_START, .size = sizeof(struct auth_start) };
	struct auth_start start = { 0 };

	if (seq_text_set(start.user, sizeof(start.user), login->user) < 0 ||
	    seq_text_set(start.remote_host, sizeof(start.remote_host), login->remote) < 0)
		return -EINVAL;
	return seq_source_send(login->source, &head, &start, NULL, 0);
}

static gboolean
login_connect(struct login *login)
{
	g_autofree char *path =
		g_build_filename(login->table->broker->run_folder, "auth.sock", NULL);
	int fd = -1;
	int error = io_unix_connect(path, SOCK_SEQPACKET, &fd);
	struct io_peer peer;

	/* A password goes to root's carrel-authd, or to one of our own user, as in tests; to nobody else who took its place. */
	if (error == 0)
		error = io_peer_get(fd, &peer);
	if (error == 0 && peer.uid != 0 && peer.uid != geteuid())
		error = -EPERM;
	if (error == 0) {
		login->source = seq_source_new(fd, "authd", login_handle_message, login);
		error = login->source ? login_send_start(login) : -EIO;
	}
	if (error < 0)
		log_error(
			"nobody can log in: cannot reach carrel-authd on '%s': %s; start carrel-authd",
			path, g_strerror(-error));
	return error == 0;
}

/* An address that begins many log-ins loses its oldest that waits for a user: it cannot keep other addresses out. */
static void
login_make_room(struct login_table *table, const char *remote)
{
	struct login *oldest = NULL;
	GHashTableIter iter;
	gpointer value;
	guint count = 0;

	g_hash_table_iter_init(&iter, table->logins);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct login *login = value;

		if (strcmp(login->remote, remote) != 0)
			continue;
		count++;
		if (login->state != LOGIN_WORKING &&
		    (!oldest || login->begun_us < oldest->begun_us))
			oldest = login;
	}
	if (count >= LOGIN_MAX_PER_ADDRESS && oldest)
		login_end(oldest);
}

/* The table is full: of the address that has most log-ins open, the oldest that waits for its client goes. */
static void
login_make_room_for_others(struct login_table *table)
{
	g_autoptr(GHashTable) counts = g_hash_table_new(g_str_hash, g_str_equal);
	struct login *victim = NULL;
	guint most = 0;
	GHashTableIter iter;
	gpointer value;

	if (g_hash_table_size(table->logins) < LOGIN_MAX)
		return;
	g_hash_table_iter_init(&iter, table->logins);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct login *login = value;
		guint count = GPOINTER_TO_UINT(g_hash_table_lookup(counts, login->remote)) + 1;

		g_hash_table_insert(counts, login->remote, GUINT_TO_POINTER(count));
	}
	g_hash_table_iter_init(&iter, table->logins);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct login *login = value;
		guint count = GPOINTER_TO_UINT(g_hash_table_lookup(counts, login->remote));

		if (login->state == LOGIN_WORKING || count < most ||
		    (count == most && victim && login->begun_us >= victim->begun_us))
			continue;
		victim = login;
		most = count;
	}
	if (victim)
		login_end(victim);
}

void
login_begin(struct login_table *table, struct http_request *request)
{
	const char *user = json_get_text(request->body, "user", "");
	guint wait_s =
		login_limit_check(table->limit, request->remote, user, g_get_monotonic_time());
	struct login *login;

	if (user[0] != '\0' && !name_user_valid(user)) {
		problem_respond(
			request, 400, "login.name",
			"that is no user name: lower-case letters, digits, '-', '_' and '.', "
			"at most %d of them",
			NAME_USER_SIZE - 1);
		return;
	}
	login_make_room(table, request->remote);
	login_make_room_for_others(table);
	if (wait_s > 0 || g_hash_table_size(table->logins) >= LOGIN_MAX) {
		problem_respond(request, 429, "login.limited",
				"too many log-ins; try again in %u s", MAX(wait_s, 5));
		return;
	}
	login = g_new0(struct login, 1);
	login->table = table;
	login->user = g_strdup(user);
	login->remote = g_strdup(request->remote);
	login->request = request;
	login->prompts = json_array();
	login->begun_us = g_get_monotonic_time();
	login->working_since_us = login->begun_us;
	if (id_new(ID_KIND_LOGIN, login->id) < 0 || !login_connect(login)) {
		login->request = NULL;
		login_free(login);
		problem_respond(request, 503, "login.unavailable", "%s",
				result_table[AUTH_CLASS_UNAVAILABLE].text);
		return;
	}
	g_hash_table_insert(table->logins, login->id, login);
	login->deadline = g_timeout_add_seconds(LOGIN_DEADLINE_S, login_handle_deadline, login);
}

static void
login_send_answer(struct login *login, const json_t *answer)
{
	const struct seq_header head = { .type = AUTH_REPLY, .size = sizeof(struct auth_reply) };
	struct auth_reply reply = { 0 };
	int error;

	memcpy(reply.text, json_string_value(answer), json_string_length(answer));
	login->state = LOGIN_WORKING;
	login->working_since_us = g_get_monotonic_time();
	error = seq_source_send(login->source, &head, &reply, NULL, 0);
	explicit_bzero(&reply, sizeof(reply));
	if (error < 0)
		login_refuse(login, AUTH_CLASS_UNAVAILABLE);
}

static gboolean
login_answers_ok(const struct login *login, const json_t *answers)
{
	const json_t *answer = json_array_get(answers, 0);

	if (login->state == LOGIN_TOLD)
		return json_array_size(answers) == 0;
	return json_array_size(answers) == 1 && json_is_string(answer) &&
	       json_string_length(answer) < AUTH_TEXT_SIZE;
}

void
login_continue(struct login_table *table, struct http_request *request)
{
	struct login *login = g_hash_table_lookup(table->logins, request->name);
	const json_t *answers = json_object_get(request->body, "answers");

	if (!login || login->state == LOGIN_WORKING ||
	    strcmp(login->remote, request->remote) != 0) {
		problem_respond(request, 404, "login.unknown",
				"there is no such log-in waiting for an answer; begin again");
		return;
	}
	if (!login_answers_ok(login, answers)) {
		problem_respond(request, 400, "login.answer",
				"'answers' must hold one text of at most %d bytes, or none when "
				"there was no question",
				AUTH_TEXT_SIZE - 1);
		return;
	}
	login->request = request;
	if (login->state == LOGIN_TOLD)
		login_decide(login, login->result);
	else
		login_send_answer(login, json_array_get(answers, 0));
}
