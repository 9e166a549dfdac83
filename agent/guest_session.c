/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_session.c - a user's session in the guest (carrel-agent, in the guest)
 *
 * How it works: login is a task: make the account (account.c), set the keyboard, locale and time zone of the client, start
 * the recipe's unit carrel-session@USER.service, which counts as started when it is usable, and learn its main process:
 * from a file that the unit may leave, which is a program less to start, or from systemctl. That process is watched by a
 * pidfd: guest_session_handle_end() sends the event "logoff" when it ends, whoever ended it. logoff stops the unit and
 * waits for that same end.
 */
#include "agent/guest_session.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/agent_record.h"
#include "agent/verbs.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"

#define SHOW_TIMEOUT_MS	 20000
#define START_TIMEOUT_MS 90000
#define STOP_TIMEOUT_MS	 30000
#define UID_NOBODY	 65534
#define ZONES		 "/usr/share/zoneinfo/"
#define PID_MAX_BYTES	 32

static_assert(START_TIMEOUT_MS + SHOW_TIMEOUT_MS < AGENT_LOGIN_MAX_MS,
	      "hostd hears which of its steps was late");

static const struct json_field keyboard_fields[] = {
	{ "layout", JSON_KIND_STRING, 0, 1, KEYBOARD_WORD_MAX },
	{ "variant", JSON_KIND_STRING, 1, 0, KEYBOARD_WORD_MAX },
};

void
guest_session_init(struct guest_session *session)
{
	*session = (struct guest_session){ .pidfd = -1 };
}

void
guest_session_done(struct guest_session *session)
{
	if (session->pidfd >= 0)
		close(session->pidfd);
	guest_session_init(session);
}

void
guest_session_make_unit(const char *user, char ret_unit[GUEST_SESSION_UNIT_SIZE])
{
	int size = snprintf(ret_unit, GUEST_SESSION_UNIT_SIZE, "carrel-session@");

	for (const char *at = user; *at != '\0' && size < GUEST_SESSION_UNIT_SIZE - 16; at++)
		size += *at == '-' ? snprintf(ret_unit + size, 5, "\\x2d")
				   : snprintf(ret_unit + size, 2, "%c", *at);
	snprintf(ret_unit + size, GUEST_SESSION_UNIT_SIZE - (size_t)size, ".service");
}

/* All of the text is of letters, digits and "more". */
static bool
guest_session_word_ok(const char *text, const char *more)
{
	for (; *text != '\0'; text++) {
		char lower = (char)(*text | 0x20);

		if (!(lower >= 'a' && lower <= 'z') && !(*text >= '0' && *text <= '9') &&
		    !strchr(more, *text))
			return false;
	}
	return true;
}

/* Letters, digits and "_+-/", no empty part. */
static bool
guest_session_timezone_ok(const char *text)
{
	return text[0] != '\0' && text[0] != '/' && guest_session_word_ok(text, "_+-/") &&
	       !strstr(text, "//") && text[strlen(text) - 1] != '/';
}

static const char *
guest_session_check_groups(const json_t *groups)
{
	for (size_t i = 0; i < json_array_size(groups); i++)
		if (!name_user_valid(json_string_value(json_array_get(groups, i))))
			return "'groups' must be a list of group names";
	return NULL;
}

static const char *
guest_session_check_texts(const json_t *body)
{
	const json_t *keyboard = json_object_get(body, "keyboard");
	int64_t uid = json_get_integer(body, "uid", 0);

	if (!name_user_valid(json_get_text(body, "user", "")))
		return "'user' is no user name";
	if (uid == UID_NOBODY || uid == UID_NOBODY + 1)
		return "'uid' is the uid of nobody";
	if (!guest_session_word_ok(json_get_text(keyboard, "layout", ""), "_,-") ||
	    !guest_session_word_ok(json_get_text(keyboard, "variant", ""), "_,-"))
		return "'keyboard' has a layout or variant that is no xkb name";
	if (!guest_session_word_ok(json_get_text(body, "locale", ""), "_.@-"))
		return "'locale' is no locale name";
	if (!guest_session_timezone_ok(json_get_text(body, "timezone", "UTC")))
		return "'timezone' is no time zone name";
	return guest_session_check_groups(json_object_get(body, "groups"));
}

int
guest_session_check_request(const json_t *body, struct json_problem *ret_problem)
{
	const json_t *keyboard = json_object_get(body, "keyboard");
	const char *bad;

	if (keyboard && json_check_object(keyboard, "'keyboard'", keyboard_fields,
					  sizeof(keyboard_fields) / sizeof(keyboard_fields[0]),
					  ret_problem) < 0)
		return -EINVAL;
	bad = guest_session_check_texts(body);
	if (!bad)
		return 0;
	snprintf(ret_problem->text, sizeof(ret_problem->text), "%s", bad);
	return -EINVAL;
}

static int
guest_session_run_timezone(struct agent *agent, struct task *task)
{
	const char *zone = json_get_text(task->request, "timezone", NULL);
	char target[PATH_MAX];
	struct stat status;

	(void)agent;
	if (!zone)
		return TASK_SKIPPED;
	snprintf(target, sizeof(target), ZONES "%s", zone);
	if (stat(target, &status) < 0 || !S_ISREG(status.st_mode)) {
		log_warning("time zone '%s' is not in this guest: it keeps its own", zone);
		return TASK_SKIPPED;
	}
	unlink("/etc/localtime.carrel");
	if (symlink(target, "/etc/localtime.carrel") < 0 ||
	    rename("/etc/localtime.carrel", "/etc/localtime") < 0)
		return task_fail(task, -errno, "cannot set the time zone '%s': %s", zone,
				 strerror(errno));
	return TASK_DONE;
}

/* carrel-session@.service reads the file as its environment. */
static int
guest_session_run_locale(struct agent *agent, struct task *task)
{
	const char *name = json_get_text(task->request, "locale", NULL);
	locale_t found;
	char line[80];
	int error;

	(void)agent;
	if (!name || name[0] == '\0')
		return TASK_SKIPPED;
	found = newlocale(LC_ALL_MASK, name, (locale_t)0);
	if (!found) {
		log_warning("locale '%s' is not in this guest: it keeps its own", name);
		return TASK_SKIPPED;
	}
	freelocale(found);
	snprintf(line, sizeof(line), "LANG=%s\n", name);
	error = io_write_file_durably("/etc/default/locale", line, strlen(line), 0644);
	if (error < 0)
		return task_fail(task, error, "cannot write /etc/default/locale: %s",
				 strerror(-error));
	return TASK_DONE;
}

static int
guest_session_run_start(struct agent *agent, struct task *task)
{
	const char *const argv[] = { "/usr/bin/systemctl", "start", agent->session.unit, NULL };

	unlink(GUEST_SESSION_PID_FILE);
	return task_command(task, argv, START_TIMEOUT_MS);
}

/* The unit's main process, as a decimal number in the text. */
static int
guest_session_watch(struct guest_session *session, pid_t pid)
{
	int error = io_pidfd_open(pid, &session->pidfd);

	if (error == 0)
		error = io_process_start(pid, &session->start_ticks);
	session->pid = pid;
	return error;
}

static int
guest_session_take_pid(struct agent *agent, struct task *task, const char *text)
{
	long pid = strtol(text, NULL, 10);
	int error = pid > 1 ? guest_session_watch(&agent->session, (pid_t)pid) : -ESRCH;

	if (error < 0)
		return task_fail(task, error, "the session of '%s' ended at once: see its journal",
				 agent->session.user);
	return 0;
}

static int
guest_session_run_show(struct agent *agent, struct task *task)
{
	const char *const argv[] = { "/usr/bin/systemctl", "show", "--property=MainPID", "--value",
				     agent->session.unit,  NULL };
	CLEANUP_FREE char *text = NULL;
	size_t size;
	int error;

	if (io_read_file(GUEST_SESSION_PID_FILE, PID_MAX_BYTES, &text, &size) < 0)
		return task_command(task, argv, SHOW_TIMEOUT_MS);
	error = guest_session_take_pid(agent, task, text);
	return error < 0 ? error : TASK_DONE;
}

static int
guest_session_finish_show(struct agent *agent, struct task *task)
{
	return guest_session_take_pid(agent, task, task->command.output);
}

static void
guest_session_login_ended(struct agent *agent, struct task *task, int status)
{
	if (status < 0) {
		guest_session_done(&agent->session);
		agent_set_state(agent, AGENT_STATE_IDENTIFIED);
		return;
	}
	json_object_set_new(task->answer, "session", json_string(agent->session.unit));
	agent_set_state(agent, AGENT_STATE_IN_SESSION);
}

static int
guest_session_run_prepare(struct agent *agent, struct task *task)
{
	struct guest_session *session = &agent->session;

	guest_session_done(session);
	snprintf(session->user, sizeof(session->user), "%s",
		 json_get_text(task->request, "user", ""));
	guest_session_make_unit(session->user, session->unit);
	return agent_set_state(agent, AGENT_STATE_LOGGING_IN) < 0 ? -EPERM : TASK_SKIPPED;
}

static int
guest_session_run_stop(struct agent *agent, struct task *task)
{
	const char *const argv[] = { "/usr/bin/systemctl", "stop", agent->session.unit, NULL };

	if (agent->session.pidfd < 0)
		return TASK_SKIPPED;
	agent->session.asked = true;
	if (agent_set_state(agent, AGENT_STATE_LOGGING_OFF) < 0)
		return task_fail(task, -EPERM, "nobody is logged in");
	return task_command(task, argv, STOP_TIMEOUT_MS);
}

static void
guest_session_logoff_ended(struct agent *agent, struct task *task, int status)
{
	(void)task;
	if (status == 0) {
		guest_session_handle_end(agent);
	} else if (agent->state == AGENT_STATE_LOGGING_OFF) {
		agent->session.asked = false;
		agent_set_state(agent, AGENT_STATE_IN_SESSION);
	}
}

static void
guest_session_tell_end(struct agent *agent)
{
	struct guest_session *session = &agent->session;
	json_t *body;

	log_info("the session of '%s' has ended (%s)", session->user,
		 session->asked ? "asked" : "ended");
	body = json_pack("{s:s, s:s}", "user", session->user, "reason",
			 session->asked ? "asked" : "ended");
	verbs_send_event(agent, "logoff", body);
	guest_session_done(session);
	/* the X server is started afresh for the next one */
	keyboard_forget(&agent->keyboard);
	agent_set_state(agent, AGENT_STATE_IDENTIFIED);
	xwatch_begin(&agent->xwatch);
}

void
guest_session_handle_end(struct agent *agent)
{
	if (agent->session.pidfd >= 0)
		guest_session_tell_end(agent);
}

void
guest_session_describe(const struct guest_session *session, struct agent_record *record)
{
	memcpy(record->user, session->user, sizeof(record->user));
	record->pid = session->pid;
	record->start_ticks = session->start_ticks;
}

void
guest_session_restore(struct agent *agent, const struct agent_record *record)
{
	struct guest_session *session = &agent->session;
	int error;

	guest_session_done(session);
	memcpy(session->user, record->user, sizeof(session->user));
	guest_session_make_unit(session->user, session->unit);
	error = guest_session_watch(session, record->pid);
	if (error == 0 && session->start_ticks == record->start_ticks) {
		log_info("the session of '%s' still runs", session->user);
		agent_set_state(agent, AGENT_STATE_IN_SESSION);
	} else {
		guest_session_tell_end(agent);
	}
}

static const struct task_step login_steps[] = {
	{ "prepare", guest_session_run_prepare, NULL, false },
	{ "account", account_run_make, NULL, false },
	{ "timezone", guest_session_run_timezone, NULL, false },
	{ "locale", guest_session_run_locale, NULL, false },
	{ "keyboard", keyboard_run_set, keyboard_finish_set, false },
	{ "start", guest_session_run_start, NULL, false },
	{ "show", guest_session_run_show, guest_session_finish_show, false },
};

const struct task_kind guest_session_login_kind = {
	.steps = login_steps,
	.n_steps = sizeof(login_steps) / sizeof(login_steps[0]),
	.ended = guest_session_login_ended,
};

static const struct task_step logoff_steps[] = {
	{ "stop", guest_session_run_stop, NULL, false },
};

const struct task_kind guest_session_logoff_kind = {
	.steps = logoff_steps,
	.n_steps = sizeof(logoff_steps) / sizeof(logoff_steps[0]),
	.ended = guest_session_logoff_ended,
};
