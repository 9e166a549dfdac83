/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_desktops_version.c - versions that a host cannot restore: what waits for them, and which desktops need them as they are
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/vmm_exit.h"
#include "host/desktop_suspension.h"
#include "tests/unit/desktops_stage.h"
#include "tests/unit/wait_for.h"

/* As a fork of the version that is there. */
static void
put_suspended(const struct desktops_stage *f)
{
	struct manifest *manifest = manifest_read(f->version, NULL);
	const struct engine_template source = { manifest, -1, "user", -1, NULL, FALSE };
	char genid[ENGINE_GENID_LENGTH + 1];
	g_autofree char *origin = NULL;
	struct desktop_folder folder;
	json_t *mark = json_loads(desktops_stage_suspended, 0, NULL);
	json_t *facts;

	desktops_stage_put_mark(f, desktops_stage_suspended);
	desktop_folder_init(&folder, f->lib, DESKTOP);
	assert_null(desktop_suspension_note_origin(&folder, &source, genid));
	origin = g_build_filename(folder.path, "origin.json", NULL);
	facts = json_load_file(origin, 0, NULL);
	assert_int_equal(json_object_update(mark, facts), 0);
	assert_int_equal(json_dump_file(mark, f->mark, 0), 0);
	json_decref(facts);
	json_decref(mark);
	desktop_folder_done(&folder);
	manifest_free(manifest);
}

/* The machine of this desktop, or what is said to be one, ends. */
static void
end_machine(struct desktops_stage *f, const char *id, int status)
{
	struct launch_exited exited = { .role = LAUNCH_ROLE_VMM, .wait_status = status << 8 };

	assert_true(g_strlcpy(exited.name, id, sizeof(exited.name)) < sizeof(exited.name));
	desktops_handle_exited(f->desktops, &exited);
}

/* It is asked for again and again, for whoever hears of it may have to wait; and no desktop fails. */
static void
test_desktops_version__wait_for_a_version_that_must_be_sealed_again(void **state)
{
	struct desktops_stage *f = *state;

	desktops_stage_seal(f, "pc-q35-5.0");
	desktops_stage_want(f, 1, "ready");
	WAIT_FOR(f->told.foreign >= 2);
	assert_string_equal(f->told.foreign_reason,
			    "it was sealed with machine type pc-q35-5.0, here it is pc-q35-7.2");
	assert_null(desktops_find(f->desktops, DESKTOP));
	desktops_stage_seal(f, "pc-q35-7.2");
	desktops_renew_template(f->desktops, "debian-openbox", 3);
	WAIT_FOR(desktops_find(f->desktops, DESKTOP));
	assert_int_equal(f->told.failures, 0);
}

/* What only its process has found out. */
static void
test_desktops_version__an_exit_status_tells_of_a_foreign_version(void **state)
{
	struct desktops_stage *f = *state;

	desktops_stage_want(f, 1, "ready");
	WAIT_FOR(desktops_find(f->desktops, DESKTOP));
	WAIT_FOR(f->launch->count[LAUNCH_DESKTOP_MAKE] == 1);
	end_machine(f, DESKTOP, VMM_EXIT_CANNOT_START);
	assert_int_equal(f->told.foreign, 0);
	end_machine(f, DESKTOP, VMM_EXIT_FOREIGN);
	assert_int_equal(f->told.foreign, 1);
	assert_non_null(strstr(f->told.foreign_reason, "carrel-vmm can restore"));
	/* the next one does not try it */
	desktops_stage_want(f, 2, "ready");
	WAIT_FOR(f->told.foreign > 1);
	assert_int_equal(f->launch->count[LAUNCH_DESKTOP_MAKE], 1);
	desktops_stage_want_nothing(f);
}

/* A guest that has taken over its carrel-vmm would have versions sealed again, for which the new desktops of all users wait. */
static void
test_desktops_version__an_exit_status_of_one_that_has_run_tells_nothing(void **state)
{
	const struct launch_record record = { .desktop = DESKTOP, .generation = 1 };
	struct desktops_stage *f = *state;

	desktops_adopt(f->desktops, &record, 1);
	desktops_stage_want(f, 1, "ready");
	end_machine(f, DESKTOP, VMM_EXIT_FOREIGN);
	/* nor of one that is not here */
	end_machine(f, OTHER, VMM_EXIT_FOREIGN);
	assert_int_equal(f->told.foreign, 0);
	desktops_stage_want_nothing(f);
}

/*
 * A fork says that this host cannot restore its version, while there is a suspended one that may say otherwise of itself: whoever has
 * the version sealed again is told of that one, until it was tried, too.
 */
static void
test_desktops_version__a_suspended_one_needs_its_version(void **state)
{
	struct desktops_stage *f = *state;

	put_suspended(f);
	desktops_adopt(f->desktops, NULL, 0);
	desktops_talk_want(f->desktops, desktops_stage_make_two("suspended"));
	WAIT_FOR(desktops_find(f->desktops, OTHER));
	end_machine(f, OTHER, VMM_EXIT_FOREIGN);
	assert_int_equal(f->told.foreign, 1);
	assert_string_equal(f->told.holders, DESKTOP);
	end_machine(f, DESKTOP, VMM_EXIT_FOREIGN);
	end_machine(f, OTHER, VMM_EXIT_FOREIGN);
	assert_int_equal(f->told.foreign, 2);
	assert_null(f->told.holders);
	desktops_stage_want_nothing(f);
}

/* By origin.json, whatever becomes of suspended.json. */
static void
test_desktops_version__one_that_cannot_be_read_needs_its_version(void **state)
{
	struct desktops_stage *f = *state;

	put_suspended(f);
	desktops_stage_put_mark(f, "{");
	desktops_adopt(f->desktops, NULL, 0);
	desktops_talk_want(f->desktops, desktops_stage_make_two("suspended"));
	WAIT_FOR(desktops_find(f->desktops, OTHER));
	end_machine(f, OTHER, VMM_EXIT_FOREIGN);
	assert_int_equal(f->told.foreign, 1);
	assert_non_null(f->told.holders);
	assert_string_equal(f->told.holders, DESKTOP);
	desktops_stage_want_nothing(f);
}

/* One of another seal cannot go on anyway. */
static void
test_desktops_version__one_of_an_older_seal_needs_nothing(void **state)
{
	struct desktops_stage *f = *state;

	desktops_stage_put_mark(f, desktops_stage_suspended);
	desktops_adopt(f->desktops, NULL, 0);
	desktops_talk_want(f->desktops, desktops_stage_make_two("suspended"));
	WAIT_FOR(desktops_find(f->desktops, OTHER));
	end_machine(f, OTHER, VMM_EXIT_FOREIGN);
	assert_int_equal(f->told.foreign, 1);
	assert_null(f->told.holders);
	desktops_stage_want_nothing(f);
}

/* It cannot go on either, here or where it comes from, when its version is sealed again meanwhile. */
static void
test_desktops_version__one_on_its_way_needs_its_version(void **state)
{
	struct desktops_stage *f = *state;
	g_autofree char *path = desktops_stage_put_exported(f);
	json_t *list;

	desktops_talk_want(f->desktops, desktops_stage_make_two("exported"));
	WAIT_FOR(desktops_stage_is_in(f, DESKTOP_STATE_EXPORTED) &&
		 desktops_find(f->desktops, OTHER));
	end_machine(f, OTHER, VMM_EXIT_FOREIGN);
	assert_int_equal(f->told.foreign, 1);
	assert_string_equal(f->told.holders, DESKTOP);
	/* of another version it needs nothing */
	list = desktops_stage_make_two("exported");
	json_object_set_new(json_array_get(list, 0), "version", json_integer(2));
	desktops_talk_want(f->desktops, list);
	end_machine(f, OTHER, VMM_EXIT_FOREIGN);
	assert_int_equal(f->told.foreign, 2);
	assert_null(f->told.holders);
	desktops_stage_want_nothing(f);
}

/* Nor can one go on that waits for its turn to come, or has left and may be refused by the other host. */
static void
test_desktops_version__one_that_is_not_here_needs_its_version(void **state)
{
	static const char *const ids[] = { DESKTOP, "d-cccccccccccccccccccc",
					   "d-dddddddddddddddddddd" };
	struct desktops_stage *f = *state;
	json_t *list = json_array();
	json_t *other = desktops_talk_make_want(OTHER, 1, "ready");

	desktops_talk_want(f->desktops, json_pack("[O]", other));
	WAIT_FOR(desktops_find(f->desktops, OTHER));
	for (gsize i = 0; i < G_N_ELEMENTS(ids); i++)
		json_array_append_new(list, desktops_talk_make_want(ids[i], 1, "arrives"));
	json_array_append(list, other);
	desktops_talk_want(f->desktops, list);
	WAIT_FOR(desktops_find(f->desktops, DESKTOP));
	assert_null(desktops_find(f->desktops, ids[2]));
	end_machine(f, OTHER, VMM_EXIT_FOREIGN);
	for (gsize i = 0; i < G_N_ELEMENTS(ids); i++)
		assert_non_null(strstr(f->told.holders, ids[i]));
	desktops_talk_want(f->desktops, json_pack("[o]", other));
	list = json_pack("[{s:s, s:s, s:i, s:s}]", "id", "d-eeeeeeeeeeeeeeeeeeee", "template",
			 "debian-openbox", "version", 3, "kind", "user");
	desktops_note_left(f->desktops, list);
	end_machine(f, OTHER, VMM_EXIT_FOREIGN);
	assert_string_equal(f->told.holders, "d-eeeeeeeeeeeeeeeeeeee");
	json_object_set_new(json_array_get(list, 0), "version", json_integer(2));
	end_machine(f, OTHER, VMM_EXIT_FOREIGN);
	assert_null(f->told.holders);
	json_decref(list);
	desktops_stage_want_nothing(f);
	WAIT_FOR(!desktops_find(f->desktops, OTHER));
}

#define TEST(name)                                                                           \
	cmocka_unit_test_setup_teardown(test_desktops_version__##name, desktops_stage_setup, \
					desktops_stage_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(wait_for_a_version_that_must_be_sealed_again),
		TEST(an_exit_status_tells_of_a_foreign_version),
		TEST(an_exit_status_of_one_that_has_run_tells_nothing),
		TEST(a_suspended_one_needs_its_version),
		TEST(one_that_cannot_be_read_needs_its_version),
		TEST(one_of_an_older_seal_needs_nothing),
		TEST(one_on_its_way_needs_its_version),
		TEST(one_that_is_not_here_needs_its_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
