/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_login.c - authd's prompts and results become answers, one by one
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/proto_auth.h"
#include "base/seq.h"
#include "broker/login.h"
#include "tests/unit/broker_stage.h"
#include "common/settings.h"
#include "tests/unit/wait_for.h"

struct login_stage {
	struct broker broker;
	char *folder;
	int listen_fd;
};

static void
stage_init(struct login_stage *stage)
{
	g_autofree char *path = NULL;
	g_autoptr(GError) error = NULL;

	broker_stage_init(&stage->broker);
	stage->folder = g_dir_make_tmp("carrel-login-XXXXXX", NULL);
	stage->broker.run_folder = stage->folder;
	stage->broker.settings = settings_load("/nonexistent/carrel.conf", TRUE, &error);
	assert_non_null(stage->broker.settings);
	stage->broker.logins = login_table_new(&stage->broker);
	path = g_build_filename(stage->folder, "auth.sock", NULL);
	assert_int_equal(io_unix_listen(path, SOCK_SEQPACKET, 0600, &stage->listen_fd), 0);
}

static void
stage_done(struct login_stage *stage)
{
	g_autofree char *path = g_build_filename(stage->folder, "auth.sock", NULL);

	login_table_free(stage->broker.logins);
	settings_free(stage->broker.settings);
	broker_stage_done(&stage->broker);
	close(stage->listen_fd);
	g_unlink(path);
	g_rmdir(stage->folder);
	g_free(stage->folder);
}

static struct stage_request *
begin(struct login_stage *stage, const char *user)
{
	struct stage_request *request =
		stage_request_new(NULL, NULL, json_pack("{s:s}", "user", user));

	login_begin(stage->broker.logins, &request->request);
	return request;
}

/* The broker's connection, its START read. */
static int
accept_login(struct login_stage *stage, const char *user)
{
	// cppcheck-suppress nullPointer ; accept4(2) allows it
	int fd = accept4(stage->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	struct seq_message message;

	assert_true(fd >= 0);
	assert_int_equal(seq_receive(fd, &message), 0);
	assert_int_equal(message.head.type, AUTH_START);
	assert_string_equal(((struct auth_start *)message.payload)->user, user);
	assert_string_equal(((struct auth_start *)message.payload)->remote_host, "192.0.2.1");
	return fd;
}

static void
send_prompt(int fd, enum auth_style style, const char *text)
{
	const struct seq_header head = { .type = AUTH_PROMPT, .size = sizeof(struct auth_prompt) };
	struct auth_prompt prompt = { .style = style };

	g_strlcpy(prompt.text, text, sizeof(prompt.text));
	assert_int_equal(seq_send(fd, &head, &prompt, NULL, 0), 0);
}

static void
send_result(int fd, guint32 class, gint32 pam_code, const char *user)
{
	const struct seq_header head = { .type = AUTH_RESULT, .size = sizeof(struct auth_result) };
	struct auth_result result = { .class = class, .pam_code = pam_code, .n_groups = 2 };

	g_strlcpy(result.user, user, sizeof(result.user));
	g_strlcpy(result.groups[0], "staff", sizeof(result.groups[0]));
	g_strlcpy(result.groups[1], "carrel-admin", sizeof(result.groups[1]));
	assert_int_equal(seq_send(fd, &head, &result, NULL, 0), 0);
}

/* What the broker does until the request has its answer. */
static void
await(struct stage_request *request)
{
	WAIT_FOR(request->answers != 0);
	assert_int_equal(request->answers, 1);
}

static struct stage_request *
go_on(struct login_stage *stage, struct stage_request *request, json_t *answers)
{
	struct stage_request *next =
		stage_request_new(NULL, json_get_text(request->body, "login", ""),
				  json_pack("{s:o}", "answers", answers));

	assert_string_equal(json_get_text(request->body, "state", ""), "prompt");
	stage_request_free(request);
	login_continue(stage->broker.logins, &next->request);
	return next;
}

static void
expect_reply(int fd, const char *text)
{
	struct seq_message message;

	assert_int_equal(seq_receive(fd, &message), 0);
	assert_int_equal(message.head.type, AUTH_REPLY);
	assert_string_equal(((struct auth_reply *)message.payload)->text, text);
}

static void
test_login__carries_all_prompts(void **state)
{
	struct login_stage stage;
	struct stage_request *request;
	int fd;

	(void)state;
	stage_init(&stage);
	request = begin(&stage, "");
	fd = accept_login(&stage, "");
	send_prompt(fd, AUTH_STYLE_INFO, "Welcome");
	send_prompt(fd, AUTH_STYLE_ECHO_ON, "login:");
	await(request);
	assert_int_equal(json_array_size(json_object_get(request->body, "prompts")), 2);
	request = go_on(&stage, request, json_pack("[s]", "ada"));
	expect_reply(fd, "ada");
	send_prompt(fd, AUTH_STYLE_ECHO_OFF, "Password:");
	await(request);
	request = go_on(&stage, request, json_pack("[s]", "geheim\xc3\xa9"));
	expect_reply(fd, "geheim\xc3\xa9");
	/* Said after the last question: a batch of its own, answered with nothing */
	send_prompt(fd, AUTH_STYLE_ERROR, "Your password expires in 3 days");
	send_result(fd, AUTH_CLASS_OK, 0, "ada");
	close(fd);
	await(request);
	assert_string_equal(
		json_get_text(json_array_get(json_object_get(request->body, "prompts"), 0), "style",
			      ""),
		"error");
	assert_int_equal(broker_stage_count(&stage.broker, "SELECT count(*) FROM token"), 0);
	request = go_on(&stage, request, json_array());
	await(request);
	assert_string_equal(json_get_text(request->body, "state", ""), "done");
	assert_string_equal(json_get_text(request->body, "user", ""), "ada");
	assert_int_equal(strlen(json_get_text(request->body, "token", "")), 52);
	assert_int_equal(json_array_size(json_object_get(request->body, "roles")), 3);
	assert_int_equal(broker_stage_count(&stage.broker, "SELECT count(*) FROM token"), 1);
	stage_request_free(request);
	stage_done(&stage);
}

static void
test_login__results_become_answers(void **state)
{
	static const struct {
		guint32 class;
		gint32 pam_code;
		const char *user;
		guint status;
		const char *code;
	} cases[] = {
		{ AUTH_CLASS_OK, 0, "ada", 200, "" },
		{ AUTH_CLASS_OK, 7, "ada", 503, "login.unavailable" },
		{ AUTH_CLASS_OK, 0, "Not A Name", 401, "login.denied" },
		{ AUTH_CLASS_OK, 0, "", 401, "login.denied" },
		{ AUTH_CLASS_OK, 0, "a\nb", 401, "login.denied" },
		{ AUTH_CLASS_DENIED, 7, "", 401, "login.denied" },
		{ AUTH_CLASS_DENIED, 10, "", 401, "login.denied" },
		{ AUTH_CLASS_EXPIRED, 13, "", 401, "login.expired" },
		{ AUTH_CLASS_LOCKED, 6, "", 401, "login.locked" },
		{ AUTH_CLASS_UNAVAILABLE, 28, "", 503, "login.unavailable" },
		{ AUTH_CLASS_COUNT, 0, "ada", 503, "login.unavailable" },
		{ 0xffffffff, 0, "ada", 503, "login.unavailable" },
	};
	struct login_stage stage;

	(void)state;
	stage_init(&stage);
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct stage_request *request = begin(&stage, "ada");
		int fd = accept_login(&stage, "ada");

		send_result(fd, cases[i].class, cases[i].pam_code, cases[i].user);
		await(request);
		assert_int_equal(request->status, cases[i].status);
		assert_string_equal(stage_request_code(request), cases[i].code);
		close(fd);
		stage_request_free(request);
	}
	stage_done(&stage);
}

static void
test_login__says_nothing_to_who_is_wrong(void **state)
{
	struct login_stage stage;
	struct stage_request *request;
	int fd;

	(void)state;
	stage_init(&stage);
	request = begin(&stage, "ada");
	fd = accept_login(&stage, "ada");
	send_prompt(fd, AUTH_STYLE_ERROR, "This account exists");
	send_result(fd, AUTH_CLASS_DENIED, 7, "");
	await(request);
	assert_string_equal(stage_request_code(request), "login.denied");
	close(fd);
	stage_request_free(request);
	stage_done(&stage);
}

static void
test_login__bad_authd_lets_nobody_in(void **state)
{
	/* type and size of a message that is none */
	static const struct seq_header heads[] = {
		{ .type = 99, .size = 0 },
		{ .type = AUTH_RESULT, .size = 8 },
		{ .type = AUTH_PROMPT, .size = sizeof(struct auth_prompt) },
		{ .type = AUTH_REPLY, .size = sizeof(struct auth_reply) },
	};
	static const char zeros[sizeof(struct auth_result)];
	struct login_stage stage;

	(void)state;
	stage_init(&stage);
	for (gsize i = 0; i <= G_N_ELEMENTS(heads); i++) {
		struct stage_request *request = begin(&stage, "ada");
		int fd = accept_login(&stage, "ada");

		if (i < G_N_ELEMENTS(heads))
			assert_int_equal(seq_send(fd, &heads[i], zeros, NULL, 0), 0);
		else
			close(fd);
		await(request);
		assert_string_equal(stage_request_code(request), "login.unavailable");
		if (i < G_N_ELEMENTS(heads))
			close(fd);
		stage_request_free(request);
	}
	stage_done(&stage);
}

static void
test_login__bad_answers_change_nothing(void **state)
{
	struct login_stage stage;
	struct stage_request *request;
	struct stage_request *bad;
	const char *login;
	int fd;

	(void)state;
	stage_init(&stage);
	request = begin(&stage, "ada");
	fd = accept_login(&stage, "ada");
	send_prompt(fd, AUTH_STYLE_ECHO_OFF, "Password:");
	await(request);
	login = json_get_text(request->body, "login", "");
	for (int i = 0; i < 3; i++) {
		json_t *answers = i == 0   ? json_array()
				  : i == 1 ? json_pack("[i]", 1)
					   : json_pack("[n]");

		bad = stage_request_new(NULL, login, json_pack("{s:o}", "answers", answers));
		login_continue(stage.broker.logins, &bad->request);
		assert_string_equal(stage_request_code(bad), "login.answer");
		stage_request_free(bad);
	}
	bad = stage_request_new(NULL, login, json_pack("{s:[s]}", "answers", "x"));
	g_strlcpy(bad->request.remote, "192.0.2.2", sizeof(bad->request.remote));
	login_continue(stage.broker.logins, &bad->request);
	assert_string_equal(stage_request_code(bad), "login.unknown");
	stage_request_free(bad);
	request = go_on(&stage, request, json_pack("[s]", "x"));
	expect_reply(fd, "x");
	/* The end of the broker answers who waits. */
	close(fd);
	stage_done(&stage);
	assert_int_equal(request->status, 503);
	stage_request_free(request);
}

static void
test_login__an_address_cannot_take_all(void **state)
{
	struct stage_request *requests[25];
	int fds[25];
	struct login_stage stage;
	char byte;

	(void)state;
	stage_init(&stage);
	for (gsize i = 0; i < G_N_ELEMENTS(requests); i++) {
		requests[i] = begin(&stage, "ada");
		fds[i] = accept_login(&stage, "ada");
		send_prompt(fds[i], AUTH_STYLE_ECHO_OFF, "Password:");
		await(requests[i]);
		assert_int_equal(requests[i]->status, 200);
	}
	/* The oldest one was given up for the last. */
	assert_int_equal(recv(fds[0], &byte, 1, MSG_DONTWAIT), 0);
	assert_int_equal(recv(fds[1], &byte, 1, MSG_DONTWAIT), -1);
	stage_done(&stage);
	for (gsize i = 0; i < G_N_ELEMENTS(requests); i++) {
		close(fds[i]);
		stage_request_free(requests[i]);
	}
}

static void
test_login__needs_authd_and_a_name(void **state)
{
	static const char *const names[] = { "Ada", "a b", "../x", "-a", "a:b", "ada\n" };
	struct login_stage stage;
	struct stage_request *request;
	g_autofree char *path = NULL;

	(void)state;
	stage_init(&stage);
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		request = begin(&stage, names[i]);
		assert_string_equal(stage_request_code(request), "login.name");
		stage_request_free(request);
	}
	path = g_build_filename(stage.folder, "auth.sock", NULL);
	g_unlink(path);
	request = begin(&stage, "ada");
	assert_string_equal(stage_request_code(request), "login.unavailable");
	stage_request_free(request);
	stage_done(&stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_login__carries_all_prompts),
		cmocka_unit_test(test_login__results_become_answers),
		cmocka_unit_test(test_login__says_nothing_to_who_is_wrong),
		cmocka_unit_test(test_login__bad_authd_lets_nobody_in),
		cmocka_unit_test(test_login__bad_answers_change_nothing),
		cmocka_unit_test(test_login__an_address_cannot_take_all),
		cmocka_unit_test(test_login__needs_authd_and_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
