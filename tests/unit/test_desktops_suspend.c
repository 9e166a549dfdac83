/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_desktops_suspend.c - one that is to be suspended, and what has become of the version that it was forked from
 *
 * How it works: the stage's desktop is forked from a version in the stage's folder "lib" and is then adopted by a hostd that has
 * the table of all desktops.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/vmm_exit.h"
#include "tests/unit/desktop_stage.h"
#include "tests/unit/desktops_talk.h"

#define VERSION	     "templates/debian-openbox/3"
#define FILLED_BYTES (32 * 1024 * 1024)

struct fixture {
	struct desktop_stage *stage;
	struct desktops *desktops;
	struct desktops_talk told;
};

static char *
make_path(const struct fixture *f, const char *name)
{
	return g_build_filename(f->stage->lib, VERSION, name, NULL);
}

static void
write_file(const struct fixture *f, const char *name, gsize size)
{
	g_autofree char *path = make_path(f, name);

	assert_true(g_file_set_contents(path, "s", 1, NULL));
	assert_int_equal(truncate(path, (off_t)size), 0);
}

/* Not only holes: it takes its time to be loaded. */
static void
fill_memory(const struct fixture *f)
{
	g_autofree char *path = make_path(f, "qemu/user/memory");
	g_autofree char *bytes = g_strnfill(FILLED_BYTES, 'm');

	assert_true(g_file_set_contents(path, bytes, FILLED_BYTES, NULL));
	assert_int_equal(truncate(path, (off_t)RAM_MIB << 20), 0);
}

/* seal: the hash of its memory, which makes it the version that it is. */
static struct manifest *
write_version(const struct fixture *f, char seal)
{
	g_autofree char *folder = make_path(f, "");
	g_autofree char *hash = g_strnfill(64, seal);
	json_t *object = json_loads(fake_qemu_manifest, 0, NULL);
	struct manifest *manifest;

	json_array_append_new(json_object_get(object, "files"),
			      json_pack("{s:s, s:i, s:s}", "path", "qemu/user/memory", "size",
					RAM_MIB << 20, "sha256", hash));
	manifest = manifest_new(object, NULL);
	assert_non_null(manifest);
	assert_true(manifest_write(manifest, folder, NULL));
	return manifest;
}

static void
make_version(struct fixture *f)
{
	g_autofree char *folder = make_path(f, "qemu/user");

	assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
	write_file(f, "qemu/user/state", 1);
	write_file(f, "qemu/user/memory", (gsize)RAM_MIB << 20);
	manifest_free(f->stage->manifest);
	f->stage->manifest = write_version(f, 'a');
}

static void
remove_version(const struct fixture *f)
{
	static const char *const names[] = { "qemu/user/state",
					     "qemu/user/memory",
					     "qemu/user",
					     "qemu",
					     "manifest.json",
					     "",
					     "..",
					     "../.." };

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = make_path(f, names[i]);
		g_autofree char *clean = g_canonicalize_filename(path, NULL);

		assert_int_equal(g_remove(clean), 0);
	}
}

/* other: a new desktop of the same version is wanted, too. */
static void
want(struct fixture *f, const char *word, gboolean other)
{
	json_t *list = json_pack("[o]", desktops_talk_make_want(DESKTOP, GENERATION, word));

	if (other)
		json_array_append_new(list, desktops_talk_make_want(OTHER, 1, "ready"));
	desktops_talk_want(f->desktops, list);
}

static struct desktop *
get_desktop(const struct fixture *f)
{
	struct desktop *desktop = desktops_find(f->desktops, DESKTOP);

	assert_non_null(desktop);
	return desktop;
}

static gboolean
is_in(const struct fixture *f, enum desktop_state state)
{
	return desktop_get_state(get_desktop(f)) == state;
}

/* As hostd is when it was started anew. */
static void
adopt(struct fixture *f)
{
	struct desktop_stage *stage = f->stage;
	struct desktops_options options = {
		.launch = stage->client,
		.run = stage->run,
		.lib = stage->lib,
		.accept_unisolated = TRUE,
		.times = stage->host.times,
	};
	struct launch_record record = { .desktop = DESKTOP, .generation = GENERATION };
	struct launch_process *machine = &record.processes[LAUNCH_ROLE_QEMU];

	machine->pid = stage->qemu->child;
	assert_int_equal(io_process_start(machine->pid, &machine->start_ticks), 0);
	desktop_free(stage->desktop);
	fake_peer_done(&stage->agent);
	stage->desktop = desktop_new(&stage->host, DESKTOP, GENERATION);
	f->desktops = desktops_new(&options, &desktops_talk_events, &f->told);
	desktops_adopt(f->desktops, &record, 1);
}

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);
	void *stage = NULL;

	desktop_stage_setup(&stage);
	f->stage = stage;
	make_version(f);
	desktop_stage_fork(f->stage);
	SERVE_UNTIL(f->stage, desktop_stage_is_in(f->stage, DESKTOP_STATE_READY));
	adopt(f);
	want(f, "ready", FALSE);
	SERVE_UNTIL(f->stage, is_in(f, DESKTOP_STATE_READY));
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
	remove_version(f);
	desktop_stage_teardown(&stage);
	/* nobody was told that the one that runs holds its version */
	assert_null(f->told.holders);
	desktops_talk_clear(&f->told);
	g_free(f);
	return 0;
}

static void
expect_runs_on(struct fixture *f, const char *why)
{
	SERVE_UNTIL(f->stage, f->told.unsuspended > 0);
	assert_true(is_in(f, DESKTOP_STATE_READY));
	assert_non_null(strstr(desktop_get_reason(get_desktop(f)), why));
	assert_non_null(strstr(desktop_get_reason(get_desktop(f)), "'carrel desktop stop'"));
	assert_true(fake_qemu_lives(f->stage->qemu));
}

/* At once: of the version only its manifest is needed, and a host in maintenance may have no memory to load the rest to. */
static void
test_desktops_suspend__one_of_the_version_that_is_there(void **state)
{
	struct fixture *f = *state;

	fill_memory(f);
	desktops_renew_template(f->desktops, "debian-openbox", 3);
	want(f, "suspended", FALSE);
	while (g_main_context_iteration(NULL, FALSE) && is_in(f, DESKTOP_STATE_READY))
		;
	assert_true(is_in(f, DESKTOP_STATE_SUSPENDING));
	SERVE_UNTIL(f->stage, is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_int_equal(f->told.unsuspended, 0);
}

static void
test_desktops_suspend__one_whose_version_was_sealed_again_runs_on(void **state)
{
	struct fixture *f = *state;

	manifest_free(write_version(f, 'b'));
	desktops_renew_template(f->desktops, "debian-openbox", 3);
	want(f, "suspended", FALSE);
	expect_runs_on(f, "'debian-openbox@3': that was sealed again");
	want(f, "suspended", FALSE);
	fake_peer_settle();
	assert_int_equal(f->told.unsuspended, 1);
	want(f, "ready", FALSE);
	SERVE_UNTIL(f->stage, desktop_get_reason(get_desktop(f))[0] == '\0');
	assert_true(is_in(f, DESKTOP_STATE_READY));
}

/* A job that seals it again may be queued or under way, and has not been told of this one. */
static void
test_desktops_suspend__one_whose_version_is_foreign_runs_on(void **state)
{
	struct fixture *f = *state;
	const struct launch_exited exited = { .name = OTHER,
					      .role = LAUNCH_ROLE_VMM,
					      .wait_status = VMM_EXIT_FOREIGN << 8 };

	want(f, "ready", TRUE);
	SERVE_UNTIL(f->stage, desktops_find(f->desktops, OTHER) != NULL);
	desktops_handle_exited(f->desktops, &exited);
	/* the broker may say so more than once before anything is done */
	want(f, "suspended", FALSE);
	want(f, "suspended", FALSE);
	want(f, "suspended", FALSE);
	expect_runs_on(f, "carrel-vmm can restore");
	SERVE_UNTIL(f->stage, !desktops_find(f->desktops, OTHER));
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_desktops_suspend__##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_of_the_version_that_is_there),
		TEST(one_whose_version_was_sealed_again_runs_on),
		TEST(one_whose_version_is_foreign_runs_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
