/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kvm_section.c - KVM's timer in the section "kvm" of a machine's state file
 */
#include "tests/unit/kvm_section.h"

#include <stddef.h>
#include <stdint.h>

#include "tests/unit/state_edit.h"

#define CHANNEL_BYTES sizeof(struct kvm_pit_channel_state)

/* Behind it is the clock. */
static size_t
kvm_section_find_pit(int fd)
{
	return state_edit_measure(fd, "kvm") - sizeof(uint64_t) - sizeof(struct kvm_pit_state2);
}

void
kvm_section_program_pit(int fd, const struct kvm_pit_channel_state channels[KVM_SECTION_CHANNELS])
{
	state_edit_patch(fd, "kvm", kvm_section_find_pit(fd), channels,
			 KVM_SECTION_CHANNELS * CHANNEL_BYTES);
}

void
kvm_section_forget_pit_times(int fd)
{
	static const int64_t never;

	for (size_t i = 0; i < KVM_SECTION_CHANNELS; i++)
		state_edit_patch(fd, "kvm",
				 kvm_section_find_pit(fd) + i * CHANNEL_BYTES +
					 offsetof(struct kvm_pit_channel_state, count_load_time),
				 &never, sizeof(never));
}
