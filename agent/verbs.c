/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * verbs.c - what the host may ask of the agent (carrel-agent, in the guest)
 *
 * How it works: verb_table has a row for each verb: its body's fields, the states in which it is legal, and its
 * handler. verbs_handle_frame() checks the frame against frame_fields, the body against the row, and only then calls
 * the handler. A handler answers at once through verbs_answer(), or begins a task that answers at its end. hello lists
 * what is in the table, so a verb that is not here is not promised.
 */
#include "agent/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/identity.h"
#include "agent/notes.h"
#include "agent/quiesce.h"
#include "agent/screen.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/proto_agent.h"
#include "config.h"

#define COUNT(array)	    (sizeof(array) / sizeof((array)[0]))
#define BIT(state)	    (1u << (state))
#define ANY_STATE	    (BIT(AGENT_STATE_COUNT) - 1)
#define NAMELESS	    (BIT(AGENT_STATE_FRESH) | BIT(AGENT_STATE_QUIESCED))
#define TIME_MAX_US	    INT64_C(7258118400000000) /* the year 2200 */
#define UID_MIN		    1000
#define UID_MAX		    0x7ffffffe
#define GROUPS_MAX	    64
#define OS_RELEASE_MAX	    16384
#define SHUTDOWN_TIMEOUT_MS 20000

struct verb {
	const char *name;
	const struct json_field *fields;
	size_t n_fields;
	unsigned int states;
	int (*check)(const json_t *body, struct json_problem *ret_problem); /* or NULL */
	void (*handle)(struct agent *agent, const struct verb *verb, int64_t id, json_t *body);
	const struct task_kind *task; /* for verbs_handle_task() */
};

static const struct json_field frame_fields[] = {
	{ "v", JSON_KIND_INTEGER, 0, 1, 1000 },
	{ "id", JSON_KIND_INTEGER, 0, 1, INT64_MAX },
	{ "verb", JSON_KIND_STRING, 0, 1, 32 },
	{ "generation", JSON_KIND_INTEGER, 1, 0, INT64_MAX },
	{ "body", JSON_KIND_OBJECT, 1, 0, 0 },
};

static const struct json_field hello_fields[] = {
	{ "version", JSON_KIND_INTEGER, 0, 1, 1000 },
};

static const struct json_field resync_fields[] = {
	{ "nonce", JSON_KIND_STRING, 0, 8, AGENT_MAX_TEXT },
};

static const struct json_field identify_fields[] = {
	{ "seed", JSON_KIND_STRING, 0, 2 * IDENTITY_SEED_BYTES, 2 * IDENTITY_SEED_BYTES },
	{ "time_us", JSON_KIND_INTEGER, 0, 1, TIME_MAX_US },
	{ "hostname", JSON_KIND_STRING, 0, 1, 63 },
	{ "machine_id", JSON_KIND_STRING, 0, 32, 32 },
	{ "mac", JSON_KIND_STRING, 1, 0, 17 },
	{ "link", JSON_KIND_BOOLEAN, 0, 0, 0 },
};

static const struct json_field clock_fields[] = {
	{ "time_us", JSON_KIND_INTEGER, 0, 1, TIME_MAX_US },
};

static const struct json_field login_fields[] = {
	{ "user", JSON_KIND_STRING, 0, 1, NAME_USER_SIZE - 1 },
	{ "uid", JSON_KIND_INTEGER, 0, UID_MIN, UID_MAX },
	{ "groups", JSON_KIND_ARRAY, 1, 0, GROUPS_MAX },
	{ "keyboard", JSON_KIND_OBJECT, 1, 0, 0 },
	{ "locale", JSON_KIND_STRING, 1, 0, 64 },
	{ "timezone", JSON_KIND_STRING, 1, 1, 64 },
};

static const struct json_field screen_fields[] = {
	{ "width", JSON_KIND_INTEGER, 0, SCREEN_MIN, SCREEN_MAX },
	{ "height", JSON_KIND_INTEGER, 0, SCREEN_MIN, SCREEN_MAX },
};

static const struct json_field shutdown_fields[] = {
	{ "mode", JSON_KIND_STRING, 0, 6, 8 },
};

/* Takes the reference of "message". */
static void
verbs_send(struct agent *agent, json_t *message)
{
	CLEANUP_FREE char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	int error = text ? port_send(&agent->port, text, strlen(text)) : -ENOMEM;

	json_decref(message);
	if (error < 0 && log_limit_allow(&agent->port.complaints, io_boottime_ms()))
		log_warning("a message to the host is lost: %s", strerror(-error));
}

/* Takes the reference of "body". */
static void
verbs_answer(struct agent *agent, const char *verb, int64_t id, json_t *body)
{
	verbs_send(agent, json_pack("{s:i, s:I, s:s, s:I, s:b, s:o}", "v", AGENT_PROTOCOL_VERSION,
				    "id", (json_int_t)id, "verb", verb, "generation",
				    (json_int_t)agent->generation, "ok", 1, "body",
				    body ? body : json_object()));
}

static void
verbs_answer_error(struct agent *agent, const char *verb, int64_t id, const char *problem)
{
	verbs_send(agent, json_pack("{s:i, s:I, s:s, s:I, s:b, s:s}", "v", AGENT_PROTOCOL_VERSION,
				    "id", (json_int_t)id, "verb", verb, "generation",
				    (json_int_t)agent->generation, "ok", 0, "error", problem));
}

void
verbs_send_event(struct agent *agent, const char *verb, json_t *body)
{
	verbs_send(agent, json_pack("{s:i, s:i, s:s, s:I, s:o}", "v", AGENT_PROTOCOL_VERSION, "id",
				    0, "verb", verb, "generation", (json_int_t)agent->generation,
				    "body", body));
}

/* What a program printed may be no UTF-8, and then would be no JSON. */
static void
verbs_make_ascii(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f)
			*text = '?';
}

void
verbs_answer_task(struct agent *agent, struct task *task, int status)
{
	if (status == 0) {
		verbs_answer(agent, task->verb, task->id, json_incref(task->answer));
		return;
	}
	verbs_make_ascii(task->problem);
	verbs_answer_error(agent, task->verb, task->id, task->problem);
}

static void
verbs_handle_task(struct agent *agent, const struct verb *verb, int64_t id, json_t *body)
{
	int error = task_begin(agent, verb->task, id, verb->name, body);
	char problem[80];

	if (error == 0)
		return;
	if (error == -EBUSY)
		snprintf(problem, sizeof(problem),
			 AGENT_ERROR_BUSY "'%s': ask again after its answer", agent->task.verb);
	else
		snprintf(problem, sizeof(problem), "out of memory in the guest");
	verbs_answer_error(agent, verb->name, id, problem);
}

static void
verbs_handle_resync(struct agent *agent, const struct verb *verb, int64_t id, json_t *body)
{
	/* What was queued is for a host that is no more. */
	port_drop_output(&agent->port);
	verbs_answer(agent, verb->name, id,
		     json_pack("{s:O, s:s}", "nonce", json_object_get(body, "nonce"), "state",
			       agent_state_name(agent->state)));
}

static void
verbs_handle_ready(struct agent *agent, const struct verb *verb, int64_t id, json_t *body)
{
	(void)body;
	xwatch_begin(&agent->xwatch);
	verbs_answer(agent, verb->name, id,
		     json_pack("{s:b, s:o}", "x", agent->xwatch.ready, "notes",
			       notes_read(NOTES_FOLDER)));
}

static int
verbs_check_shutdown(const json_t *body, struct json_problem *ret_problem)
{
	const char *mode = json_get_text(body, "mode", "");

	if (strcmp(mode, "poweroff") == 0 || strcmp(mode, "reboot") == 0)
		return 0;
	snprintf(ret_problem->text, sizeof(ret_problem->text),
		 "'mode' must be 'poweroff' or 'reboot'");
	return -EINVAL;
}

static int
verbs_run_shutdown(struct agent *agent, struct task *task)
{
	const char *const argv[] = { "/usr/bin/systemctl", "--no-block",
				     json_get_text(task->request, "mode", ""), NULL };

	(void)agent;
	return task_command(task, argv, SHUTDOWN_TIMEOUT_MS);
}

static void
verbs_end_shutdown(struct agent *agent, struct task *task, int status)
{
	(void)task;
	if (status == 0)
		agent_set_state(agent, AGENT_STATE_ENDING);
}

static const struct task_step shutdown_steps[] = {
	{ "shutdown", verbs_run_shutdown, NULL, false },
};

static const struct task_kind shutdown_task_kind = {
	.steps = shutdown_steps,
	.n_steps = COUNT(shutdown_steps),
	.ended = verbs_end_shutdown,
};

static void verbs_handle_hello(struct agent *agent, const struct verb *verb, int64_t id,
			       json_t *body);

static const struct verb verb_table[] = {
	{ AGENT_VERB_HELLO, hello_fields, COUNT(hello_fields), ANY_STATE, NULL, verbs_handle_hello,
	  NULL },
	{ AGENT_VERB_RESYNC, resync_fields, COUNT(resync_fields), ANY_STATE, NULL,
	  verbs_handle_resync, NULL },
	{ AGENT_VERB_READY, NULL, 0, ANY_STATE, NULL, verbs_handle_ready, NULL },
	{ AGENT_VERB_QUIESCE, NULL, 0, NAMELESS | BIT(AGENT_STATE_IDENTIFIED), NULL,
	  verbs_handle_task, &quiesce_task_kind },
	{ AGENT_VERB_IDENTIFY, identify_fields, COUNT(identify_fields),
	  NAMELESS | BIT(AGENT_STATE_IDENTIFIED) | BIT(AGENT_STATE_IN_SESSION),
	  identity_check_request, verbs_handle_task, &identity_task_kind },
	{ AGENT_VERB_CLOCK, clock_fields, COUNT(clock_fields),
	  BIT(AGENT_STATE_FRESH) | BIT(AGENT_STATE_IDENTIFIED) | BIT(AGENT_STATE_IN_SESSION), NULL,
	  verbs_handle_task, &identity_clock_kind },
	{ AGENT_VERB_LOGIN, login_fields, COUNT(login_fields), BIT(AGENT_STATE_IDENTIFIED),
	  guest_session_check_request, verbs_handle_task, &guest_session_login_kind },
	{ AGENT_VERB_LOGOFF, NULL, 0, BIT(AGENT_STATE_IDENTIFIED) | BIT(AGENT_STATE_IN_SESSION),
	  NULL, verbs_handle_task, &guest_session_logoff_kind },
	{ AGENT_VERB_SCREEN, screen_fields, COUNT(screen_fields),
	  NAMELESS | BIT(AGENT_STATE_IDENTIFIED) | BIT(AGENT_STATE_IN_SESSION), NULL,
	  verbs_handle_task, &screen_task_kind },
	{ AGENT_VERB_SHUTDOWN, shutdown_fields, COUNT(shutdown_fields), ANY_STATE,
	  verbs_check_shutdown, verbs_handle_task, &shutdown_task_kind },
};

/* "Debian GNU/Linux 12 (bookworm)", cut at what cannot be in JSON. */
static void
verbs_get_os(char *ret_text, size_t size)
{
	CLEANUP_FREE char *text = NULL;
	const char *at;
	size_t length;

	snprintf(ret_text, size, "unknown");
	if (io_read_file("/etc/os-release", OS_RELEASE_MAX, &text, &length) < 0)
		return;
	at = strstr(text, "PRETTY_NAME=");
	if (!at)
		return;
	at += strlen("PRETTY_NAME=");
	at += *at == '"';
	snprintf(ret_text, size, "%.*s", (int)strcspn(at, "\"\n"), at);
	verbs_make_ascii(ret_text);
}

static void
verbs_handle_hello(struct agent *agent, const struct verb *verb, int64_t id, json_t *body)
{
	json_t *names = json_array();
	char os[AGENT_MAX_TEXT];

	(void)body;
	for (size_t i = 0; i < COUNT(verb_table); i++)
		json_array_append_new(names, json_string(verb_table[i].name));
	verbs_get_os(os, sizeof(os));
	verbs_answer(agent, verb->name, id,
		     json_pack("{s:i, s:s, s:o, s:s}", "version", AGENT_PROTOCOL_VERSION, "agent",
			       PACKAGE_VERSION, "verbs", names, "os", os));
}

static const struct verb *
verbs_find(const char *name)
{
	for (size_t i = 0; i < COUNT(verb_table); i++)
		if (strcmp(verb_table[i].name, name) == 0)
			return &verb_table[i];
	return NULL;
}

/* Everything that can be wrong with a request whose frame is right. NULL when nothing is. */
static const char *
verbs_find_fault(const struct agent *agent, const struct verb *verb, int64_t version,
		 const json_t *body, struct json_problem *ret_problem)
{
	if (!verb)
		return "unsupported";
	if (version != AGENT_PROTOCOL_VERSION && strcmp(verb->name, AGENT_VERB_HELLO) != 0)
		return "unsupported version";
	if (json_check_object(body, "the body", verb->fields, verb->n_fields, ret_problem) < 0)
		return ret_problem->text;
	if (verb->check && verb->check(body, ret_problem) < 0)
		return ret_problem->text;
	if (!(verb->states & BIT(agent->state))) {
		snprintf(ret_problem->text, sizeof(ret_problem->text), "not possible while %s",
			 agent_state_name(agent->state));
		return ret_problem->text;
	}
	return NULL;
}

static void
verbs_handle_request(struct agent *agent, const json_t *frame)
{
	const char *name = json_get_text(frame, "verb", "");
	int64_t id = json_get_integer(frame, "id", 0);
	const struct verb *verb = verbs_find(name);
	json_t *body = json_incref(json_object_get(frame, "body"));
	struct json_problem problem;
	const char *fault;

	if (!body)
		body = json_object();
	agent->generation = json_get_integer(frame, "generation", agent->generation);
	fault = verbs_find_fault(agent, verb, json_get_integer(frame, "v", 0), body, &problem);
	if (fault)
		verbs_answer_error(agent, name, id, fault);
	else
		verb->handle(agent, verb, id, body);
	json_decref(body);
}

void
verbs_handle_frame(struct agent *agent, const char *text, size_t size)
{
	struct json_problem problem;
	json_t *frame = json_parse_strict(text, size, FRAME_MAX_BYTES, &problem);

	if (frame &&
	    json_check_object(frame, "the frame", frame_fields, COUNT(frame_fields), &problem) == 0)
		verbs_handle_request(agent, frame);
	else if (log_limit_allow(&agent->port.complaints, io_boottime_ms()))
		log_warning("a frame of %zu bytes is dropped: %s", size, problem.text);
	json_decref(frame);
}
