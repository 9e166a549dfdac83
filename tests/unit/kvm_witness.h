/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kvm_witness.h - notes what KVM is asked, and in which order, by all threads (for programs that are linked with
 * -Wl,--wrap=ioctl)
 *
 * No cmocka here.
 */
#ifndef TESTS_UNIT_KVM_WITNESS_H
#define TESTS_UNIT_KVM_WITNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KVM_WITNESS_MAX 512

struct kvm_act {
	int fd;
	unsigned long request;
	uint64_t tsc;	    /* of the MSRs that are read or written */
	bool deadline_last; /* it is the last of them, and behind the counter */
	uint32_t line;	    /* the interrupt line that is set */
	bool is_high;	    /* to which level */
};

/* What was noted; while it listens, others may be adding to it. */
struct kvm_witness {
	struct kvm_act acts[KVM_WITNESS_MAX];
	size_t n_acts;
};

/* From here on it listens, anew; only to these requests, each once, which stay the caller's. */
void kvm_witness_begin(const unsigned long *requests, size_t n_requests);
void kvm_witness_end(void);
const struct kvm_witness *kvm_witness_get(void);

/* The first one of a vCPU (fd), or of anybody (-1); KVM_WITNESS_MAX when there is none. */
size_t kvm_witness_find(int fd, unsigned long request);
/* The last one of anybody; KVM_WITNESS_MAX when there is none. */
size_t kvm_witness_find_last(unsigned long request);
/* When this interrupt line was set high first; KVM_WITNESS_MAX: never. */
size_t kvm_witness_find_high(uint32_t line);
/* Of how many descriptors it is asked; also while it listens. */
size_t kvm_witness_count_fds(unsigned long request);

#endif
