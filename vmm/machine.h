/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * machine.h - the whole virtual machine: what it is made of, and its life
 *
 * One thread a vCPU, and the loop's thread, which calls machine_run(). The machine's lock is held
 * while device code runs (vmm/platform.h). What is "asked" here may come from any thread that holds
 * the lock, device code included; the loop's thread does it soon after.
 */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/proto_vmm.h"

#define MACHINE_PROBLEM_BYTES 320

struct description;
struct devices;
struct machine;
struct platform;

/*
 * VMM_EVENT_STATE after each change of state, VMM_EVENT_REBOOTED after each reset, and the devices'
 * own; under the lock.
 */
typedef void (*machine_watcher)(void *context, const struct vmm_event *event);

/*
 * A machine that is ready for its first instruction, or, with a state, for the next one. The description must outlive it; its
 * descriptors stay open and the caller's; of the network's the machine has a duplicate. On an error
 * ret_problem says in one line what is wrong; it is empty when the log says it already.
 */
int machine_new(const struct description *description, struct machine **ret_machine,
		char ret_problem[MACHINE_PROBLEM_BYTES]);
void machine_free(struct machine *machine);

/* Before machine_run(). */
void machine_set_watcher(struct machine *machine, machine_watcher watcher, void *context);
struct platform *machine_get_platform(struct machine *machine);
struct devices *machine_get_devices(struct machine *machine);

/*
 * Runs it until it has switched itself off or is asked to quit; no vCPU runs any more then. 0 or
 * -errno. Once. With a sandbox the calling thread is contained from here on, for good.
 */
int machine_run(struct machine *machine);

const char *machine_state_name(enum vmm_state state);
enum vmm_state machine_get_state(const struct machine *machine);
enum vmm_pause_reason machine_get_pause_reason(const struct machine *machine);
uint64_t machine_get_exits(const struct machine *machine);

/*
 * All that it is besides its memory, into the first file; of private memory the pages that are its
 * own into a second one. While it is paused, with its link down and no home. 0; -EBUSY and
 * *ret_problem, a constant text, when it is not like that; -EINVAL, in the same way, when these are
 * not the files that it needs; another -errno, and then the files are of no use.
 */
int machine_save(struct machine *machine, const int *fds, size_t n_fds, const char **ret_problem);

void machine_ask_pause(struct machine *machine);
void machine_ask_resume(struct machine *machine);
void machine_ask_reset(struct machine *machine);
void machine_ask_quit(struct machine *machine);

#endif
