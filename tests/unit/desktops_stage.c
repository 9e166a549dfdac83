/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktops_stage.c - all desktops of a host on a fake launch, with a template; its machines never come up (unit tests)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "host/desktop_move.h"
#include "tests/unit/desktops_stage.h"
#include "tests/unit/fake_peer.h"
#include "tests/unit/scratch.h"

#define HASH	 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ZEROS_32 "00000000000000000000000000000000"
#define ZEROS_64 ZEROS_32 ZEROS_32

static const char manifest_text[] =
	"{\"v\":1,\"name\":\"debian-openbox\",\"version\":3,\"parent\":\"\",\"created_ms\":7,\"author\":\"root\",\"note\":\"\","
	"\"kinds\":[\"user\"],\"agent_version\":1,"
	"\"engine\":{\"name\":\"qemu\",\"version\":\"7.2.22\",\"accelerator\":\"tcg\",\"state_format\":1},"
	"\"machine\":{\"type\":\"pc-q35-7.2\",\"cpu\":\"Nehalem\",\"cpuid_sha256\":\"" HASH
	"\",\"cpus\":2,\"ram_mib\":1024,"
	"\"command_line\":\"quiet\",\"devices\":[{\"id\":\"disk\",\"driver\":\"virtio-blk-pci\",\"address\":\"0x7\"}]},"
	"\"report\":[],\"files\":[{\"path\":\"qemu/user/state\",\"size\":1,\"sha256\":\"" HASH
	"\"},{\"path\":\"qemu/user/memory\",\"size\":1073741824,\"sha256\":\"" HASH "\"}]}";

const char desktops_stage_suspended[] =
	"{\"v\": 1, \"template\": \"debian-openbox\", \"version\": 3, \"kind\": \"user\", \"engine\": \"qemu\","
	" \"template_sha256\": \"" ZEROS_64 "\", \"cpu\": \"qemu64\", \"cpuid_sha256\": \"" ZEROS_64
	"\", \"genid\": \"" ZEROS_32 "\", \"generation\": 1, \"phase\": \"whole\", \"boot\": \"b\","
	" \"overlay_bytes\": 0, \"overlay_ns\": 0}";

static void
make_template(const struct desktops_stage *f)
{
	g_autofree char *memory = g_build_filename(f->version, "qemu/user/memory", NULL);

	scratch_put(f->version, "manifest.json", manifest_text);
	scratch_put(f->version, "qemu/user/state", "s");
	scratch_put(f->version, "qemu/user/memory", "");
	assert_int_equal(truncate(memory, (off_t)RAM_MIB << 20), 0);
}

void
desktops_stage_begin(struct desktops_stage *f, guint ram_reserve_mib)
{
	const struct desktops_options options = {
		.launch = f->client,
		.run = f->launch->folder,
		.lib = f->lib,
		.ram_reserve_mib = ram_reserve_mib,
		.accept_unisolated = TRUE,
		.exchange = f->exchange,
	};

	if (f->desktops)
		desktops_free(f->desktops);
	f->desktops = desktops_new(&options, &desktops_talk_events, &f->told);
}

int
desktops_stage_setup(void **state)
{
	struct desktops_stage *f = g_new0(struct desktops_stage, 1);

	f->launch = fake_launch_new();
	f->client = fake_launch_connect(f->launch);
	f->lib = scratch_new();
	f->version = g_build_filename(f->lib, "templates", "debian-openbox", "3", NULL);
	f->exchange = g_build_filename(f->lib, "exchange", NULL);
	f->mark = g_build_filename(f->lib, "desktops", DESKTOP, "suspended.json", NULL);
	assert_int_equal(g_mkdir(f->exchange, 0700), 0);
	make_template(f);
	desktops_stage_begin(f, 0);
	*state = f;
	return 0;
}

int
desktops_stage_teardown(void **state)
{
	struct desktops_stage *f = *state;

	desktops_free(f->desktops);
	fake_peer_settle();
	launch_client_free(f->client);
	fake_launch_free(f->launch);
	scratch_remove(f->lib);
	desktops_talk_clear(&f->told);
	g_free(f->version);
	g_free(f->exchange);
	g_free(f->mark);
	g_free(f->lib);
	g_free(f);
	return 0;
}

void
desktops_stage_want(struct desktops_stage *f, guint64 generation, const char *word)
{
	desktops_talk_want(f->desktops,
			   json_pack("[o]", desktops_talk_make_want(DESKTOP, generation, word)));
}

void
desktops_stage_want_nothing(struct desktops_stage *f)
{
	desktops_talk_want(f->desktops, json_array());
}

json_t *
desktops_stage_make_two(const char *word)
{
	return json_pack("[o, o]", desktops_talk_make_want(DESKTOP, 1, word),
			 desktops_talk_make_want(OTHER, 1, "ready"));
}

gboolean
desktops_stage_is_in(const struct desktops_stage *f, enum desktop_state state)
{
	const struct desktop *desktop = desktops_find(f->desktops, DESKTOP);

	return desktop && desktop_get_state(desktop) == state && !desktop_is_held(desktop);
}

void
desktops_stage_seal(const struct desktops_stage *f, const char *machine)
{
	json_t *object = json_loads(manifest_text, 0, NULL);
	struct manifest *manifest;

	json_object_set_new(json_object_get(object, "machine"), "type", json_string(machine));
	manifest = manifest_new(object, NULL);
	assert_true(manifest_write(manifest, f->version, NULL));
	manifest_free(manifest);
}

void
desktops_stage_put_mark(const struct desktops_stage *f, const char *text)
{
	g_autofree char *folder = g_path_get_dirname(f->mark);

	assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
	assert_true(g_file_set_contents(f->mark, text, -1, NULL));
}

char *
desktops_stage_put_exported(const struct desktops_stage *f)
{
	char *path = g_build_filename(f->exchange, DESKTOP, NULL);
	g_autofree char *mark = g_build_filename(path, "suspended.json", NULL);

	assert_int_equal(g_mkdir(path, 0700), 0);
	assert_true(g_file_set_contents(mark, desktops_stage_suspended, -1, NULL));
	return path;
}
