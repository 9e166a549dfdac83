/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_jobs.c - jobs with a fake launch and a fake worker, which may be hostile
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "host/jobs.h"
#include "tests/unit/fake_launch.h"
#include "tests/unit/fake_peer.h"
#include "tests/unit/wait_for.h"

#define JOB_ONE "j-aaaaaaaaaaaaaaaaaaaa"
#define JOB_TWO "j-bbbbbbbbbbbbbbbbbbbb"

struct fixture {
	struct fake_launch *launch;
	struct launch_client *client;
	struct jobs *jobs;
	char *records;
	guint ups;
	guint changes;
	guint commits;
	guint32 committed_version;
	guint sealed;
	char *seal_error;
};

static void
note_link(void *context, gboolean up)
{
	struct fixture *f = context;

	f->ups += up ? 1 : 0;
}

static void
note_exit(void *context, const struct launch_exited *exited)
{
	struct fixture *f = context;

	if (f->jobs)
		jobs_handle_exited(f->jobs, exited);
}

static void
note_change(void *context)
{
	((struct fixture *)context)->changes++;
}

static void
note_commit(void *context, enum job_kind kind, const char *name, guint32 version)
{
	struct fixture *f = context;

	(void)kind;
	(void)name;
	f->commits++;
	f->committed_version = version;
}

static const char *
choose_engine(void *context)
{
	(void)context;
	return "kvm";
}

static const struct launch_client_events launch_events = { note_link, note_exit };
static void
note_sealed(void *context, const char *name, guint32 version, const char *error)
{
	struct fixture *f = context;

	assert_string_equal(name, "debian");
	assert_int_equal(version, 4);
	f->sealed++;
	g_free(f->seal_error);
	f->seal_error = g_strdup(error);
}

static const struct jobs_events jobs_events = { note_change, note_commit, note_sealed,
						choose_engine };

static void
make_jobs(struct fixture *f)
{
	f->jobs = jobs_new(&(struct jobs_options){ .lib = f->launch->folder,
						   .recipe_folder = "/usr/share/recipes",
						   .record_folder = f->records,
						   .launch = f->client },
			   &jobs_events, f);
}

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->launch = fake_launch_new();
	f->records = g_build_filename(f->launch->folder, "records", NULL);
	f->client = launch_client_new(f->launch->path, &launch_events, f);
	fake_launch_run_until(&f->ups, 1);
	make_jobs(f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	static const char *const files[] = { JOB_ONE ".json", JOB_TWO ".json" };
	struct fixture *f = *state;

	jobs_free(f->jobs);
	launch_client_free(f->client);
	for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *path = g_build_filename(f->records, files[i], NULL);

		g_unlink(path);
	}
	g_rmdir(f->records);
	fake_launch_free(f->launch);
	g_free(f->seal_error);
	g_free(f->records);
	g_free(f);
	return 0;
}

static void
want(struct fixture *f, const char *text)
{
	struct json_problem problem;
	json_t *wanted = json_parse_strict(text, strlen(text), 4096, &problem);

	assert_non_null(wanted);
	jobs_apply(f->jobs, wanted);
	json_decref(wanted);
}

#define PUBLISH(id, cancel)                                                   \
	"[{\"id\": \"" id "\", \"kind\": \"publish\", \"cancel\": " cancel    \
	", \"arguments\": {\"template\": \"debian\", \"version\": 4, "        \
	"\"image\": \"debian\", \"author\": \"root\", \"engine\": \"qemu\", " \
	"\"ram_mib\": 1024, \"note\": \"\"}}]"

/* One job's text in what sync would say. */
static char *
describe(struct fixture *f, gsize index, const char *key)
{
	json_t *list = jobs_describe(f->jobs);
	char *text = g_strdup(json_get_text(json_array_get(list, index), key, ""));

	json_decref(list);
	return text;
}

static gboolean
is_in_state(struct fixture *f, gsize index, const char *wanted)
{
	g_autofree char *told = describe(f, index, "state");

	return strcmp(told, wanted) == 0;
}

static void
run_until_state(struct fixture *f, gsize index, const char *wanted)
{
	WAIT_FOR(is_in_state(f, index, wanted));
}

/* The worker's end, and what START said. */
static int
take_worker(struct fixture *f, char *ret_json, gsize size)
{
	struct seq_message *message = g_new0(struct seq_message, 1);
	struct job_start start;
	int fd;

	fake_launch_run_until(&f->launch->count[LAUNCH_SPAWN], 1);
	fd = f->launch->fds[0];
	f->launch->fds[0] = -1;
	/* START comes when launch has said that the worker runs. */
	io_set_nonblocking(fd, true);
	WAIT_FOR(seq_receive(fd, message) != -EAGAIN);
	io_set_nonblocking(fd, false);
	assert_int_equal(message->head.type, JOB_START);
	memcpy(&start, message->payload, sizeof(start));
	assert_int_equal(message->head.size, sizeof(start) + start.json_bytes);
	g_strlcpy(ret_json, (const char *)message->payload + sizeof(start),
		  MIN(size, start.json_bytes + 1));
	g_free(message);
	return fd;
}

static int
start_worker(struct fixture *f, const char *wish)
{
	char json[1000];

	want(f, wish);
	fake_launch_run_until(&f->launch->count[LAUNCH_SPAWN], 1);
	return take_worker(f, json, sizeof(json));
}

static void
tell(int fd, enum job_type type, const void *payload, gsize size)
{
	struct seq_header head = { .type = type, .size = (guint32)size };

	assert_int_equal(seq_send(fd, &head, payload, NULL, 0), 0);
}

static void
tell_done(int fd, int status, const char *text, const char *json)
{
	char payload[sizeof(struct job_done) + 1000] = { 0 };
	struct job_done done = { .status = status, .json_bytes = (uint32_t)strlen(json) };

	g_strlcpy(done.text, text, sizeof(done.text));
	memcpy(payload, &done, sizeof(done));
	memcpy(payload + sizeof(done), json, strlen(json));
	tell(fd, JOB_DONE, payload, sizeof(done) + strlen(json));
}

/* Nor would a restarted hostd know of any. */
static void
expect_none(struct fixture *f)
{
	g_autoptr(GDir) records = g_dir_open(f->records, 0, NULL);
	json_t *list = jobs_describe(f->jobs);

	assert_int_equal(json_array_size(list), 0);
	assert_non_null(records);
	assert_null(g_dir_read_name(records));
	json_decref(list);
}

static void
test_jobs__publishes(void **state)
{
	struct fixture *f = *state;
	struct job_progress progress = { .step = "seal", .percent = 40, .seconds_left = 12 };
	g_autofree char *step = NULL;
	guint before;
	int fd = start_worker(f, PUBLISH(JOB_ONE, "false"));

	assert_int_equal(f->launch->role, LAUNCH_ROLE_WORKER);
	before = f->changes;
	tell(fd, JOB_PROGRESS, &progress, sizeof(progress));
	fake_launch_run_until(&f->changes, before + 1);
	step = describe(f, 0, "step");
	assert_string_equal(step, "seal");
	tell_done(fd, 0, "", "{\"steps\": [{\"name\": \"seal\", \"ms\": 5}], \"size_bytes\": 7}");
	close(fd);
	fake_launch_end_child(f->launch, SIGTERM);
	run_until_state(f, 0, "done");
	assert_int_equal(f->commits, 1);
	assert_int_equal(f->committed_version, 4);
	assert_string_equal(f->launch->commit.name, "debian");
	assert_int_equal(f->launch->commit.version, 4);
	want(f, "[]");
	expect_none(f);
}

/* Begun by this host: the broker is told what it is and why, and does not end it. */
static int
start_seal(struct fixture *f)
{
	char json[1000];
	g_autofree char *expected = g_strdup_printf(
		"{\"template\":\"debian\",\"version\":4,\"folder\":\"%s/templates/debian/4\",",
		f->launch->folder);
	const json_t *told;
	json_t *list;
	int fd;

	assert_true(jobs_start_seal(f->jobs, "debian", 4, "qemu", "it was sealed elsewhere"));
	fd = take_worker(f, json, sizeof(json));
	assert_true(g_str_has_prefix(json, expected));
	want(f, "[]");
	list = jobs_describe(f->jobs);
	assert_int_equal(json_array_size(list), 1);
	told = json_array_get(list, 0);
	assert_string_equal(json_get_text(told, "kind", ""), "seal");
	assert_string_equal(json_get_text(told, "template", ""), "debian");
	assert_int_equal(json_get_integer(told, "version", 0), 4);
	assert_string_equal(json_get_text(told, "reason", ""), "it was sealed elsewhere");
	assert_string_equal(json_get_text(told, "state", ""), "running");
	json_decref(list);
	assert_int_equal(f->sealed, 0);
	return fd;
}

static void
test_jobs__a_version_sealed_again_takes_the_old_ones_place(void **state)
{
	struct fixture *f = *state;
	int fd = start_seal(f);

	tell_done(fd, 0, "", "{\"size_bytes\": 7}");
	close(fd);
	fake_launch_end_child(f->launch, SIGTERM);
	fake_launch_run_until(&f->sealed, 1);
	assert_null(f->seal_error);
	assert_int_equal(f->launch->commit.version, 4);
	assert_int_equal(f->launch->commit.replaces, 1);
	/* The answer to a report from before its end forgets nothing: the broker has to hear of it. */
	want(f, "[]");
	assert_true(is_in_state(f, 0, "done"));
	want(f, "[]");
	expect_none(f);
	assert_int_equal(f->sealed, 1);
}

static void
test_jobs__a_seal_that_fails_leaves_the_version(void **state)
{
	struct fixture *f = *state;
	g_autofree char *error = NULL;
	int fd = start_seal(f);

	tell_done(fd, -EIO, "the guest did not boot", "{}");
	close(fd);
	fake_launch_end_child(f->launch, SIGTERM);
	fake_launch_run_until(&f->sealed, 1);
	assert_string_equal(f->seal_error, "the guest did not boot");
	assert_int_equal(f->launch->count[LAUNCH_STAGE_REMOVE], 1);
	assert_int_equal(f->launch->count[LAUNCH_STAGE_COMMIT], 0);
	error = describe(f, 0, "error");
	assert_string_equal(error, "the guest did not boot");
	want(f, "[]");
	expect_none(f);
}

/* The broker knows of it already, and nobody here waits for its end. */
static void
test_jobs__a_seal_that_ran_before_a_restart_has_failed(void **state)
{
	struct fixture *f = *state;
	g_autofree char *error = NULL;
	g_autofree char *kind = NULL;
	int fd = start_seal(f);

	jobs_free(f->jobs);
	close(fd);
	make_jobs(f);
	run_until_state(f, 0, "failed");
	error = describe(f, 0, "error");
	assert_string_equal(error, "carrel-hostd was restarted while it ran: this host begins "
				   "another when it needs it");
	kind = describe(f, 0, "kind");
	assert_string_equal(kind, "");
	assert_int_equal(f->sealed, 0);
	want(f, "[]");
	expect_none(f);
}

/* A reason that is too long, and breaks a character where it is cut, spoils no report. */
static void
test_jobs__a_reason_is_cut(void **state)
{
	struct fixture *f = *state;
	char json[1000];
	g_autofree char *reason = g_strnfill(5001, 'a');
	g_autofree char *told = NULL;
	int fd;

	memcpy(reason + 499, "\xc3\xa4", 2);
	assert_true(jobs_start_seal(f->jobs, "debian", 4, "qemu", reason));
	fd = take_worker(f, json, sizeof(json));
	told = describe(f, 0, "reason");
	assert_in_range(strlen(told), 499, 510);
	assert_memory_equal(told, reason, 499);
	assert_true(g_utf8_validate(told, -1, NULL));
	tell_done(fd, -EIO, "", "{}");
	close(fd);
	fake_launch_end_child(f->launch, SIGTERM);
	run_until_state(f, 0, "failed");
	want(f, "[]");
	expect_none(f);
}

/* It is the host's own. */
static void
test_jobs__the_broker_begins_no_seal(void **state)
{
	struct fixture *f = *state;

	want(f, "[{\"id\": \"" JOB_ONE "\", \"kind\": \"seal\", \"cancel\": false, \"arguments\": "
		"{\"template\": \"debian\", \"version\": 4}}]");
	fake_peer_settle();
	assert_int_equal(f->launch->count[LAUNCH_SPAWN], 0);
}

static void
test_jobs__fills_the_folders_in(void **state)
{
	struct fixture *f = *state;
	char json[1000];
	g_autofree char *expected = NULL;
	int fd;

	want(f, "[{\"id\": \"" JOB_ONE "\", \"kind\": \"build\", \"cancel\": false, \"arguments\": "
		"{\"template\": \"debian\", \"recipe\": \"openbox\"}}]");
	run_until_state(f, 0, "running");
	fd = take_worker(f, json, sizeof(json));
	assert_int_equal(f->launch->role, LAUNCH_ROLE_BUILD);
	expected = g_strdup_printf(
		"{\"template\":\"debian\",\"recipe\":\"/usr/share/recipes/openbox\","
		"\"staging\":\"%s/staging/" JOB_ONE "\"}",
		f->launch->folder);
	assert_string_equal(json, expected);
	close(fd);
}

/* What a worker may say that ends its job as failed. */
static const struct bad_word {
	const char *name;
	int status;
	const char *text;
	const char *json;
	const char *error;
} bad_words[] = {
	{ "a failure", -EIO, "the guest did not boot: see its log", "{}",
	  "the guest did not boot" },
	{ "a failure without words", -ENOSPC, "", "{}", "No space" },
	{ "a positive status", 5, "", "{}", "broke its protocol at step" },
	{ "a result that is no JSON", 0, "", "{", "broke its protocol" },
	{ "an unknown key", 0, "", "{\"rm\": 1}", "broke its protocol" },
	{ "a wrong step", 0, "", "{\"steps\": [1]}", "broke its protocol" },
	{ "control characters", -EIO, "\033[2J", "{}", "broke its protocol" },
};

static void
test_jobs__fails_what_its_worker_spoils(void **state)
{
	for (gsize i = 0; i < G_N_ELEMENTS(bad_words); i++) {
		const struct bad_word *word = &bad_words[i];
		struct fixture *f;
		g_autofree char *error = NULL;
		int fd;

		print_message("%s\n", word->name);
		setup(state);
		f = *state;
		fd = start_worker(f, PUBLISH(JOB_ONE, "false"));
		tell_done(fd, word->status, word->text, word->json);
		if (word->status < 0 && word->text[0] != '\033')
			fake_launch_end_child(f->launch, SIGTERM);
		close(fd);
		run_until_state(f, 0, "failed");
		error = describe(f, 0, "error");
		assert_non_null(strstr(error, word->error));
		assert_int_equal(f->launch->count[LAUNCH_STAGE_REMOVE], 1);
		assert_int_equal(f->launch->count[LAUNCH_STAGE_COMMIT], 0);
		assert_int_equal(f->launch->child, 0);
		teardown(state);
	}
}

/* Launch renames what was staged, or does not get to it, and dies before it can tell. */
static void
check_lost_commit(struct fixture *f, gboolean renamed)
{
	g_autofree char *staging = g_build_filename(f->launch->folder, "staging", NULL);
	g_autofree char *staged = g_build_filename(staging, JOB_ONE, NULL);
	g_autofree char *templates = g_build_filename(f->launch->folder, "templates", NULL);
	g_autofree char *versions = g_build_filename(templates, "debian", NULL);
	g_autofree char *version = g_build_filename(versions, "4", NULL);
	int fd = start_worker(f, PUBLISH(JOB_ONE, "false"));

	assert_int_equal(g_mkdir_with_parents(staged, 0700), 0);
	assert_int_equal(g_mkdir_with_parents(versions, 0700), 0);
	/* Another folder than the staged one says nothing. */
	assert_int_equal(renamed ? 0 : g_mkdir(version, 0700), 0);
	f->launch->dies_at_commit = renamed ? version : "";
	tell_done(fd, 0, "", "{\"steps\": [], \"size_bytes\": 7}");
	close(fd);
	fake_launch_end_child(f->launch, SIGTERM);
	run_until_state(f, 0, renamed ? "done" : "failed");
	assert_int_equal(f->commits, renamed ? 1 : 0);
	assert_true(f->launch->count[LAUNCH_STAGE_REMOVE] > 0);
	g_rmdir(staged);
	g_rmdir(staging);
	assert_int_equal(g_rmdir(version), 0);
	assert_int_equal(g_rmdir(versions), 0);
	assert_int_equal(g_rmdir(templates), 0);
}

static void
test_jobs__a_commit_whose_answer_is_lost_is_done(void **state)
{
	struct fixture *f = *state;
	g_autofree char *error = NULL;

	check_lost_commit(f, TRUE);
	error = describe(f, 0, "error");
	assert_string_equal(error, "");
}

static void
test_jobs__a_commit_that_is_lost_has_failed(void **state)
{
	check_lost_commit(*state, FALSE);
}

static void
test_jobs__names_the_signal_and_the_step(void **state)
{
	struct fixture *f = *state;
	struct job_progress progress = { .step = "verify", .percent = 90 };
	g_autofree char *error = NULL;
	guint before;
	int fd = start_worker(f, PUBLISH(JOB_ONE, "false"));

	before = f->changes;
	tell(fd, JOB_PROGRESS, &progress, sizeof(progress));
	fake_launch_run_until(&f->changes, before + 1);
	close(fd);
	fake_launch_end_child(f->launch, SIGKILL);
	run_until_state(f, 0, "failed");
	error = describe(f, 0, "error");
	assert_string_equal(error,
			    "the worker ended by signal 9 at step 'verify': run the publish again");
}

static void
test_jobs__kills_a_worker_with_impossible_progress(void **state)
{
	struct fixture *f = *state;
	struct job_progress progress = { .step = "seal", .percent = 101 };
	int fd = start_worker(f, PUBLISH(JOB_ONE, "false"));

	tell(fd, JOB_PROGRESS, &progress, sizeof(progress));
	run_until_state(f, 0, "failed");
	assert_int_equal(f->launch->child, 0);
	close(fd);
}

static void
test_jobs__cancels(void **state)
{
	struct fixture *f = *state;
	struct seq_message *message = g_new0(struct seq_message, 1);
	int fd = start_worker(f, PUBLISH(JOB_ONE, "false"));

	want(f, PUBLISH(JOB_ONE, "true"));
	assert_int_equal(seq_receive(fd, message), 0);
	assert_int_equal(message->head.type, JOB_CANCEL);
	tell_done(fd, -ECANCELED, "cancelled", "{}");
	close(fd);
	fake_launch_end_child(f->launch, SIGTERM);
	run_until_state(f, 0, "cancelled");
	assert_int_equal(f->launch->count[LAUNCH_STAGE_REMOVE], 1);
	g_free(message);
}

static void
test_jobs__runs_one_of_a_kind_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct json_problem problem;
	const char *one = PUBLISH(JOB_ONE, "false");
	const char *two = PUBLISH(JOB_TWO, "false");
	json_t *both = json_parse_strict(one, strlen(one), 4096, &problem);
	json_t *other = json_parse_strict(two, strlen(two), 4096, &problem);
	g_autofree char *first = NULL;
	g_autofree char *second = NULL;

	json_array_extend(both, other);
	jobs_apply(f->jobs, both);
	first = describe(f, 0, "state");
	second = describe(f, 1, "state");
	assert_string_equal(first, "running");
	assert_string_equal(second, "queued");
	fake_launch_run_until(&f->launch->count[LAUNCH_SPAWN], 1);
	for (guint i = 0; i < 20; i++)
		g_main_context_iteration(NULL, FALSE);
	close(f->launch->fds[0]);
	f->launch->fds[0] = -1;
	fake_launch_end_child(f->launch, SIGKILL);
	run_until_state(f, 0, "failed");
	fake_launch_run_until(&f->launch->count[LAUNCH_SPAWN], 2);
	assert_string_equal(f->launch->name, JOB_TWO);
	json_decref(both);
	json_decref(other);
}

static void
test_jobs__fails_by_name_what_ran_before_a_restart(void **state)
{
	struct fixture *f = *state;
	g_autofree char *error = NULL;
	int fd = start_worker(f, PUBLISH(JOB_ONE, "false"));

	jobs_free(f->jobs);
	close(fd);
	make_jobs(f);
	want(f, PUBLISH(JOB_ONE, "false"));
	run_until_state(f, 0, "failed");
	error = describe(f, 0, "error");
	assert_string_equal(error,
			    "carrel-hostd was restarted while it ran: run the publish again");
	assert_int_equal(f->launch->count[LAUNCH_STAGE_REMOVE], 1);
	assert_int_equal(f->launch->child, 0);
	/* And once more: the end is remembered until the broker has heard of it. */
	jobs_free(f->jobs);
	make_jobs(f);
	want(f, PUBLISH(JOB_ONE, "false"));
	run_until_state(f, 0, "failed");
	assert_int_equal(f->launch->count[LAUNCH_SPAWN], 1);
}

static void
test_jobs__refuses_arguments_that_are_not_of_their_form(void **state)
{
	struct fixture *f = *state;
	g_autofree char *error = NULL;

	want(f, "[{\"id\": \"" JOB_ONE "\", \"kind\": \"build\", \"cancel\": false, \"arguments\": "
		"{\"template\": \"../etc\", \"recipe\": \"openbox\"}}]");
	run_until_state(f, 0, "failed");
	error = describe(f, 0, "error");
	assert_string_equal(error, "'template' of the job is no valid name");
	assert_int_equal(f->launch->count[LAUNCH_SPAWN], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_jobs__publishes),
		TEST(test_jobs__fills_the_folders_in),
		cmocka_unit_test(test_jobs__fails_what_its_worker_spoils),
		TEST(test_jobs__a_commit_whose_answer_is_lost_is_done),
		TEST(test_jobs__a_commit_that_is_lost_has_failed),
		TEST(test_jobs__names_the_signal_and_the_step),
		TEST(test_jobs__kills_a_worker_with_impossible_progress),
		TEST(test_jobs__cancels),
		TEST(test_jobs__a_version_sealed_again_takes_the_old_ones_place),
		TEST(test_jobs__a_seal_that_fails_leaves_the_version),
		TEST(test_jobs__a_seal_that_ran_before_a_restart_has_failed),
		TEST(test_jobs__a_reason_is_cut),
		TEST(test_jobs__the_broker_begins_no_seal),
		TEST(test_jobs__runs_one_of_a_kind_at_a_time),
		TEST(test_jobs__fails_by_name_what_ran_before_a_restart),
		TEST(test_jobs__refuses_arguments_that_are_not_of_their_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
