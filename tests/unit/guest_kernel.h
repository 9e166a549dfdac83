/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_kernel.h - guests of a few instructions, as kernels that the machine boots
 *
 * 32-bit code, which is put into an ELF file with a PVH note, of one segment. No cmocka here.
 */
#ifndef TESTS_UNIT_GUEST_KERNEL_H
#define TESTS_UNIT_GUEST_KERNEL_H

#include <stdint.h>

#define GUEST_KERNEL_GPA 0x200000

/* One guest: its code lies between two labels. */
#define GUEST(name, code)                                            \
	extern const uint8_t guest_##name[], guest_##name##_end[];   \
	__asm__(".pushsection .rodata\n.code32\n"                    \
		"guest_" #name ":\n" code "\nguest_" #name "_end:\n" \
		".code64\n.popsection")

/* A descriptor of the file, for reading; -1. */
int guest_kernel_make(const uint8_t *code, const uint8_t *code_end);

#endif
