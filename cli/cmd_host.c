/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_host.c - carrel host doctor: what this machine can do, looked at without a broker (carrel)
 *
 * Each check is a line of the table; the first words of its answer say yes or no, the rest why.
 */
#include <fcntl.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/cmd.h"

#define CPUINFO_MAX_BYTES (4 * 1024 * 1024)

static gboolean
cmd_host_has_flag(void)
{
	char *text = NULL;
	gsize size;
	gboolean found;

	if (io_read_file("/proc/cpuinfo", CPUINFO_MAX_BYTES, &text, &size) < 0)
		return FALSE;
	found = strstr(text, " vmx") || strstr(text, " svm");
	free(text);
	return found;
}

static gboolean
cmd_host_check_kvm(char **ret_why)
{
	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		*ret_why = g_strdup(_(
			"/dev/kvm is missing or closed to this user: load kvm-intel or kvm-amd, or ask root"));
		return FALSE;
	}
	if (!cmd_host_has_flag()) {
		*ret_why = g_strdup(_(
			"the CPU shows no vmx or svm, so stock guests cannot run; engine qemu uses tcg instead"));
		return FALSE;
	}
	*ret_why = g_strdup(_("/dev/kvm opens and the CPU has VT-x or AMD-V"));
	return TRUE;
}

static gboolean
cmd_host_check_qemu(char **ret_why)
{
	g_autofree char *path = g_find_program_in_path("qemu-system-x86_64");

	*ret_why =
		path ? g_strdup_printf(_("%s, accelerator %s"), path,
				       cmd_host_has_flag() ? "kvm" : "tcg (isolation: none)")
		     : g_strdup(_(
			       "qemu-system-x86_64 is not installed: apt-get install qemu-system-x86"));
	return path != NULL;
}

static gboolean
cmd_host_check_cgroup(char **ret_why)
{
	char *text = NULL;
	gsize size;
	gboolean found =
		io_read_file("/sys/fs/cgroup/cgroup.controllers", 4096, &text, &size) == 0 &&
		strstr(text, "memory") != NULL;

	free(text);
	*ret_why = g_strdup(
		found ? _("cgroup v2 with the memory controller")
		      : _("limits: none; there is no cgroup v2 memory controller at /sys/fs/cgroup"));
	return found;
}

static gboolean
cmd_host_check_passt(char **ret_why)
{
	g_autofree char *path = g_find_program_in_path("passt");

	*ret_why = path ? g_strdup(path)
			: g_strdup(_("passt is not installed: pools can only have --network none"));
	return path != NULL;
}

static const struct {
	const char *name;
	gboolean (*check)(char **ret_why);
} check_table[] = {
	{ "kvm", cmd_host_check_kvm },
	{ "qemu", cmd_host_check_qemu },
	{ "cgroup", cmd_host_check_cgroup },
	{ "passt", cmd_host_check_passt },
};

int
cmd_host_doctor(struct cli *cli, int argc, char **argv)
{
	static const char *const columns[] = { "name",	 N_("WHAT"), "usable", N_("USABLE"),
					       "reason", N_("WHY"),  NULL };
	json_t *list = json_array();
	gboolean engine = FALSE;

	for (gsize i = 0; i < G_N_ELEMENTS(check_table); i++) {
		g_autofree char *why = NULL;
		gboolean usable = check_table[i].check(&why);

		engine = engine || (usable && i < 2);
		json_array_append_new(list,
				      json_pack("{s:s, s:b, s:s}", "name", check_table[i].name,
						"usable", usable, "reason", why));
	}
	cli_print_list(cli, list, columns);
	json_decref(list);
	return engine ? CLI_EXIT_OK : CLI_EXIT_FAILED;
}
