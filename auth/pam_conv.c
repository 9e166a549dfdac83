/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pam_conv.c - one log-in through PAM, from authenticate to setcred (carrel-authd's child)
 *
 * How it works: pam_conv_run() starts a handle and walks the table of steps. Each step is one PAM call; after each the
 * name in PAM_USER is read again and compared with the one that was asked for, because modules may change it. The first
 * code other than PAM_SUCCESS ends the walk; acct_mgmt alone may say PAM_NEW_AUTHTOK_REQD, which inserts chauthtok. The
 * later steps are never reached after a failed one: with pam_permit acct_mgmt succeeds even after a wrong password.
 *
 * PAM calls pam_conv_talk() with its prompts. Answers are copied into malloc()ed text as pam_conv(3) wants, PAM frees
 * them. The failure delay of PAM is switched off (pam_conv_skip_delay): login_child.c has one of its own that does not
 * depend on the module.
 *
 * A service without a file denies: libpam itself would take the service "other", whose modules nobody chose for Carrel
 * (pam_conv_service_exists).
 */
#include "auth/pam_conv.h"

#include <errno.h>
#include <security/pam_appl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/seq.h"

#define MAX_PATH_BYTES 4096

struct pam_conv_login {
	const struct pam_conv_request *request;
	pam_handle_t *handle;
	unsigned int n_prompts;
};

enum pam_conv_step_id {
	STEP_AUTHENTICATE,
	STEP_ACCOUNT,
	STEP_CHANGE,
	STEP_CREDENTIALS,
	STEP_COUNT
};

static const struct pam_conv_step {
	const char *name;
	int (*call)(pam_handle_t *handle, int flags);
	int flags;
} step_table[STEP_COUNT] = {
	[STEP_AUTHENTICATE] = { "authenticate", pam_authenticate, PAM_DISALLOW_NULL_AUTHTOK },
	[STEP_ACCOUNT] = { "acct_mgmt", pam_acct_mgmt, PAM_DISALLOW_NULL_AUTHTOK },
	[STEP_CHANGE] = { "chauthtok", pam_chauthtok, PAM_CHANGE_EXPIRED_AUTHTOK },
	[STEP_CREDENTIALS] = { "setcred", pam_setcred, PAM_ESTABLISH_CRED | PAM_SILENT },
};

/* What a code means to a user. Codes that are not here deny. */
static const struct {
	int code;
	enum auth_class class;
} class_table[] = {
	{ PAM_SUCCESS, AUTH_CLASS_OK },
	{ PAM_ACCT_EXPIRED, AUTH_CLASS_EXPIRED },
	{ PAM_AUTHTOK_EXPIRED, AUTH_CLASS_EXPIRED },
	{ PAM_CRED_EXPIRED, AUTH_CLASS_EXPIRED },
	{ PAM_NEW_AUTHTOK_REQD, AUTH_CLASS_EXPIRED },
	{ PAM_MAXTRIES, AUTH_CLASS_LOCKED },
	{ PAM_OPEN_ERR, AUTH_CLASS_UNAVAILABLE },
	{ PAM_SYMBOL_ERR, AUTH_CLASS_UNAVAILABLE },
	{ PAM_SERVICE_ERR, AUTH_CLASS_UNAVAILABLE },
	{ PAM_SYSTEM_ERR, AUTH_CLASS_UNAVAILABLE },
	{ PAM_BUF_ERR, AUTH_CLASS_UNAVAILABLE },
	{ PAM_AUTHINFO_UNAVAIL, AUTH_CLASS_UNAVAILABLE },
	{ PAM_CRED_UNAVAIL, AUTH_CLASS_UNAVAILABLE },
	{ PAM_CONV_ERR, AUTH_CLASS_UNAVAILABLE },
	{ PAM_ABORT, AUTH_CLASS_UNAVAILABLE },
	{ PAM_MODULE_UNKNOWN, AUTH_CLASS_UNAVAILABLE },
	{ PAM_NO_MODULE_DATA, AUTH_CLASS_UNAVAILABLE },
	{ PAM_BAD_ITEM, AUTH_CLASS_UNAVAILABLE },
};

static enum auth_class
pam_conv_classify(enum pam_conv_step_id step, int code)
{
	/* Only after the right password: who asks has shown that the account is theirs. */
	if (step == STEP_ACCOUNT && (code == PAM_PERM_DENIED || code == PAM_AUTH_ERR))
		return AUTH_CLASS_LOCKED;
	for (size_t i = 0; i < sizeof(class_table) / sizeof(class_table[0]); i++)
		if (class_table[i].code == code)
			return class_table[i].class;
	/* The old password was right, but no new one was set. */
	return step == STEP_CHANGE ? AUTH_CLASS_EXPIRED : AUTH_CLASS_DENIED;
}

/* Prompts may hold line ends; a message's text may not. Longer ones are cut. */
static void
pam_conv_set_text(struct auth_prompt *prompt, const char *text)
{
	size_t i;

	for (i = 0; text && text[i] != '\0' && i < sizeof(prompt->text) - 1; i++)
		prompt->text[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i];
	prompt->text[i] = '\0';
}

static int
pam_conv_ask_one(struct pam_conv_login *login, const struct pam_message *message,
		 struct pam_response *response)
{
	static const uint32_t styles[] = {
		[PAM_PROMPT_ECHO_OFF] = AUTH_STYLE_ECHO_OFF,
		[PAM_PROMPT_ECHO_ON] = AUTH_STYLE_ECHO_ON,
		[PAM_ERROR_MSG] = AUTH_STYLE_ERROR,
		[PAM_TEXT_INFO] = AUTH_STYLE_INFO,
	};
	struct auth_prompt prompt = { 0 };
	struct auth_reply answer = { 0 };
	int error;

	if (message->msg_style <= 0 ||
	    message->msg_style >= (int)(sizeof(styles) / sizeof(styles[0])))
		return -EPROTO;
	if (++login->n_prompts > AUTH_MAX_PROMPTS)
		return -E2BIG;
	prompt.style = styles[message->msg_style];
	pam_conv_set_text(&prompt, message->msg);
	error = login->request->ask(login->request->context, &prompt, &answer);
	if (error == 0 &&
	    (prompt.style == AUTH_STYLE_ECHO_OFF || prompt.style == AUTH_STYLE_ECHO_ON)) {
		answer.text[sizeof(answer.text) - 1] = '\0';
		response->resp = strdup(answer.text);
		if (!response->resp)
			error = -ENOMEM;
	}
	explicit_bzero(&answer, sizeof(answer));
	return error;
}

static void
pam_conv_drop_responses(struct pam_response *responses, int count)
{
	for (int i = 0; i < count; i++) {
		if (!responses[i].resp)
			continue;
		explicit_bzero(responses[i].resp, strlen(responses[i].resp));
		free(responses[i].resp);
	}
	free(responses);
}

static int
pam_conv_talk(int count, const struct pam_message **messages, struct pam_response **ret_responses,
	      void *context)
{
	struct pam_response *responses;

	if (count <= 0 || count > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	responses = calloc((size_t)count, sizeof(*responses));
	if (!responses)
		return PAM_BUF_ERR;
	for (int i = 0; i < count; i++) {
		if (pam_conv_ask_one(context, messages[i], &responses[i]) < 0) {
			pam_conv_drop_responses(responses, count);
			return PAM_CONV_ERR;
		}
	}
	*ret_responses = responses;
	return PAM_SUCCESS;
}

/* PAM_FAIL_DELAY: called instead of sleeping. */
static void
pam_conv_skip_delay(int result, unsigned int delay_us, void *context)
{
	(void)result;
	(void)delay_us;
	(void)context;
}

static int
pam_conv_set_items(pam_handle_t *handle, const struct pam_conv_request *request)
{
	union {
		void (*function)(int, unsigned int, void *);
		const void *item;
	} delay = { .function = pam_conv_skip_delay };
	int code = pam_set_item(handle, PAM_FAIL_DELAY, delay.item);

	if (code == PAM_SUCCESS && request->remote_host[0] != '\0')
		code = pam_set_item(handle, PAM_RHOST, request->remote_host);
	if (code == PAM_SUCCESS)
		code = pam_set_item(handle, PAM_TTY, "carrel");
	return code;
}

static bool
pam_conv_user_kept(pam_handle_t *handle, const char *wanted, char ret_user[NAME_USER_SIZE])
{
	const void *item = NULL;

	if (pam_get_item(handle, PAM_USER, &item) != PAM_SUCCESS || !name_user_valid(item))
		return false;
	if (wanted[0] != '\0' && strcmp(wanted, item) != 0)
		return false;
	return seq_text_set(ret_user, NAME_USER_SIZE, item) == 0;
}

/* One step and the look at PAM_USER behind it. */
static int
pam_conv_do_step(struct pam_conv_login *login, enum pam_conv_step_id id,
		 struct pam_conv_outcome *outcome)
{
	const struct pam_conv_step *step = &step_table[id];
	char user[NAME_USER_SIZE] = "";
	int code = step->call(login->handle, step->flags);

	outcome->step = step->name;
	outcome->pam_code = code;
	outcome->class = pam_conv_classify(id, code);
	snprintf(outcome->reason, sizeof(outcome->reason), "%s", pam_strerror(login->handle, code));
	if (code != PAM_SUCCESS)
		return code;
	if (!pam_conv_user_kept(login->handle, login->request->user, user) ||
	    (outcome->user[0] != '\0' && strcmp(outcome->user, user) != 0)) {
		outcome->class = AUTH_CLASS_DENIED;
		outcome->pam_code = PAM_PERM_DENIED;
		snprintf(outcome->reason, sizeof(outcome->reason),
			 "a module changed PAM_USER to another name");
		return PAM_PERM_DENIED;
	}
	memcpy(outcome->user, user, sizeof(user));
	return PAM_SUCCESS;
}

static void
pam_conv_walk(struct pam_conv_login *login, struct pam_conv_outcome *outcome)
{
	int code = pam_conv_do_step(login, STEP_AUTHENTICATE, outcome);

	if (code == PAM_SUCCESS)
		code = pam_conv_do_step(login, STEP_ACCOUNT, outcome);
	else
		return;
	if (code == PAM_NEW_AUTHTOK_REQD)
		code = pam_conv_do_step(login, STEP_CHANGE, outcome);
	if (code == PAM_SUCCESS)
		pam_conv_do_step(login, STEP_CREDENTIALS, outcome);
}

static bool
pam_conv_service_exists(const struct pam_conv_request *request)
{
	/* Where libpam looks without a confdir */
	const char *const folders[] = { request->confdir ? request->confdir : "/etc/pam.d",
					request->confdir ? NULL : "/usr/lib/pam.d" };
	char path[MAX_PATH_BYTES];

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (folders[i] &&
		    snprintf(path, sizeof(path), "%s/%s", folders[i], request->service) <
			    (int)sizeof(path) &&
		    access(path, R_OK) == 0)
			return true;
	return false;
}

static int
pam_conv_start(struct pam_conv_login *login, const struct pam_conv *conversation)
{
	const struct pam_conv_request *request = login->request;
	const char *user = request->user[0] != '\0' ? request->user : NULL;

	if (!pam_conv_service_exists(request))
		return PAM_ABORT;
	if (request->confdir)
		return pam_start_confdir(request->service, user, conversation, request->confdir,
					 &login->handle);
	return pam_start(request->service, user, conversation, &login->handle);
}

void
pam_conv_run(const struct pam_conv_request *request, struct pam_conv_outcome *ret_outcome)
{
	struct pam_conv_login login = { .request = request };
	const struct pam_conv conversation = { pam_conv_talk, &login };
	int code = pam_conv_start(&login, &conversation);

	memset(ret_outcome, 0, sizeof(*ret_outcome));
	if (code == PAM_SUCCESS)
		code = pam_conv_set_items(login.handle, request);
	if (code != PAM_SUCCESS) {
		ret_outcome->class = AUTH_CLASS_UNAVAILABLE;
		ret_outcome->pam_code = code;
		ret_outcome->step = "start";
		snprintf(ret_outcome->reason, sizeof(ret_outcome->reason), "%s",
			 pam_conv_service_exists(request) ? pam_strerror(login.handle, code)
							  : "the service has no file");
	} else {
		pam_conv_walk(&login, ret_outcome);
	}
	if (ret_outcome->class != AUTH_CLASS_OK || ret_outcome->pam_code != PAM_SUCCESS) {
		memset(ret_outcome->user, 0, sizeof(ret_outcome->user));
		if (ret_outcome->class == AUTH_CLASS_OK)
			ret_outcome->class = AUTH_CLASS_DENIED;
	}
	if (login.handle)
		pam_end(login.handle, ret_outcome->pam_code);
}
