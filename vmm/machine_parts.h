/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * machine_parts.h - what a machine is made of: for machine.c, which is its life, and
 * machine_start.c, which makes it
 */
#ifndef VMM_MACHINE_PARTS_H
#define VMM_MACHINE_PARTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "vmm/description.h"
#include "vmm/machine.h"
#include "vmm/platform.h"
#include "vmm/vcpu.h"

struct kvm;
struct loop_source;
struct machine_idle;
struct pages_file_ids;
struct state_reader;
struct state_writer;
struct vmm_sandbox;

/* What is to be done with the whole machine, most severe first. */
enum machine_wish {
	MACHINE_WISH_QUIT,
	MACHINE_WISH_FAIL,
	MACHINE_WISH_OFF,
	MACHINE_WISH_PANIC,
	MACHINE_WISH_RESET,
	MACHINE_WISH_PAUSE,
	MACHINE_WISH_SPACE, /* to do what the disks' lack of room, or its end, asks for */
	MACHINE_WISH_RESUME,
	MACHINE_WISH_COUNT,
};

struct machine {
	const struct description *description;
	char *problem; /* only while it is being made */
	pthread_mutex_t lock;
	struct cpuid_table *supported;
	struct vmm_sandbox *sandbox; /* NULL: none was asked for */
	struct platform platform;
	struct kvm *kvm;
	struct devices *devices;
	struct vcpu_host vcpu_host;
	struct vcpu *vcpus[DESCRIPTION_MAX_CPUS];
	struct loop_source *wake_source;
	struct machine_idle *idle; /* NULL: nothing is given back */
	int wake_fd;
	struct log_limit lines; /* about what a guest may do all the time, such as resets */
	uint32_t wishes;	/* bit set of enum machine_wish */
	char reason[VCPU_REASON_BYTES];
	enum vmm_state state;
	enum vmm_pause_reason pause_reason;
	machine_watcher watcher;
	void *watcher_context;
};

/* Under the lock, from any thread: the loop's thread does it soon. */
void machine_wish(struct machine *machine, enum machine_wish wish);
/* A line about what the guest has brought about. */
bool machine_may_log(struct machine *machine);
/* Tells whoever watches the machine; as devices_set_watcher() wants it. */
void machine_tell(void *context, const struct vmm_event *event);
/* The loop's handler of what machine_wish() wakes. */
void machine_handle_wishes(void *context, uint32_t events);
/*
 * Does this while nobody changes the guest's memory: the vCPUs stand, and nothing is in flight. The
 * guest only misses the time that it takes. false: it was not done, for the machine does not run or a
 * disk is in the middle of something. In the loop's thread.
 */
bool machine_hold(struct machine *machine, void (*work)(struct machine *machine));
/* As struct vcpu_host wants it. */
void machine_handle_vcpu_end(void *context, uint32_t index, enum vcpu_end end, const char *reason);

/* Everything as the first instruction finds it. The vCPUs stand. 0 or -errno. */
int machine_prepare(struct machine *machine);
/* Instead: everything as the description's state has it, paused. 0 or -errno and the problem. */
int machine_load(struct machine *machine);

/*
 * Which memory this is (machine_memory.c), for the two that save it; a template gets its name by
 * this. 0; -EBUSY and *ret_problem, a constant text: it was never sealed; -errno.
 */
int machine_name_memory(const struct machine *machine, struct pages_file_ids *ret_ids,
			const char **ret_problem);
void machine_save_memory(const struct pages_file_ids *ids, struct state_writer *writer);
/* A fork's own pages into a file. 0 or -errno. */
int machine_save_pages(const struct machine *machine, const struct pages_file_ids *ids, int fd);
/* For a fork, "idle". 0 or -errno. From machine_idle_begin() on it gives pages back now and then. */
int machine_idle_make(struct machine *machine);
void machine_idle_begin(struct machine *machine);
void machine_idle_free(struct machine *machine);
/* All of it lies in one piece, as in its file. */
void *machine_get_ram(const struct machine *machine);
/* Is it the memory that the state was saved with? Then the pages are read. 0, or the reader's error. */
int machine_load_memory(struct machine *machine, struct state_reader *reader);

#endif
