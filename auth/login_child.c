/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * login_child.c - the process that serves one log-in (a fork of carrel-authd, root)
 *
 * How it works: login_child_run() waits for START, lets pam_conv_run() do the log-in, and sends one RESULT. Prompts go
 * out and answers come in through login_child_ask(), which PAM calls while it works.
 *
 *   FRESH    -> WORKING  START came
 *   WORKING  -> ASKED    a prompt with an answer went out     ASKED -> WORKING  its REPLY came
 *   WORKING  -> OVER     RESULT went out
 *
 * A refusal leaves at a fixed time after the last thing the user sent, whatever the modules did in between, so that an
 * unknown name takes as long as a wrong password (login_child_wait_refusal). PAM that takes longer than one interval
 * is rounded up to the next.
 */
#include "auth/login_child.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "auth/pam_conv.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/proto_auth.h"
#include "base/seq.h"

#define REFUSAL_INTERVAL_MS 2000
#define REFUSAL_JITTER_MS   400
#define NSS_BUFFER_BYTES    (64 * 1024)
#define MAX_GIDS	    1024

enum login_child_state {
	STATE_FRESH,
	STATE_WORKING,
	STATE_ASKED,
	STATE_OVER,
	STATE_COUNT
};

struct login_child {
	int fd;
	enum login_child_state state;
	bool hung_up; /* the broker has: its user did not go on */
	uint64_t last_input_ms;
	struct auth_start start;
	struct auth_reply *answer; /* where the REPLY in wait is to go */
};

static int
login_child_handle_start(void *context, struct seq_message *message)
{
	struct login_child *child = context;

	memcpy(&child->start, message->payload, sizeof(child->start));
	if (!seq_text_ok(child->start.user, sizeof(child->start.user)) ||
	    !seq_text_ok(child->start.remote_host, sizeof(child->start.remote_host)))
		return -EPROTO;
	child->state = STATE_WORKING;
	return 0;
}

static int
login_child_handle_reply(void *context, struct seq_message *message)
{
	struct login_child *child = context;

	memcpy(child->answer, message->payload, sizeof(*child->answer));
	explicit_bzero(message->payload, sizeof(*child->answer));
	if (!memchr(child->answer->text, '\0', sizeof(child->answer->text)))
		return -EPROTO;
	child->state = STATE_WORKING;
	return 0;
}

static const struct seq_rule rules[] = {
	{ AUTH_START, sizeof(struct auth_start), sizeof(struct auth_start), 0, 0, 1U << STATE_FRESH,
	  login_child_handle_start },
	{ AUTH_REPLY, sizeof(struct auth_reply), sizeof(struct auth_reply), 0, 0, 1U << STATE_ASKED,
	  login_child_handle_reply },
};

static int
login_child_receive(struct login_child *child)
{
	struct seq_message message;
	int error = seq_receive(child->fd, &message);

	if (error == 0)
		error = seq_dispatch(rules, sizeof(rules) / sizeof(rules[0]), child->state, child,
				     &message);
	explicit_bzero(&message, sizeof(message));
	child->last_input_ms = io_boottime_ms();
	child->hung_up = error == -EPIPE;
	return error;
}

static int
login_child_ask(void *context, const struct auth_prompt *prompt, struct auth_reply *ret_answer)
{
	struct login_child *child = context;
	const struct seq_header head = { .type = AUTH_PROMPT, .size = sizeof(*prompt) };
	int error = seq_send(child->fd, &head, prompt, NULL, 0);

	if (error < 0 || prompt->style == AUTH_STYLE_INFO || prompt->style == AUTH_STYLE_ERROR)
		return error;
	child->state = STATE_ASKED;
	child->answer = ret_answer;
	error = login_child_receive(child);
	child->answer = NULL;
	return error;
}

static void
login_child_add_group(struct auth_result *result, gid_t gid, char *buffer)
{
	struct group *found = NULL;
	struct group entry;

	if (result->n_groups >= AUTH_MAX_GROUPS)
		return;
	if (getgrgid_r(gid, &entry, buffer, NSS_BUFFER_BYTES, &found) != 0 || !found)
		return;
	if (seq_text_set(result->groups[result->n_groups], sizeof(result->groups[0]),
			 found->gr_name) == 0 &&
	    seq_text_ok(result->groups[result->n_groups], sizeof(result->groups[0])))
		result->n_groups++;
}

/* Groups come from NSS; a user without an account there has none. */
static void
login_child_fill_groups(struct auth_result *result)
{
	CLEANUP_FREE char *buffer = malloc(NSS_BUFFER_BYTES);
	CLEANUP_FREE gid_t *gids = calloc(MAX_GIDS, sizeof(*gids));
	struct passwd *found = NULL;
	struct passwd entry;
	int count = MAX_GIDS;

	if (!buffer || !gids ||
	    getpwnam_r(result->user, &entry, buffer, NSS_BUFFER_BYTES, &found) != 0 || !found)
		return;
	if (getgrouplist(result->user, entry.pw_gid, gids, &count) < 0)
		count = MAX_GIDS;
	for (int i = 0; i < count; i++)
		login_child_add_group(result, gids[i], buffer);
}

static void
login_child_log(const struct login_child *child, const struct login_child_settings *settings,
		const struct pam_conv_outcome *outcome)
{
	const char *folder = settings->confdir ? settings->confdir : "/etc/pam.d";

	if (outcome->class == AUTH_CLASS_OK)
		log_info("user '%s' from '%s' logged in", outcome->user, child->start.remote_host);
	else if (child->hung_up)
		log_info("login of '%s' from '%s' was given up", child->start.user,
			 child->start.remote_host);
	else if (outcome->class != AUTH_CLASS_UNAVAILABLE)
		log_info("login of '%s' from '%s' refused: PAM %s said %d (%s)", child->start.user,
			 child->start.remote_host, outcome->step, outcome->pam_code,
			 outcome->reason);
	else
		log_error(
			"login of '%s' is not possible: PAM %s said %d (%s); check the service file '%s/%s' and the "
			"modules it names, the system log has their messages",
			child->start.user, outcome->step, outcome->pam_code, outcome->reason,
			folder, settings->service);
}

static unsigned int
login_child_jitter_ms(void)
{
	unsigned int random = 0;

	if (getrandom(&random, sizeof(random), 0) < 0)
		return 0;
	return random % REFUSAL_JITTER_MS;
}

/* Waits for the time at which refusals leave, or until the broker hangs up. */
static void
login_child_wait_refusal(struct login_child *child)
{
	struct pollfd hangup = { .fd = child->fd, .events = POLLRDHUP };
	uint64_t spent_ms = io_boottime_ms() - child->last_input_ms;
	uint64_t intervals = spent_ms / REFUSAL_INTERVAL_MS + 1;
	uint64_t until_ms =
		child->last_input_ms + intervals * REFUSAL_INTERVAL_MS + login_child_jitter_ms();

	for (uint64_t now_ms = io_boottime_ms(); now_ms < until_ms; now_ms = io_boottime_ms()) {
		if (poll(&hangup, 1, (int)(until_ms - now_ms)) != 0 &&
		    (hangup.revents || errno != EINTR))
			return;
	}
}

static int
login_child_send_result(struct login_child *child, const struct pam_conv_outcome *outcome)
{
	const struct seq_header head = { .type = AUTH_RESULT, .size = sizeof(struct auth_result) };
	struct auth_result result = { .class = outcome->class, .pam_code = outcome->pam_code };

	memcpy(result.user, outcome->user, sizeof(outcome->user));
	if (outcome->class == AUTH_CLASS_OK)
		login_child_fill_groups(&result);
	else
		login_child_wait_refusal(child);
	child->state = STATE_OVER;
	return seq_send(child->fd, &head, &result, NULL, 0);
}

int
login_child_run(int fd, const struct login_child_settings *settings)
{
	struct login_child child = { .fd = fd, .state = STATE_FRESH };
	struct pam_conv_request request = { .service = settings->service,
					    .confdir = settings->confdir };
	struct pam_conv_outcome outcome;
	int error = login_child_receive(&child);

	if (error < 0) {
		if (error != -EPIPE)
			log_warning("the broker's first message was refused: %s", strerror(-error));
		return 1;
	}
	request.user = child.start.user;
	request.remote_host = child.start.remote_host;
	request.ask = login_child_ask;
	request.context = &child;
	pam_conv_run(&request, &outcome);
	login_child_log(&child, settings, &outcome);
	return login_child_send_result(&child, &outcome) < 0 ? 1 : 0;
}
