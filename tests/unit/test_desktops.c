/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_desktops.c - what is wanted of a host against what it has: with a fake launch, and templates that are damaged
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

#include "base/vmm_exit.h"
#include "host/desktop_move.h"
#include "host/desktop_suspension.h"
#include "host/desktops.h"
#include "tests/unit/fake_launch.h"
#include "tests/unit/fake_peer.h"
#include "tests/unit/scratch.h"
#include "tests/unit/wait_for.h"

#define DESKTOP "d-aaaaaaaaaaaaaaaaaaaa"
#define HASH	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define RAM_MIB 1024

static const char manifest_text[] =
	"{\"v\":1,\"name\":\"debian-openbox\",\"version\":3,\"parent\":\"\",\"created_ms\":7,\"author\":\"root\",\"note\":\"\","
	"\"kinds\":[\"user\"],\"agent_version\":1,"
	"\"engine\":{\"name\":\"qemu\",\"version\":\"7.2.22\",\"accelerator\":\"tcg\",\"state_format\":1},"
	"\"machine\":{\"type\":\"pc-q35-7.2\",\"cpu\":\"Nehalem\",\"cpuid_sha256\":\"" HASH
	"\",\"cpus\":2,\"ram_mib\":1024,"
	"\"command_line\":\"quiet\",\"devices\":[{\"id\":\"disk\",\"driver\":\"virtio-blk-pci\",\"address\":\"0x7\"}]},"
	"\"report\":[],\"files\":[{\"path\":\"qemu/user/state\",\"size\":1,\"sha256\":\"" HASH
	"\"},{\"path\":\"qemu/user/memory\",\"size\":1073741824,\"sha256\":\"" HASH "\"}]}";

struct fixture {
	struct fake_launch *launch;
	struct launch_client *client;
	char *lib;
	char *version; /* the template's folder */
	struct desktops *desktops;
	char *exchange;
	guint failures;
	guint unmoved;
	guint unresumed;
	guint foreign;
	char *foreign_reason;
	char *holders;
};

static void
note_event(void *context, const struct desktop *desktop, const char *kind, gint64 value,
	   const char *text)
{
	struct fixture *f = context;

	(void)desktop, (void)value, (void)text;
	f->failures += strcmp(kind, "failed") == 0;
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
	struct fixture *f = context;

	assert_string_equal(name, "debian-openbox");
	assert_int_equal(version, 3);
	assert_string_equal(engine, "qemu");
	f->foreign++;
	g_free(f->foreign_reason);
	f->foreign_reason = g_strdup(reason);
	g_free(f->holders);
	f->holders = g_strdup(holders);
}

static const struct desktops_events desktops_events = { note_event, note_changed, note_fact,
							note_foreign };

static void
write_file(const struct fixture *f, const char *name, const char *text, gsize size)
{
	g_autofree char *path = g_build_filename(f->version, name, NULL);

	assert_true(g_file_set_contents(path, text, (gssize)strlen(text), NULL));
	assert_int_equal(truncate(path, (off_t)size), 0);
}

static void
make_template(struct fixture *f)
{
	g_autofree char *state = NULL;

	f->version = g_build_filename(f->lib, "templates", "debian-openbox", "3", NULL);
	state = g_build_filename(f->version, "qemu", "user", NULL);
	assert_int_equal(g_mkdir_with_parents(state, 0700), 0);
	write_file(f, "manifest.json", manifest_text, strlen(manifest_text));
	write_file(f, "qemu/user/state", "s", 1);
	write_file(f, "qemu/user/memory", "", (gsize)RAM_MIB << 20);
}

static void
open_desktops(struct fixture *f, guint ram_reserve_mib)
{
	struct desktops_options options = {
		.launch = f->client,
		.run = f->launch->folder,
		.lib = f->lib,
		.ram_reserve_mib = ram_reserve_mib,
		.accept_unisolated = TRUE,
		.exchange = f->exchange,
	};

	f->desktops = desktops_new(&options, &desktops_events, f);
}

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->launch = fake_launch_new();
	f->client = fake_launch_connect(f->launch);
	f->lib = g_dir_make_tmp("test-desktops-XXXXXX", NULL);
	f->exchange = g_build_filename(f->lib, "exchange", NULL);
	assert_int_equal(g_mkdir(f->exchange, 0700), 0);
	make_template(f);
	open_desktops(f, 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	desktops_free(f->desktops);
	fake_peer_settle();
	launch_client_free(f->client);
	fake_launch_free(f->launch);
	scratch_remove(f->lib);
	g_free(f->foreign_reason);
	g_free(f->holders);
	g_free(f->version);
	g_free(f->exchange);
	g_free(f->lib);
	g_free(f);
	return 0;
}

static json_t *
make_want(const char *engine, const char *network, guint64 generation, const char *want)
{
	return json_pack("{s:s, s:I, s:s, s:s, s:i, s:s, s:s, s:i, s:s, s:s, s:n}", "id", DESKTOP,
			 "generation", (json_int_t)generation, "pool", "p", "template",
			 "debian-openbox", "version", 3, "engine", engine, "kind", "user",
			 "ram_mib", RAM_MIB, "network", network, "want", want, "session");
}

static void
want(struct fixture *f, json_t *one)
{
	json_t *list = json_array();

	if (one)
		json_array_append_new(list, one);
	desktops_want(f->desktops, list);
	json_decref(list);
}

static const char *
reason(struct fixture *f)
{
	struct desktop *desktop = desktops_find(f->desktops, DESKTOP);

	assert_non_null(desktop);
	assert_int_equal(desktop_get_state(desktop), DESKTOP_STATE_FAILED);
	return desktop_get_reason(desktop);
}

/* As it was sealed elsewhere, or as it is sealed here. */
static void
write_manifest(struct fixture *f, const char *machine)
{
	g_autofree char *path = g_build_filename(f->version, "manifest.json", NULL);
	json_t *object = json_loads(manifest_text, 0, NULL);
	struct manifest *manifest;

	json_object_set_new(json_object_get(object, "machine"), "type", json_string(machine));
	manifest = manifest_new(object, NULL);
	assert_true(manifest_write(manifest, f->version, NULL));
	manifest_free(manifest);
}

/* It is asked for again and again, for whoever hears of it may have to wait; and no desktop fails. */
static void
test_desktops__wait_for_a_version_that_must_be_sealed_again(void **state)
{
	struct fixture *f = *state;

	write_manifest(f, "pc-q35-5.0");
	want(f, make_want("qemu", "none", 1, "ready"));
	WAIT_FOR(f->foreign >= 2);
	assert_string_equal(f->foreign_reason,
			    "it was sealed with machine type pc-q35-5.0, here it is pc-q35-7.2");
	assert_null(desktops_find(f->desktops, DESKTOP));
	write_manifest(f, "pc-q35-7.2");
	desktops_renew_template(f->desktops, "debian-openbox", 3);
	WAIT_FOR(desktops_find(f->desktops, DESKTOP));
	assert_int_equal(f->failures, 0);
}

/* What only its process has found out. */
static void
test_desktops__an_exit_status_tells_of_a_foreign_version(void **state)
{
	struct fixture *f = *state;
	struct launch_exited exited = { .name = DESKTOP, .role = LAUNCH_ROLE_VMM };

	want(f, make_want("qemu", "none", 1, "ready"));
	WAIT_FOR(desktops_find(f->desktops, DESKTOP));
	WAIT_FOR(f->launch->count[LAUNCH_DESKTOP_MAKE] == 1);
	exited.wait_status = VMM_EXIT_CANNOT_START << 8;
	desktops_handle_exited(f->desktops, &exited);
	assert_int_equal(f->foreign, 0);
	exited.wait_status = VMM_EXIT_FOREIGN << 8;
	desktops_handle_exited(f->desktops, &exited);
	assert_int_equal(f->foreign, 1);
	assert_non_null(strstr(f->foreign_reason, "carrel-vmm can restore"));
	/* the next one does not try it */
	want(f, make_want("qemu", "none", 2, "ready"));
	WAIT_FOR(f->foreign > 1);
	assert_int_equal(f->launch->count[LAUNCH_DESKTOP_MAKE], 1);
	want(f, NULL);
}

#define ZEROS_32 "00000000000000000000000000000000"
#define ZEROS_64 ZEROS_32 ZEROS_32

static const char suspended_text[] =
	"{\"v\": 1, \"template\": \"debian-openbox\", \"version\": 3, \"kind\": \"user\", \"engine\": \"qemu\","
	" \"template_sha256\": \"" ZEROS_64 "\", \"cpu\": \"qemu64\", \"cpuid_sha256\": \"" ZEROS_64
	"\", \"genid\": \"" ZEROS_32 "\", \"generation\": 1, \"phase\": \"whole\", \"boot\": \"b\","
	" \"overlay_bytes\": 0, \"overlay_ns\": 0}";

/* As a fork of the version that is there. */
static void
write_suspended(const struct fixture *f, const char *path)
{
	struct manifest *manifest = manifest_read(f->version, NULL);
	const struct engine_template source = { manifest, -1, "user", -1, NULL };
	char genid[ENGINE_GENID_LENGTH + 1];
	g_autofree char *origin = NULL;
	g_autofree char *text = NULL;
	struct desktop_folder folder;
	json_t *mark = json_loads(suspended_text, 0, NULL);
	json_t *facts;

	desktop_folder_init(&folder, f->lib, DESKTOP);
	assert_null(desktop_suspension_note_origin(&folder, &source, genid));
	origin = g_build_filename(folder.path, "origin.json", NULL);
	facts = json_load_file(origin, 0, NULL);
	assert_int_equal(json_object_update(mark, facts), 0);
	assert_int_equal(json_dump_file(mark, path, 0), 0);
	json_decref(facts);
	json_decref(mark);
	desktop_folder_done(&folder);
	manifest_free(manifest);
}

/* Its user waits for it, and the admin is told why: once, whatever it would take the next time it is asked for. */
static void
test_desktops__a_full_host_resumes_none_and_says_so(void **state)
{
	struct fixture *f = *state;
	g_autofree char *folder = g_build_filename(f->lib, "desktops", DESKTOP, NULL);
	g_autofree char *path = g_build_filename(folder, "suspended.json", NULL);
	const struct desktop *desktop;
	json_t *one;

	desktops_free(f->desktops);
	open_desktops(f, 1u << 30);
	assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
	assert_true(g_file_set_contents(path, suspended_text, -1, NULL));
	desktops_adopt(f->desktops, NULL, 0);
	want(f, make_want("qemu", "none", 1, "ready"));
	desktop = desktops_find(f->desktops, DESKTOP);
	assert_non_null(desktop);
	WAIT_FOR(strstr(desktop_get_reason(desktop), "this host is full") != NULL);
	assert_int_equal(desktop_get_state(desktop), DESKTOP_STATE_SUSPENDED);
	assert_int_equal(f->unresumed, 1);
	assert_null(strpbrk(desktop_get_reason(desktop), "0123456789"));
	one = make_want("qemu", "none", 1, "ready");
	json_object_set_new(one, "ram_mib", json_integer(2 * RAM_MIB));
	want(f, one);
	fake_peer_settle();
	assert_int_equal(f->unresumed, 1);
	want(f, NULL);
	g_unlink(path);
}

#define OTHER "d-bbbbbbbbbbbbbbbbbbbb"

static json_t *
make_wants(const char *suspended)
{
	json_t *other = make_want("qemu", "none", 1, "ready");
	json_t *list = json_pack("[o, o]", make_want("qemu", "none", 1, suspended), other);

	json_object_set_new(other, "id", json_string(OTHER));
	return list;
}

/*
 * A fork says that this host cannot restore its version, while there is a suspended one that may say otherwise of itself: whoever has
 * the version sealed again is told of that one, until it was tried, too.
 */
static void
test_desktops__a_suspended_one_needs_its_version(void **state)
{
	struct fixture *f = *state;
	g_autofree char *folder = g_build_filename(f->lib, "desktops", DESKTOP, NULL);
	g_autofree char *path = g_build_filename(folder, "suspended.json", NULL);
	g_autofree char *origin = g_build_filename(folder, "origin.json", NULL);
	struct launch_exited exited = { .name = OTHER,
					.role = LAUNCH_ROLE_VMM,
					.wait_status = VMM_EXIT_FOREIGN << 8 };
	json_t *list = make_wants("suspended");

	assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
	write_suspended(f, path);
	desktops_adopt(f->desktops, NULL, 0);
	desktops_want(f->desktops, list);
	json_decref(list);
	WAIT_FOR(desktops_find(f->desktops, OTHER));
	desktops_handle_exited(f->desktops, &exited);
	assert_int_equal(f->foreign, 1);
	assert_string_equal(f->holders, DESKTOP);
	assert_int_equal(g_strlcpy(exited.name, DESKTOP, sizeof(exited.name)), 22);
	desktops_handle_exited(f->desktops, &exited);
	assert_int_equal(g_strlcpy(exited.name, OTHER, sizeof(exited.name)), 22);
	desktops_handle_exited(f->desktops, &exited);
	assert_int_equal(f->foreign, 2);
	assert_null(f->holders);
	want(f, NULL);
	g_unlink(path);
	g_unlink(origin);
}

/* By origin.json, whatever becomes of suspended.json. */
static void
test_desktops__one_that_cannot_be_read_needs_its_version(void **state)
{
	struct fixture *f = *state;
	g_autofree char *folder = g_build_filename(f->lib, "desktops", DESKTOP, NULL);
	g_autofree char *path = g_build_filename(folder, "suspended.json", NULL);
	g_autofree char *origin = g_build_filename(folder, "origin.json", NULL);
	const struct launch_exited exited = { .name = OTHER,
					      .role = LAUNCH_ROLE_VMM,
					      .wait_status = VMM_EXIT_FOREIGN << 8 };
	json_t *list = make_wants("suspended");

	assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
	write_suspended(f, path);
	assert_true(g_file_set_contents(path, "{", -1, NULL));
	desktops_adopt(f->desktops, NULL, 0);
	desktops_want(f->desktops, list);
	json_decref(list);
	WAIT_FOR(desktops_find(f->desktops, OTHER));
	desktops_handle_exited(f->desktops, &exited);
	assert_int_equal(f->foreign, 1);
	assert_non_null(f->holders);
	assert_string_equal(f->holders, DESKTOP);
	want(f, NULL);
	g_unlink(path);
	g_unlink(origin);
}

/* One of another seal cannot go on anyway. */
static void
test_desktops__one_of_an_older_seal_needs_nothing(void **state)
{
	struct fixture *f = *state;
	g_autofree char *folder = g_build_filename(f->lib, "desktops", DESKTOP, NULL);
	g_autofree char *path = g_build_filename(folder, "suspended.json", NULL);
	struct launch_exited exited = { .name = OTHER,
					.role = LAUNCH_ROLE_VMM,
					.wait_status = VMM_EXIT_FOREIGN << 8 };
	json_t *list = make_wants("suspended");

	assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
	assert_true(g_file_set_contents(path, suspended_text, -1, NULL));
	desktops_adopt(f->desktops, NULL, 0);
	desktops_want(f->desktops, list);
	json_decref(list);
	WAIT_FOR(desktops_find(f->desktops, OTHER));
	desktops_handle_exited(f->desktops, &exited);
	assert_int_equal(f->foreign, 1);
	assert_null(f->holders);
	want(f, NULL);
	g_unlink(path);
}

/* On engine qemu it takes all of its RAM, where a fork would soon take some of it. */
static void
test_desktops__one_that_is_resumed_needs_all_its_memory(void **state)
{
	struct fixture *f = *state;
	g_autofree char *folder = g_build_filename(f->lib, "desktops", DESKTOP, NULL);
	g_autofree char *path = g_build_filename(folder, "suspended.json", NULL);
	json_t *capacity = desktops_get_capacity(f->desktops);
	json_t *one = make_want("qemu", "none", 1, "ready");
	const struct desktop *desktop;

	/* a fork would soon take a quarter of what there is */
	json_object_set_new(one, "ram_mib",
			    json_integer(2 * json_get_integer(capacity, "ram_free_mib", 0)));
	json_decref(capacity);
	assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
	assert_true(g_file_set_contents(path, suspended_text, -1, NULL));
	desktops_adopt(f->desktops, NULL, 0);
	want(f, one);
	desktop = desktops_find(f->desktops, DESKTOP);
	WAIT_FOR(strstr(desktop_get_reason(desktop), "this host is full") != NULL);
	want(f, NULL);
	g_unlink(path);
}

/* A guest that has taken over its carrel-vmm would have versions sealed again, for which the new desktops of all users wait. */
static void
test_desktops__an_exit_status_of_one_that_has_run_tells_nothing(void **state)
{
	const struct launch_record record = { .desktop = DESKTOP, .generation = 1 };
	struct fixture *f = *state;
	struct launch_exited exited = { .name = DESKTOP,
					.role = LAUNCH_ROLE_VMM,
					.wait_status = VMM_EXIT_FOREIGN << 8 };

	desktops_adopt(f->desktops, &record, 1);
	want(f, make_want("qemu", "none", 1, "ready"));
	desktops_handle_exited(f->desktops, &exited);
	/* nor of one that is not here */
	assert_int_equal(g_strlcpy(exited.name, "d-bbbbbbbbbbbbbbbbbbbb", sizeof(exited.name)), 22);
	desktops_handle_exited(f->desktops, &exited);
	assert_int_equal(f->foreign, 0);
	want(f, NULL);
}

static gboolean
is_in(struct fixture *f, enum desktop_state state)
{
	const struct desktop *desktop = desktops_find(f->desktops, DESKTOP);

	return desktop && desktop_get_state(desktop) == state && !desktop_is_moving(desktop);
}

/* The mark of one that another host has let go. */
static char *
put_exported(struct fixture *f)
{
	char *path = g_build_filename(f->exchange, DESKTOP, NULL);
	g_autofree char *mark = g_build_filename(path, "suspended.json", NULL);

	assert_int_equal(g_mkdir(path, 0700), 0);
	assert_true(g_file_set_contents(mark, suspended_text, -1, NULL));
	return path;
}

/* It cannot go on either, here or where it comes from, when its version is sealed again meanwhile. */
static void
test_desktops__one_on_its_way_needs_its_version(void **state)
{
	struct fixture *f = *state;
	struct launch_exited exited = { .name = OTHER,
					.role = LAUNCH_ROLE_VMM,
					.wait_status = VMM_EXIT_FOREIGN << 8 };
	json_t *list = make_wants("exported");
	g_autofree char *path = put_exported(f);

	desktops_want(f->desktops, list);
	json_decref(list);
	WAIT_FOR(is_in(f, DESKTOP_STATE_EXPORTED) && desktops_find(f->desktops, OTHER));
	desktops_handle_exited(f->desktops, &exited);
	assert_int_equal(f->foreign, 1);
	assert_string_equal(f->holders, DESKTOP);
	/* of another version it needs nothing */
	list = make_wants("exported");
	json_object_set_new(json_array_get(list, 0), "version", json_integer(2));
	desktops_want(f->desktops, list);
	json_decref(list);
	desktops_handle_exited(f->desktops, &exited);
	assert_int_equal(f->foreign, 2);
	assert_null(f->holders);
	want(f, NULL);
}

/* Nor can one go on that waits for its turn to come, or has left and may be refused by the other host. */
static void
test_desktops__one_that_is_not_here_needs_its_version(void **state)
{
	static const char *const ids[] = { DESKTOP, "d-cccccccccccccccccccc",
					   "d-dddddddddddddddddddd" };
	struct fixture *f = *state;
	struct launch_exited exited = { .name = OTHER,
					.role = LAUNCH_ROLE_VMM,
					.wait_status = VMM_EXIT_FOREIGN << 8 };
	json_t *list = json_array();
	json_t *other = make_want("qemu", "none", 1, "ready");

	json_object_set_new(other, "id", json_string(OTHER));
	want(f, json_incref(other));
	WAIT_FOR(desktops_find(f->desktops, OTHER));
	for (gsize i = 0; i < G_N_ELEMENTS(ids); i++) {
		json_t *one = make_want("qemu", "none", 1, "arrives");

		json_object_set_new(one, "id", json_string(ids[i]));
		json_array_append_new(list, one);
	}
	json_array_append(list, other);
	desktops_want(f->desktops, list);
	json_decref(list);
	WAIT_FOR(desktops_find(f->desktops, DESKTOP));
	assert_null(desktops_find(f->desktops, ids[2]));
	desktops_handle_exited(f->desktops, &exited);
	for (gsize i = 0; i < G_N_ELEMENTS(ids); i++)
		assert_non_null(strstr(f->holders, ids[i]));
	want(f, other);
	list = json_pack("[{s:s, s:s, s:i, s:s}]", "id", "d-eeeeeeeeeeeeeeeeeeee", "template",
			 "debian-openbox", "version", 3, "kind", "user");
	desktops_note_left(f->desktops, list);
	desktops_handle_exited(f->desktops, &exited);
	assert_string_equal(f->holders, "d-eeeeeeeeeeeeeeeeeeee");
	json_object_set_new(json_array_get(list, 0), "version", json_integer(2));
	desktops_handle_exited(f->desktops, &exited);
	assert_null(f->holders);
	json_decref(list);
	want(f, NULL);
	WAIT_FOR(!desktops_find(f->desktops, OTHER));
}

/* It is told once, however often the broker's answer says the same: by then it may be another host's. */
static void
test_desktops__one_that_cannot_come_is_refused_once(void **state)
{
	struct fixture *f = *state;
	g_autofree char *path = put_exported(f);

	want(f, make_want("qemu", "none", 1, "arrives"));
	WAIT_FOR(is_in(f, DESKTOP_STATE_EXPORTED));
	assert_int_equal(f->unmoved, 1);
	assert_int_equal(f->launch->count[LAUNCH_DESKTOP_MAKE], 1);
	want(f, make_want("qemu", "none", 1, "arrives"));
	fake_peer_settle();
	assert_int_equal(f->unmoved, 1);
	assert_int_equal(f->launch->count[LAUNCH_DESKTOP_MAKE], 1);
	/* it is left to another host */
	want(f, NULL);
	WAIT_FOR(!desktops_find(f->desktops, DESKTOP));
	assert_true(g_file_test(path, G_FILE_TEST_IS_DIR));
}

/* Its wish was taken back too late: until the broker says that it returns, it may be about to be given to another host. */
static void
test_desktops__one_that_has_left_waits_for_the_brokers_word(void **state)
{
	static const char *const words[] = { "suspended", "ready" };
	struct fixture *f = *state;
	g_autofree char *path = put_exported(f);

	want(f, make_want("qemu", "none", 1, "exported"));
	WAIT_FOR(is_in(f, DESKTOP_STATE_EXPORTED));
	for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
		want(f, make_want("qemu", "none", 1, words[i]));
		fake_peer_settle();
		assert_true(is_in(f, DESKTOP_STATE_EXPORTED));
		assert_int_equal(f->launch->count[LAUNCH_DESKTOP_MAKE], 0);
	}
	want(f, make_want("qemu", "none", 1, "returns"));
	WAIT_FOR(f->launch->count[LAUNCH_DESKTOP_MAKE] == 1);
	WAIT_FOR(is_in(f, DESKTOP_STATE_EXPORTED));
	want(f, NULL);
}

/* Two come at a time. One that waits for its turn is none that is being forked, and the host does not say that it has it. */
static void
test_desktops__one_that_waits_to_come_is_not_here(void **state)
{
	static const char *const ids[] = { DESKTOP, OTHER, "d-cccccccccccccccccccc" };
	struct fixture *f = *state;
	json_t *list = json_array();
	json_t *reported;

	for (gsize i = 0; i < G_N_ELEMENTS(ids); i++) {
		json_t *one = make_want("qemu", "none", 1, "arrives");

		json_object_set_new(one, "id", json_string(ids[i]));
		json_array_append_new(list, one);
	}
	desktops_want(f->desktops, list);
	json_decref(list);
	WAIT_FOR(desktops_find(f->desktops, DESKTOP));
	reported = desktops_list(f->desktops);
	assert_int_equal(json_array_size(reported), 2);
	json_decref(reported);
	assert_null(desktops_find(f->desktops, ids[2]));
	/* its turn comes */
	WAIT_FOR(desktops_find(f->desktops, ids[2]));
	want(f, NULL);
}

static void
test_desktops__one_whose_version_cannot_run_here_is_refused(void **state)
{
	struct fixture *f = *state;

	write_manifest(f, "pc-q35-5.0");
	want(f, make_want("qemu", "none", 1, "arrives"));
	WAIT_FOR(is_in(f, DESKTOP_STATE_EXPORTED));
	assert_int_equal(f->unmoved, 1);
	assert_non_null(strstr(desktop_get_reason(desktops_find(f->desktops, DESKTOP)),
			       "here it is pc-q35-7.2"));
	assert_int_equal(f->launch->count[LAUNCH_DESKTOP_MAKE], 0);
	want(f, NULL);
}

static void
test_desktops__one_that_is_between_hosts_is_given_up(void **state)
{
	struct fixture *f = *state;
	g_autofree char *path = put_exported(f);

	want(f, make_want("qemu", "none", 1, "exported"));
	WAIT_FOR(is_in(f, DESKTOP_STATE_EXPORTED));
	assert_int_equal(f->unmoved, 0);
	want(f, make_want("qemu", "none", 1, "gone"));
	WAIT_FOR(is_in(f, DESKTOP_STATE_GONE));
	assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

/* hostd was started anew, or has not heard of it yet: it is nobody's any more, but its files lie there. */
static void
test_desktops__an_unknown_one_is_given_up_between_hosts(void **state)
{
	struct fixture *f = *state;
	g_autofree char *path = put_exported(f);

	/* of one that is only to be suspended the broker hears that it is not here */
	want(f, make_want("qemu", "none", 1, "suspended"));
	fake_peer_settle();
	assert_null(desktops_find(f->desktops, DESKTOP));
	assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
	want(f, make_want("qemu", "none", 1, "gone"));
	WAIT_FOR(is_in(f, DESKTOP_STATE_GONE));
	assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
	want(f, NULL);
	WAIT_FOR(!desktops_find(f->desktops, DESKTOP));
}

/* What is only removed between hosts takes no turn of those that start. */
static void
test_desktops__those_that_are_given_up_keep_none_from_starting(void **state)
{
	static const char *const ids[] = { "d-cccccccccccccccccccc", "d-dddddddddddddddddddd",
					   "d-eeeeeeeeeeeeeeeeeeee", "d-ffffffffffffffffffff" };
	struct fixture *f = *state;
	json_t *list = make_wants("ready");

	for (gsize i = 0; i < G_N_ELEMENTS(ids); i++) {
		json_t *one = make_want("qemu", "none", 1, "gone");

		json_object_set_new(one, "id", json_string(ids[i]));
		json_array_insert_new(list, 0, one);
	}
	/* its version is loaded from here on */
	want(f, make_want("qemu", "none", 1, "ready"));
	WAIT_FOR(desktops_find(f->desktops, DESKTOP));
	desktops_want(f->desktops, list);
	json_decref(list);
	WAIT_FOR(desktops_find(f->desktops, ids[0]));
	/* in the same look at what is wanted: nothing was removed yet */
	assert_true(desktop_is_moving(desktops_find(f->desktops, ids[0])));
	assert_true(desktop_is_moving(desktops_find(f->desktops, ids[3])));
	assert_non_null(desktops_find(f->desktops, OTHER));
	want(f, NULL);
	WAIT_FOR(!desktops_find(f->desktops, OTHER));
}

/* The same, when launch has not cleared away what was left here of it. */
static void
test_desktops__one_that_has_left_is_given_up_between_hosts(void **state)
{
	const struct launch_record record = { .desktop = DESKTOP, .generation = 1 };
	struct fixture *f = *state;
	g_autofree char *path = put_exported(f);

	desktops_adopt(f->desktops, &record, 1);
	WAIT_FOR(is_in(f, DESKTOP_STATE_GONE));
	assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
	want(f, make_want("qemu", "none", 1, "gone"));
	WAIT_FOR(!g_file_test(path, G_FILE_TEST_EXISTS) && is_in(f, DESKTOP_STATE_GONE));
}

/*
 * It was here and has gone; what launch knows of it is cleared away, and only then it comes again, or is said to have gone: hostd was
 * started anew.
 */
static void
test_desktops__one_that_comes_back_waits_for_its_own_end(void **unused)
{
	static const char *const words[] = { "returns", "arrives", "exported" };
	const struct launch_record record = { .desktop = DESKTOP, .generation = 1 };

	(void)unused;
	for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
		g_autofree char *path = NULL;
		void *state = NULL;
		struct fixture *f;

		setup(&state);
		f = state;
		path = put_exported(f);
		f->launch->refuse = -EBUSY;
		desktops_adopt(f->desktops, &record, 1);
		want(f, make_want("qemu", "none", 1, words[i]));
		fake_peer_settle();
		assert_true(is_in(f, DESKTOP_STATE_RETIRING));
		assert_int_equal(f->unmoved, 0);
		f->launch->refuse = 0;
		WAIT_FOR(is_in(f, DESKTOP_STATE_EXPORTED));
		assert_int_equal(f->unmoved, strcmp(words[i], "exported") != 0);
		want(f, NULL);
		teardown(&state);
	}
}

static const struct {
	const char *engine;
	const char *network;
	const char *file; /* which is damaged, or NULL */
	gsize size;
	const char *reason;
} refusals[] = {
	{ "vax", "none", NULL, 0,
	  "'debian-openbox@3' was published for engine 'vax', which cannot run here: this host has no engine 'vax'; or" },
	{ "qemu", "none", "qemu/user/state", 0, "state" },
	{ "qemu", "none", "qemu/user/state", 2, "state" },
	{ "qemu", "none", "qemu/user/memory", 4096, "publish the template again" },
	{ "qemu", "none", "manifest.json", 40, "manifest" },
};

static void
test_desktops__what_cannot_be_made_fails_with_its_reason(void **unused)
{
	(void)unused;
	for (gsize i = 0; i < G_N_ELEMENTS(refusals); i++) {
		void *state = NULL;
		struct fixture *f;

		setup(&state);
		f = state;
		if (refusals[i].file)
			write_file(f, refusals[i].file, refusals[i].size == 40 ? manifest_text : "",
				   refusals[i].size);
		want(f, make_want(refusals[i].engine, refusals[i].network, 1, "ready"));
		WAIT_FOR(f->failures > 0);
		print_message("%s\n", reason(f));
		assert_non_null(strstr(reason(f), refusals[i].reason));
		/* It is told, not tried again, until the broker gives it up. */
		fake_peer_settle();
		assert_int_equal(f->failures, 1);
		want(f, make_want("qemu", "none", 1, "gone"));
		WAIT_FOR(f->launch->count[LAUNCH_DESKTOP_REMOVE] == 1);
		want(f, NULL);
		WAIT_FOR(!desktops_find(f->desktops, DESKTOP));
		teardown(&state);
	}
}

static void
test_desktops__a_full_host_makes_none_and_says_so(void **state)
{
	struct fixture *f = *state;
	json_t *capacity;

	desktops_free(f->desktops);
	open_desktops(f, 1u << 30);
	want(f, make_want("qemu", "none", 1, "ready"));
	fake_peer_settle();
	assert_null(desktops_find(f->desktops, DESKTOP));
	capacity = desktops_get_capacity(f->desktops);
	assert_int_equal(json_get_integer(capacity, "ram_free_mib", -1), 0);
	json_decref(capacity);
}

static void
adopt(struct fixture *f, guint64 generation)
{
	struct launch_record record = { .generation = generation };

	g_strlcpy(record.desktop, DESKTOP, sizeof(record.desktop));
	desktops_adopt(f->desktops, &record, 1);
}

static void
test_desktops__nothing_goes_before_the_broker_has_spoken(void **state)
{
	struct fixture *f = *state;

	adopt(f, 5);
	assert_non_null(desktops_find(f->desktops, DESKTOP));
	WAIT_FOR(f->launch->count[LAUNCH_DESKTOP_REMOVE] == 1);
	fake_peer_settle();
	assert_non_null(desktops_find(f->desktops, DESKTOP));
	want(f, NULL);
	WAIT_FOR(!desktops_find(f->desktops, DESKTOP));
}

static void
test_desktops__an_older_generation_is_refused(void **state)
{
	struct fixture *f = *state;

	adopt(f, 5);
	want(f, make_want("qemu", "none", 4, "ready"));
	WAIT_FOR(f->launch->count[LAUNCH_DESKTOP_REMOVE] == 1);
	fake_peer_settle();
	assert_int_equal(desktop_get_generation(desktops_find(f->desktops, DESKTOP)), 5);
	assert_int_equal(f->launch->count[LAUNCH_DESKTOP_MAKE], 0);
}

static void
test_desktops__a_newer_generation_waits_for_the_end_of_the_older(void **state)
{
	struct fixture *f = *state;

	adopt(f, 5);
	want(f, make_want("kvm", "none", 6, "ready"));
	WAIT_FOR(f->failures > 0);
	assert_int_equal(desktop_get_generation(desktops_find(f->desktops, DESKTOP)), 6);
	assert_int_equal(f->launch->count[LAUNCH_DESKTOP_REMOVE], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_desktops__##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_desktops__what_cannot_be_made_fails_with_its_reason),
		TEST(a_full_host_makes_none_and_says_so),
		TEST(one_on_its_way_needs_its_version),
		TEST(one_that_is_not_here_needs_its_version),
		TEST(one_that_cannot_come_is_refused_once),
		TEST(one_that_has_left_waits_for_the_brokers_word),
		TEST(one_that_waits_to_come_is_not_here),
		TEST(one_whose_version_cannot_run_here_is_refused),
		TEST(one_that_is_between_hosts_is_given_up),
		TEST(an_unknown_one_is_given_up_between_hosts),
		TEST(those_that_are_given_up_keep_none_from_starting),
		TEST(one_that_has_left_is_given_up_between_hosts),
		cmocka_unit_test(test_desktops__one_that_comes_back_waits_for_its_own_end),
		TEST(wait_for_a_version_that_must_be_sealed_again),
		TEST(an_exit_status_tells_of_a_foreign_version),
		TEST(a_full_host_resumes_none_and_says_so),
		TEST(one_that_is_resumed_needs_all_its_memory),
		TEST(one_that_cannot_be_read_needs_its_version),
		TEST(a_suspended_one_needs_its_version),
		TEST(one_of_an_older_seal_needs_nothing),
		TEST(an_exit_status_of_one_that_has_run_tells_nothing),
		TEST(nothing_goes_before_the_broker_has_spoken),
		TEST(an_older_generation_is_refused),
		TEST(a_newer_generation_waits_for_the_end_of_the_older),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
