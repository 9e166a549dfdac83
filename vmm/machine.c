/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * machine.c - the life of the whole virtual machine (carrel-vmm, loop thread)
 *
 * How it works: vCPUs and devices only leave a wish in "wishes" and wake the loop's thread
 * (machine_wish()). machine_handle_wishes() does them there, most severe first. To stop the vCPUs
 * it has to let go of the lock (machine_stand()), since they may be waiting for it in the middle of
 * an access; it is never called from device code.
 *
 * A reset makes of the same process the machine that it was at the start: devices, interrupt
 * controllers and vCPUs as after power-on, the boot files loaded again. Guest memory stays what it
 * was, as in a PC.
 *
 * While the machine is paused KVM's clock and the PM timer stand, so that nothing seems late to the
 * guest when it goes on. The time stamp counter does not: the guest knows from CPUID that it is no
 * clock, and from KVM's clock what it means.
 */
#include "vmm/machine.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "vmm/description.h"
#include "vmm/devices.h"
#include "vmm/kvm.h"
#include "vmm/loop.h"
#include "vmm/machine_parts.h"
#include "vmm/vcpu.h"
#include "vmm/vmm_sandbox.h"

/* What a guest brings about by itself. */
#define GUEST_WISHES                                                                   \
	(1u << MACHINE_WISH_FAIL | 1u << MACHINE_WISH_OFF | 1u << MACHINE_WISH_PANIC | \
	 1u << MACHINE_WISH_RESET)

#define NS_PER_MS     UINT64_C(1000000)
#define NO_SPACE_TEXT "no room on the host for a disk request"
#define LOST_TEXT     "its storage failed at the end: what was written last may be lost"

static const char *const state_names[] = {
	[VMM_STATE_STARTING] = "starting", [VMM_STATE_RUNNING] = "running",
	[VMM_STATE_PAUSED] = "paused",	   [VMM_STATE_OFF] = "off",
	[VMM_STATE_PANICKED] = "panicked", [VMM_STATE_FAILED] = "failed",
};
static_assert(sizeof(state_names) / sizeof(state_names[0]) == VMM_STATE_COUNT, "a name a state");

/* Which states may follow, as base/proto_vmm.h says. */
static const uint32_t next_states[VMM_STATE_COUNT] = {
	[VMM_STATE_STARTING] = 1 << VMM_STATE_RUNNING,
	[VMM_STATE_RUNNING] = 1 << VMM_STATE_PAUSED | 1 << VMM_STATE_OFF | 1 << VMM_STATE_PANICKED |
			      1 << VMM_STATE_FAILED,
	[VMM_STATE_PAUSED] = 1 << VMM_STATE_RUNNING | 1 << VMM_STATE_PAUSED | 1 << VMM_STATE_OFF |
			     1 << VMM_STATE_PANICKED | 1 << VMM_STATE_FAILED,
};

void
machine_wish(struct machine *machine, enum machine_wish wish)
{
	static const uint64_t one = 1;
	ssize_t written;

	machine->wishes |= UINT32_C(1) << wish;
	written = write(machine->wake_fd, &one, sizeof(one));
	(void)written; /* it is readable already when there is no more room */
}

void
machine_tell(void *context, const struct vmm_event *event)
{
	const struct machine *machine = context;

	if (machine->watcher)
		machine->watcher(machine->watcher_context, event);
}

static void
machine_set_state(struct machine *machine, enum vmm_state state, enum vmm_pause_reason reason,
		  const char *text)
{
	struct vmm_event event = { .kind = VMM_EVENT_STATE, .value = state, .detail = reason };

	if (!(next_states[machine->state] >> state & 1)) {
		log_error("machine '%s': cannot go from %s to %s", machine->description->name,
			  state_names[machine->state], state_names[state]);
		return;
	}
	/* hostd takes the reason of a failure from the log's last error. */
	log_write(state == VMM_STATE_FAILED ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO,
		  "machine '%s': %s -> %s%s%s", machine->description->name,
		  state_names[machine->state], state_names[state], *text ? ": " : "", text);
	machine->state = state;
	machine->pause_reason = reason;
	snprintf(event.text, sizeof(event.text), "%s", text);
	machine_tell(machine, &event);
}

bool
machine_may_log(struct machine *machine)
{
	return log_limit_allow(&machine->lines, loop_now_ns() / NS_PER_MS);
}

void
machine_handle_vcpu_end(void *context, uint32_t index, enum vcpu_end end, const char *reason)
{
	static const enum machine_wish wishes[] = {
		[VCPU_END_RESET] = MACHINE_WISH_RESET,
		[VCPU_END_SHUTDOWN] = MACHINE_WISH_OFF,
		[VCPU_END_FAILED] = MACHINE_WISH_FAIL,
	};
	struct machine *machine = context;

	if (machine_may_log(machine))
		log_info("machine '%s': vcpu=%u stands: %s", machine->description->name, index,
			 reason);
	snprintf(machine->reason, sizeof(machine->reason), "%s", reason);
	machine_wish(machine, wishes[end]);
}

/* What is done in the loop's thread. */

/* With the lock, which it gives away meanwhile. */
static void
machine_stand(struct machine *machine)
{
	for (uint32_t i = 0; i < machine->description->cpus; i++)
		vcpu_stop(machine->vcpus[i]);
	pthread_mutex_unlock(&machine->lock);
	for (uint32_t i = 0; i < machine->description->cpus; i++)
		vcpu_wait(machine->vcpus[i]);
	pthread_mutex_lock(&machine->lock);
}

static void
machine_go(struct machine *machine)
{
	for (uint32_t i = 0; i < machine->description->cpus; i++)
		vcpu_run(machine->vcpus[i]);
}

static void
machine_do_reset(struct machine *machine)
{
	int error;

	machine_stand(machine);
	machine->wishes &= ~GUEST_WISHES; /* of the life that is over */
	error = machine_prepare(machine);
	if (error < 0) {
		log_error("machine '%s': cannot be reset: %s", machine->description->name,
			  strerror(-error));
		machine_set_state(machine, VMM_STATE_FAILED, VMM_PAUSE_NONE, "it cannot be reset");
		return;
	}
	if (machine_may_log(machine))
		log_info("machine '%s': reset", machine->description->name);
	machine_tell(machine, &(struct vmm_event){ .kind = VMM_EVENT_REBOOTED });
	if (machine->state == VMM_STATE_RUNNING)
		machine_go(machine);
}

static void
machine_do_pause(struct machine *machine, enum vmm_pause_reason reason, const char *text)
{
	if (machine->state != VMM_STATE_RUNNING)
		return;
	machine_stand(machine);
	kvm_stop_clock(machine->kvm);
	devices_pause(machine->devices);
	machine_set_state(machine, VMM_STATE_PAUSED, reason, text);
}

bool
machine_hold(struct machine *machine, void (*work)(struct machine *machine))
{
	bool is_idle;

	if (machine->state != VMM_STATE_RUNNING)
		return false;
	machine_stand(machine);
	/* a disk is not waited for: that may take as long as it likes */
	is_idle = devices_are_idle(machine->devices);
	if (is_idle)
		work(machine);
	/* a vCPU that ended by itself stands until that is dealt with */
	if (!(machine->wishes & GUEST_WISHES))
		machine_go(machine);
	return is_idle;
}

/* After a pause, and at the start, where a fork stands as if it had been paused. */
static void
machine_go_on(struct machine *machine)
{
	devices_resume(machine->devices);
	kvm_start_clock(machine->kvm); /* from here on it is the guest's time */
	machine_go(machine);	       /* what a vCPU reports waits for the machine's lock */
	machine_set_state(machine, VMM_STATE_RUNNING, VMM_PAUSE_NONE, "");
}

/*
 * Room on the host has come or gone: whoever pauses by hand has the say, and "resume" below finds
 * what it left.
 */
static void
machine_do_space(struct machine *machine)
{
	bool lacks = devices_lack_space(machine->devices);

	if (lacks && machine->state == VMM_STATE_RUNNING) {
		machine_do_pause(machine, VMM_PAUSE_NO_SPACE, NO_SPACE_TEXT);
		devices_await_space(machine->devices);
	} else if (!lacks && machine->state == VMM_STATE_PAUSED &&
		   machine->pause_reason == VMM_PAUSE_NO_SPACE) {
		machine_go_on(machine);
	}
}

/*
 * A guest whose disk does not answer would only wait: then it stands on, now for lack of room.
 * Whether there is some is known when what was tried again is done.
 */
static void
machine_do_resume(struct machine *machine)
{
	if (machine->state != VMM_STATE_PAUSED)
		return;
	devices_retry_space(machine->devices);
	devices_drain(machine->devices);
	if (devices_lack_space(machine->devices))
		machine_set_state(machine, VMM_STATE_PAUSED, VMM_PAUSE_NO_SPACE, NO_SPACE_TEXT);
	else
		machine_go_on(machine);
}

static void
machine_do_end(struct machine *machine, enum vmm_state state, const char *text)
{
	machine_stand(machine);
	machine_set_state(machine, state, VMM_PAUSE_NONE, text);
}

/*
 * Off, panicked and failed are for good. Paused is among those that are alive: what the guest did
 * before that counts.
 */
static bool
machine_is_alive(const struct machine *machine)
{
	return machine->state == VMM_STATE_RUNNING || machine->state == VMM_STATE_PAUSED;
}

/*
 * What the guest believes to be written is to be there the next time, although it has not asked for
 * a flush.
 */
static int
machine_finish(struct machine *machine)
{
	int error;

	machine_stand(machine);
	error = devices_finish(machine->devices);
	if (error < 0 && machine_is_alive(machine))
		machine_set_state(machine, VMM_STATE_FAILED, VMM_PAUSE_NONE, LOST_TEXT);
	return error;
}

static void
machine_do_off(struct machine *machine)
{
	if (machine_finish(machine) == 0)
		machine_set_state(machine, VMM_STATE_OFF, VMM_PAUSE_NONE, "");
	loop_stop(machine->platform.loop);
}

static void
machine_do(struct machine *machine, enum machine_wish wish)
{
	switch (wish) {
	case MACHINE_WISH_FAIL:
		machine_do_end(machine, VMM_STATE_FAILED, machine->reason);
		break;
	case MACHINE_WISH_OFF:
		machine_do_off(machine);
		break;
	case MACHINE_WISH_PANIC:
		machine_do_end(machine, VMM_STATE_PANICKED, "");
		break;
	case MACHINE_WISH_RESET:
		machine_do_reset(machine);
		break;
	case MACHINE_WISH_PAUSE:
		machine_do_pause(machine, VMM_PAUSE_ASKED, "");
		break;
	case MACHINE_WISH_SPACE:
		machine_do_space(machine);
		break;
	case MACHINE_WISH_RESUME:
		machine_do_resume(machine);
		break;
	case MACHINE_WISH_QUIT:
	case MACHINE_WISH_COUNT:
		break;
	}
}

void
machine_handle_wishes(void *context, uint32_t events)
{
	struct machine *machine = context;
	uint64_t count;

	(void)events;
	if (read(machine->wake_fd, &count, sizeof(count)) < 0)
		return;
	for (enum machine_wish wish = 0; wish < MACHINE_WISH_COUNT; wish++) {
		if (!(machine->wishes >> wish & 1))
			continue;
		machine->wishes &= ~(UINT32_C(1) << wish);
		if (wish == MACHINE_WISH_QUIT)
			loop_stop(machine->platform.loop);
		else if (machine_is_alive(machine))
			machine_do(machine, wish);
	}
}

int
machine_run(struct machine *machine)
{
	int error = vmm_sandbox_enter_loop(machine->sandbox);

	if (error < 0)
		return error;
	log_step("loop contained");
	pthread_mutex_lock(&machine->lock);
	machine_go_on(machine);
	pthread_mutex_unlock(&machine->lock);
	log_step("vCPUs let go");
	machine_idle_begin(machine);
	error = loop_run(machine->platform.loop);
	pthread_mutex_lock(&machine->lock);
	if (machine->state != VMM_STATE_OFF)
		machine_finish(machine);
	pthread_mutex_unlock(&machine->lock);
	return error;
}

void
machine_set_watcher(struct machine *machine, machine_watcher watcher, void *context)
{
	machine->watcher = watcher;
	machine->watcher_context = context;
}

struct platform *
machine_get_platform(struct machine *machine)
{
	return &machine->platform;
}

struct devices *
machine_get_devices(struct machine *machine)
{
	return machine->devices;
}

const char *
machine_state_name(enum vmm_state state)
{
	return state_names[state];
}

enum vmm_state
machine_get_state(const struct machine *machine)
{
	return machine->state;
}

enum vmm_pause_reason
machine_get_pause_reason(const struct machine *machine)
{
	return machine->pause_reason;
}

uint64_t
machine_get_exits(const struct machine *machine)
{
	uint64_t exits = 0;

	for (uint32_t i = 0; i < machine->description->cpus; i++)
		exits += vcpu_get_exits(machine->vcpus[i]);
	return exits;
}

void
machine_ask_pause(struct machine *machine)
{
	machine_wish(machine, MACHINE_WISH_PAUSE);
}

void
machine_ask_resume(struct machine *machine)
{
	machine_wish(machine, MACHINE_WISH_RESUME);
}

void
machine_ask_reset(struct machine *machine)
{
	machine_wish(machine, MACHINE_WISH_RESET);
}

void
machine_ask_quit(struct machine *machine)
{
	machine_wish(machine, MACHINE_WISH_QUIT);
}
