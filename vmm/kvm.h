/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kvm.h - the door to /dev/kvm: one virtual machine with its memory and interrupt controllers
 *
 * Linux, Documentation/virt/kvm/api.rst. All functions return 0 or a negative errno unless they say
 * otherwise. What belongs to one vCPU is in vmm/vcpu.h and vmm/vcpu_state.h.
 */
#ifndef VMM_KVM_H
#define VMM_KVM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest_memory;
struct kvm;
struct state_reader;
struct state_writer;

/*
 * A machine with KVM's own pages at these addresses: one page for the identity map, three for the
 * task state segment. The descriptor stays the caller's.
 */
int kvm_new(int kvm_fd, uint64_t identity_gpa, uint64_t tss_gpa, struct kvm **ret_kvm);
/* The guest's RAM, which stays the caller's: first, for it costs time later (kvm.c). */
int kvm_add_memory(struct kvm *kvm, const struct guest_memory *memory);
/* PIC, IOAPIC and PIT: before the first vCPU. */
int kvm_add_chips(struct kvm *kvm);
void kvm_free(struct kvm *kvm);
/* PIC, IOAPIC and PIT as they were after kvm_add_chips(). */
int kvm_reset(struct kvm *kvm);

/* The guest's clock (kvmclock) stands; it goes on from there. While no vCPU runs. */
void kvm_stop_clock(struct kvm *kvm);
void kvm_start_clock(struct kvm *kvm);

/*
 * PIC, IOAPIC, PIT and the guest's clock, in the section "kvm". Saved while the clock stands; after
 * loading it stands where it was saved. 0 or -errno, the reader's among them.
 */
int kvm_save(struct kvm *kvm, struct state_writer *writer);
int kvm_load(struct kvm *kvm, struct state_reader *reader);

/* Its descriptor is the caller's; *ret_run_bytes of it are mapped to speak with KVM_RUN. */
int kvm_create_vcpu(struct kvm *kvm, uint32_t index, int *ret_fd, size_t *ret_run_bytes);
/*
 * The numbers of the model-specific registers whose values make up a vCPU's state; the caller frees
 * them.
 */
int kvm_list_msrs(struct kvm *kvm, uint32_t **ret_msrs, size_t *ret_n_msrs);

int kvm_set_irq(struct kvm *kvm, uint32_t gsi, bool level);
/* 0 also when the guest does not take it. */
int kvm_send_msi(struct kvm *kvm, uint64_t address, uint32_t data);
/* An ioeventfd: writes of "bytes" (0: any number) to this address only count the eventfd up. */
int kvm_add_doorbell(struct kvm *kvm, uint64_t gpa, uint32_t bytes, int eventfd);
int kvm_remove_doorbell(struct kvm *kvm, uint64_t gpa, uint32_t bytes, int eventfd);

#endif
