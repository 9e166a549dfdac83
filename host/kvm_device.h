/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kvm_device.h - may stock guests run on this machine's /dev/kvm?
 */
#ifndef HOST_KVM_DEVICE_H
#define HOST_KVM_DEVICE_H

#include <gio/gio.h>

/* A new descriptor of <root>/dev/kvm, or a negative errno. root is "" but in tests. */
int kvm_device_open(const char *root);

/* What is wrong when kvm_device_open() has failed, and what to do. */
const char *kvm_device_explain(int error);

/* Does <root>/proc/cpuinfo have VT-x or AMD-V? "vmx", "svm", or NULL. */
const char *kvm_device_find_extension(const char *root);

/* Has <root>/proc/cpuinfo this word among its flags? */
gboolean kvm_device_has_flag(const char *root, const char *flag);

/*
 * NULL: yes. Or why not and what to do, one line. "held": the device's descriptor where this process was given one, because its
 * uid may not open it; else -1.
 */
const char *kvm_device_find_refusal(const char *root, int held);

/*
 * What a carrel-vmm would be refused for on a machine where stock guests may run: capabilities of KVM, features of the
 * processor. NULL: nothing. Else one line, the caller's to free. "held": as above.
 */
char *kvm_device_find_lack(const char *root, int held);

/*
 * SHA-256 of what CPUID answers the guests of this host, with the processor of that model (base/cpu_model.h) and so many CPUs: the same
 * where a sealed machine finds the same processor again. NULL and an error. "device": /dev/kvm.
 */
char *kvm_device_hash_cpu(int device, const char *model, guint cpus, GError **error);

/* May every uid open it, that of a desktop's QEMU as well? */
gboolean kvm_device_is_public(const char *root);

/* May carrel-hostd open it: everyone, or a group that `carrel up` lets it into? */
gboolean kvm_device_is_for_services(const char *root);

#endif
