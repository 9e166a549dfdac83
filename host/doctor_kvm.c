/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * doctor_kvm.c - what engine kvm finds on this machine: the doctor's lines about it (carrel-hostd)
 */
#include "host/doctor_kvm.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "host/doctor.h"
#include "host/kvm_device.h"

#define SETTING_MAX_BYTES 64

static const char advice_nested[] =
	"this machine is a virtual one: let its host pass VT-x or AMD-V on (nested "
	"virtualization), or stay with engine qemu, which emulates";
static const char advice_firmware[] =
	"switch on VT-x or AMD-V (SVM) in the firmware, or use a machine that has it; engine qemu "
	"emulates without it";

static void
doctor_kvm_set(struct doctor_finding *finding, gboolean ok, const char *value, const char *advice)
{
	finding->ok = ok;
	finding->value = g_strdup(value);
	finding->advice = ok ? "" : advice;
}

/* One word of a file below /proc/sys or /sys, or NULL. */
static char *
doctor_kvm_read_setting(const char *root, const char *path)
{
	g_autofree char *full = g_strconcat(root, path, NULL);
	g_autofree char *word = NULL;
	char *text = NULL;
	size_t size;

	if (io_read_file(full, SETTING_MAX_BYTES, &text, &size) < 0)
		return NULL;
	word = g_strdup(g_strstrip(text));
	free(text);
	return g_steal_pointer(&word);
}

void
doctor_kvm_check_device(const struct doctor_options *options, struct doctor_finding *finding)
{
	int fd = kvm_device_open(options->root);

	if (fd < 0) {
		doctor_kvm_set(finding, FALSE, fd == -ENOENT ? "missing" : g_strerror(-fd),
			       kvm_device_explain(fd));
		return;
	}
	close(fd);
	/* Root may open everything; the services that need it are not root. */
	if (geteuid() == 0 && !kvm_device_is_for_services(options->root))
		doctor_kvm_set(
			finding, FALSE, "only root may open it",
			"chgrp kvm /dev/kvm && chmod 0660 /dev/kvm, which udev does where it runs: carrel-hostd has to open it");
	else
		doctor_kvm_set(finding, TRUE, "usable", "");
}

void
doctor_kvm_check_cpu(const struct doctor_options *options, struct doctor_finding *finding)
{
	const char *extension = kvm_device_find_extension(options->root);

	doctor_kvm_set(finding, extension != NULL, extension ? extension : "neither vmx nor svm",
		       kvm_device_has_flag(options->root, "hypervisor") ? advice_nested
									: advice_firmware);
}

void
doctor_kvm_check_module(const struct doctor_options *options, struct doctor_finding *finding)
{
	static const char *const modules[] = { "kvm_intel", "kvm_amd" };

	for (gsize i = 0; i < G_N_ELEMENTS(modules); i++) {
		g_autofree char *path =
			g_strconcat(options->root, "/sys/module/", modules[i], NULL);

		if (access(path, F_OK) == 0) {
			doctor_kvm_set(finding, TRUE, modules[i], "");
			return;
		}
	}
	doctor_kvm_set(
		finding, FALSE, "neither kvm_intel nor kvm_amd",
		kvm_device_find_extension(options->root)
			? "modprobe kvm_intel or kvm_amd; when it does not load, the kernel's log says why"
			: "neither loads without VT-x or AMD-V: see 'cpu'");
}

void
doctor_kvm_check_needs(const struct doctor_options *options, struct doctor_finding *finding)
{
	g_autofree char *lack = kvm_device_find_lack(options->root, -1);

	doctor_kvm_set(finding, lack == NULL, lack ? lack : "all there",
		       "engine qemu does without; see the lines above");
}

void
doctor_kvm_check_io_uring(const struct doctor_options *options, struct doctor_finding *finding)
{
	g_autofree char *setting =
		doctor_kvm_read_setting(options->root, "/proc/sys/kernel/io_uring_disabled");
	/* Kernels before 6.6 have no such setting. */
	gboolean ok = !setting || strcmp(setting, "0") == 0;

	doctor_kvm_set(finding, ok, ok ? "allowed" : "forbidden",
		       "sysctl kernel.io_uring_disabled=0: engine kvm's disks need it");
}

void
doctor_kvm_check_namespaces(const struct doctor_options *options, struct doctor_finding *finding)
{
	g_autofree char *most =
		doctor_kvm_read_setting(options->root, "/proc/sys/user/max_user_namespaces");
	g_autofree char *others = doctor_kvm_read_setting(
		options->root, "/proc/sys/kernel/unprivileged_userns_clone");

	if (!most || strcmp(most, "0") == 0)
		doctor_kvm_set(finding, FALSE, most ? "none are allowed" : "the kernel has none",
			       "sysctl user.max_user_namespaces=10000: desktops and their networks "
			       "are kept in such namespaces");
	else if (others && strcmp(others, "0") == 0)
		doctor_kvm_set(finding, FALSE, "for root only",
			       "sysctl kernel.unprivileged_userns_clone=1, or give pools the "
			       "network 'none': passt makes one");
	else
		doctor_kvm_set(finding, TRUE, "allowed", "");
}

static gboolean
doctor_kvm_is_usable(const struct doctor_options *options)
{
	for (gsize i = 0; i < json_array_size(options->engines); i++) {
		const json_t *engine = json_array_get(options->engines, i);

		if (strcmp(json_get_text(engine, "name", ""), "kvm") == 0)
			return json_get_flag(engine, "usable", FALSE);
	}
	return FALSE;
}

/* The word in brackets of "always within_size advise [never] deny force"; NULL when there is none. */
static char *
doctor_kvm_read_choice(const struct doctor_options *options, const char *path)
{
	g_autofree char *words = doctor_kvm_read_setting(options->root, path);
	const char *begin = words ? strchr(words, '[') : NULL;

	return begin ? g_strndup(begin + 1, strcspn(begin + 1, "]")) : NULL;
}

void
doctor_kvm_check_huge_pages(const struct doctor_options *options, struct doctor_finding *finding)
{
	g_autofree char *choice = doctor_kvm_read_choice(
		options, "/sys/kernel/mm/transparent_hugepage/shmem_enabled");
	gboolean refused = choice && (strcmp(choice, "never") == 0 || strcmp(choice, "deny") == 0);

	doctor_kvm_set(
		finding, !refused || !doctor_kvm_is_usable(options),
		choice ? choice : "the kernel has none",
		"templates of engine kvm take about twice as long to seal: echo advise "
		">/sys/kernel/mm/transparent_hugepage/shmem_enabled; where Carrel is installed, "
		"systemd-tmpfiles does so at each boot");
}
