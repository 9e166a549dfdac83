/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vcpu_stage.c - one vCPU on /dev/kvm without a machine around it, whose state is saved and loaded
 */
#include "tests/unit/vcpu_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cpu_model.h"
#include "base/kvm_cpuid.h"
#include "tests/unit/state_edit.h"
#include "vmm/guest_memory.h"
#include "vmm/kvm.h"
#include "vmm/memory_map.h"
#include "vmm/state_file.h"
#include "vmm/vcpu_state.h"

#define RAM_BYTES (UINT64_C(16) << 20)

int
vcpu_stage_open(struct vcpu_stage *stage, const char *model)
{
	size_t run_bytes;

	stage->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	stage->memory_fd = memfd_create("memory", MFD_CLOEXEC);
	stage->power_on = NULL;
	assert_int_equal(ftruncate(stage->memory_fd, (off_t)RAM_BYTES), 0);
	assert_int_equal(guest_memory_new(stage->memory_fd, RAM_BYTES, false, &stage->memory), 0);
	assert_int_equal(
		kvm_new(stage->kvm_fd, MEMORY_MAP_IDENTITY_PAGE, MEMORY_MAP_TSS, &stage->kvm), 0);
	assert_int_equal(kvm_add_memory(stage->kvm, stage->memory), 0);
	assert_int_equal(kvm_add_chips(stage->kvm), 0);
	assert_int_equal(kvm_create_vcpu(stage->kvm, 0, &stage->vcpu_fd, &run_bytes), 0);
	assert_int_equal(kvm_cpuid_list(stage->kvm_fd, &stage->supported), 0);
	cpu_model_fill(model, &stage->supported, 1, 0, &stage->cpuid);
	return vcpu_state_set_cpuid(stage->vcpu_fd, &stage->cpuid);
}

void
vcpu_stage_close(struct vcpu_stage *stage)
{
	vcpu_state_free(stage->power_on);
	close(stage->vcpu_fd);
	kvm_free(stage->kvm);
	guest_memory_free(stage->memory);
	close(stage->memory_fd);
	close(stage->kvm_fd);
}

void
vcpu_stage_power_on(struct vcpu_stage *stage)
{
	uint32_t msr;

	assert_int_equal(
		vcpu_state_new(stage->kvm, stage->vcpu_fd, &stage->cpuid, &stage->power_on), 0);
	assert_int_equal(vcpu_state_load(stage->power_on, stage->vcpu_fd, &msr), 0);
}

int
vcpu_stage_save(struct vcpu_stage *stage)
{
	struct vcpu_state *now;
	struct state_writer *writer;
	int fd = state_edit_new();

	assert_int_equal(vcpu_state_read_now(stage->vcpu_fd, stage->power_on, &now), 0);
	/* It counts on while it is read. */
	assert_true(vcpu_state_get_tsc(now) != 0);
	vcpu_state_set_tsc(now, 77);
	assert_int_equal(state_writer_new(&writer), 0);
	state_writer_begin(writer, 1, "cpu 0");
	vcpu_state_put(now, writer);
	state_writer_end(writer);
	assert_int_equal(kvm_save(stage->kvm, writer), 0);
	assert_int_equal(state_writer_finish(writer, fd), 0);
	state_writer_free(writer);
	vcpu_state_free(now);
	return fd;
}

struct state_reader *
vcpu_stage_read(int fd)
{
	struct state_reader *reader;
	char problem[STATE_PROBLEM_BYTES];

	assert_int_equal(state_reader_new(fd, &reader, problem), 0);
	return reader;
}

int
vcpu_stage_load(struct vcpu_stage *stage, int fd)
{
	struct state_reader *reader = vcpu_stage_read(fd);
	uint32_t msr = 0;
	int error;

	state_reader_open(reader, 1, "cpu 0");
	error = vcpu_state_take(reader, &stage->power_on);
	if (error == 0)
		error = state_reader_close(reader);
	if (error == 0)
		error = vcpu_state_load(stage->power_on, stage->vcpu_fd, &msr);
	if (error == 0)
		error = kvm_load(stage->kvm, reader);
	state_reader_free(reader);
	return error;
}
