/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_host_jobs.c - jobs that a host begins by itself are seen, are checked, and are not too many
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/api.h"
#include "broker/host_jobs.h"
#include "broker/host_sync.h"
#include "broker/ticket_issue.h"
#include "tests/unit/broker_stage.h"

#define JOB_ONE "j-aaaaaaaaaaaaaaaaaaaa"
#define JOB_TWO "j-bbbbbbbbbbbbbbbbbbbb"
#define SEAL(id, state, percent)                                                      \
	"{\"id\":\"" id                                                               \
	"\",\"kind\":\"seal\",\"template\":\"tiny\",\"version\":3,\"state\":\"" state \
	"\",\"step\":\"boot\",\"percent\":" percent                                   \
	",\"error\":\"\",\"result\":{},\"reason\":\"it was sealed elsewhere\"}"
#define REPORT(jobs)                                                                                  \
	"{\"v\":1,\"instance\":\"i1\",\"seen\":0,\"capacity\":{\"ram_mib\":24576,\"ram_free_mib\":1," \
	"\"cpus\":2,\"engines\":[]},\"gateway\":{\"proxy\":\"http://127.0.0.1:3128\"},"               \
	"\"templates\":[],\"images\":[],\"desktops\":[],\"jobs\":[" jobs                              \
	"],\"tickets\":[],\"answers\":[],\"events\":[]}"

static void
stage_init(struct broker *broker)
{
	broker_stage_init(broker);
	broker->tickets = ticket_table_new(broker);
	broker->hosts = host_table_new(broker);
}

static void
stage_done(struct broker *broker)
{
	host_table_free(broker->hosts);
	ticket_table_free(broker->tickets);
	broker_stage_done(broker);
}

static void
apply(struct broker *broker, const char *host, const char *text)
{
	json_t *element = json_loads(text, 0, NULL);
	g_autoptr(GError) error = NULL;

	assert_non_null(element);
	if (!host_jobs_apply(broker->store, host, element, &error))
		fail_msg("%s", error->message);
	json_decref(element);
}

#define IS(broker, condition) \
	assert_int_equal(broker_stage_count(broker, "SELECT count(*) FROM job WHERE " condition), 1)
#define COUNT(broker, n) assert_int_equal(broker_stage_count(broker, "SELECT count(*) FROM job"), n)

static void
test_host_jobs__one_that_the_host_has_begun_is_followed(void **state)
{
	struct broker broker;

	(void)state;
	stage_init(&broker);
	apply(&broker, "h1", SEAL(JOB_ONE, "queued", "0"));
	IS(&broker,
	   "id = '" JOB_ONE "' AND kind = 'seal' AND template = 'tiny' AND version = 3 AND"
	   " host = 'h1' AND state = 'queued' AND user = '' AND reason = 'it was sealed elsewhere'");
	apply(&broker, "h1", SEAL(JOB_ONE, "running", "40"));
	IS(&broker, "state = 'running' AND step = 'boot' AND percent = 40");
	apply(&broker, "h1", SEAL(JOB_ONE, "done", "100"));
	IS(&broker, "state = 'done' AND percent = 100 AND reason = 'it was sealed elsewhere'");
	/* What is told once more changes nothing. */
	apply(&broker, "h1", SEAL(JOB_ONE, "running", "40"));
	IS(&broker, "state = 'done' AND percent = 100");
	COUNT(&broker, 1);
	stage_done(&broker);
}

/* The broker was away from its beginning to its end. */
static void
test_host_jobs__one_that_is_over_is_seen_too(void **state)
{
	struct broker broker;

	(void)state;
	stage_init(&broker);
	apply(&broker, "h1",
	      "{\"id\":\"" JOB_ONE "\",\"kind\":\"seal\",\"template\":\"tiny\",\"version\":3,"
	      "\"state\":\"failed\",\"error\":\"the guest did not boot\"}");
	IS(&broker, "state = 'failed' AND error = 'the guest did not boot' AND reason = ''");
	stage_done(&broker);
}

static void
test_host_jobs__another_hosts_job_stays_as_it_is(void **state)
{
	struct broker broker;

	(void)state;
	stage_init(&broker);
	broker_stage_run(
		&broker,
		"INSERT INTO host (name, instance, seen_ms, ram_mib, ram_free_mib, cpus, engines, proxy)"
		" VALUES ('h2', 'i2', 1, 1, 1, 1, '[]', '')");
	apply(&broker, "h1", SEAL(JOB_ONE, "running", "10"));
	apply(&broker, "h2", SEAL(JOB_ONE, "done", "100"));
	IS(&broker, "host = 'h1' AND state = 'running' AND percent = 10");
	COUNT(&broker, 1);
	stage_done(&broker);
}

#define ELEMENT(id, rest) "{\"id\":\"" id "\",\"state\":\"running\"" rest "}"

/* Nobody has asked for them, and a host begins no such jobs. */
static void
test_host_jobs__nothing_else_becomes_a_row(void **state)
{
	static const char *const elements[] = {
		ELEMENT(JOB_ONE, ""),
		ELEMENT(JOB_ONE, ",\"kind\":\"publish\",\"template\":\"tiny\",\"version\":3"),
		ELEMENT(JOB_ONE, ",\"kind\":\"wish\",\"template\":\"tiny\",\"version\":3"),
		ELEMENT(JOB_ONE, ",\"kind\":\"seal\",\"template\":\"../etc\",\"version\":3"),
		ELEMENT(JOB_ONE, ",\"kind\":\"seal\",\"version\":3"),
		ELEMENT(JOB_ONE, ",\"kind\":\"seal\",\"template\":\"tiny\""),
		ELEMENT("j-1", ",\"kind\":\"seal\",\"template\":\"tiny\",\"version\":3"),
		ELEMENT("d-aaaaaaaaaaaaaaaaaaaa",
			",\"kind\":\"seal\",\"template\":\"tiny\",\"version\":3"),
	};
	struct broker broker;

	(void)state;
	stage_init(&broker);
	for (gsize i = 0; i < G_N_ELEMENTS(elements); i++) {
		apply(&broker, "h1", elements[i]);
		if (broker_stage_count(&broker, "SELECT count(*) FROM job") != 0)
			fail_msg("became a row: %s", elements[i]);
	}
	stage_done(&broker);
}

static void
apply_many(struct broker *broker, const char *state, guint first, guint n)
{
	for (guint i = first; i < first + n; i++) {
		g_autofree char *text = g_strdup_printf(
			"{\"id\":\"j-aaaaaaaaaaaaaaaaaa%c%c\",\"kind\":\"seal\",\"template\":\"tiny\","
			"\"version\":3,\"state\":\"%s\"}",
			(char)('a' + i / 26), (char)('a' + i % 26), state);

		apply(broker, "h1", text);
	}
}

static void
test_host_jobs__the_newest_are_kept(void **state)
{
	struct broker broker;

	(void)state;
	stage_init(&broker);
	broker_stage_run(
		&broker,
		"INSERT INTO job (id, kind, arguments, host, template, version, state, user, created_ms, changed_ms)"
		" VALUES ('j-1', 'publish', '{}', 'h1', 't', 1, 'done', 'root', 1, 1)");
	apply_many(&broker, "failed", 0, HOST_JOBS_MAX_OWN);
	COUNT(&broker, HOST_JOBS_MAX_OWN + 1);
	broker_stage_run(&broker, "UPDATE job SET created_ms = 1 WHERE kind = 'seal'");
	apply_many(&broker, "done", HOST_JOBS_MAX_OWN, 3);
	COUNT(&broker, HOST_JOBS_MAX_OWN + 1);
	assert_int_equal(broker_stage_count(&broker,
					    "SELECT count(*) FROM job WHERE kind = 'seal' AND"
					    " state = 'done'"),
			 3);
	IS(&broker, "kind = 'publish'");
	stage_done(&broker);
}

/* They are all there still, although the last one's end was told twice. */
static void
test_host_jobs__what_is_told_again_takes_no_place(void **state)
{
	struct broker broker;

	(void)state;
	stage_init(&broker);
	apply_many(&broker, "done", 0, HOST_JOBS_MAX_OWN);
	apply_many(&broker, "done", HOST_JOBS_MAX_OWN - 1, 1);
	COUNT(&broker, HOST_JOBS_MAX_OWN);
	stage_done(&broker);
}

/* It goes on although as many as are kept began after it, and each new one is seen. */
static void
test_host_jobs__an_old_one_that_runs_keeps_no_new_one_out(void **state)
{
	struct broker broker;

	(void)state;
	stage_init(&broker);
	apply_many(&broker, "running", 0, 1);
	broker_stage_run(&broker, "UPDATE job SET created_ms = 1");
	apply_many(&broker, "done", 1, HOST_JOBS_MAX_OWN - 1);
	broker_stage_run(&broker, "UPDATE job SET created_ms = 2 WHERE state = 'done'");
	apply(&broker, "h1", SEAL(JOB_TWO, "queued", "0"));
	IS(&broker, "id = '" JOB_TWO "' AND state = 'queued'");
	IS(&broker, "state = 'running'");
	COUNT(&broker, HOST_JOBS_MAX_OWN);
	stage_done(&broker);
}

static void
test_host_jobs__what_runs_is_not_given_up_for_more(void **state)
{
	struct broker broker;

	(void)state;
	stage_init(&broker);
	apply_many(&broker, "running", 0, HOST_JOBS_MAX_OWN + 5);
	COUNT(&broker, HOST_JOBS_MAX_OWN);
	/* And goes on being followed. */
	apply_many(&broker, "done", 0, HOST_JOBS_MAX_OWN);
	assert_int_equal(
		broker_stage_count(&broker, "SELECT count(*) FROM job WHERE state = 'done'"),
		HOST_JOBS_MAX_OWN);
	stage_done(&broker);
}

/* It is the host's own, which knows of it: nothing of it is asked for, and nobody ends it. */
static void
test_host_jobs__the_host_is_not_asked_for_its_own(void **state)
{
	struct stage_request *sync;
	struct stage_request *cancel;
	struct broker broker;

	(void)state;
	stage_init(&broker);
	sync = stage_request_new("host", "h1",
				 json_loads(REPORT(SEAL(JOB_ONE, "running", "5")), 0, NULL));
	broker_stage_run(
		&broker,
		"INSERT INTO job (id, kind, arguments, host, template, version, state, user, created_ms, changed_ms)"
		" VALUES ('" JOB_TWO "', 'build', '{}', 'h1', 't', 0, 'queued', 'root', 1, 1)");
	host_sync_handle(broker.hosts, &sync->request);
	assert_int_equal(sync->status, 200);
	IS(&broker, "id = '" JOB_ONE "' AND state = 'running'");
	assert_int_equal(json_array_size(json_object_get(sync->body, "jobs")), 1);
	assert_string_equal(
		json_get_text(json_array_get(json_object_get(sync->body, "jobs"), 0), "id", ""),
		JOB_TWO);
	cancel = stage_request_new("root", JOB_ONE, NULL);
	api_jobs_cancel(&broker, &cancel->request);
	assert_int_equal(cancel->status, 409);
	assert_string_equal(stage_request_code(cancel), "job.own");
	IS(&broker, "id = '" JOB_ONE "' AND state = 'running' AND cancel = 0");
	stage_request_free(cancel);
	stage_request_free(sync);
	stage_done(&broker);
}

/* Nobody can begin it again but the host. */
static void
test_host_jobs__one_that_the_host_has_forgotten_has_failed(void **state)
{
	struct stage_request *sync;
	struct broker broker;

	(void)state;
	stage_init(&broker);
	apply(&broker, "h1", SEAL(JOB_ONE, "running", "5"));
	sync = stage_request_new("host", "h1", json_loads(REPORT(""), 0, NULL));
	host_sync_handle(broker.hosts, &sync->request);
	assert_int_equal(sync->status, 200);
	IS(&broker,
	   "state = 'failed' AND error LIKE '%; the host begins another when it needs it'");
	stage_request_free(sync);
	stage_done(&broker);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_jobs__one_that_the_host_has_begun_is_followed),
		cmocka_unit_test(test_host_jobs__one_that_is_over_is_seen_too),
		cmocka_unit_test(test_host_jobs__another_hosts_job_stays_as_it_is),
		cmocka_unit_test(test_host_jobs__nothing_else_becomes_a_row),
		cmocka_unit_test(test_host_jobs__the_newest_are_kept),
		cmocka_unit_test(test_host_jobs__what_is_told_again_takes_no_place),
		cmocka_unit_test(test_host_jobs__an_old_one_that_runs_keeps_no_new_one_out),
		cmocka_unit_test(test_host_jobs__what_runs_is_not_given_up_for_more),
		cmocka_unit_test(test_host_jobs__the_host_is_not_asked_for_its_own),
		cmocka_unit_test(test_host_jobs__one_that_the_host_has_forgotten_has_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
