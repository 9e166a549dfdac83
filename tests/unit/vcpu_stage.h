/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vcpu_stage.h - one vCPU on /dev/kvm without a machine around it, whose state is saved and loaded; with cmocka's assertions
 */
#ifndef TESTS_UNIT_VCPU_STAGE_H
#define TESTS_UNIT_VCPU_STAGE_H

#include "base/cpuid_table.h"

struct guest_memory;
struct kvm;
struct state_reader;
struct vcpu_state;

struct vcpu_stage {
	int kvm_fd;
	int memory_fd;
	struct guest_memory *memory;
	struct kvm *kvm;
	struct cpuid_table supported;
	struct cpuid_table cpuid;
	int vcpu_fd;
	struct vcpu_state *power_on; /* NULL: nothing was loaded yet */
};

/* With this processor model, whether or not KVM offers all of it: 0, or what KVM says to that, -errno. */
int vcpu_stage_open(struct vcpu_stage *stage, const char *model);
void vcpu_stage_close(struct vcpu_stage *stage);
void vcpu_stage_power_on(struct vcpu_stage *stage);

/* The state of vCPU (section "cpu 0", without its time stamp counter) and KVM in a file; the clock stands. */
int vcpu_stage_save(struct vcpu_stage *stage);
/* All of that file into another stage; the error of whoever refuses it. */
int vcpu_stage_load(struct vcpu_stage *stage, int fd);
struct state_reader *vcpu_stage_read(int fd);

#endif
