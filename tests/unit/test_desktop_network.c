/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_desktop_network.c - a desktop's passt: started, plugged in, started again; and what a host must have for it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "host/desktop_network.h"
#include "tests/unit/fake_launch.h"
#include "tests/unit/scratch.h"

#define DESKTOP	 "d-aaaaaaaaaaaaaaaaaaaa"
#define RETRY_MS 5

struct fixture {
	struct fake_launch *launch;
	struct launch_client *client;
	struct desktop_network *network;
	guint plugs;
	guint ups;
	guint fails;
	char reason[200];
	int peer;
	gboolean refuse_plug;
};

/* As the desktop does it: the answer comes later. */
static gboolean
answer_plug(gpointer data)
{
	struct fixture *f = data;
	g_autoptr(GError) error = NULL;

	if (f->refuse_plug)
		error = g_error_new_literal(G_IO_ERROR, G_IO_ERROR_FAILED, "QEMU refused: no");
	desktop_network_take_plugged(f->network, error);
	f->plugs++;
	return G_SOURCE_REMOVE;
}

static void
note_plug(void *context, int peer)
{
	struct fixture *f = context;

	if (f->peer >= 0)
		close(f->peer);
	f->peer = dup(peer);
	g_idle_add(answer_plug, f);
}

static void
note_up(void *context)
{
	struct fixture *f = context;

	f->ups++;
}

static void
note_failed(void *context, const char *reason)
{
	struct fixture *f = context;

	f->fails++;
	g_strlcpy(f->reason, reason, sizeof(f->reason));
}

static const struct desktop_network_events events = { note_plug, note_up, note_failed };

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);
	const struct desktop_network_options options = { .desktop = DESKTOP, .generation = 3 };
	struct desktop_network_options full = options;

	f->peer = -1;
	f->launch = fake_launch_new();
	f->client = fake_launch_connect(f->launch);
	full.launch = f->client;
	full.retry_ms = RETRY_MS;
	f->network = desktop_network_new(&full, &events, f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	desktop_network_free(f->network);
	launch_client_free(f->client);
	fake_launch_free(f->launch);
	if (f->peer >= 0)
		close(f->peer);
	g_free(f);
	return 0;
}

static void
test_desktop_network__starts_passt_and_plugs_it_in(void **state)
{
	struct fixture *f = *state;
	struct pollfd end = { .events = POLLIN };
	char byte = 0;

	desktop_network_start(f->network);
	fake_launch_run_until(&f->ups, 1);
	assert_int_equal(f->launch->role, LAUNCH_ROLE_NET);
	assert_true(g_str_has_prefix(
		f->launch->argv,
		"--foreground --quiet --fd 3 --no-map-gw --mtu 32000 --tcp-ports none "
		"--udp-ports none"));
	assert_int_equal(f->launch->n_fds, 1);
	/* The two are ends of one stream, and nobody else holds one: QEMU's end is passt's. */
	assert_int_equal(write(f->peer, "x", 1), 1);
	assert_int_equal(recv(f->launch->fds[0], &byte, 1, MSG_DONTWAIT), 1);
	assert_int_equal(byte, 'x');
	close(f->peer);
	f->peer = -1;
	/* The fake's child has a copy until it executes. */
	end.fd = f->launch->fds[0];
	assert_int_equal(poll(&end, 1, 10000), 1);
	assert_int_equal(recv(f->launch->fds[0], &byte, 1, MSG_DONTWAIT), 0);
	/* Once is enough. */
	desktop_network_start(f->network);
	assert_int_equal(f->launch->count[LAUNCH_SPAWN], 1);
}

static void
test_desktop_network__starts_it_again(void **state)
{
	struct fixture *f = *state;

	desktop_network_start(f->network);
	fake_launch_run_until(&f->ups, 1);
	for (guint i = 2; i <= 4; i++) {
		fake_launch_end_child(f->launch, SIGKILL);
		fake_launch_run_until(&f->plugs, i);
	}
	assert_int_equal(f->launch->count[LAUNCH_SPAWN], 4);
	assert_int_equal(f->ups, 1);
	assert_int_equal(f->fails, 0);
}

static void
test_desktop_network__says_that_it_failed(void **state)
{
	struct fixture *f = *state;

	f->launch->refuse = -EPERM;
	desktop_network_start(f->network);
	fake_launch_run_until(&f->fails, 1);
	assert_int_equal(f->launch->count[LAUNCH_SPAWN], 3);
	assert_int_equal(f->plugs, 0);
	assert_true(f->reason[0] != '\0');
}

static void
test_desktop_network__gives_up_a_machine_that_refuses(void **state)
{
	struct fixture *f = *state;

	f->refuse_plug = TRUE;
	desktop_network_start(f->network);
	/* What was started is ended before it is tried again. */
	while (f->fails == 0) {
		if (f->launch->child > 0 && f->launch->count[LAUNCH_KILL] == f->plugs &&
		    f->plugs > 0)
			fake_launch_end_child(f->launch, SIGKILL);
		g_main_context_iteration(NULL, TRUE);
	}
	assert_string_equal(f->reason, "QEMU refused: no");
	assert_int_equal(f->ups, 0);
}

static void
test_desktop_network__adopts_what_runs(void **state)
{
	struct fixture *f = *state;
	struct launch_process process = { .pid = getpid() };

	assert_int_equal(io_process_start(process.pid, &process.start_ticks), 0);
	desktop_network_adopt(f->network, &process);
	assert_int_equal(f->ups, 1);
	assert_int_equal(f->plugs, 0);
	assert_int_equal(f->launch->count[LAUNCH_SPAWN], 0);
}

static void
test_desktop_network__does_not_adopt_another_process(void **state)
{
	struct fixture *f = *state;
	struct launch_process process = { .pid = getpid(), .start_ticks = 1 };

	desktop_network_adopt(f->network, &process);
	fake_launch_run_until(&f->ups, 1);
	assert_int_equal(f->launch->count[LAUNCH_SPAWN], 1);
	assert_int_equal(f->plugs, 1);
}

#define HEAD "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
#define LAN  "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
#define OUT  "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
#define ZERO "00000000000000000000000000000000 "
#define OUT6            \
	ZERO "00 " ZERO \
	     "00 fd000000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n"
#define LO6 ZERO "00 " ZERO "00 " ZERO "ffffffff 00000001 00000000 00200200       lo\n"

static void
test_desktop_network__says_what_a_host_lacks(void **state)
{
	static const struct {
		const char *route;
		const char *route6;
		const char *mounts;
		const char *lacks; /* NULL: nothing */
	} table[] = {
		{ HEAD OUT LAN, LO6, "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n", NULL },
		{ HEAD LAN, OUT6 LO6, "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", NULL },
		{ HEAD LAN, LO6, "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "default route" },
		{ "", "", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "default route" },
		{ HEAD OUT, "", "cgroup /sys/fs/cgroup cgroup rw 0 0\n", "cgroup v2" },
	};
	g_autofree char *tools = scratch_new();
	g_autofree char *passt = g_build_filename(tools, "passt", NULL);
	g_autofree char *path = g_strdup(g_getenv("PATH"));
	char *reason;

	(void)state;
	g_setenv("PATH", tools, TRUE);
	reason = desktop_network_find_refusal("");
	assert_non_null(strstr(reason, "install passt"));
	g_free(reason);
	scratch_put(tools, "passt", "#!/bin/sh\n");
	assert_int_equal(chmod(passt, 0700), 0);
	for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
		scratch_put(tools, "proc/net/route", table[i].route);
		scratch_put(tools, "proc/net/ipv6_route", table[i].route6);
		scratch_put(tools, "proc/self/mounts", table[i].mounts);
		reason = desktop_network_find_refusal(tools);
		if (table[i].lacks)
			assert_non_null(strstr(reason, table[i].lacks));
		else
			assert_null(reason);
		g_free(reason);
	}
	g_setenv("PATH", path, TRUE);
	scratch_remove(tools);
}

static void
test_desktop_network__lists_name_servers(void **state)
{
	static const struct {
		const char *resolv;
		const char *resolved;
		const char *expected;
	} table[] = {
		{ "search x\nnameserver 192.0.2.53\nnameserver\t192.0.2.54\n", "",
		  "192.0.2.53 192.0.2.54" },
		{ "nameserver 127.0.0.53\n", "nameserver 192.0.2.1\n", "192.0.2.1" },
		{ "nameserver 127.0.0.1\n", "", "" },
		{ "nameserver --pcap\nnameserver\n#nameserver 192.0.2.1\nnameserver 1.2.3\n", "",
		  "" },
		{ "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n"
		  "nameserver 192.0.2.4\n",
		  "", "192.0.2.1 192.0.2.2 192.0.2.3" },
	};
	g_autofree char *root = scratch_new();

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
		g_auto(GStrv) servers = NULL;
		g_autofree char *joined = NULL;

		scratch_put(root, "etc/resolv.conf", table[i].resolv);
		scratch_put(root, "run/systemd/resolve/resolv.conf", table[i].resolved);
		servers = desktop_network_list_servers(root);
		joined = g_strjoinv(" ", servers);
		assert_string_equal(joined, table[i].expected);
	}
	scratch_remove(root);
}

#define NETWORK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		NETWORK_TEST(test_desktop_network__starts_passt_and_plugs_it_in),
		NETWORK_TEST(test_desktop_network__starts_it_again),
		NETWORK_TEST(test_desktop_network__says_that_it_failed),
		NETWORK_TEST(test_desktop_network__gives_up_a_machine_that_refuses),
		NETWORK_TEST(test_desktop_network__adopts_what_runs),
		NETWORK_TEST(test_desktop_network__does_not_adopt_another_process),
		cmocka_unit_test(test_desktop_network__says_what_a_host_lacks),
		cmocka_unit_test(test_desktop_network__lists_name_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
