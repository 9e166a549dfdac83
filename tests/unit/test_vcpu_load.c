/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_vcpu_load.c - what of a vCPU is easily lost when it is loaded: an exception that is pending, and the registers of AVX
 *
 * Nothing runs here: this host's KVM may be one that only emulates what a kernel does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cpuid_table.h"
#include "tests/unit/state_edit.h"
#include "tests/unit/vcpu_stage.h"

#define EXIT_SKIP  77
#define MODEL	   "carrel-v0"
#define MODEL_AVX  "carrel-v1"
#define MAX_FD	   64 /* more than this program has */
#define PAGE_FAULT 14
#define PAGE_CODE  6 /* of a write by a program */
#define PAGE_AT	   0xdead000

#define LEAF_XSAVE  0xd
#define X87_SSE_AVX 7

/* In an area of XSAVE (Intel, Software Developer's Manual volume 1, section 13.4), by words of 32 bits */
#define LOWER_HALVES 40	 /* of ymm0 to ymm15, each of HALF_WORDS */
#define PARTS_IN_USE 128 /* one bit each, as in XCR0 */
#define UPPER_HALVES 144
#define HALF_WORDS   4
#define VECTOR_WORDS (2 * HALF_WORDS)
#define ALL_WORDS    (16 * VECTOR_WORDS)

/*
 * Without it KVM does not tell an exception that is pending from one that is being delivered, and keeps both. Machines are
 * found by their descriptors' names: vmm/kvm.c keeps these to itself.
 */
static void
stage_tell_pending_exceptions(unsigned int n_machines)
{
	struct kvm_enable_cap payload = { .cap = KVM_CAP_EXCEPTION_PAYLOAD, .args = { 1 } };
	unsigned int n_found = 0;

	for (int fd = 0; fd < MAX_FD; fd++) {
		char link[64], name[64] = "";

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		if (readlink(link, name, sizeof(name) - 1) < 0 ||
		    strcmp(name, "anon_inode:kvm-vm") != 0)
			continue;
		assert_int_equal(ioctl(fd, KVM_ENABLE_CAP, &payload), 0);
		n_found++;
	}
	assert_int_equal(n_found, n_machines);
}

static void
stage_set_exception(struct vcpu_stage *stage)
{
	struct kvm_vcpu_events events;

	assert_int_equal(ioctl(stage->vcpu_fd, KVM_GET_VCPU_EVENTS, &events), 0);
	assert_true(events.flags & KVM_VCPUEVENT_VALID_PAYLOAD);
	events.exception.pending = 1;
	events.exception.nr = PAGE_FAULT;
	events.exception.has_error_code = 1;
	events.exception.error_code = PAGE_CODE;
	events.exception_has_payload = 1;
	events.exception_payload = PAGE_AT;
	assert_int_equal(ioctl(stage->vcpu_fd, KVM_SET_VCPU_EVENTS, &events), 0);
}

/* KVM takes it back when general registers are written: events have to come after them. */
static void
test_vcpu_load__a_pending_exception_is_kept(void **state)
{
	struct kvm_vcpu_events events = { 0 };
	struct vcpu_stage before, after;
	int saved;

	(void)state;
	assert_int_equal(vcpu_stage_open(&before, MODEL), 0);
	assert_int_equal(vcpu_stage_open(&after, MODEL), 0);
	stage_tell_pending_exceptions(2);
	vcpu_stage_power_on(&before);
	stage_set_exception(&before);
	saved = vcpu_stage_save(&before);
	assert_int_equal(vcpu_stage_load(&after, saved), 0);
	assert_int_equal(ioctl(after.vcpu_fd, KVM_GET_VCPU_EVENTS, &events), 0);
	assert_int_equal(events.exception.pending, 1);
	assert_int_equal(events.exception.injected, 0);
	assert_int_equal(events.exception.nr, PAGE_FAULT);
	assert_int_equal(events.exception.has_error_code, 1);
	assert_int_equal(events.exception.error_code, PAGE_CODE);
	assert_int_equal(events.exception_has_payload, 1);
	assert_int_equal(events.exception_payload, PAGE_AT);
	close(saved);
	vcpu_stage_close(&after);
	vcpu_stage_close(&before);
}

/* KVM keeps what XSAVE would, also where it has not the instruction itself. */
static bool
stage_offers_avx(const struct vcpu_stage *stage)
{
	for (size_t i = 0; i < stage->supported.n_leaves; i++) {
		const struct cpuid_leaf *leaf = &stage->supported.leaves[i];

		if (leaf->leaf == LEAF_XSAVE && leaf->subleaf == 0)
			return (leaf->eax & X87_SSE_AVX) == X87_SSE_AVX;
	}
	return false;
}

/* A word of all vector registers, ymm0's first; and what the test has there, in no two of them the same. */
static uint32_t *
stage_find_word(struct kvm_xsave *xsave, uint32_t number)
{
	uint32_t vector = number / VECTOR_WORDS, word = number % VECTOR_WORDS;

	return &xsave->region[(word < HALF_WORDS ? LOWER_HALVES : UPPER_HALVES) +
			      vector * HALF_WORDS + word % HALF_WORDS];
}

static uint32_t
stage_pick_word(uint32_t number)
{
	return 0xa5c30000 + number;
}

static void
stage_set_vectors(struct vcpu_stage *stage)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs = { { .value = X87_SSE_AVX } } };
	struct kvm_xsave xsave;

	assert_int_equal(ioctl(stage->vcpu_fd, KVM_SET_XCRS, &xcrs), 0);
	assert_int_equal(ioctl(stage->vcpu_fd, KVM_GET_XSAVE, &xsave), 0);
	for (uint32_t i = 0; i < ALL_WORDS; i++)
		*stage_find_word(&xsave, i) = stage_pick_word(i);
	xsave.region[PARTS_IN_USE] |= X87_SSE_AVX;
	assert_int_equal(ioctl(stage->vcpu_fd, KVM_SET_XSAVE, &xsave), 0);
}

/* With XCR0, without which the guest's first use of them is an exception. */
static void
expect_vectors(struct vcpu_stage *stage)
{
	struct kvm_xsave xsave = { 0 };
	struct kvm_xcrs xcrs = { 0 };

	assert_int_equal(ioctl(stage->vcpu_fd, KVM_GET_XCRS, &xcrs), 0);
	assert_int_equal(xcrs.nr_xcrs, 1);
	assert_int_equal(xcrs.xcrs[0].xcr, 0);
	assert_int_equal(xcrs.xcrs[0].value, X87_SSE_AVX);
	assert_int_equal(ioctl(stage->vcpu_fd, KVM_GET_XSAVE, &xsave), 0);
	assert_int_equal(xsave.region[PARTS_IN_USE] & X87_SSE_AVX, X87_SSE_AVX);
	for (uint32_t i = 0; i < ALL_WORDS; i++)
		assert_int_equal(*stage_find_word(&xsave, i), stage_pick_word(i));
}

static void
test_vcpu_load__avx_registers_are_kept(void **state)
{
	struct vcpu_stage before, after;
	const char *different;
	int saved, again;

	(void)state;
	assert_int_equal(vcpu_stage_open(&before, MODEL_AVX), 0);
	if (!stage_offers_avx(&before)) {
		vcpu_stage_close(&before);
		print_message("KVM offers no AVX here\n");
		skip();
	}
	vcpu_stage_power_on(&before);
	stage_set_vectors(&before);
	saved = vcpu_stage_save(&before);
	assert_int_equal(vcpu_stage_open(&after, MODEL_AVX), 0);
	assert_int_equal(vcpu_stage_load(&after, saved), 0);
	expect_vectors(&after);
	again = vcpu_stage_save(&after);
	different = state_edit_find_difference(saved, again);
	assert_true(!different || strcmp(different, "cpu 0") != 0);
	close(saved);
	close(again);
	vcpu_stage_close(&after);
	vcpu_stage_close(&before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vcpu_load__a_pending_exception_is_kept),
		cmocka_unit_test(test_vcpu_load__avx_registers_are_kept),
	};

	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		print_message("skipped: needs /dev/kvm\n");
		return EXIT_SKIP;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
