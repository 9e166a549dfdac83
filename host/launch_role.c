/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_role.c - what each role is (carrel-launch)
 */
#include "host/launch_role.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/proto_launch.h"
#include "host/launch_options.h"

#define QEMU_SANDBOX "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

/* Options that would give a clone rights or a life that launch does not know of. */
static const char *const qemu_denied[] = { "daemonize", "runas",    "chroot",
					   "pidfile",	"run-with", "readconfig" };

/* An option's name; QEMU takes one or two dashes. NULL when it is none. */
static const char *
launch_role_option(const char *argument)
{
	if (argument[0] != '-')
		return NULL;
	return argument + (argument[1] == '-' ? 2 : 1);
}

static int
launch_role_check_qemu(char *const *argv, size_t argc, char *ret_text, size_t text_size)
{
	size_t sandboxes = 0;
	bool no_defaults = false;
	bool no_config = false;

	for (size_t i = 0; i < argc; i++) {
		const char *option = launch_role_option(argv[i]);

		if (!option)
			continue;
		no_defaults |= strcmp(option, "nodefaults") == 0;
		no_config |= strcmp(option, "no-user-config") == 0;
		if (strcmp(option, "sandbox") == 0) {
			/* One that says anything else counts twice: then it is not exactly one. */
			sandboxes += i + 1 < argc && strcmp(argv[i + 1], QEMU_SANDBOX) == 0 ? 1 : 2;
		}
		for (size_t k = 0; k < sizeof(qemu_denied) / sizeof(qemu_denied[0]); k++) {
			if (strcmp(option, qemu_denied[k]) != 0)
				continue;
			snprintf(ret_text, text_size, "QEMU must not be started with '-%s'",
				 option);
			return -EPERM;
		}
	}
	if (sandboxes == 1 && no_defaults && no_config)
		return 0;
	snprintf(ret_text, text_size,
		 "QEMU needs -nodefaults, -no-user-config and exactly one '-sandbox %s'",
		 QEMU_SANDBOX);
	return -EPERM;
}

/* Everything else stands in what it reads there, and is its own to check. */
static int
launch_role_check_vmm(char *const *argv, size_t argc, char *ret_text, size_t text_size)
{
	if (argc == 2 && strcmp(argv[0], "--description") == 0 && argv[1][0] != '\0' &&
	    strspn(argv[1], "0123456789") == strlen(argv[1]))
		return 0;
	snprintf(ret_text, text_size, "carrel-vmm is started with '--description FD' and no more");
	return -EPERM;
}

/* What passt must be told: it forwards nothing inward, and the gateway's address is not the host's. */
static const char *const passt_needed[] = {
	"--foreground", "--quiet",     "--fd", "3",	      "--no-map-gw", "--mtu",
	LAUNCH_NET_MTU, "--tcp-ports", "none", "--udp-ports", "none"
};

static bool
launch_role_is_address(const char *text)
{
	uint8_t address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

/* Exactly those, then name servers. */
static int
launch_role_check_net(char *const *argv, size_t argc, char *ret_text, size_t text_size)
{
	const size_t n = sizeof(passt_needed) / sizeof(passt_needed[0]);
	bool good = argc >= n && (argc - n) % 2 == 0;

	for (size_t i = 0; good && i < n; i++)
		good = strcmp(argv[i], passt_needed[i]) == 0;
	for (size_t i = n; good && i < argc; i += 2)
		good = strcmp(argv[i], "--dns") == 0 && launch_role_is_address(argv[i + 1]);
	if (good)
		return 0;
	snprintf(ret_text, text_size,
		 "passt is started without forwarded ports and gateway mapping, with '--dns "
		 "ADDRESS' at most");
	return -EPERM;
}

/* A network without links, and none of the host's System V memory. */
#define WITHOUT_NETWORK (CLONE_NEWNET | CLONE_NEWIPC)

/* Programs of ours that hear strangers: they leave the host's files by themselves (base/contain.h). */
#define CONTAINED (WITHOUT_NETWORK | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWUTS)

#define BUILD_NAMESPACES (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC)

static const struct launch_role_rule role_table[] = {
	[LAUNCH_ROLE_QEMU] = { "qemu", ID_KIND_DESKTOP, LAUNCH_ROLE_UID_FIRST, WITHOUT_NETWORK,
			       false, launch_role_check_qemu },
	[LAUNCH_ROLE_VMM] = { "vmm", ID_KIND_DESKTOP, LAUNCH_ROLE_UID_FIRST, CONTAINED, false,
			      launch_role_check_vmm },
	[LAUNCH_ROLE_DISPLAY] = { "display", ID_KIND_DESKTOP, LAUNCH_ROLE_UID_SECOND, CONTAINED,
				  false, NULL },
	[LAUNCH_ROLE_NET] = { "net", ID_KIND_DESKTOP, LAUNCH_ROLE_UID_FIRST, 0, true,
			      launch_role_check_net },
	[LAUNCH_ROLE_WORKER] = { "worker", ID_KIND_JOB, LAUNCH_ROLE_UID_FIRST, WITHOUT_NETWORK,
				 false, NULL },
	[LAUNCH_ROLE_BUILD] = { "build", ID_KIND_JOB, LAUNCH_ROLE_UID_BUILD, BUILD_NAMESPACES,
				false, NULL },
};
static_assert(sizeof(role_table) / sizeof(role_table[0]) == LAUNCH_ROLE_COUNT, "a rule a role");

const struct launch_role_rule *
launch_role_find(uint32_t role)
{
	return role < LAUNCH_ROLE_COUNT ? &role_table[role] : NULL;
}

int
launch_role_program(const struct launch_options *options, uint32_t role, char *ret_path,
		    size_t path_size)
{
	static const char *const ours[] = {
		[LAUNCH_ROLE_QEMU] = NULL,
		[LAUNCH_ROLE_VMM] = "carrel-vmm",
		[LAUNCH_ROLE_DISPLAY] = "carrel-display",
		[LAUNCH_ROLE_NET] = NULL,
		[LAUNCH_ROLE_WORKER] = "carrel-worker",
		[LAUNCH_ROLE_BUILD] = "carrel-worker",
	};
	int length;

	static_assert(sizeof(ours) / sizeof(ours[0]) == LAUNCH_ROLE_COUNT, "a program a role");
	if (role >= LAUNCH_ROLE_COUNT)
		return -EINVAL;
	if (ours[role])
		length = snprintf(ret_path, path_size, "%s/%s", options->libexec, ours[role]);
	else
		length = snprintf(ret_path, path_size, "%s",
				  role == LAUNCH_ROLE_QEMU ? options->qemu : options->passt);
	return length < 0 || (size_t)length >= path_size ? -ENAMETOOLONG : 0;
}

int
launch_role_split_argv(char *text, size_t bytes, size_t argc, char **ret_argv)
{
	size_t at = 0;

	for (size_t i = 0; i < argc; i++) {
		char *end = at < bytes ? memchr(text + at, '\0', bytes - at) : NULL;

		if (!end)
			return -EINVAL;
		ret_argv[i] = text + at;
		at = (size_t)(end - text) + 1;
	}
	return at == bytes ? 0 : -EINVAL;
}
