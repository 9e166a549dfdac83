/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * boot.h - puts a Linux kernel, its initrd and its command line into guest memory, as a boot loader would
 *
 * A bzImage is entered by the 64-bit boot protocol (Linux Documentation/x86/boot.rst, protocol 2.12 or later); an ELF file
 * by its PVH note (Xen docs/misc/pvh.pandoc). Addresses: memory_map.h; both are told of the RSDP there.
 */
#ifndef VMM_BOOT_H
#define VMM_BOOT_H

#include <stdbool.h>
#include <stdint.h>

struct guest_memory;
struct vcpu_entry;

struct boot_source {
	int kernel_fd;
	int initrd_fd; /* -1: none */
	const char *command_line;
	bool memory_is_empty; /* all zeros: what is zero in the kernel need not be written */
};

struct boot_problem {
	char text[160]; /* one line for people */
};

/*
 * May be called again for each reset: all that the kernel relies on is written anew. 0, or a negative errno and the
 * problem: -EINVAL for files that are no good or do not fit, or what reading them gave.
 */
int boot_load(const struct guest_memory *memory, const struct boot_source *source,
	      struct vcpu_entry *ret_entry, struct boot_problem *ret_problem);

#endif
