/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * doctor.c - what this machine can do, and what keeps it from doing more (carrel-hostd)
 *
 * How it works: check_table lists the checks; each fills a struct doctor_finding.
 */
#include "host/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/io.h"
#include "host/desktop_network.h"
#include "host/doctor_kvm.h"
#include "host/doctor_templates.h"

#define DOCTOR_MAX_FILE_BYTES (1024 * 1024)
#define DOCTOR_MIN_RAM_MIB    2048
#define DOCTOR_MIN_DISK_MIB   (10 * 1024)

enum doctor_check {
	DOCTOR_CHECK_KVM_DEVICE,
	DOCTOR_CHECK_CPU,
	DOCTOR_CHECK_KVM_MODULE,
	DOCTOR_CHECK_KVM_NEEDS,
	DOCTOR_CHECK_IO_URING,
	DOCTOR_CHECK_NAMESPACES,
	DOCTOR_CHECK_HUGE_PAGES,
	DOCTOR_CHECK_QEMU,
	DOCTOR_CHECK_PASST,
	DOCTOR_CHECK_CGROUP,
	DOCTOR_CHECK_UIDS,
	DOCTOR_CHECK_RAM,
	DOCTOR_CHECK_DISK,
	DOCTOR_CHECK_MEMFD,
	DOCTOR_CHECK_TEMPLATES,
	DOCTOR_CHECK_COUNT,
};

/* A file below the root, or NULL. */
static char *
doctor_read_below(const char *root, const char *path)
{
	g_autofree char *full = g_strconcat(root, path, NULL);
	char *text = NULL;
	size_t size;

	return io_read_file(full, DOCTOR_MAX_FILE_BYTES, &text, &size) == 0 ? text : NULL;
}

static char *
doctor_read(const struct doctor_options *options, const char *path)
{
	return doctor_read_below(options->root, path);
}

/* The first line of "PROGRAM --version". */
static void
doctor_check_program(const char *program, const char *advice, struct doctor_finding *finding)
{
	const char *argv[] = { program, "--version", NULL };
	g_autofree char *output = NULL;
	g_autoptr(GError) error = NULL;
	int status = 0;

	finding->ok = g_spawn_sync(NULL, (char **)argv, NULL,
				   G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
				   &output, NULL, &status, &error) &&
		      g_spawn_check_wait_status(status, &error);
	if (finding->ok && g_utf8_validate(output, -1, NULL))
		finding->value = g_strndup(output, strcspn(output, "\n"));
	else
		finding->value = g_strdup(error ? error->message : "no version");
	finding->advice = finding->ok ? "" : advice;
}

static void
doctor_check_qemu(const struct doctor_options *options, struct doctor_finding *finding)
{
	doctor_check_program(options->qemu, "install qemu-system-x86", finding);
}

static void
doctor_check_passt(const struct doctor_options *options, struct doctor_finding *finding)
{
	static const char advice[] = "install passt, or give pools the network 'none'";
	char *refusal;

	doctor_check_program(options->passt, advice, finding);
	refusal = finding->ok ? desktop_network_find_refusal(options->root) : NULL;
	if (!refusal)
		return;
	finding->ok = FALSE;
	finding->advice = "mend that, or give pools the network 'none'";
	g_free(finding->value);
	finding->value = refusal;
}

static void
doctor_check_cgroup(const struct doctor_options *options, struct doctor_finding *finding)
{
	char *text = doctor_read(options, "/sys/fs/cgroup/cgroup.controllers");
	g_auto(GStrv) names = g_strsplit_set(text ? g_strchomp(text) : "", " ", -1);
	g_autofree char *path =
		g_strconcat(options->root, "/sys/fs/cgroup/cgroup.subtree_control", NULL);
	gboolean memory = g_strv_contains((const char *const *)names, "memory");

	finding->ok = memory && faccessat(AT_FDCWD, path, F_OK, 0) == 0;
	finding->value = g_strdup(!text ? "no cgroup v2" : memory ? text : "no memory controller");
	finding->advice =
		finding->ok
			? ""
			: "desktops run without limits: boot with cgroup v2 and its memory controller";
	free(text);
}

/* NULL, or what lies in the range: a line of /etc/subuid "name:first:count". */
static char *
doctor_find_subuid(const struct doctor_options *options)
{
	char *text = doctor_read(options, "/etc/subuid");
	g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);

	free(text);
	for (gsize i = 0; lines[i]; i++) {
		g_auto(GStrv) parts = g_strsplit(lines[i], ":", 4);
		guint64 first;
		guint64 count;

		if (g_strv_length(parts) != 3 ||
		    !g_ascii_string_to_unsigned(parts[1], 10, 0, G_MAXUINT32, &first, NULL) ||
		    !g_ascii_string_to_unsigned(parts[2], 10, 0, G_MAXUINT32, &count, NULL))
			continue;
		if (first < options->uid_first + options->uid_count &&
		    options->uid_first < first + count)
			return g_strdup_printf("/etc/subuid gives '%s' uids of it", parts[0]);
	}
	return NULL;
}

/* Every account of the local files and those services that list theirs. */
static char *
doctor_find_account(const struct doctor_options *options)
{
	char *found = NULL;
	const struct passwd *account;

	setpwent();
	while (!found && (account = getpwent()))
		if (account->pw_uid >= options->uid_first &&
		    account->pw_uid - options->uid_first < options->uid_count &&
		    !g_str_has_prefix(account->pw_name, "carrel"))
			found = g_strdup_printf("account '%s' has uid %u", account->pw_name,
						(guint)account->pw_uid);
	endpwent();
	return found;
}

static void
doctor_check_uids(const struct doctor_options *options, struct doctor_finding *finding)
{
	g_autofree char *taken = doctor_find_account(options);

	if (!taken)
		taken = doctor_find_subuid(options);
	finding->ok = taken == NULL;
	finding->value =
		taken ? g_steal_pointer(&taken)
		      : g_strdup_printf("%" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT " are free",
					options->uid_first,
					options->uid_first + options->uid_count - 1);
	finding->advice = finding->ok ? "" : "choose another uid_range in carrel.conf";
}

guint64
doctor_read_memory_mib(const char *root, const char *key)
{
	char *text = doctor_read_below(root, "/proc/meminfo");
	const char *at = text ? strstr(text, key) : NULL;
	guint64 mib = at ? g_ascii_strtoull(at + strlen(key), NULL, 10) / 1024 : 0;

	free(text);
	return mib;
}

static void
doctor_check_ram(const struct doctor_options *options, struct doctor_finding *finding)
{
	guint64 mib = doctor_read_memory_mib(options->root, "MemAvailable:");

	finding->ok = mib >= DOCTOR_MIN_RAM_MIB;
	finding->value = g_strdup_printf("%" G_GUINT64_FORMAT " MiB available", mib);
	finding->advice = finding->ok ? "" : "a template and its desktops want 2 GiB at least";
}

static void
doctor_check_disk(const struct doctor_options *options, struct doctor_finding *finding)
{
	struct statvfs status;
	guint64 mib = 0;

	if (statvfs(options->lib, &status) == 0)
		mib = (guint64)status.f_bavail * status.f_frsize / (1024 * 1024);
	finding->ok = mib >= DOCTOR_MIN_DISK_MIB;
	finding->value =
		g_strdup_printf("%" G_GUINT64_FORMAT " MiB free in '%s'", mib, options->lib);
	finding->advice = finding->ok ? "" : "building a template wants 10 GiB free";
}

static void
doctor_check_memfd(G_GNUC_UNUSED const struct doctor_options *options,
		   struct doctor_finding *finding)
{
	int fd = memfd_create("doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	finding->ok =
		fd >= 0 && fcntl(fd, F_ADD_SEALS,
				 F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
	finding->value = g_strdup(finding->ok ? "can be sealed" : g_strerror(errno));
	finding->advice = finding->ok ? "" : "a Linux kernel of 3.17 or later with memfd is needed";
	if (fd >= 0)
		close(fd);
}

static const struct {
	const char *name;
	void (*check)(const struct doctor_options *options, struct doctor_finding *finding);
} check_table[] = {
	[DOCTOR_CHECK_KVM_DEVICE] = { "kvm-device", doctor_kvm_check_device },
	[DOCTOR_CHECK_CPU] = { "cpu", doctor_kvm_check_cpu },
	[DOCTOR_CHECK_KVM_MODULE] = { "kvm-module", doctor_kvm_check_module },
	[DOCTOR_CHECK_KVM_NEEDS] = { "kvm-needs", doctor_kvm_check_needs },
	[DOCTOR_CHECK_IO_URING] = { "io_uring", doctor_kvm_check_io_uring },
	[DOCTOR_CHECK_NAMESPACES] = { "namespaces", doctor_kvm_check_namespaces },
	[DOCTOR_CHECK_HUGE_PAGES] = { "huge-pages", doctor_kvm_check_huge_pages },
	[DOCTOR_CHECK_QEMU] = { "qemu", doctor_check_qemu },
	[DOCTOR_CHECK_PASST] = { "passt", doctor_check_passt },
	[DOCTOR_CHECK_CGROUP] = { "cgroup", doctor_check_cgroup },
	[DOCTOR_CHECK_UIDS] = { "uids", doctor_check_uids },
	[DOCTOR_CHECK_RAM] = { "ram", doctor_check_ram },
	[DOCTOR_CHECK_DISK] = { "disk", doctor_check_disk },
	[DOCTOR_CHECK_MEMFD] = { "memfd", doctor_check_memfd },
	[DOCTOR_CHECK_TEMPLATES] = { "templates", doctor_templates_check },
};

G_STATIC_ASSERT(G_N_ELEMENTS(check_table) == DOCTOR_CHECK_COUNT);

json_t *
doctor_examine(const struct doctor_options *options)
{
	struct doctor_finding findings[DOCTOR_CHECK_COUNT] = { 0 };
	json_t *checks = json_array();

	for (gsize i = 0; i < DOCTOR_CHECK_COUNT; i++) {
		check_table[i].check(options, &findings[i]);
		json_array_append_new(checks,
				      json_pack("{s:s, s:b, s:s, s:s}", "name", check_table[i].name,
						"ok", findings[i].ok, "value", findings[i].value,
						"advice", findings[i].advice));
		g_free(findings[i].value);
	}
	return json_pack("{s:s, s:O, s:o}", "limits",
			 findings[DOCTOR_CHECK_CGROUP].ok ? "cgroup" : "none", "engines",
			 options->engines, "checks", checks);
}
