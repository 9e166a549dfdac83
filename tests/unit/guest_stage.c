/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_stage.c - a whole machine on /dev/kvm whose guest, of a few instructions, talks to the test
 */
#include "tests/unit/guest_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "tests/unit/guest_kernel.h"
#include "tests/unit/machine_stage.h"
#include "vmm/bus.h"
#include "vmm/guest_memory.h"
#include "vmm/kvm.h"
#include "vmm/loop.h"
#include "vmm/machine.h"
#include "vmm/platform.h"
#include "vmm/vcpu.h"

#define PORTS	    16
#define MMIO_BYTES  8
#define FIRST_ORDER 0xff00 /* the values from here on are those of enum platform_event */
#define TICK_NS	    UINT64_C(20000000)
#define MAX_TICKS   3000 /* a minute */

static uint64_t
guest_stage_handle_read(void *context, uint64_t offset, uint32_t bytes)
{
	(void)context;
	return 0x11223344 + offset + bytes;
}

static void
guest_stage_handle_write(void *context, uint64_t offset, uint32_t bytes, uint64_t value)
{
	struct guest_stage *stage = context;

	(void)offset;
	if (stage->n_values < GUEST_STAGE_VALUES) {
		stage->widths[stage->n_values] = bytes;
		stage->values[stage->n_values++] = (uint32_t)value;
	}
	if (value >= FIRST_ORDER && value < FIRST_ORDER + PLATFORM_EVENT_COUNT)
		stage->platform->ops->report(stage->platform->context,
					     (enum platform_event)(value - FIRST_ORDER));
}

static uint64_t
guest_stage_handle_mmio_read(void *context, uint64_t offset, uint32_t bytes)
{
	struct guest_stage *stage = context;

	(void)bytes;
	return stage->mmio_value >> (8 * offset);
}

static void
guest_stage_handle_mmio_write(void *context, uint64_t offset, uint32_t bytes, uint64_t value)
{
	struct guest_stage *stage = context;

	memcpy((uint8_t *)&stage->mmio_value + offset, &value, bytes);
	stage->mmio_writes++;
}

static const struct bus_ops port_ops = { guest_stage_handle_read, guest_stage_handle_write };
static const struct bus_ops mmio_ops = { guest_stage_handle_mmio_read,
					 guest_stage_handle_mmio_write };

/* The linker's functions have no context; the machines of one test run in threads of their own. */
static _Thread_local char notes[16];

void
guest_stage_begin_notes(void)
{
	memset(notes, 0, sizeof(notes));
}

const char *
guest_stage_get_notes(void)
{
	return notes;
}

static void
guest_stage_note(char what)
{
	size_t length = strlen(notes);

	if (length < sizeof(notes) - 1)
		notes[length] = what;
}

void __real_kvm_start_clock(struct kvm *kvm);
void __wrap_kvm_start_clock(struct kvm *kvm);

void
__wrap_kvm_start_clock(struct kvm *kvm)
{
	guest_stage_note('c');
	__real_kvm_start_clock(kvm);
}

void __real_vcpu_run(struct vcpu *vcpu);
void __wrap_vcpu_run(struct vcpu *vcpu);

void
__wrap_vcpu_run(struct vcpu *vcpu)
{
	guest_stage_note('v');
	__real_vcpu_run(vcpu);
}

static void
guest_stage_watch(void *context, const struct vmm_event *event)
{
	struct guest_stage *stage = context;

	if (event->kind == VMM_EVENT_STATE && event->value == VMM_STATE_RUNNING)
		guest_stage_note('r');
	if (event->kind == VMM_EVENT_REBOOTED)
		stage->n_reboots++;
	if (event->kind == VMM_EVENT_STATE && stage->n_states < GUEST_STAGE_VALUES) {
		stage->states[stage->n_states++] = event->value;
		memcpy(stage->text, event->text, sizeof(stage->text));
		if (event->value == VMM_STATE_PANICKED || event->value == VMM_STATE_FAILED)
			machine_ask_quit(stage->machine);
	}
}

/* Each tick; ends a machine that does not end by itself. */
static void
guest_stage_handle_timer(void *context)
{
	struct guest_stage *stage = context;

	if (stage->tick)
		stage->tick(stage);
	if (++stage->step == MAX_TICKS) {
		stage->late = true;
		machine_ask_quit(stage->machine);
	}
	loop_timer_set(stage->timer, loop_now_ns() + TICK_NS);
}

void
guest_stage_describe(struct guest_stage *stage, int kernel_fd, uint32_t cpus)
{
	memset(stage, 0, sizeof(*stage));
	assert_int_equal(machine_stage_describe(kernel_fd, &stage->description), 0);
	stage->description.cpus = cpus;
}

void
guest_stage_describe_fork(struct guest_stage *stage, const struct guest_stage *template,
			  int state_fd)
{
	struct description *own = &stage->description;

	memset(stage, 0, sizeof(*stage));
	*own = template->description;
	own->kvm_fd = dup(own->kvm_fd);
	own->memory_fd = dup(own->memory_fd);
	own->kernel_fd = dup(own->kernel_fd);
	own->memory_private = true;
	own->state_fd = state_fd;
}

void
guest_stage_make(struct guest_stage *stage)
{
	struct bus_range port = { "test port", GUEST_STAGE_PORT, PORTS, &port_ops, stage };
	struct bus_range mmio = { "test registers", GUEST_STAGE_MMIO, MMIO_BYTES, &mmio_ops,
				  stage };
	char problem[MACHINE_PROBLEM_BYTES];

	if (machine_new(&stage->description, &stage->machine, problem) < 0)
		fail_msg("%s", problem);
	stage->platform = machine_get_platform(stage->machine);
	assert_int_equal(bus_add(stage->platform->pio, &port), 0);
	assert_int_equal(bus_add(stage->platform->mmio, &mmio), 0);
	assert_int_equal(loop_timer_new(stage->platform->loop, "test", guest_stage_handle_timer,
					stage, &stage->timer),
			 0);
	loop_timer_set(stage->timer, loop_now_ns() + TICK_NS);
	machine_set_watcher(stage->machine, guest_stage_watch, stage);
}

void
guest_stage_open(struct guest_stage *stage, const uint8_t *code, const uint8_t *code_end,
		 uint32_t cpus)
{
	guest_stage_describe(stage, guest_kernel_make(code, code_end), cpus);
	guest_stage_make(stage);
}

void
guest_stage_run(struct guest_stage *stage, enum vmm_state end)
{
	assert_int_equal(machine_run(stage->machine), 0);
	assert_false(stage->late);
	assert_int_equal(machine_get_state(stage->machine), end);
}

void
guest_stage_close(struct guest_stage *stage)
{
	loop_timer_free(stage->timer);
	machine_free(stage->machine);
	machine_stage_close(&stage->description);
}

uint32_t
guest_stage_peek(struct guest_stage *stage, uint64_t gpa)
{
	uint32_t value = 0;

	assert_int_equal(guest_memory_read(stage->platform->memory, gpa, &value, sizeof(value)), 0);
	return value;
}
