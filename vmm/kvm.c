/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kvm.c - the door to /dev/kvm: one virtual machine with its memory and interrupt controllers
 * (carrel-vmm)
 *
 * How it works: what any of our files relies on has been asked for before (base/kvm_needs.c).
 * The machine is made in the order that KVM wants: interrupt controllers before vCPUs. RAM comes
 * before both: a new memslot waits until nobody reads the old ones, and with the controllers'
 * ports registered (Linux 6.18 frees their old lists when it has time) that takes two ticks of the
 * host's clock, 8 ms. The controllers' state right then is kept, and kvm_reset() writes it back.
 */
#include "vmm/kvm.h"

#include <assert.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/kvm_needs.h"
#include "vmm/guest_memory.h"
#include "vmm/state_file.h"

#define MAX_MSRS      2048
#define STATE_VERSION 1

static_assert(GUEST_MEMORY_MAX_PARTS <= KVM_NEEDS_MEMSLOTS, "they have been asked for");

static const uint32_t chip_table[] = { KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE,
				       KVM_IRQCHIP_IOAPIC };

#define N_CHIPS (sizeof(chip_table) / sizeof(chip_table[0]))

/* Memory types of address ranges: KVM keeps them and does not list them. */
static const struct {
	uint32_t first;
	uint32_t count;
} unlisted_msrs[] = {
	{ 0x200, 16 },				   /* bases and masks */
	{ 0x250, 1 },  { 0x258, 2 }, { 0x268, 8 }, /* the first MiB */
	{ 0x2ff, 1 },				   /* everything else */
};

#define MAX_UNLISTED_MSRS 28

struct kvm {
	int kvm_fd; /* the caller's */
	int vm_fd;
	struct kvm_irqchip chips[N_CHIPS]; /* after power-on */
	struct kvm_pit_state2 pit;
	struct kvm_clock_data clock; /* as kvm_stop_clock() found it */
	bool clock_stands;
};

int
kvm_add_memory(struct kvm *kvm, const struct guest_memory *memory)
{
	struct guest_memory_part parts[GUEST_MEMORY_MAX_PARTS];
	size_t n_parts = guest_memory_list_parts(memory, parts);

	for (size_t i = 0; i < n_parts; i++) {
		struct kvm_userspace_memory_region region = {
			.slot = (uint32_t)i,
			.guest_phys_addr = parts[i].gpa,
			.memory_size = parts[i].bytes,
			.userspace_addr = (uintptr_t)parts[i].host,
		};

		if (ioctl(kvm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
			return -errno;
	}
	return 0;
}

int
kvm_add_chips(struct kvm *kvm)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };

	if (ioctl(kvm->vm_fd, KVM_CREATE_IRQCHIP, 0) < 0 ||
	    ioctl(kvm->vm_fd, KVM_CREATE_PIT2, &config) < 0)
		return -errno;
	for (size_t i = 0; i < N_CHIPS; i++) {
		kvm->chips[i].chip_id = chip_table[i];
		if (ioctl(kvm->vm_fd, KVM_GET_IRQCHIP, &kvm->chips[i]) < 0)
			return -errno;
	}
	if (ioctl(kvm->vm_fd, KVM_GET_PIT2, &kvm->pit) < 0)
		return -errno;
	return 0;
}

/*
 * To hear of changes to our memory KVM takes all its locks at once, which Linux breaks off with
 * EINTR when anything, be it a debugger, wants the thread's attention (mm_take_all_locks()).
 */
static int
kvm_create(int kvm_fd)
{
	int fd;

	do
		fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	while (fd < 0 && errno == EINTR);
	return fd;
}

int
kvm_new(int kvm_fd, uint64_t identity_gpa, uint64_t tss_gpa, struct kvm **ret_kvm)
{
	struct kvm *kvm = calloc(1, sizeof(*kvm));
	int error = 0;

	if (!kvm)
		return -ENOMEM;
	kvm->kvm_fd = kvm_fd;
	kvm->vm_fd = kvm_create(kvm_fd);
	if (kvm->vm_fd < 0 || ioctl(kvm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_gpa) < 0 ||
	    ioctl(kvm->vm_fd, KVM_SET_TSS_ADDR, (unsigned long)tss_gpa) < 0)
		error = -errno;
	if (error < 0) {
		kvm_free(kvm);
		return error;
	}
	*ret_kvm = kvm;
	return 0;
}

void
kvm_free(struct kvm *kvm)
{
	if (!kvm)
		return;
	if (kvm->vm_fd >= 0)
		close(kvm->vm_fd);
	free(kvm);
}

int
kvm_reset(struct kvm *kvm)
{
	for (size_t i = 0; i < N_CHIPS; i++)
		if (ioctl(kvm->vm_fd, KVM_SET_IRQCHIP, &kvm->chips[i]) < 0)
			return -errno;
	if (ioctl(kvm->vm_fd, KVM_SET_PIT2, &kvm->pit) < 0)
		return -errno;
	return 0;
}

/*
 * KVM_CAP_ADJUST_CLOCK is there, so neither fails; if the first did, the clock would go on as if it
 * had not stood.
 */

void
kvm_stop_clock(struct kvm *kvm)
{
	kvm->clock_stands = ioctl(kvm->vm_fd, KVM_GET_CLOCK, &kvm->clock) == 0;
}

void
kvm_start_clock(struct kvm *kvm)
{
	/* no flags: without KVM_CLOCK_REALTIME the time since then is not added */
	struct kvm_clock_data clock = { .clock = kvm->clock.clock };

	if (kvm->clock_stands)
		ioctl(kvm->vm_fd, KVM_SET_CLOCK, &clock);
	kvm->clock_stands = false;
}

/*
 * The interrupt controllers' structs are KVM's own: api.rst promises that they stay as they are.
 */
int
kvm_save(struct kvm *kvm, struct state_writer *writer)
{
	struct kvm_pit_state2 pit;

	if (ioctl(kvm->vm_fd, KVM_GET_PIT2, &pit) < 0)
		return -errno;
	state_writer_begin(writer, STATE_VERSION, "kvm");
	for (size_t i = 0; i < N_CHIPS; i++) {
		struct kvm_irqchip chip = { .chip_id = chip_table[i] };

		if (ioctl(kvm->vm_fd, KVM_GET_IRQCHIP, &chip) < 0)
			return -errno;
		state_put_bytes(writer, &chip.chip, sizeof(chip.chip));
	}
	state_put_bytes(writer, &pit, sizeof(pit));
	state_put_u64(writer, kvm->clock.clock);
	state_writer_end(writer);
	return 0;
}

int
kvm_load(struct kvm *kvm, struct state_reader *reader)
{
	struct kvm_irqchip chips[N_CHIPS] = { 0 };
	struct kvm_pit_state2 pit;
	uint64_t clock;
	int error;

	state_reader_open(reader, STATE_VERSION, "kvm");
	for (size_t i = 0; i < N_CHIPS; i++) {
		chips[i].chip_id = chip_table[i];
		state_take_bytes(reader, &chips[i].chip, sizeof(chips[i].chip));
	}
	state_take_bytes(reader, &pit, sizeof(pit));
	clock = state_take_u64(reader);
	error = state_reader_close(reader);
	if (error < 0)
		return error;
	if (ioctl(kvm->vm_fd, KVM_SET_PIT2, &pit) < 0)
		return state_reader_refuse(reader, "KVM does not take the timer: %s",
					   strerror(errno));
	for (size_t i = 0; i < N_CHIPS; i++)
		if (ioctl(kvm->vm_fd, KVM_SET_IRQCHIP, &chips[i]) < 0)
			return state_reader_refuse(reader,
						   "KVM does not take interrupt controller %zu: %s",
						   i, strerror(errno));
	kvm->clock = (struct kvm_clock_data){ .clock = clock };
	kvm->clock_stands = true;
	return 0;
}

int
kvm_create_vcpu(struct kvm *kvm, uint32_t index, int *ret_fd, size_t *ret_run_bytes)
{
	int run_bytes = ioctl(kvm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	int fd;

	if (run_bytes < 0)
		return -errno;
	fd = ioctl(kvm->vm_fd, KVM_CREATE_VCPU, (unsigned long)index);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	*ret_run_bytes = (size_t)run_bytes;
	return 0;
}

int
kvm_list_msrs(struct kvm *kvm, uint32_t **ret_msrs, size_t *ret_n_msrs)
{
	CLEANUP_FREE struct kvm_msr_list *list =
		calloc(1, sizeof(*list) + MAX_MSRS * sizeof(list->indices[0]));
	uint32_t *msrs;
	size_t n;

	if (!list)
		return -ENOMEM;
	list->nmsrs = MAX_MSRS;
	if (ioctl(kvm->kvm_fd, KVM_GET_MSR_INDEX_LIST, list) < 0)
		return -errno;
	n = list->nmsrs;
	msrs = calloc(n + MAX_UNLISTED_MSRS, sizeof(*msrs));
	if (!msrs)
		return -ENOMEM;
	memcpy(msrs, list->indices, n * sizeof(*msrs));
	for (size_t i = 0; i < sizeof(unlisted_msrs) / sizeof(unlisted_msrs[0]); i++)
		for (uint32_t j = 0; j < unlisted_msrs[i].count; j++)
			msrs[n++] = unlisted_msrs[i].first + j;
	*ret_msrs = msrs;
	*ret_n_msrs = n;
	return 0;
}

int
kvm_set_irq(struct kvm *kvm, uint32_t gsi, bool level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	return ioctl(kvm->vm_fd, KVM_IRQ_LINE, &line) < 0 ? -errno : 0;
}

int
kvm_send_msi(struct kvm *kvm, uint64_t address, uint32_t data)
{
	struct kvm_msi msi = {
		.address_lo = (uint32_t)address,
		.address_hi = (uint32_t)(address >> 32),
		.data = data,
	};

	return ioctl(kvm->vm_fd, KVM_SIGNAL_MSI, &msi) < 0 ? -errno : 0;
}

static int
kvm_change_doorbell(struct kvm *kvm, uint64_t gpa, uint32_t bytes, int eventfd, uint32_t flags)
{
	struct kvm_ioeventfd doorbell = {
		.addr = gpa, .len = bytes, .fd = eventfd, .flags = flags
	};

	return ioctl(kvm->vm_fd, KVM_IOEVENTFD, &doorbell) < 0 ? -errno : 0;
}

int
kvm_add_doorbell(struct kvm *kvm, uint64_t gpa, uint32_t bytes, int eventfd)
{
	return kvm_change_doorbell(kvm, gpa, bytes, eventfd, 0);
}

int
kvm_remove_doorbell(struct kvm *kvm, uint64_t gpa, uint32_t bytes, int eventfd)
{
	return kvm_change_doorbell(kvm, gpa, bytes, eventfd, KVM_IOEVENTFD_FLAG_DEASSIGN);
}
