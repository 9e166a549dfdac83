/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bare_start.S - from the PVH entry to guest_main() in long mode, the first 4 GiB mapped one to one; and a second CPU
 * from its start to bare_smp_run() (bare_smp.c)
 *
 * There is no iretq anywhere: without hardware virtualization KVM emulates what runs in ring 0, and that it cannot. An
 * interrupt's handler goes back with the flags and a near return instead, which is enough in one ring.
 */
#define CR0_PE_PG 0x80000001
#define CR4_PAE	  0x20
#define EFER	  0xc0000080
#define EFER_LME  0x100
#define GDT_BYTES 24
#define PRESENT	  0x3
#define LARGE	  0x80

/* From real mode or from 32-bit code, interrupts off, the GDT loaded. */
	.macro enter_long_mode target
	movl $CR4_PAE, %eax
	movl %eax, %cr4
	movl $bare_level4, %eax
	movl %eax, %cr3
	movl $EFER, %ecx
	xorl %edx, %edx
	movl $EFER_LME, %eax
	wrmsr
	movl $CR0_PE_PG, %eax
	movl %eax, %cr0
	ljmpl $0x8, $\target
	.endm

	.macro load_segments
	movl $0x10, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	.endm

	.section .note.pvh, "a", @note
	.long 4, 4, 18		/* bytes of name and value; XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long bare_start

	.section .text.start, "ax"
	.code32
	.globl bare_start
bare_start:
	cli
	movl %ebx, %edi
	movl $bare_stack_end, %esp
	lgdt bare_gdt_pointer
	enter_long_mode bare_start_long

	.code64
bare_start_long:
	load_segments
	movl %edi, %edi
	call bare_run
1:	cli
	hlt
	jmp 1b

/* What the second CPU begins with, wherever it is copied to: of the copy, it uses what lies behind cs. */
	.code16
	.globl bare_smp_code
bare_smp_code:
	cli
	lgdtl %cs:bare_smp_gdt_pointer - bare_smp_code
	enter_long_mode bare_smp_long
bare_smp_gdt_pointer:
	.word GDT_BYTES - 1
	.long bare_gdt
bare_smp_code_end:
	.globl bare_smp_code_bytes
bare_smp_code_bytes:
	.long bare_smp_code_end - bare_smp_code

	.code64
bare_smp_long:
	load_segments
	movl $bare_smp_stack_end, %esp
	call bare_smp_run
1:	cli
	hlt
	jmp 1b

/*
 * The stack of an interrupt: rip, cs, rflags, rsp, ss (an exception's error code before them, but no handler comes back
 * from those). bare_irq_handle(vector) is C.
 */
	.text
	.balign 16
	.globl bare_irq_stubs
bare_irq_stubs:
	.set vector, 0
	.rept 64
	.balign 16
	pushq $vector
	jmp bare_irq_common
	.set vector, vector + 1
	.endr

	.balign 16
bare_irq_common:
	pushq %rax
	pushq %rcx
	pushq %rdx
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	movq 72(%rsp), %rdi	/* vector */
	movq 80(%rsp), %rsi	/* rip, or an error code */
	cld
	call bare_irq_handle
	/* rip and below it the flags go where the interrupted stack ends; this may be where rsp and ss lie */
	movq 80(%rsp), %rcx
	movq 96(%rsp), %rdx
	movq 104(%rsp), %rax
	movq %rcx, -8(%rax)
	movq %rdx, -16(%rax)
	subq $16, %rax
	movq %rax, 72(%rsp)
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rdi
	popq %rsi
	popq %rdx
	popq %rcx
	popq %rax
	movq (%rsp), %rsp
	popfq
	ret

	.data
	.balign 16
bare_gdt:
	.quad 0
	.quad 0x00af9b000000ffff
	.quad 0x00cf93000000ffff
bare_gdt_pointer:
	.word GDT_BYTES - 1
	.long bare_gdt

	.balign 4096
bare_level4:
	.quad bare_level3 + PRESENT
	.fill 511, 8, 0
bare_level3:
	.quad bare_level2 + PRESENT
	.quad bare_level2 + 0x1000 + PRESENT
	.quad bare_level2 + 0x2000 + PRESENT
	.quad bare_level2 + 0x3000 + PRESENT
	.fill 508, 8, 0
bare_level2:
	.set page, 0
	.rept 2048
	.quad page + LARGE + PRESENT
	.set page, page + 0x200000
	.endr

	.bss
	.balign 16
	.skip 16384
bare_stack_end:
	.skip 16384
bare_smp_stack_end:
	.section .note.GNU-stack, "", @progbits
