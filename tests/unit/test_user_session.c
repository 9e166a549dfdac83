/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_user_session.c - a session's way from log-in to display and back, against a broker that is this file
 *
 * The fake client_api_call() keeps the one call in flight; session_expect() checks it and hands its answer in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "common/api_times.h"
#include "viewer/client_api.h"
#include "viewer/client_settings.h"
#include "viewer/connection_file.h"
#include "viewer/session_login.h"
#include "viewer/user_session.h"

#define ASK \
	"{\"login\":\"l-1\",\"state\":\"prompt\",\"prompts\":[{\"style\":\"info\",\"text\":\"Hi\"}]}"
#define DONE  "{\"state\":\"done\",\"token\":\"t\",\"user\":\"ada\"}"
#define ONE   "{\"pools\":[{\"name\":\"office\"}]}"
#define TWO   "{\"pools\":[{\"name\":\"office\"},{\"name\":\"lab\"}]}"
#define READY "{\"session\":\"s-1\",\"state\":\"ready\"}"
#define VV    "{\"vv\":{\"host\":\"h\",\"tls-port\":1,\"ca\":\"PEM\",\"host-subject\":\"CN=d\"}}"

const struct display_ops display_spice_ops = { .protocol = "spice" };

struct api {
	void *context;
};

struct fixture {
	struct session *session;
	gboolean display; /* is open */
};

/* What the session asked last; one test process has one session. */
static struct {
	char *method;
	char *path;
	char *body;
	client_api_callback callback;
	guint timeout_s;
	struct api *api;
} call;

static void
fake_forget_call(void)
{
	g_clear_pointer(&call.method, g_free);
	g_clear_pointer(&call.path, g_free);
	g_clear_pointer(&call.body, g_free);
	call.callback = NULL;
}

struct api *
client_api_new(const char *broker, void *context, GError **error)
{
	struct api *api = g_new0(struct api, 1);

	api->context = context;
	return api;
}

void
client_api_free(struct api *api)
{
	fake_forget_call();
	g_free(api);
}

void
client_api_set_token(struct api *api, const char *token)
{
	assert_string_equal(token, "t");
}

gboolean
client_api_pin(struct api *api, const char *fingerprint, GError **error)
{
	assert_string_equal(fingerprint, "AA:BB");
	return TRUE;
}

void
client_api_call(struct api *api, const char *method, const char *path, json_t *body,
		const char *key, client_api_callback callback)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

	fake_forget_call();
	call.method = g_strdup(method);
	call.path = g_strdup(path);
	call.body = g_strdup(text);
	call.callback = callback;
	call.timeout_s = 0;
	call.api = api;
	free(text);
	json_decref(body);
}

void
client_api_call_for(struct api *api, guint timeout_s, const char *method, const char *path,
		    json_t *body, client_api_callback callback)
{
	client_api_call(api, method, path, body, NULL, callback);
	call.timeout_s = timeout_s;
}

json_t *
client_settings_describe(void)
{
	return json_object();
}

/* The session asked this; it gets that. */
static void
session_expect(const char *method, const char *path, enum client_api_outcome outcome, guint status,
	       const char *code, const char *body)
{
	struct client_api_answer answer = { .outcome = outcome,
					    .status = status,
					    .code = code,
					    .notice =
						    outcome == CLIENT_API_OUTCOME_OK ? NULL : code,
					    .fingerprint = "AA:BB" };
	client_api_callback callback = call.callback;
	json_t *json = body ? json_loads(body, 0, NULL) : NULL;

	assert_non_null(callback);
	assert_string_equal(call.method, method);
	assert_string_equal(call.path, path);
	assert_true(!body || json);
	/* the broker answers before its client gives up */
	if (g_str_has_suffix(path, "/ticket"))
		assert_true(call.timeout_s > API_TICKET_MAX_S);
	answer.body = json;
	call.callback = NULL;
	callback(call.api->context, &answer);
	json_decref(json);
}

static void
session_expect_ok(const char *method, const char *path, const char *body)
{
	session_expect(method, path, CLIENT_API_OUTCOME_OK, 200, "", body);
}

static void
fake_handle_changed(void *context, enum session_state state)
{
}

static void
fake_handle_connect(void *context, const struct connection_file *file)
{
	((struct fixture *)context)->display = TRUE;
	assert_string_equal(file->host, "h");
}

static void
fake_handle_disconnect(void *context)
{
	((struct fixture *)context)->display = FALSE;
}

static const struct session_events events = { fake_handle_changed, fake_handle_connect,
					      fake_handle_disconnect };

static int
set_up(void **state)
{
	struct fixture *fixture = g_new0(struct fixture, 1);

	fixture->session = session_new(&events, fixture);
	*state = fixture;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *fixture = *state;

	session_free(fixture->session);
	fake_forget_call();
	g_free(fixture);
	return 0;
}

static void
session_log_in(struct session *session, const char *pool, const char *pools)
{
	session_begin(session, "https://b:1", "ada", pool);
	session_expect_ok("GET", "/api/v1/server", "{}");
	session_expect_ok("POST", "/api/v1/login", ASK);
	assert_int_equal(session_get_state(session), SESSION_STATE_ASKING);
	session_answer(session, (const char *const[]){ NULL });
	assert_string_equal(call.body, "{\"answers\":[]}");
	session_expect_ok("POST", "/api/v1/login/l-1", DONE);
	session_expect_ok("GET", "/api/v1/pools", pools);
}

static void
session_open_display(struct session *session)
{
	session_expect_ok("POST", "/api/v1/pools/office/assign", READY);
	assert_string_equal(call.body, "{\"protocol\":\"spice\"}");
	session_expect_ok("POST", "/api/v1/sessions/s-1/ticket", VV);
	assert_int_equal(session_get_state(session), SESSION_STATE_CONNECTING);
	session_handle_display_shown(session);
	assert_int_equal(session_get_state(session), SESSION_STATE_CONNECTED);
}

static void
test_user_session__opens_the_only_desktop_without_asking(void **state)
{
	struct fixture *fixture = *state;

	session_log_in(fixture->session, NULL, ONE);
	session_open_display(fixture->session);
	assert_true(fixture->display);
	assert_string_equal(session_get_title(fixture->session), "office");
	session_disconnect(fixture->session);
	assert_false(fixture->display);
	/* Back from a desktop the user chooses, also where there is one only. */
	session_expect_ok("GET", "/api/v1/pools", ONE);
	assert_int_equal(session_get_state(fixture->session), SESSION_STATE_CHOOSING);
}

static void
test_user_session__takes_the_pool_wanted_or_lets_choose(void **state)
{
	static const struct {
		const char *wanted;
		const char *pools;
		enum session_state end;
		gboolean notice;
	} cases[] = {
		{ NULL, TWO, SESSION_STATE_CHOOSING, FALSE },
		{ "office", TWO, SESSION_STATE_ASSIGNING, FALSE },
		{ "office", ONE, SESSION_STATE_ASSIGNING, FALSE },
		{ "other", TWO, SESSION_STATE_CHOOSING, TRUE },
		{ "other", ONE, SESSION_STATE_CHOOSING, TRUE },
		{ NULL, "{\"pools\":[]}", SESSION_STATE_CHOOSING, FALSE },
		{ NULL, "[]", SESSION_STATE_CHOOSING, FALSE },
		{ NULL, "{\"pools\":7}", SESSION_STATE_CHOOSING, FALSE },
	};
	struct fixture *fixture = *state;

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		session_log_in(fixture->session, cases[i].wanted, cases[i].pools);
		assert_int_equal(session_get_state(fixture->session), cases[i].end);
		assert_int_equal(session_get_notice(fixture->session) != NULL, cases[i].notice);
		session_free(fixture->session);
		fixture->session = session_new(&events, fixture);
	}
}

static void
test_user_session__asks_about_an_unknown_broker(void **state)
{
	struct session *session = ((struct fixture *)*state)->session;

	session_begin(session, "https://b:1", "ada", NULL);
	session_expect("GET", "/api/v1/server", CLIENT_API_OUTCOME_UNKNOWN_BROKER, 0, "", NULL);
	assert_int_equal(session_get_state(session), SESSION_STATE_TRUSTING);
	assert_string_equal(session_get_fingerprint(session), "AA:BB");
	session_trust(session);
	session_expect_ok("GET", "/api/v1/server", "{}");
	assert_int_equal(session_get_state(session), SESSION_STATE_ANSWERING);
}

static void
test_user_session__ends_a_refused_log_in_with_the_reason(void **state)
{
	struct session *session = ((struct fixture *)*state)->session;

	session_begin(session, "https://b:1", "ada", NULL);
	session_expect("GET", "/api/v1/server", CLIENT_API_OUTCOME_UNTRUSTED, 0, "changed", NULL);
	assert_int_equal(session_get_state(session), SESSION_STATE_IDLE);
	assert_string_equal(session_get_notice(session), "changed");
	session_begin(session, "https://b:1", "ada", NULL);
	assert_null(session_get_notice(session));
	session_expect_ok("GET", "/api/v1/server", "{}");
	session_expect_ok("POST", "/api/v1/login", ASK);
	session_answer(session, (const char *const[]){ "lace", NULL });
	assert_string_equal(call.body, "{\"answers\":[\"lace\"]}");
	session_expect("POST", "/api/v1/login/l-1", CLIENT_API_OUTCOME_REFUSED, 401, "login.denied",
		       NULL);
	assert_int_equal(session_get_state(session), SESSION_STATE_IDLE);
	assert_string_equal(session_get_notice(session), "login.denied");
}

static void
test_user_session__judges_a_failed_ticket(void **state)
{
	static const struct {
		enum client_api_outcome outcome;
		guint status;
		const char *code;
		enum session_state end;
	} cases[] = {
		{ CLIENT_API_OUTCOME_UNREACHABLE, 0, "", SESSION_STATE_WAITING },
		{ CLIENT_API_OUTCOME_REFUSED, 503, "ticket.timeout", SESSION_STATE_WAITING },
		{ CLIENT_API_OUTCOME_REFUSED, 409, "ticket.refused", SESSION_STATE_WAITING },
		{ CLIENT_API_OUTCOME_REFUSED, 409, "session.closed", SESSION_STATE_LISTING },
		{ CLIENT_API_OUTCOME_REFUSED, 409, "session.elsewhere", SESSION_STATE_LISTING },
		{ CLIENT_API_OUTCOME_REFUSED, 404, "session.unknown", SESSION_STATE_LISTING },
		{ CLIENT_API_OUTCOME_REFUSED, 401, "token.invalid", SESSION_STATE_IDLE },
		{ CLIENT_API_OUTCOME_UNTRUSTED, 0, "", SESSION_STATE_IDLE },
		{ CLIENT_API_OUTCOME_OK, 200, "", SESSION_STATE_LISTING }, /* without "vv" */
	};
	struct fixture *fixture = *state;

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		session_log_in(fixture->session, NULL, ONE);
		session_expect_ok("POST", "/api/v1/pools/office/assign", READY);
		session_expect("POST", "/api/v1/sessions/s-1/ticket", cases[i].outcome,
			       cases[i].status, cases[i].code, "{}");
		assert_int_equal(session_get_state(fixture->session), cases[i].end);
		session_free(fixture->session);
		fixture->session = session_new(&events, fixture);
	}
}

/* Whoever waited for it to become ready would wait as long as its host is in maintenance, and not know. */
static void
test_user_session__asks_for_the_ticket_of_what_is_suspended(void **state)
{
	static const char *const states[] = { "suspending", "suspended", "resuming" };
	struct fixture *fixture = *state;

	for (gsize i = 0; i < G_N_ELEMENTS(states); i++) {
		g_autofree char *answer =
			g_strdup_printf("{\"session\":\"s-1\",\"state\":\"%s\"}", states[i]);

		session_log_in(fixture->session, NULL, ONE);
		session_expect_ok("POST", "/api/v1/pools/office/assign", answer);
		assert_string_equal(call.body, "{\"protocol\":\"spice\"}");
		session_expect("POST", "/api/v1/sessions/s-1/ticket", CLIENT_API_OUTCOME_REFUSED,
			       409, "host.maintenance", "{}");
		session_expect_ok("GET", "/api/v1/pools", ONE);
		assert_int_equal(session_get_state(fixture->session), SESSION_STATE_CHOOSING);
		assert_string_equal(session_get_notice(fixture->session), "host.maintenance");
		session_free(fixture->session);
		fixture->session = session_new(&events, fixture);
	}
}

static void
test_user_session__backs_off_while_the_display_is_lost(void **state)
{
	struct session *session = ((struct fixture *)*state)->session;

	session_log_in(session, NULL, ONE);
	session_open_display(session);
	session_handle_display_ended(session, DISPLAY_END_LOST);
	assert_int_equal(session_get_state(session), SESSION_STATE_WAITING);
	assert_non_null(session_get_notice(session));
	while (session_get_state(session) ==
	       SESSION_STATE_WAITING) /* the first try comes at once */
		g_main_context_iteration(NULL, TRUE);
	/* It names the ticket that it lost, so that it takes nothing back from another viewer: SHA-256 of "h". */
	assert_string_equal(
		call.body,
		"{\"protocol\":\"spice\","
		"\"after\":\"aaa9402664f1a41f40ebbc52c9993eb66aeb366602958fdfaa283b71e64db123\"}");
	session_expect_ok("POST", "/api/v1/sessions/s-1/ticket", VV);
	session_handle_display_ended(session, DISPLAY_END_UNREACHABLE);
	assert_int_equal(session_get_wait_s(session), 2); /* the next one's, after this of 1 s */
	/* The user need not wait; a picture makes the next loss a fresh one. */
	session_retry(session);
	session_expect_ok("POST", "/api/v1/sessions/s-1/ticket", VV);
	session_handle_display_shown(session);
	assert_int_equal(session_get_wait_s(session), 0);
	/* Perhaps it only ended in the middle of the handshake. */
	session_handle_display_ended(session, DISPLAY_END_UNTRUSTED);
	assert_int_equal(session_get_state(session), SESSION_STATE_WAITING);
	assert_non_null(strstr(session_get_notice(session), "Nothing was sent to it"));
}

static void
test_user_session__leaves_a_display_that_is_not_the_one_named(void **state)
{
	struct session *session = ((struct fixture *)*state)->session;

	session_log_in(session, NULL, ONE);
	session_expect_ok("POST", "/api/v1/pools/office/assign", READY);
	session_expect_ok("POST", "/api/v1/sessions/s-1/ticket", VV);
	session_handle_display_ended(session, DISPLAY_END_UNTRUSTED);
	assert_int_equal(session_get_state(session), SESSION_STATE_LISTING);
}

static void
test_user_session__stays_logged_in_when_the_broker_is_away(void **state)
{
	struct session *session = ((struct fixture *)*state)->session;

	session_log_in(session, NULL, TWO);
	session_choose(session, "office");
	session_expect("POST", "/api/v1/pools/office/assign", CLIENT_API_OUTCOME_UNREACHABLE, 0,
		       "away", NULL);
	assert_int_equal(session_get_state(session), SESSION_STATE_CHOOSING);
	assert_string_equal(session_get_notice(session), "away");
	session_choose(session, "office");
	session_expect("POST", "/api/v1/pools/office/assign", CLIENT_API_OUTCOME_REFUSED, 401,
		       "token.invalid", NULL);
	assert_int_equal(session_get_state(session), SESSION_STATE_IDLE);
}

static void
test_user_session__logs_out_of_a_shared_screen(void **state)
{
	struct session *session = ((struct fixture *)*state)->session;

	session_set_shared(session, TRUE);
	session_log_in(session, NULL, ONE);
	session_open_display(session);
	assert_true(session_can_log_off(session));
	session_log_off(session);
	session_expect_ok("GET", "/api/v1/pools", ONE);
	session_expect_ok("POST", "/api/v1/logout", NULL);
	assert_int_equal(session_get_state(session), SESSION_STATE_IDLE);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_user_session__##name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(opens_the_only_desktop_without_asking),
		TEST(takes_the_pool_wanted_or_lets_choose),
		TEST(asks_about_an_unknown_broker),
		TEST(ends_a_refused_log_in_with_the_reason),
		TEST(judges_a_failed_ticket),
		TEST(asks_for_the_ticket_of_what_is_suspended),
		TEST(backs_off_while_the_display_is_lost),
		TEST(leaves_a_display_that_is_not_the_one_named),
		TEST(stays_logged_in_when_the_broker_is_away),
		TEST(logs_out_of_a_shared_screen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
