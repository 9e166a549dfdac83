/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_engine_suspend.c - a machine is written to files, ends, and is restored: the same for each engine
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "tests/unit/fake_vmm.h"
#include "tests/unit/wait_for.h"

#define DESKTOP	   "d-aaaaaaaaaaaaaaaaaaaa"
#define GENERATION 5
#define GENID	   "00112233445566778899aabbccddeeff"

static const char *const template_files[] = { "disk.img",	 "kernel",	   "initrd",
					      "qemu/user/state", "kvm/user/state", "overlay" };
static const char *const template_folders[] = { "qemu/user", "kvm/user", "qemu", "kvm", "" };

struct outcome {
	guint times;
	GError *error;
};

struct fixture {
	const struct engine_ops *ops;
	struct fake_qemu *process;
	struct fake_vmm vmm;
	char *folder;
	int root; /* the same, open */
	char *overlay;
	struct manifest *manifest;
	int memory;
	struct engine_image image;
	struct engine_vm *vm;
	guint events[ENGINE_EVENT_COUNT];
	guint fds;
};

static void
note_event(void *context, enum engine_event event, gint64 value)
{
	struct fixture *f = context;

	(void)value;
	f->events[event]++;
}

static void
note_end(GObject *source, GAsyncResult *result, gpointer data)
{
	struct outcome *outcome = data;

	(void)source;
	outcome->times++;
	steps_finish(result, &outcome->error);
}

#define SERVE_UNTIL(f, condition) WAIT_FOR((fake_qemu_serve((f)->process), (condition)))

static void
make_template(struct fixture *f)
{
	char block[512] = "";

	f->folder = g_dir_make_tmp("test-suspend-XXXXXX", NULL);
	f->overlay = g_build_filename(f->folder, "overlay", NULL);
	for (gsize i = 0; i < 2; i++) {
		g_autofree char *path = g_build_filename(f->folder, template_folders[i], NULL);

		assert_int_equal(g_mkdir_with_parents(path, 0700), 0);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(template_files); i++) {
		g_autofree char *path = g_build_filename(f->folder, template_files[i], NULL);

		assert_true(g_file_set_contents(path, block, sizeof(block), NULL));
	}
	f->manifest = manifest_parse(fake_qemu_manifest, strlen(fake_qemu_manifest), NULL);
	f->root = open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->memory = memfd_create("test", MFD_CLOEXEC);
	f->image.state = memfd_create("state", MFD_CLOEXEC);
	f->image.pages = memfd_create("pages", MFD_CLOEXEC);
}

static int
setup(void **state, const struct engine_ops *ops)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->ops = ops;
	f->fds = fake_peer_count_fds();
	f->process = fake_qemu_new();
	f->process->role = ops->role;
	f->process->place.kvm = open("/dev/null", O_RDWR | O_CLOEXEC);
	fake_vmm_init(&f->vmm, f->process);
	make_template(f);
	f->vm = ops->vm_new(DESKTOP, GENERATION, &f->process->place, note_event, f);
	*state = f;
	return 0;
}

static int
setup_qemu(void **state)
{
	return setup(state, &engine_qemu_ops);
}

static int
setup_kvm(void **state)
{
	return setup(state, &engine_kvm_ops);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	f->ops->vm_free(f->vm);
	fake_peer_settle();
	fake_vmm_done(&f->vmm);
	close(f->process->place.kvm);
	fake_qemu_free(f->process);
	for (gsize i = 0; i < G_N_ELEMENTS(template_files); i++) {
		g_autofree char *path = g_build_filename(f->folder, template_files[i], NULL);

		g_unlink(path);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(template_folders); i++) {
		g_autofree char *path = g_build_filename(f->folder, template_folders[i], NULL);

		assert_int_equal(g_rmdir(path), 0);
	}
	manifest_free(f->manifest);
	close(f->root);
	close(f->memory);
	close(f->image.state);
	close(f->image.pages);
	fake_peer_settle();
	assert_int_equal(fake_peer_count_fds(), f->fds);
	g_free(f->overlay);
	g_free(f->folder);
	g_free(f);
	return 0;
}

static void
finish(struct fixture *f, struct outcome *outcome)
{
	SERVE_UNTIL(f, outcome->times > 0);
	assert_int_equal(outcome->times, 1);
}

static void
finish_well(struct fixture *f, struct outcome *outcome)
{
	finish(f, outcome);
	if (outcome->error)
		print_message("%s\n", outcome->error->message);
	assert_null(outcome->error);
	memset(outcome, 0, sizeof(*outcome));
}

static void
finish_badly(struct fixture *f, struct outcome *outcome, const char *words)
{
	finish(f, outcome);
	assert_non_null(outcome->error);
	print_message("%s\n", outcome->error->message);
	assert_non_null(strstr(outcome->error->message, words));
	g_clear_error(&outcome->error);
	memset(outcome, 0, sizeof(*outcome));
}

/* fork or restore: of a machine whose overlay must not be there, or must. */
static void
run_start(struct fixture *f, gboolean restore)
{
	const struct engine_template source = { f->manifest, f->root, "user",
						f->memory,   GENID,   FALSE };
	struct outcome outcome = { 0 };
	const struct steps_call call = { NULL, note_end, &outcome };

	if (restore) {
		f->ops->restore(f->vm, &source, f->overlay, &f->image, &call);
	} else {
		g_unlink(f->overlay);
		f->ops->fork(f->vm, &source, f->overlay, &call);
	}
	finish_well(f, &outcome);
}

static void
start_suspend(struct fixture *f, struct outcome *outcome)
{
	const struct steps_call call = { NULL, note_end, outcome };

	f->ops->suspend(f->vm, &f->image, &call);
}

static void
test_engine_suspend__a_machine_ends_and_is_restored(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };
	const struct steps_call call = { NULL, note_end, &outcome };

	run_start(f, FALSE);
	start_suspend(f, &outcome);
	finish_well(f, &outcome);
	assert_true(fake_qemu_lives(f->process));
	f->ops->end(f->vm, -1, &call);
	finish_well(f, &outcome);
	assert_int_equal(f->events[ENGINE_EVENT_GONE], 1);
	run_start(f, TRUE);
	assert_int_equal(f->process->spawns, 2);
	assert_true(fake_qemu_lives(f->process));
}

static void
test_engine_suspend__qemu_writes_its_memory_too(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };

	run_start(f, FALSE);
	g_string_truncate(f->process->commands, 0);
	start_suspend(f, &outcome);
	finish_well(f, &outcome);
	assert_string_equal(f->process->commands->str,
			    "stop migrate-set-capabilities migrate-set-parameters getfd migrate ");
}

static void
test_engine_suspend__kvm_gets_two_files(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };
	char text[64] = "";

	run_start(f, FALSE);
	start_suspend(f, &outcome);
	finish_well(f, &outcome);
	assert_int_equal(f->vmm.asked[VMM_PAUSE], 1);
	assert_true(pread(f->image.state, text, sizeof(text) - 1, 0) > 0);
	assert_string_equal(text, FAKE_VMM_STATE);
	memset(text, 0, sizeof(text));
	assert_true(pread(f->image.pages, text, sizeof(text) - 1, 0) > 0);
	assert_string_equal(text, FAKE_VMM_PAGES);
}

/* What a disk must have room for. */
static void
test_engine_suspend__qemu_may_write_all_of_the_ram(void **state)
{
	struct fixture *f = *state;

	run_start(f, FALSE);
	assert_int_equal(f->ops->measure(f->vm, 1000000), 1000000);
}

static void
test_engine_suspend__kvm_may_write_what_its_process_does_not_share(void **state)
{
	struct fixture *f = *state;
	guint64 bytes;

	assert_int_equal(f->ops->measure(f->vm, 1000000), 1000000);
	run_start(f, FALSE);
	bytes = f->ops->measure(f->vm, G_MAXUINT64);
	assert_true(bytes > 0 && bytes < G_GUINT64_CONSTANT(1) << 40);
	assert_int_equal(f->ops->measure(f->vm, 1), 1);
}

static void
test_engine_suspend__a_restore_needs_the_overlay(void **state)
{
	const struct engine_template source = { NULL, -1, "user", -1, GENID, FALSE };
	struct fixture *f = *state;
	struct engine_template complete = source;
	struct outcome outcome = { 0 };
	const struct steps_call call = { NULL, note_end, &outcome };

	complete.manifest = f->manifest;
	complete.folder = f->root;
	complete.memory = f->memory;
	g_unlink(f->overlay);
	f->ops->restore(f->vm, &complete, f->overlay, &f->image, &call);
	finish_badly(f, &outcome, f->overlay);
	assert_int_equal(f->process->spawns, 0);
	assert_false(g_file_test(f->overlay, G_FILE_TEST_EXISTS));
}

static void
test_engine_suspend__one_that_failed_goes_on(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };
	const struct steps_call call = { NULL, note_end, &outcome };

	run_start(f, FALSE);
	f->process->fault = FAKE_QEMU_REFUSES;
	f->process->command = "migrate";
	f->vmm.fault = FAKE_VMM_REFUSES;
	f->vmm.type = VMM_SEAL;
	start_suspend(f, &outcome);
	finish_badly(f, &outcome, "not today");
	f->vmm.fault = FAKE_VMM_WORKS;
	f->vmm.status.state = VMM_STATE_PAUSED;
	f->vmm.status.pause_reason = VMM_PAUSE_ASKED;
	f->process->fault = FAKE_QEMU_WORKS;
	f->process->status = "paused";
	g_string_truncate(f->process->commands, 0);
	f->ops->resume(f->vm, &call);
	finish_well(f, &outcome);
	if (f->ops == &engine_kvm_ops)
		assert_int_equal(f->vmm.asked[VMM_RESUME], 1);
	else
		assert_string_equal(f->process->commands->str,
				    "query-status migrate_cancel query-migrate cont ");
}

/* hostd was restarted meanwhile. */
static void
adopt(struct fixture *f)
{
	struct outcome outcome = { 0 };
	const struct steps_call call = { NULL, note_end, &outcome };
	int pidfd;

	run_start(f, FALSE);
	f->ops->vm_free(f->vm);
	fake_peer_settle();
	f->vm = f->ops->vm_new(DESKTOP, GENERATION, &f->process->place, note_event, f);
	g_string_truncate(f->process->commands, 0);
	assert_int_equal(io_pidfd_open(f->process->child, &pidfd), 0);
	f->ops->adopt(f->vm, pidfd, &call);
	finish_well(f, &outcome);
}

static void
test_engine_suspend__one_that_is_found_standing_goes_on(void **state)
{
	struct fixture *f = *state;

	f->vmm.status.pause_reason = VMM_PAUSE_ASKED;
	f->vmm.status.state = VMM_STATE_PAUSED;
	f->process->status = "postmigrate";
	adopt(f);
	if (f->ops == &engine_kvm_ops)
		assert_int_equal(f->vmm.asked[VMM_RESUME], 1);
	else
		assert_non_null(strstr(f->process->commands->str, "query-migrate cont "));
}

/* Nothing is written of a guest that is let go on as soon as there is room again. */
static void
test_engine_suspend__one_whose_last_writes_find_no_room_is_not_written(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };

	run_start(f, FALSE);
	g_string_truncate(f->process->commands, 0);
	f->process->full = TRUE;
	start_suspend(f, &outcome);
	finish_badly(f, &outcome, "stop its CPUs: the guest's disk cannot grow");
	assert_string_equal(f->process->commands->str, "stop ");
}

/* The host's disk is full, perhaps by its own files. */
static void
test_engine_suspend__one_that_finds_no_room_when_it_goes_on_waits(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };
	const struct steps_call call = { NULL, note_end, &outcome };

	run_start(f, FALSE);
	start_suspend(f, &outcome);
	finish_well(f, &outcome);
	f->vmm.status.state = VMM_STATE_PAUSED;
	f->vmm.status.pause_reason = VMM_PAUSE_ASKED;
	f->vmm.fault = FAKE_VMM_REFUSES;
	f->vmm.type = VMM_RESUME;
	f->ops->resume(f->vm, &call);
	finish_well(f, &outcome);
	assert_int_equal(f->vmm.asked[VMM_RESUME], 1);
}

static void
test_engine_suspend__one_whose_connection_is_lost_goes_on(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };
	const struct steps_call call = { NULL, note_end, &outcome };

	run_start(f, FALSE);
	f->vmm.status.state = VMM_STATE_PAUSED;
	f->vmm.status.pause_reason = VMM_PAUSE_ASKED;
	f->process->status = "paused";
	fake_vmm_hang_up(&f->vmm);
	fake_peer_done(&f->process->peer);
	fake_peer_settle();
	f->ops->resume(f->vm, &call);
	finish_well(f, &outcome);
	if (f->ops == &engine_kvm_ops)
		assert_int_equal(f->vmm.asked[VMM_RESUME], 1);
	else
		assert_true(g_str_has_suffix(f->process->commands->str, "cont "));
}

/* hears: it takes connections still. */
static void
end_adopted(struct fixture *f, gboolean hears, struct outcome *outcome)
{
	const struct steps_call call = { NULL, note_end, outcome };
	int pidfd;

	run_start(f, FALSE);
	f->ops->vm_free(f->vm);
	fake_peer_settle();
	if (!hears)
		g_clear_handle_id(&f->vmm.accepting, g_source_remove);
	f->vm = f->ops->vm_new(DESKTOP, GENERATION, &f->process->place, note_event, f);
	assert_int_equal(io_pidfd_open(f->process->child, &pidfd), 0);
	f->ops->end(f->vm, pidfd, &call);
}

static void
test_engine_suspend__one_that_is_found_is_ended(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };

	end_adopted(f, TRUE, &outcome);
	finish_well(f, &outcome);
	assert_false(fake_qemu_lives(f->process));
}

/* It was told by the hostd before, and hears nobody any more. */
static void
test_engine_suspend__one_that_is_found_ending_ends(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };

	end_adopted(f, FALSE, &outcome);
	fake_peer_settle();
	assert_int_equal(outcome.times, 0);
	fake_qemu_die(f->process);
	finish_well(f, &outcome);
}

/* Its files are not worth anything then, and neither is a version that is sealed like that. */
static void
test_engine_suspend__one_that_lost_what_its_guest_wrote_has_not_ended_well(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };
	const struct steps_call call = { NULL, note_end, &outcome };

	run_start(f, FALSE);
	start_suspend(f, &outcome);
	finish_well(f, &outcome);
	f->vmm.fault = FAKE_VMM_LOSES;
	f->ops->end(f->vm, -1, &call);
	finish_badly(f, &outcome, "end the process: ");
	SERVE_UNTIL(f, f->events[ENGINE_EVENT_GONE] == 1);
}

/* It goes on by itself, when the host's disk has room. */
static void
test_engine_suspend__one_that_waits_for_room_is_left_alone(void **state)
{
	struct fixture *f = *state;

	f->vmm.status.pause_reason = VMM_PAUSE_NO_SPACE;
	f->vmm.status.state = VMM_STATE_PAUSED;
	f->process->status = "io-error";
	adopt(f);
	assert_int_equal(f->vmm.asked[VMM_RESUME], 0);
	assert_null(strstr(f->process->commands->str, "cont"));
}

static void
test_engine_suspend__a_death_is_told(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };

	run_start(f, FALSE);
	f->process->fault = FAKE_QEMU_DIES;
	f->process->command = "migrate";
	f->vmm.fault = FAKE_VMM_DIES;
	f->vmm.type = VMM_SEAL;
	start_suspend(f, &outcome);
	finish_badly(f, &outcome, "log says why");
	SERVE_UNTIL(f, f->events[ENGINE_EVENT_GONE] == 1);
}

#define ON(engine, name) \
	cmocka_unit_test_setup_teardown(test_engine_suspend__##name, setup_##engine, teardown)
#define ON_BOTH(name) ON(qemu, name), ON(kvm, name)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(a_machine_ends_and_is_restored),
		ON(qemu, qemu_writes_its_memory_too),
		ON(qemu, qemu_may_write_all_of_the_ram),
		ON(kvm, kvm_may_write_what_its_process_does_not_share),
		ON(kvm, kvm_gets_two_files),
		ON_BOTH(a_restore_needs_the_overlay),
		ON_BOTH(one_that_failed_goes_on),
		ON_BOTH(one_that_is_found_standing_goes_on),
		ON_BOTH(one_that_waits_for_room_is_left_alone),
		ON(qemu, one_whose_last_writes_find_no_room_is_not_written),
		ON(kvm, one_that_finds_no_room_when_it_goes_on_waits),
		ON_BOTH(one_whose_connection_is_lost_goes_on),
		ON_BOTH(one_that_is_found_is_ended),
		ON(kvm, one_that_is_found_ending_ends),
		ON(kvm, one_that_lost_what_its_guest_wrote_has_not_ended_well),
		ON_BOTH(a_death_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
