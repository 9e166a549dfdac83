/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_desktops_unread.c - a desktop of which cannot be read whether it is suspended: nothing is done with it until it can
 *
 * How it works: its folder is in the stage's "lib"; the stage's own desktop is not used.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "host/desktops.h"
#include "tests/unit/desktop_stage.h"

#define RAM_MIB	 1024
#define ZEROS_32 "00000000000000000000000000000000"
#define ZEROS_64 ZEROS_32 ZEROS_32

static const char suspended_text[] =
	"{\"v\": 1, \"template\": \"debian-openbox\", \"version\": 3, \"kind\": \"user\", \"engine\": \"qemu\","
	" \"template_sha256\": \"" ZEROS_64 "\", \"cpu\": \"qemu64\", \"cpuid_sha256\": \"" ZEROS_64
	"\", \"genid\": \"" ZEROS_32 "\", \"generation\": 1, \"phase\": \"whole\", \"boot\": \"b\","
	" \"overlay_bytes\": 0, \"overlay_ns\": 0}";

struct fixture {
	struct desktop_stage *stage;
	struct fake_launch *launch;
	struct desktops *desktops;
	char *mark; /* its path */
	guint unmoved;
	guint unresumed;
};

static void
note_event(void *context, const struct desktop *desktop, const char *kind, gint64 value,
	   const char *text)
{
	struct fixture *f = context;

	(void)desktop, (void)value;
	print_message("%s: %s\n", kind, text);
	f->unmoved += strcmp(kind, "move_failed") == 0;
	f->unresumed += strcmp(kind, "resume_failed") == 0;
}

static void
note_changed(void *context)
{
	(void)context;
}

static void
note_fact(void *context, struct desktop *desktop, const struct display_fact *fact)
{
	(void)context, (void)desktop, (void)fact;
}

static void
note_foreign(void *context, const char *name, guint32 version, const char *engine,
	     const char *reason, const char *holders)
{
	(void)context, (void)name, (void)version, (void)engine, (void)reason, (void)holders;
}

static const struct desktops_events events = { note_event, note_changed, note_fact, note_foreign };

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);
	struct desktops_options options = { .accept_unisolated = TRUE };
	g_autofree char *folder = NULL;
	void *stage = NULL;

	desktop_stage_setup(&stage);
	f->stage = stage;
	f->launch = f->stage->launch;
	options.launch = f->stage->client;
	options.run = f->stage->run;
	options.lib = f->stage->lib;
	f->desktops = desktops_new(&options, &events, f);
	folder = g_build_filename(f->stage->lib, "desktops", DESKTOP, NULL);
	assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
	f->mark = g_build_filename(folder, "suspended.json", NULL);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	void *stage = f->stage;

	desktops_free(f->desktops);
	fake_peer_settle();
	desktop_stage_teardown(&stage);
	g_free(f->mark);
	g_free(f);
	return 0;
}

static void
write_mark(const struct fixture *f, const char *text)
{
	assert_true(g_file_set_contents(f->mark, text, -1, NULL));
}

static void
want(struct fixture *f, guint64 generation, const char *word)
{
	json_t *list =
		json_pack("[{s:s, s:I, s:s, s:s, s:i, s:s, s:s, s:i, s:s, s:s, s:n}]", "id",
			  DESKTOP, "generation", (json_int_t)generation, "pool", "p", "template",
			  "debian-openbox", "version", 3, "engine", "qemu", "kind", "user",
			  "ram_mib", RAM_MIB, "network", "none", "want", word, "session");

	desktops_want(f->desktops, list);
	json_decref(list);
}

static void
want_nothing(struct fixture *f)
{
	json_t *list = json_array();

	desktops_want(f->desktops, list);
	json_decref(list);
}

static gboolean
is_in(const struct fixture *f, enum desktop_state state)
{
	const struct desktop *desktop = desktops_find(f->desktops, DESKTOP);

	return desktop && desktop_get_state(desktop) == state;
}

static gboolean
is_unread(const struct fixture *f)
{
	return is_in(f, DESKTOP_STATE_UNREAD);
}

static void
check_reported(const struct fixture *f, guint64 generation)
{
	json_t *list = desktops_list(f->desktops);
	const json_t *one = json_array_get(list, 0);

	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(json_get_text(one, "state", ""), "suspended");
	assert_int_equal(json_get_integer(one, "generation", 0), generation);
	assert_non_null(strstr(json_get_text(one, "error", ""), "suspended.json"));
	json_decref(list);
}

/* Whatever is wanted of it, by the broker or by an operator. */
static void
check_left_alone(struct fixture *f)
{
	static const char *const words[] = { "suspended", "ready",   "gone",
					     "exported",  "arrives", "returns" };

	for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
		want(f, 2, words[i]);
		desktops_request(f->desktops, "stop", DESKTOP);
		fake_peer_settle();
		assert_true(is_unread(f));
	}
	want_nothing(f);
	fake_peer_settle();
	assert_true(is_unread(f));
	/* the broker takes the wish back, and is not told so again and again */
	assert_int_equal(f->unmoved, 1);
	assert_int_equal(f->unresumed, 1);
	assert_int_equal(f->launch->count[LAUNCH_DESKTOP_REMOVE], 0);
	assert_int_equal(f->launch->count[LAUNCH_DESKTOP_MAKE], 0);
	assert_int_equal(f->launch->count[LAUNCH_KILL], 0);
	assert_true(g_file_test(f->mark, G_FILE_TEST_EXISTS));
}

/* After a restart of hostd launch still lists it; after one of the host it knows nothing of it. */
static void
check_unreadable(const char *text, const struct launch_record *record)
{
	void *state = NULL;
	struct fixture *f;

	setup(&state);
	f = state;
	write_mark(f, text);
	assert_true(desktops_adopt(f->desktops, record, record ? 1 : 0));
	assert_true(is_unread(f));
	check_left_alone(f);
	/* its own generation, or the one that the broker has told */
	check_reported(f, record ? record->generation : 2);
	/* somebody mends it: it is what it was, and goes when it shall */
	write_mark(f, suspended_text);
	want(f, 1, "suspended");
	WAIT_FOR(is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_int_equal(f->launch->count[LAUNCH_DESKTOP_REMOVE], 0);
	want_nothing(f);
	WAIT_FOR(!desktops_find(f->desktops, DESKTOP));
	assert_false(g_file_test(f->mark, G_FILE_TEST_EXISTS));
	teardown(&state);
}

/* The mark with another value of this name; takes the value. */
static char *
make_mark(const char *name, json_t *value)
{
	json_t *mark = json_loads(suspended_text, 0, NULL);
	char *text;
	char *copy;

	json_object_set_new(mark, name, value);
	text = json_dumps(mark, 0);
	copy = g_strdup(text);
	free(text);
	json_decref(mark);
	return copy;
}

static void
test_desktops_unread__it_is_left_alone_until_somebody_mends_it(void **state)
{
	const struct launch_record record = { .desktop = DESKTOP, .generation = 1 };
	g_autofree char *later = make_mark("phase", json_string("dozing"));
	g_autofree char *other = make_mark("v", json_integer(2));
	const char *const texts[] = { "{\"v\": 1, \"templ", later, other };

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
		check_unreadable(texts[i], NULL);
		check_unreadable(texts[i], &record);
	}
}

/* That gives it up: there is nothing left to be kept. */
static void
test_desktops_unread__one_whose_mark_is_taken_away_goes(void **state)
{
	const struct launch_record record = { .desktop = DESKTOP, .generation = 1 };
	struct fixture *f = *state;

	write_mark(f, "{");
	assert_true(desktops_adopt(f->desktops, &record, 1));
	want(f, 1, "gone");
	fake_peer_settle();
	assert_true(is_unread(f));
	assert_int_equal(g_unlink(f->mark), 0);
	WAIT_FOR(is_in(f, DESKTOP_STATE_GONE));
	assert_int_equal(f->launch->count[LAUNCH_DESKTOP_REMOVE], 1);
}

/* While there are only as many descriptors as are open, and "more". */
static gboolean
adopt_with_descriptors(struct fixture *f, int more)
{
	struct rlimit before;
	struct rlimit limit;
	int next = dup(STDIN_FILENO);
	gboolean all;

	assert_true(next >= 0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = (rlim_t)(next + more);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	all = desktops_adopt(f->desktops, NULL, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	return all;
}

/* hostd has none left when it looks what is there: nothing is lost by that, in the folder's list or of a desktop. */
static void
test_desktops_unread__what_cannot_be_opened_is_not_gone(void **state)
{
	struct fixture *f = *state;

	write_mark(f, suspended_text);
	assert_false(adopt_with_descriptors(f, 0));
	assert_null(desktops_find(f->desktops, DESKTOP));
	assert_true(adopt_with_descriptors(f, 1));
	assert_true(is_unread(f));
	want(f, 1, "suspended");
	WAIT_FOR(is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_string_equal(desktop_get_reason(desktops_find(f->desktops, DESKTOP)), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_desktops_unread__##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_desktops_unread__it_is_left_alone_until_somebody_mends_it),
		TEST(one_whose_mark_is_taken_away_goes),
		TEST(what_cannot_be_opened_is_not_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
