/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_launch_role.c - what QEMU's arguments must say, and how arguments are split
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/proto_launch.h"
#include "host/launch_role.h"

#define BOX "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

static void
test_launch_role__qemu_arguments(void **state)
{
	static const struct {
		int expected;
		char *argv[8];
	} table[] = {
		{ 0, { "-nodefaults", "-no-user-config", "-sandbox", BOX } },
		{ 0, { "--sandbox", BOX, "--nodefaults", "-no-user-config", "-S" } },
		{ -EPERM, { "-nodefaults", "-no-user-config" } },
		{ -EPERM, { "-nodefaults", "-no-user-config", "-sandbox" } },
		{ -EPERM, { "-nodefaults", "-no-user-config", "-sandbox", "on" } },
		{ -EPERM, { "-no-user-config", "-sandbox", BOX } },
		{ -EPERM, { "-nodefaults", "-sandbox", BOX } },
		{ -EPERM,
		  { "-nodefaults", "-no-user-config", "-sandbox", BOX, "-sandbox", "off" } },
		{ -EPERM,
		  { "-nodefaults", "-no-user-config", "-sandbox", BOX, "--sandbox", "off" } },
		{ -EPERM, { "-nodefaults", "-no-user-config", "-sandbox", BOX, "-runas", "root" } },
		{ -EPERM, { "-nodefaults", "-no-user-config", "-sandbox", BOX, "--chroot", "/" } },
		{ -EPERM, { "-nodefaults", "-no-user-config", "-sandbox", BOX, "-pidfile", "x" } },
	};
	const struct launch_role_rule *rule = launch_role_find(LAUNCH_ROLE_QEMU);
	char text[160];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t argc = 0;

		while (argc < 8 && table[i].argv[argc])
			argc++;
		assert_int_equal(rule->check(table[i].argv, argc, text, sizeof(text)),
				 table[i].expected);
	}
	assert_null(launch_role_find(LAUNCH_ROLE_COUNT));
}

static void
test_launch_role__vmm_arguments(void **state)
{
	static const struct {
		int expected;
		char *argv[4];
	} table[] = {
		{ 0, { "--description", "20" } },
		{ -EPERM, { "--description" } },
		{ -EPERM, { "--description", "" } },
		{ -EPERM, { "--description", "-1" } },
		{ -EPERM, { "--description", "20", "--help" } },
		{ -EPERM, { "--descriptio", "20" } },
		{ -EPERM, { "--description=20", "20" } },
	};
	const struct launch_role_rule *rule = launch_role_find(LAUNCH_ROLE_VMM);
	char text[160];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t argc = 0;

		while (argc < 4 && table[i].argv[argc])
			argc++;
		assert_int_equal(rule->check(table[i].argv, argc, text, sizeof(text)),
				 table[i].expected);
	}
	assert_int_equal(rule->check(NULL, 0, text, sizeof(text)), -EPERM);
}

#define PASST                                                                                   \
	"--foreground", "--quiet", "--fd", "3", "--no-map-gw", "--mtu", "32000", "--tcp-ports", \
		"none", "--udp-ports", "none"

static void
test_launch_role__passt_arguments(void **state)
{
	static const struct {
		int expected;
		char *argv[16];
	} table[] = {
		{ 0, { PASST } },
		{ 0, { PASST, "--dns", "192.0.2.53" } },
		{ 0, { PASST, "--dns", "192.0.2.53", "--dns", "2001:db8::53" } },
		{ -EPERM, { "--foreground", "--quiet", "--fd", "3" } },
		{ -EPERM,
		  { "--foreground", "--quiet", "--fd", "3", "--no-map-gw", "--mtu", "65520",
		    "--tcp-ports", "none", "--udp-ports", "none" } },
		{ -EPERM, { PASST, "--dns" } },
		{ -EPERM, { PASST, "--dns", "none" } },
		{ -EPERM, { PASST, "--tcp-ports", "22" } },
		{ -EPERM, { PASST, "--tcp-ports", "all" } },
		{ -EPERM, { PASST, "--pcap", "/tmp/x" } },
		{ -EPERM, { PASST, "--dns", "192.0.2.53", "--runas", "0" } },
		{ -EPERM,
		  { "--foreground", "--quiet", "--fd", "3", "--no-map-gw", "--mtu", "32000",
		    "--tcp-ports", "22", "--udp-ports", "none" } },
	};
	const struct launch_role_rule *rule = launch_role_find(LAUNCH_ROLE_NET);
	char text[160];

	(void)state;
	assert_true(rule->outward_only && rule->namespaces == 0);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t argc = 0;

		while (argc < 16 && table[i].argv[argc])
			argc++;
		assert_int_equal(rule->check(table[i].argv, argc, text, sizeof(text)),
				 table[i].expected);
	}
	assert_int_equal(rule->check(NULL, 0, text, sizeof(text)), -EPERM);
}

static void
test_launch_role__splits_exactly(void **state)
{
	char text[] = "a\0\0bc";
	char *argv[4];

	(void)state;
	assert_int_equal(launch_role_split_argv(text, 6, 3, argv), 0);
	assert_string_equal(argv[1], "");
	assert_string_equal(argv[2], "bc");
	assert_int_equal(launch_role_split_argv(text, 6, 2, argv), -EINVAL);
	assert_int_equal(launch_role_split_argv(text, 6, 4, argv), -EINVAL);
	assert_int_equal(launch_role_split_argv(text, 5, 3, argv), -EINVAL);
	assert_int_equal(launch_role_split_argv(text, 0, 0, argv), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_launch_role__qemu_arguments),
		cmocka_unit_test(test_launch_role__vmm_arguments),
		cmocka_unit_test(test_launch_role__passt_arguments),
		cmocka_unit_test(test_launch_role__splits_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
