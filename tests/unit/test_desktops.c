/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_desktops.c - what is wanted of a host against what it has: what cannot be made, and which generation counts
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "tests/unit/desktops_stage.h"
#include "tests/unit/fake_peer.h"
#include "tests/unit/wait_for.h"

static const struct {
	const char *engine;
	const char *file; /* which is damaged, or NULL */
	gsize size;
	const char *reason;
} refusals[] = {
	{ "vax", NULL, 0,
	  "'debian-openbox@3' was published for engine 'vax', which cannot run here: this host has no engine 'vax'; or" },
	{ "qemu", "qemu/user/state", 0, "state" },
	{ "qemu", "qemu/user/state", 2, "state" },
	{ "qemu", "qemu/user/memory", 4096, "publish the template again" },
	{ "qemu", "manifest.json", 40, "manifest" },
};

static void
damage(const struct desktops_stage *f, const char *file, gsize size)
{
	g_autofree char *path = g_build_filename(f->version, file, NULL);

	assert_int_equal(truncate(path, (off_t)size), 0);
}

static void
want_for_engine(struct desktops_stage *f, guint64 generation, const char *engine)
{
	json_t *one = desktops_talk_make_want(DESKTOP, generation, "ready");

	json_object_set_new(one, "engine", json_string(engine));
	desktops_talk_want(f->desktops, json_pack("[o]", one));
}

static void
want_with_ram(struct desktops_stage *f, json_int_t ram_mib)
{
	json_t *one = desktops_talk_make_want(DESKTOP, 1, "ready");

	json_object_set_new(one, "ram_mib", json_integer(ram_mib));
	desktops_talk_want(f->desktops, json_pack("[o]", one));
}

static const char *
reason(struct desktops_stage *f)
{
	struct desktop *desktop = desktops_find(f->desktops, DESKTOP);

	assert_non_null(desktop);
	assert_int_equal(desktop_get_state(desktop), DESKTOP_STATE_FAILED);
	return desktop_get_reason(desktop);
}

static void
test_desktops__what_cannot_be_made_fails_with_its_reason(void **unused)
{
	(void)unused;
	for (gsize i = 0; i < G_N_ELEMENTS(refusals); i++) {
		void *state = NULL;
		struct desktops_stage *f;

		desktops_stage_setup(&state);
		f = state;
		if (refusals[i].file)
			damage(f, refusals[i].file, refusals[i].size);
		want_for_engine(f, 1, refusals[i].engine);
		WAIT_FOR(f->told.failures > 0);
		print_message("%s\n", reason(f));
		assert_non_null(strstr(reason(f), refusals[i].reason));
		/* It is told, not tried again, until the broker gives it up. */
		fake_peer_settle();
		assert_int_equal(f->told.failures, 1);
		desktops_stage_want(f, 1, "gone");
		WAIT_FOR(f->launch->count[LAUNCH_DESKTOP_REMOVE] == 1);
		desktops_stage_want_nothing(f);
		WAIT_FOR(!desktops_find(f->desktops, DESKTOP));
		desktops_stage_teardown(&state);
	}
}

/* A first one, for which there is no room; the second shows that nothing else was in its way. */
static void
test_desktops__a_full_host_makes_none(void **state)
{
	struct desktops_stage *f = *state;
	json_t *wanted = desktops_stage_make_two("ready");

	json_object_set_new(json_array_get(wanted, 0), "ram_mib", json_integer(G_MAXINT));
	desktops_talk_want(f->desktops, wanted);
	WAIT_FOR(desktops_find(f->desktops, OTHER));
	assert_null(desktops_find(f->desktops, DESKTOP));
	desktops_stage_want_nothing(f);
}

static void
test_desktops__a_full_host_says_so(void **state)
{
	struct desktops_stage *f = *state;
	json_t *capacity;

	desktops_stage_begin(f, 1u << 30);
	capacity = desktops_get_capacity(f->desktops);
	assert_int_equal(json_get_integer(capacity, "ram_free_mib", -1), 0);
	json_decref(capacity);
}

/* Its user waits for it, and the admin is told why: once, whatever it would take the next time it is asked for. */
static void
test_desktops__a_full_host_resumes_none_and_says_so(void **state)
{
	struct desktops_stage *f = *state;
	const struct desktop *desktop;

	desktops_stage_begin(f, 1u << 30);
	desktops_stage_put_mark(f, desktops_stage_suspended);
	desktops_adopt(f->desktops, NULL, 0);
	desktops_stage_want(f, 1, "ready");
	desktop = desktops_find(f->desktops, DESKTOP);
	assert_non_null(desktop);
	WAIT_FOR(strstr(desktop_get_reason(desktop), "this host is full") != NULL);
	assert_int_equal(desktop_get_state(desktop), DESKTOP_STATE_SUSPENDED);
	assert_int_equal(f->told.unresumed, 1);
	assert_null(strpbrk(desktop_get_reason(desktop), "0123456789"));
	want_with_ram(f, 2 * RAM_MIB);
	fake_peer_settle();
	assert_int_equal(f->told.unresumed, 1);
	desktops_stage_want_nothing(f);
}

/* On engine qemu it takes all of its RAM, where a fork would soon take some of it. */
static void
test_desktops__one_that_is_resumed_needs_all_its_memory(void **state)
{
	struct desktops_stage *f = *state;
	json_t *capacity = desktops_get_capacity(f->desktops);
	json_int_t ram_free_mib = json_get_integer(capacity, "ram_free_mib", 0);
	const struct desktop *desktop;

	json_decref(capacity);
	desktops_stage_put_mark(f, desktops_stage_suspended);
	desktops_adopt(f->desktops, NULL, 0);
	/* a fork would soon take a quarter of what there is */
	want_with_ram(f, 2 * ram_free_mib);
	desktop = desktops_find(f->desktops, DESKTOP);
	WAIT_FOR(strstr(desktop_get_reason(desktop), "this host is full") != NULL);
	desktops_stage_want_nothing(f);
}

static void
adopt(struct desktops_stage *f, guint64 generation)
{
	const struct launch_record record = { .desktop = DESKTOP, .generation = generation };

	desktops_adopt(f->desktops, &record, 1);
}

static void
test_desktops__nothing_goes_before_the_broker_has_spoken(void **state)
{
	struct desktops_stage *f = *state;

	adopt(f, 5);
	assert_non_null(desktops_find(f->desktops, DESKTOP));
	WAIT_FOR(f->launch->count[LAUNCH_DESKTOP_REMOVE] == 1);
	fake_peer_settle();
	assert_non_null(desktops_find(f->desktops, DESKTOP));
	desktops_stage_want_nothing(f);
	WAIT_FOR(!desktops_find(f->desktops, DESKTOP));
}

/* One that lives and does as it is told; what has no machine is cleared away in any case. */
static void
adopt_suspended(struct desktops_stage *f, json_int_t generation)
{
	json_t *mark = json_loads(desktops_stage_suspended, 0, NULL);
	g_autofree char *text = NULL;

	json_object_set_new(mark, "generation", json_integer(generation));
	text = json_dumps(mark, 0);
	json_decref(mark);
	desktops_stage_put_mark(f, text);
	desktops_adopt(f->desktops, NULL, 0);
	assert_int_equal(desktop_get_generation(desktops_find(f->desktops, DESKTOP)), generation);
}

static void
test_desktops__an_older_generation_is_refused(void **state)
{
	struct desktops_stage *f = *state;

	adopt_suspended(f, 5);
	desktops_stage_want(f, 4, "gone");
	fake_peer_settle();
	assert_true(desktops_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_int_equal(desktop_get_generation(desktops_find(f->desktops, DESKTOP)), 5);
	desktops_stage_want(f, 5, "gone");
	fake_peer_settle();
	assert_false(desktops_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	desktops_stage_want_nothing(f);
}

static void
test_desktops__a_newer_generation_waits_for_the_end_of_the_older(void **state)
{
	struct desktops_stage *f = *state;

	adopt_suspended(f, 5);
	want_for_engine(f, 6, "kvm");
	WAIT_FOR(f->told.failures > 0);
	assert_int_equal(desktop_get_generation(desktops_find(f->desktops, DESKTOP)), 6);
	assert_int_equal(f->launch->count[LAUNCH_DESKTOP_REMOVE], 1);
}

#define TEST(name)                                                                   \
	cmocka_unit_test_setup_teardown(test_desktops__##name, desktops_stage_setup, \
					desktops_stage_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_desktops__what_cannot_be_made_fails_with_its_reason),
		TEST(a_full_host_makes_none),
		TEST(a_full_host_says_so),
		TEST(a_full_host_resumes_none_and_says_so),
		TEST(one_that_is_resumed_needs_all_its_memory),
		TEST(nothing_goes_before_the_broker_has_spoken),
		TEST(an_older_generation_is_refused),
		TEST(a_newer_generation_waits_for_the_end_of_the_older),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
