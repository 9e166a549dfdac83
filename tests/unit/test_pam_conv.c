/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_pam_conv.c - each code of PAM has its answer, and only success at every step lets in
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <security/pam_appl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/pam_conv.h"
#include "base/seq.h"

enum step {
	AUTHENTICATE,
	ACCOUNT,
	CHANGE,
	CREDENTIALS,
	STEPS
};

/* A libpam of this test: codes for each step, what it asks, and what was seen. */
struct pam_handle {
	const struct pam_conv *conversation;
	int codes[STEPS];
	bool called[STEPS];
	const char *rename; /* what a module makes of PAM_USER in acct_mgmt */
	char user[64];
	struct pam_message asks[3];
	int n_asks;
	char answer[AUTH_TEXT_SIZE];
	int conversation_code;
	int started;
	int ended;
};

static struct pam_handle fake;

int
pam_start_confdir(const char *service, const char *user, const struct pam_conv *conversation,
		  const char *confdir, pam_handle_t **ret_handle)
{
	(void)service;
	(void)confdir;
	fake.started++;
	fake.conversation = conversation;
	snprintf(fake.user, sizeof(fake.user), "%s", user ? user : "ada");
	*ret_handle = &fake;
	return PAM_SUCCESS;
}

int
pam_start(const char *service, const char *user, const struct pam_conv *conversation,
	  pam_handle_t **ret_handle)
{
	return pam_start_confdir(service, user, conversation, NULL, ret_handle);
}

int
pam_end(pam_handle_t *handle, int code)
{
	(void)code;
	handle->ended++;
	return PAM_SUCCESS;
}

int
pam_set_item(pam_handle_t *handle, int type, const void *item)
{
	(void)handle;
	(void)type;
	(void)item;
	return PAM_SUCCESS;
}

int
pam_get_item(const pam_handle_t *handle, int type, const void **ret_item)
{
	assert_int_equal(type, PAM_USER);
	*ret_item = handle->user;
	return PAM_SUCCESS;
}

const char *
pam_strerror(pam_handle_t *handle, int code)
{
	(void)handle;
	return code == PAM_SUCCESS ? "Success" : "a code";
}

int
pam_authenticate(pam_handle_t *handle, int flags)
{
	const struct pam_message *messages[3] = { &handle->asks[0], &handle->asks[1],
						  &handle->asks[2] };
	struct pam_response *responses = NULL;

	assert_true(flags & PAM_DISALLOW_NULL_AUTHTOK);
	handle->called[AUTHENTICATE] = true;
	if (handle->n_asks == 0)
		return handle->codes[AUTHENTICATE];
	handle->conversation_code = handle->conversation->conv(handle->n_asks, messages, &responses,
							       handle->conversation->appdata_ptr);
	if (handle->conversation_code != PAM_SUCCESS)
		return PAM_CONV_ERR;
	for (int i = 0; i < handle->n_asks; i++) {
		if (responses[i].resp)
			snprintf(handle->answer, sizeof(handle->answer), "%s", responses[i].resp);
		free(responses[i].resp);
	}
	free(responses);
	return handle->codes[AUTHENTICATE];
}

int
pam_acct_mgmt(pam_handle_t *handle, int flags)
{
	(void)flags;
	handle->called[ACCOUNT] = true;
	if (handle->rename)
		snprintf(handle->user, sizeof(handle->user), "%s", handle->rename);
	return handle->codes[ACCOUNT];
}

int
pam_chauthtok(pam_handle_t *handle, int flags)
{
	assert_true(flags & PAM_CHANGE_EXPIRED_AUTHTOK);
	handle->called[CHANGE] = true;
	return handle->codes[CHANGE];
}

int
pam_setcred(pam_handle_t *handle, int flags)
{
	assert_true(flags & PAM_ESTABLISH_CRED);
	handle->called[CREDENTIALS] = true;
	return handle->codes[CREDENTIALS];
}

struct asked {
	unsigned int count;
	struct auth_prompt last;
	int error;
};

static int
ask(void *context, const struct auth_prompt *prompt, struct auth_reply *ret_answer)
{
	struct asked *asked = context;

	asked->count++;
	asked->last = *prompt;
	if (asked->error == 0)
		seq_text_set(ret_answer->text, sizeof(ret_answer->text), "geheim");
	return asked->error;
}

static int
setup(void **state)
{
	static char folder[] = "/tmp/carrel-pam-XXXXXX";
	char path[64];
	FILE *file;

	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/carrel", folder);
	file = fopen(path, "w");
	if (!file || fclose(file) != 0)
		return -1;
	*state = folder;
	return 0;
}

static int
teardown(void **state)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/carrel", (char *)*state);
	unlink(path);
	return rmdir(*state);
}

static struct pam_conv_outcome
run(void **state, const char *user, struct asked *asked)
{
	const struct pam_conv_request request = { .service = "carrel",
						  .confdir = *state,
						  .user = user,
						  .remote_host = "192.0.2.1",
						  .ask = ask,
						  .context = asked };
	struct pam_conv_outcome outcome;

	pam_conv_run(&request, &outcome);
	assert_int_equal(fake.ended, fake.started);
	if (outcome.class != AUTH_CLASS_OK)
		assert_string_equal(outcome.user, "");
	return outcome;
}

/* The code at a step (those before it succeed) and what the user hears. Those that are not here are denied. */
static const struct {
	enum step step;
	int code;
	enum auth_class class;
} answers[] = {
	{ AUTHENTICATE, PAM_AUTH_ERR, AUTH_CLASS_DENIED },
	{ AUTHENTICATE, PAM_USER_UNKNOWN, AUTH_CLASS_DENIED },
	{ AUTHENTICATE, PAM_PERM_DENIED, AUTH_CLASS_DENIED },
	{ AUTHENTICATE, PAM_CRED_INSUFFICIENT, AUTH_CLASS_DENIED },
	{ AUTHENTICATE, PAM_IGNORE, AUTH_CLASS_DENIED },
	{ AUTHENTICATE, 9999, AUTH_CLASS_DENIED },
	{ AUTHENTICATE, -1, AUTH_CLASS_DENIED },
	{ AUTHENTICATE, PAM_NEW_AUTHTOK_REQD, AUTH_CLASS_EXPIRED },
	{ AUTHENTICATE, PAM_MAXTRIES, AUTH_CLASS_LOCKED },
	{ AUTHENTICATE, PAM_AUTHINFO_UNAVAIL, AUTH_CLASS_UNAVAILABLE },
	{ AUTHENTICATE, PAM_MODULE_UNKNOWN, AUTH_CLASS_UNAVAILABLE },
	{ AUTHENTICATE, PAM_SERVICE_ERR, AUTH_CLASS_UNAVAILABLE },
	{ AUTHENTICATE, PAM_SYSTEM_ERR, AUTH_CLASS_UNAVAILABLE },
	{ AUTHENTICATE, PAM_ABORT, AUTH_CLASS_UNAVAILABLE },
	{ AUTHENTICATE, PAM_BUF_ERR, AUTH_CLASS_UNAVAILABLE },
	{ ACCOUNT, PAM_ACCT_EXPIRED, AUTH_CLASS_EXPIRED },
	{ ACCOUNT, PAM_AUTHTOK_EXPIRED, AUTH_CLASS_EXPIRED },
	{ ACCOUNT, PAM_PERM_DENIED, AUTH_CLASS_LOCKED },
	{ ACCOUNT, PAM_AUTH_ERR, AUTH_CLASS_LOCKED },
	{ ACCOUNT, PAM_USER_UNKNOWN, AUTH_CLASS_DENIED },
	{ ACCOUNT, PAM_IGNORE, AUTH_CLASS_DENIED },
	{ ACCOUNT, PAM_SYMBOL_ERR, AUTH_CLASS_UNAVAILABLE },
	{ CHANGE, PAM_AUTHTOK_ERR, AUTH_CLASS_EXPIRED },
	{ CHANGE, PAM_TRY_AGAIN, AUTH_CLASS_EXPIRED },
	{ CHANGE, PAM_PERM_DENIED, AUTH_CLASS_EXPIRED },
	{ CHANGE, PAM_NEW_AUTHTOK_REQD, AUTH_CLASS_EXPIRED },
	{ CHANGE, PAM_SYSTEM_ERR, AUTH_CLASS_UNAVAILABLE },
	{ CREDENTIALS, PAM_CRED_ERR, AUTH_CLASS_DENIED },
	{ CREDENTIALS, PAM_CRED_EXPIRED, AUTH_CLASS_EXPIRED },
	{ CREDENTIALS, PAM_CRED_UNAVAIL, AUTH_CLASS_UNAVAILABLE },
	{ CREDENTIALS, PAM_SUCCESS, AUTH_CLASS_OK },
};

static void
test_pam_conv__answers_each_code(void **state)
{
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct asked asked = { 0 };
		struct pam_conv_outcome outcome;

		fake = (struct pam_handle){ .codes[ACCOUNT] = answers[i].step == CHANGE
								      ? PAM_NEW_AUTHTOK_REQD
								      : PAM_SUCCESS };
		fake.codes[answers[i].step] = answers[i].code;
		outcome = run(state, "ada", &asked);
		if (outcome.class != answers[i].class)
			fail_msg("code %d at step %d: class %d", answers[i].code, answers[i].step,
				 outcome.class);
		assert_int_equal(outcome.pam_code, answers[i].code);
		/* What comes behind a failed step is never asked. */
		for (enum step step = answers[i].step + 1; step < STEPS; step++)
			assert_false(fake.called[step]);
		assert_int_equal(fake.called[CHANGE], answers[i].step == CHANGE);
	}
}

static void
test_pam_conv__no_other_code_lets_in(void **state)
{
	for (int step = 0; step < STEPS; step++)
		for (int code = 1; code < 40; code++) {
			struct asked asked = { 0 };

			fake = (struct pam_handle){ .codes[ACCOUNT] = step == CHANGE
									      ? PAM_NEW_AUTHTOK_REQD
									      : PAM_SUCCESS };
			fake.codes[step] = code;
			if (step == ACCOUNT && code == PAM_NEW_AUTHTOK_REQD)
				continue; /* leads to a change, tried above */
			assert_int_not_equal(run(state, "ada", &asked).class, AUTH_CLASS_OK);
		}
}

static void
test_pam_conv__user_must_stay_the_same(void **state)
{
	static const struct {
		const char *asked;
		const char *rename;
		enum auth_class class;
	} cases[] = {
		{ "ada", NULL, AUTH_CLASS_OK },	     { "ada", "ada", AUTH_CLASS_OK },
		{ "", NULL, AUTH_CLASS_OK },	     { "ada", "root", AUTH_CLASS_DENIED },
		{ "", "root", AUTH_CLASS_DENIED },   { "ada", "", AUTH_CLASS_DENIED },
		{ "ada", "A B", AUTH_CLASS_DENIED },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct asked asked = { 0 };
		struct pam_conv_outcome outcome;

		fake = (struct pam_handle){ .rename = cases[i].rename };
		outcome = run(state, cases[i].asked, &asked);
		assert_int_equal(outcome.class, cases[i].class);
		if (outcome.class == AUTH_CLASS_OK)
			assert_string_equal(outcome.user, "ada");
	}
}

static void
test_pam_conv__carries_prompts(void **state)
{
	static const struct {
		int pam_style;
		enum auth_style style;
		const char *text;
		const char *shown;
		const char *answer;
	} cases[] = {
		{ PAM_PROMPT_ECHO_OFF, AUTH_STYLE_ECHO_OFF, "Password:", "Password:", "geheim" },
		{ PAM_PROMPT_ECHO_ON, AUTH_STYLE_ECHO_ON, "Code\r\nnow", "Code  now", "geheim" },
		{ PAM_TEXT_INFO, AUTH_STYLE_INFO, "Hello\x1b[2J", "Hello [2J", "" },
		{ PAM_ERROR_MSG, AUTH_STYLE_ERROR, "Bad", "Bad", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct asked asked = { 0 };

		fake = (struct pam_handle){ .n_asks = 1,
					    .asks = { { cases[i].pam_style, cases[i].text } } };
		assert_int_equal(run(state, "ada", &asked).class, AUTH_CLASS_OK);
		assert_int_equal(asked.count, 1);
		assert_int_equal(asked.last.style, cases[i].style);
		assert_string_equal(asked.last.text, cases[i].shown);
		assert_string_equal(fake.answer, cases[i].answer);
	}
}

static void
test_pam_conv__refuses_odd_conversations(void **state)
{
	struct asked gone = { .error = -EPIPE };
	struct asked asked = { 0 };

	fake = (struct pam_handle){
		.n_asks = 3,
		.asks = { { PAM_PROMPT_ECHO_OFF, "a" }, { PAM_PROMPT_ECHO_OFF, "b" }, { 77, "c" } }
	};
	assert_int_equal(run(state, "ada", &asked).class, AUTH_CLASS_UNAVAILABLE);
	assert_int_equal(asked.count, 2);
	fake = (struct pam_handle){ .n_asks = 1, .asks = { { PAM_PROMPT_ECHO_OFF, "a" } } };
	assert_int_equal(run(state, "ada", &gone).class, AUTH_CLASS_UNAVAILABLE);
	assert_int_equal(fake.conversation_code, PAM_CONV_ERR);
}

static void
test_pam_conv__a_service_without_a_file_denies(void **state)
{
	const struct pam_conv_request request = {
		.service = "carrel-none", .confdir = *state, .user = "ada", .remote_host = ""
	};
	struct pam_conv_request system = request;
	struct pam_conv_outcome outcome;

	fake = (struct pam_handle){ 0 };
	pam_conv_run(&request, &outcome);
	assert_int_equal(outcome.class, AUTH_CLASS_UNAVAILABLE);
	/* Though libpam would take the service 'other' here. */
	system.confdir = NULL;
	pam_conv_run(&system, &outcome);
	assert_int_equal(outcome.class, AUTH_CLASS_UNAVAILABLE);
	assert_int_equal(fake.started, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pam_conv__answers_each_code),
		cmocka_unit_test(test_pam_conv__no_other_code_lets_in),
		cmocka_unit_test(test_pam_conv__user_must_stay_the_same),
		cmocka_unit_test(test_pam_conv__carries_prompts),
		cmocka_unit_test(test_pam_conv__refuses_odd_conversations),
		cmocka_unit_test(test_pam_conv__a_service_without_a_file_denies),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
