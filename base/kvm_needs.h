/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kvm_needs.h - what carrel-vmm needs of a host's KVM: refused by its start, and told beforehand by carrel-hostd
 */
#ifndef BASE_KVM_NEEDS_H
#define BASE_KVM_NEEDS_H

#include <stddef.h>

#define KVM_NEEDS_MEMSLOTS	2
#define KVM_NEEDS_PROBLEM_BYTES 256

/*
 * 0; -ENOTTY when the descriptor is no /dev/kvm; -ENOTSUP when KVM is too old or lacks capabilities, which are named. On an
 * error ret_problem has one line, which may be cut.
 */
int kvm_needs_check(int kvm_fd, char ret_problem[KVM_NEEDS_PROBLEM_BYTES]);

#endif
