/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_stage.h - a whole machine on /dev/kvm whose guest, of a few instructions, talks to the test; with cmocka's assertions
 *
 * Where ring 0 is emulated (hosts without VT-x and AMD-V) an instruction takes microseconds: a guest has no long loops, and
 * integer instructions only.
 *
 * The linker puts the stage's functions in the places of kvm_start_clock() and vcpu_run(), to note how a machine goes on: a
 * test with it is linked with --wrap for both.
 */
#ifndef TESTS_UNIT_GUEST_STAGE_H
#define TESTS_UNIT_GUEST_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/proto_vmm.h"
#include "vmm/description.h"

#define GUEST_STAGE_VALUES 64	      /* that are kept, at most */
#define GUEST_STAGE_DATA   0x300000   /* what guests count in: no boot file is loaded there */
#define GUEST_STAGE_PORT   0x500      /* what a guest writes there comes to the test */
#define GUEST_STAGE_MMIO   0xd0000000 /* eight registers of a byte, which keep what is written */

/* Parts of a guest. It says values to the test; those below are also orders to the machine, of which it may give one a life. */
#define SAY(value) "mov $" #value ", %eax\nmov $0x500, %dx\nout %eax, %dx\n"
#define RESET	   SAY(0xff00)
#define OFF	   SAY(0xff01)
#define PANIC	   SAY(0xff02)
#define STAY	   "1: hlt\njmp 1b\n"
/* At GUEST_STAGE_DATA, for ever; it reads the port each time. */
#define COUNT "mov $0x300000, %ebx\nmov $0x500, %dx\n1: incl (%ebx)\ninl %dx, %eax\njmp 1b\n"

struct loop_timer;
struct machine;
struct platform;

struct guest_stage {
	struct description description;
	struct machine *machine;
	struct platform *platform;
	struct loop_timer *timer;
	uint32_t values[GUEST_STAGE_VALUES]; /* written to the port */
	uint32_t widths[GUEST_STAGE_VALUES];
	size_t n_values;
	uint64_t mmio_value; /* of the registers */
	uint32_t mmio_writes;
	uint32_t n_reboots;
	enum vmm_state states[GUEST_STAGE_VALUES];
	size_t n_states;
	char text[sizeof(((struct vmm_event *)0)->text)]; /* of the last state */
	/* The test's, every 20 ms, under the machine's lock; or NULL. */
	void (*tick)(struct guest_stage *stage);
	uint32_t step; /* so many ticks there were */
	uint32_t seen; /* the test's */
	bool late;     /* it did not end by itself */
};

/* A machine of so many vCPUs for this kernel, which is taken over; not made yet. */
void guest_stage_describe(struct guest_stage *stage, int kernel_fd, uint32_t cpus);
/* A fork of one that was sealed into this file, which stays the caller's; the other may be closed before this one is made. */
void guest_stage_describe_fork(struct guest_stage *stage, const struct guest_stage *template,
			       int state_fd);
/* As it is described by now. */
void guest_stage_make(struct guest_stage *stage);
/* Both, for a guest of guest_kernel.h. */
void guest_stage_open(struct guest_stage *stage, const uint8_t *code, const uint8_t *code_end,
		      uint32_t cpus);
void guest_stage_close(struct guest_stage *stage);

/* It runs until it ends, is asked to quit or cannot go on, and is in this state then. */
void guest_stage_run(struct guest_stage *stage, enum vmm_state end);
/* What lies in the guest's memory. */
uint32_t guest_stage_peek(struct guest_stage *stage, uint64_t gpa);

/*
 * What the machine of the calling thread has done to go on since the notes began: a letter each, in its order. 'c': its clock
 * goes; 'v': a vCPU runs; 'r': it is said to run.
 */
void guest_stage_begin_notes(void);
const char *guest_stage_get_notes(void);

#endif
