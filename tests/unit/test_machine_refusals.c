/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_machine_refusals.c - what a machine says that is not saved as it is, and one that cannot go on from a state here
 *
 * On a KVM that takes everything (fake_kvm.h): these machines never run. What is refused leaves the files as they were, and
 * what stood in the way is all that did: without it the machine is saved. A state that is refused is forged in that one value.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cpuid_table.h"
#include "tests/unit/disk_stage.h"
#include "tests/unit/fake_kvm.h"
#include "tests/unit/guest_kernel.h"
#include "tests/unit/machine_stage.h"
#include "tests/unit/state_edit.h"
#include "vmm/description.h"
#include "vmm/devices.h"
#include "vmm/machine.h"
#include "vmm/own_pages.h"
#include "vmm/platform.h"
#include "vmm/state_file.h"

#define HOME_BYTES (UINT64_C(1) << 20)

/*
 * In the section "machine" (vmm/machine_state.c): type and model, processors, memory, how fast its time stamp counter is, the
 * number of CPUID's leaves, and those: leaf, subleaf, EAX, EBX, ECX, EDX.
 */
#define KHZ_AT	    (2 * (DESCRIPTION_MAX_NAME + 1) + 4 + 8)
#define COUNT_AT    (KHZ_AT + 4)
#define LEAVES_AT   (COUNT_AT + 4)
#define LEAF_WORDS  6
#define WORD_BYTES  4
#define LEAF_XSAVE  0xd
#define XSAVE_BYTES 832 /* of x87, SSE and AVX */
#define ECX_WORD    4	/* among the leaf's */

GUEST(halt, "cli\n1: hlt\njmp 1b\n");

struct stage {
	struct description description;
	struct machine *machine; /* NULL: none yet */
	int fds[2];		 /* what it is to be saved into: its state and its own pages */
	int other;		 /* a file that it does not use */
};

static int
stage_open(void **state)
{
	struct stage *stage = test_calloc(1, sizeof(*stage));

	fake_kvm_set_up();
	fake_kvm.has_cpu = true;
	fake_kvm.has_machines = true;
	assert_int_equal(machine_stage_describe(guest_kernel_make(guest_halt, guest_halt_end),
						&stage->description),
			 0);
	for (size_t i = 0; i < 2; i++)
		stage->fds[i] = state_edit_new();
	stage->other = disk_stage_make_file(HOME_BYTES, 1);
	assert_true(stage->other >= 0);
	*state = stage;
	return 0;
}

static void
stage_close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static int
stage_close(void **state)
{
	struct stage *stage = *state;

	machine_free(stage->machine);
	machine_stage_close(&stage->description);
	stage_close_fd(stage->description.state_fd);
	stage_close_fd(stage->description.pagemap_fd);
	for (size_t i = 0; i < 2; i++)
		close(stage->fds[i]);
	close(stage->other);
	test_free(stage);
	return 0;
}

/* As it is described by now, and as if it had been paused. */
static struct devices *
stage_make(struct stage *stage)
{
	char problem[MACHINE_PROBLEM_BYTES];

	machine_free(stage->machine);
	stage->machine = NULL;
	if (machine_new(&stage->description, &stage->machine, problem) < 0)
		fail_msg("%s", problem);
	machine_get_platform(stage->machine)->paused = true;
	return machine_get_devices(stage->machine);
}

/* Of this state, which stays the caller's. */
static void
stage_make_from(struct stage *stage, int state_fd)
{
	int own_fd = stage->description.state_fd;

	stage->description.state_fd = state_fd;
	stage_make(stage);
	stage->description.state_fd = own_fd;
}

static void
stage_save(struct stage *stage, const int *fds, size_t n_fds)
{
	const char *problem = NULL;
	int error = machine_save(stage->machine, fds, n_fds, &problem);

	if (error < 0)
		fail_msg("%s", problem ? problem : strerror(-error));
}

/* From now on it is described as a fork of itself, of which the kernel tells the pages. */
static void
stage_seal(struct stage *stage)
{
	struct description *description = &stage->description;
	int state_fd = state_edit_new();

	stage_make(stage);
	stage_save(stage, &state_fd, 1);
	description->memory_private = true;
	description->state_fd = state_fd;
	description->pagemap_fd = own_pages_open();
	assert_true(description->pagemap_fd >= 0);
}

static void
expect_refusal(struct stage *stage, const int *fds, size_t n_fds, int error, const char *problem)
{
	const char *said = NULL;

	assert_int_equal(machine_save(stage->machine, fds, n_fds, &said), error);
	assert_non_null(said);
	assert_string_equal(said, problem);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(lseek(stage->fds[i], 0, SEEK_END), 0);
}

static void
test_machine_refusals__no_seal_with_a_network(void **state)
{
	struct stage *stage = *state;
	struct devices *devices;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends),
			 0);
	stage->description.net = DESCRIPTION_NET_STREAM;
	devices = stage_make(stage);
	assert_int_equal(devices_set_link(devices, true, ends[1]), 0);
	expect_refusal(stage, stage->fds, 1, -EBUSY, "its network is connected");
	assert_int_equal(devices_set_link(devices, false, -1), 0);
	stage_save(stage, stage->fds, 1);
	close(ends[0]);
}

static void
test_machine_refusals__no_seal_with_a_home(void **state)
{
	struct stage *stage = *state;
	struct devices *devices;

	stage->description.n_disks = 1;
	stage->description.disks[0] =
		(struct description_disk){ DESCRIPTION_SLOT_HOME, "home", -1, -1 };
	devices = stage_make(stage);
	assert_int_equal(devices_attach_home(devices, -1, stage->other), 0);
	expect_refusal(stage, stage->fds, 1, -EBUSY, "there is a home in its slot");
	assert_int_equal(devices_detach_home(devices), 0);
	stage_save(stage, stage->fds, 1);
}

static void
test_machine_refusals__no_fork_whose_pages_nobody_tells(void **state)
{
	struct stage *stage = *state;
	int pagemap_fd;

	stage_seal(stage);
	pagemap_fd = stage->description.pagemap_fd;
	stage->description.pagemap_fd = -1;
	stage_make(stage);
	expect_refusal(stage, stage->fds, 2, -EBUSY,
		       "it is a fork whose own pages the kernel does not tell");
	stage->description.pagemap_fd = pagemap_fd;
	stage_make(stage);
	stage_save(stage, stage->fds, 2);
}

/* Its memory has no name then, by which its pages could be told from another's. */
static void
test_machine_refusals__no_fork_of_what_was_never_sealed(void **state)
{
	struct stage *stage = *state;

	stage->description.memory_private = true;
	stage->description.pagemap_fd = own_pages_open();
	stage_make(stage);
	expect_refusal(stage, stage->fds, 2, -EBUSY,
		       "its memory's file is not of a sealed machine");
}

#define USED "a file that it is to go into is one that it uses"

static void
test_machine_refusals__a_seal_needs_one_file(void **state)
{
	struct stage *stage = *state;

	stage->description.n_disks = 1;
	stage->description.disks[0] =
		(struct description_disk){ DESCRIPTION_SLOT_DISK, "root", -1, stage->other };
	stage_make(stage);
	expect_refusal(stage, stage->fds, 2, -EINVAL,
		       "its memory is a file of its own: there is one other, for its state");
	expect_refusal(stage, &stage->description.memory_fd, 1, -EINVAL, USED);
	expect_refusal(stage, &stage->other, 1, -EINVAL, USED);
	stage_save(stage, stage->fds, 1);
}

static void
test_machine_refusals__a_fork_needs_two_files(void **state)
{
	struct stage *stage = *state;
	const int state_fd = stage->fds[0];
	const int reads = disk_stage_reopen_read_only(stage->fds[1]);
	const int same = dup(state_fd);
	const struct {
		int fds[2];
		size_t n_fds;
		const char *problem;
	} cases[] = {
		{ { state_fd, -1 },
		  1,
		  "it is a fork: its state needs one file, its own pages another" },
		{ { state_fd, same }, 2, "its state and its pages cannot go into one file" },
		{ { state_fd, stage->description.memory_fd }, 2, USED },
		{ { state_fd, reads },
		  2,
		  "what it is to go into is no file that is open for writing and reading" },
	};

	stage_seal(stage);
	stage_make(stage);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_refusal(stage, cases[i].fds, cases[i].n_fds, -EINVAL, cases[i].problem);
	stage_save(stage, stage->fds, 2);
	close(reads);
	close(same);
}

/* One that its own kind of machine cannot go on from, on the same host. */
static void
expect_foreign(struct stage *stage, int state_fd, const char *problem)
{
	char said[MACHINE_PROBLEM_BYTES];
	int own_fd = stage->description.state_fd;

	machine_free(stage->machine);
	stage->machine = NULL;
	stage->description.state_fd = state_fd;
	assert_int_equal(machine_new(&stage->description, &stage->machine, said), -ENOTSUP);
	assert_non_null(strstr(said, problem));
	stage->description.state_fd = own_fd;
	close(state_fd);
}

struct leaf {
	uint32_t words[LEAF_WORDS];
};

/* The leaves that the state was saved with. */
static uint32_t
stage_read_leaves(const struct stage *stage, struct leaf leaves[CPUID_TABLE_MAX])
{
	uint8_t before[COUNT_AT];
	char problem[STATE_PROBLEM_BYTES];
	struct state_reader *reader;
	uint32_t n_leaves;

	assert_int_equal(state_reader_new(stage->description.state_fd, &reader, problem), 0);
	state_reader_open(reader, 1, "machine");
	state_take_bytes(reader, before, sizeof(before));
	n_leaves = state_take_count(reader, CPUID_TABLE_MAX);
	for (uint32_t i = 0; i < n_leaves; i++)
		for (size_t k = 0; k < LEAF_WORDS; k++)
			leaves[i].words[k] = state_take_u32(reader);
	assert_int_equal(state_reader_close(reader), 0);
	state_reader_free(reader);
	return n_leaves;
}

/* This register of that leaf was another. */
static void
expect_foreign_leaf(struct stage *stage, uint32_t index, const struct leaf *leaf, size_t word)
{
	size_t offset = LEAVES_AT + (index * LEAF_WORDS + word) * WORD_BYTES;
	char problem[MACHINE_PROBLEM_BYTES];

	snprintf(problem, sizeof(problem),
		 "section 'machine': this host's processor is another: CPUID %#x.%u is ",
		 leaf->words[0], leaf->words[1]);
	expect_foreign(stage,
		       state_edit_forge(stage->description.state_fd, "machine", offset,
					leaf->words[word] ^ 1, WORD_BYTES),
		       problem);
}

/* Leaf 0xd, the size of the extended registers, is one of them: the model has AVX. */
static void
test_machine_refusals__no_state_of_another_processor(void **state)
{
	struct stage *stage = *state;
	struct leaf leaves[CPUID_TABLE_MAX];
	uint32_t n_leaves, n_xsave = 0;

	snprintf(stage->description.cpu, sizeof(stage->description.cpu), "carrel-v1");
	stage_seal(stage);
	n_leaves = stage_read_leaves(stage, leaves);
	for (uint32_t i = 0; i < n_leaves; i++) {
		for (size_t word = 0; word < LEAF_WORDS; word++)
			expect_foreign_leaf(stage, i, &leaves[i], word);
		n_xsave += leaves[i].words[0] == LEAF_XSAVE &&
			   leaves[i].words[ECX_WORD] == XSAVE_BYTES;
	}
	assert_int_equal(n_xsave, 1);
	expect_foreign(stage,
		       state_edit_forge(stage->description.state_fd, "machine", COUNT_AT,
					n_leaves - 1, WORD_BYTES),
		       "section 'machine': this host's processor is another: CPUID has not as "
		       "many leaves");
	stage_make(stage);
}

/* Where KVM sets none, one that is as fast is needed; as NTP would correct it, and where neither is known, any will do. */
static void
test_machine_refusals__no_state_with_another_counter(void **state)
{
	static const struct {
		uint32_t khz;
		bool is_taken;
	} cases[] = {
		{ FAKE_KVM_TSC_KHZ, true },
		{ FAKE_KVM_TSC_KHZ - FAKE_KVM_TSC_KHZ / 4000, true },
		{ FAKE_KVM_TSC_KHZ + FAKE_KVM_TSC_KHZ / 4000, true },
		{ FAKE_KVM_TSC_KHZ - FAKE_KVM_TSC_KHZ / 4000 - 1, false },
		{ FAKE_KVM_TSC_KHZ + FAKE_KVM_TSC_KHZ / 4000 + 1, false },
		{ FAKE_KVM_TSC_KHZ / 2, false },
		{ UINT32_MAX, false },
		{ 0, true },
	};
	struct stage *stage = *state;
	char problem[MACHINE_PROBLEM_BYTES];

	stage_seal(stage);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int forged = state_edit_forge(stage->description.state_fd, "machine", KHZ_AT,
					      cases[i].khz, WORD_BYTES);

		snprintf(problem, sizeof(problem),
			 "section 'machine': its time stamp counter has %u kHz, which this host "
			 "cannot offer",
			 cases[i].khz);
		fake_kvm.never = KVM_SET_TSC_KHZ;
		if (!cases[i].is_taken)
			expect_foreign(stage, state_edit_copy(forged), problem);
		else
			stage_make_from(stage, forged);
		fake_kvm.never = 0;
		stage_make_from(stage, forged);
		close(forged);
	}
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_machine_refusals__##name, stage_open, stage_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_seal_with_a_network),
		TEST(no_seal_with_a_home),
		TEST(no_fork_whose_pages_nobody_tells),
		TEST(no_fork_of_what_was_never_sealed),
		TEST(a_seal_needs_one_file),
		TEST(a_fork_needs_two_files),
		TEST(no_state_of_another_processor),
		TEST(no_state_with_another_counter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
