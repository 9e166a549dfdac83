/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kvm_device.c - may stock guests run on this machine's /dev/kvm? (carrel-hostd, carrel-worker)
 *
 * A /dev/kvm without VT-x or AMD-V behind it emulates guest instructions and cannot run a stock guest, so that the
 * processor's own words count as well.
 */
#include "host/kvm_device.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cpu_model.h"
#include "base/cpuid_table.h"
#include "base/io.h"
#include "base/kvm_cpuid.h"
#include "base/kvm_needs.h"
#include "common/hash.h"
#include "host/vmm_machine.h"

#define CPUINFO_MAX_BYTES (1024 * 1024)

/* What the processor model of engine kvm's machines is made of (base/cpu_model.c), as /proc/cpuinfo calls it. */
static const char *const model_flags[] = {
	"pni",	  "pclmulqdq", "ssse3", "fma", "cx16", "sse4_1", "sse4_2",   "movbe",
	"popcnt", "aes",       "xsave", "avx", "f16c", "rdrand", "fsgsbase", "bmi1",
	"avx2",	  "smep",      "bmi2",	"adx", "smap", "abm",	 "rdtscp",   NULL,
};

int
kvm_device_open(const char *root)
{
	g_autofree char *path = g_strconcat(root, "/dev/kvm", NULL);
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

const char *
kvm_device_explain(int error)
{
	if (error == -ENOENT || error == -ENODEV || error == -ENXIO)
		return "there is no /dev/kvm: switch on VT-x or AMD-V in the firmware and load "
		       "kvm-intel or kvm-amd";
	if (error == -EACCES || error == -EPERM)
		return "/dev/kvm may not be opened: let carrel-hostd's user into the group 'kvm'";
	return "/dev/kvm cannot be opened: look for KVM's messages in the kernel's log";
}

static char **
kvm_device_list_flags(const char *root)
{
	g_autofree char *path = g_strconcat(root, "/proc/cpuinfo", NULL);
	char *text = NULL;
	size_t size;
	const char *at = io_read_file(path, CPUINFO_MAX_BYTES, &text, &size) == 0
				 ? strstr(text, "\nflags")
				 : NULL;
	g_autofree char *line = at ? g_strndup(at + 1, strcspn(at + 1, "\n")) : NULL;

	free(text);
	return g_strsplit_set(line ? line : "", " \t", -1);
}

gboolean
kvm_device_has_flag(const char *root, const char *flag)
{
	g_auto(GStrv) flags = kvm_device_list_flags(root);

	return g_strv_contains((const char *const *)flags, flag);
}

const char *
kvm_device_find_extension(const char *root)
{
	g_auto(GStrv) flags = kvm_device_list_flags(root);

	if (g_strv_contains((const char *const *)flags, "vmx"))
		return "vmx";
	return g_strv_contains((const char *const *)flags, "svm") ? "svm" : NULL;
}

const char *
kvm_device_find_refusal(const char *root, int held)
{
	int fd = held >= 0 ? held : kvm_device_open(root);

	if (fd < 0)
		return kvm_device_explain(fd);
	if (fd != held)
		close(fd);
	if (!kvm_device_find_extension(root))
		return "the processor has neither vmx nor svm: its /dev/kvm cannot run stock "
		       "guests; use a machine with VT-x or AMD-V, or nested virtualization";
	return NULL;
}

static char *
kvm_device_find_missing_flags(const char *root)
{
	g_auto(GStrv) flags = kvm_device_list_flags(root);
	GString *missing = g_string_new(NULL);

	for (gsize i = 0; model_flags[i]; i++)
		if (!g_strv_contains((const char *const *)flags, model_flags[i]))
			g_string_append_printf(missing, " %s", model_flags[i]);
	if (missing->len > 0) {
		g_string_prepend(missing, "the processor lacks of model '" VMM_MACHINE_CPU "':");
		g_string_append(missing, ": use a later one, or engine qemu");
	}
	return g_string_free(missing, missing->len == 0);
}

char *
kvm_device_find_lack(const char *root, int held)
{
	int fd = held >= 0 ? held : kvm_device_open(root);
	char problem[KVM_NEEDS_PROBLEM_BYTES];
	int error = fd < 0 ? fd : kvm_needs_check(fd, problem);

	if (fd < 0)
		return g_strdup(kvm_device_explain(fd));
	if (fd != held)
		close(fd);
	return error < 0 ? g_strdup(problem) : kvm_device_find_missing_flags(root);
}

/* Of the first CPU: the others differ in their numbers alone. */
char *
kvm_device_hash_cpu(int device, const char *model, guint cpus, GError **error)
{
	g_autofree struct cpuid_table *supported = g_new0(struct cpuid_table, 1);
	g_autofree struct cpuid_table *guest = g_new0(struct cpuid_table, 1);
	g_autoptr(GString) text = g_string_new(NULL);
	char problem[CPU_MODEL_PROBLEM_BYTES] = "";
	int result = kvm_cpuid_list(device, supported);

	if (result == 0)
		result = cpu_model_check(model, supported, problem);
	if (result < 0) {
		g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(-result),
			    "no guest can have the processor '%s' here: %s", model,
			    problem[0] ? problem : g_strerror(-result));
		return NULL;
	}
	cpu_model_fill(model, supported, cpus, 0, guest);
	for (gsize i = 0; i < guest->n_leaves; i++) {
		const struct cpuid_leaf *leaf = &guest->leaves[i];

		g_string_append_printf(text, "%08x %08x %d %08x %08x %08x %08x\n", leaf->leaf,
				       leaf->subleaf, leaf->indexed, leaf->eax, leaf->ebx,
				       leaf->ecx, leaf->edx);
	}
	return hash_text(text->str);
}

gboolean
kvm_device_is_public(const char *root)
{
	g_autofree char *path = g_strconcat(root, "/dev/kvm", NULL);
	const mode_t others = S_IROTH | S_IWOTH;
	struct stat status;

	return stat(path, &status) == 0 && (status.st_mode & others) == others;
}

gboolean
kvm_device_is_for_services(const char *root)
{
	g_autofree char *path = g_strconcat(root, "/dev/kvm", NULL);
	const mode_t group = S_IRGRP | S_IWGRP;
	struct stat status;

	return kvm_device_is_public(root) ||
	       (stat(path, &status) == 0 && (status.st_mode & group) == group &&
		status.st_gid != 0);
}
