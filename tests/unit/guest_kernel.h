/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_kernel.h - guests of a few instructions, as kernels that the machine boots
 *
 * 32-bit code, which is put into an ELF file with a PVH note, of one segment; or 64-bit code in a bzImage. No cmocka here.
 */
#ifndef TESTS_UNIT_GUEST_KERNEL_H
#define TESTS_UNIT_GUEST_KERNEL_H

#include <stdint.h>

#define GUEST_KERNEL_GPA 0x200000

/* One guest: its code lies between two labels. */
#define GUEST_OF(bits, name, code)                                   \
	extern const uint8_t guest_##name[], guest_##name##_end[];   \
	__asm__(".pushsection .rodata\n.code" #bits "\n"             \
		"guest_" #name ":\n" code "\nguest_" #name "_end:\n" \
		".code64\n.popsection")
#define GUEST(name, code)    GUEST_OF(32, name, code)
#define GUEST_64(name, code) GUEST_OF(64, name, code)

/* The code's place in a bzImage, from where that is loaded. */
#define GUEST_KERNEL_ENTRY_64 0x200

/* A descriptor of the file, for reading; -1. */
int guest_kernel_make(const uint8_t *code, const uint8_t *code_end);
int guest_kernel_make_bzimage(const uint8_t *code, const uint8_t *code_end);

#endif
