/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_cpu_model.c - the processor that the guest sees
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/cpu_model.h"
#include "base/cpuid_table.h"

#define VENDOR_INTEL 0x756e6547
#define VENDOR_AMD   0x68747541

/* A host that can do everything there is, and says so in every leaf. */
static void
host_fill(struct cpuid_table *table, uint32_t vendor)
{
	static const uint32_t leaves[] = { 0x0,	       0x1,	   0x7,	       0xb,
					   0xd,	       0x40000000, 0x40000001, 0x80000000,
					   0x80000001, 0x80000007, 0x80000008 };

	table->n_leaves = 0;
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		table->leaves[table->n_leaves++] = (struct cpuid_leaf){
			.leaf = leaves[i],
			.eax = UINT32_MAX,
			.ebx = leaves[i] == 0 ? vendor : UINT32_MAX,
			.ecx = UINT32_MAX,
			.edx = UINT32_MAX,
		};
}

static struct cpuid_leaf *
leaf_find(struct cpuid_table *table, uint32_t leaf, uint32_t subleaf)
{
	for (size_t i = 0; i < table->n_leaves; i++)
		if (table->leaves[i].leaf == leaf && table->leaves[i].subleaf == subleaf)
			return &table->leaves[i];
	return NULL;
}

static void
test_cpu_model__names_what_the_host_lacks(void **state)
{
	static const struct {
		const char *model;
		uint32_t leaf;
		size_t offset; /* of the register that lacks everything */
		int error;
		const char *part;
	} cases[] = {
		{ "carrel-v1", 0x1, offsetof(struct cpuid_leaf, ecx), -ENOTSUP,
		  " x2apic sse3 pclmulqdq ssse3 fma cx16 sse4_1" },
		{ "carrel-v1", 0x7, offsetof(struct cpuid_leaf, ebx), -ENOTSUP,
		  "'carrel-v1': fsgsbase bmi1 avx2 smep bmi2 adx smap" },
		{ "carrel-v0", 0x80000001, offsetof(struct cpuid_leaf, edx), -ENOTSUP,
		  "'carrel-v0': syscall nx lm" },
		{ "carrel-v0", 0x7, offsetof(struct cpuid_leaf, ebx), 0, "" },
		{ "carrel-v1", 0x7, offsetof(struct cpuid_leaf, edx), 0, "" },
		{ "carrel-v9", 0x7, offsetof(struct cpuid_leaf, edx), -EINVAL,
		  "no processor model 'carrel-v9'" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char problem[CPU_MODEL_PROBLEM_BYTES] = "";
		struct cpuid_table host;

		host_fill(&host, VENDOR_INTEL);
		memset((char *)leaf_find(&host, cases[i].leaf, 0) + cases[i].offset, 0,
		       sizeof(uint32_t));
		assert_int_equal(cpu_model_check(cases[i].model, &host, problem), cases[i].error);
		assert_non_null(strstr(problem, cases[i].part));
	}
}

static void
test_cpu_model__survives_a_host_that_lacks_everything(void **state)
{
	char problem[CPU_MODEL_PROBLEM_BYTES];
	struct cpuid_table host = { .n_leaves = 0 };

	(void)state;
	assert_int_equal(cpu_model_check("carrel-v1", &host, problem), -ENOTSUP);
	assert_true(strlen(problem) < sizeof(problem));
}

static void
test_cpu_model__is_the_same_on_every_host(void **state)
{
	struct cpuid_table host, first, second;

	(void)state;
	host_fill(&host, VENDOR_INTEL);
	cpu_model_fill("carrel-v1", &host, 2, 1, &first);
	/* a newer one: more leaves, more state, AVX-512, other caches */
	leaf_find(&host, 0, 0)->eax = 0x20;
	leaf_find(&host, 0xd, 0)->ecx = 2696;
	host.leaves[host.n_leaves++] =
		(struct cpuid_leaf){ .leaf = 4, .indexed = true, .eax = 0x123 };
	host.leaves[host.n_leaves++] = (struct cpuid_leaf){ .leaf = 0x15, .eax = 1 };
	cpu_model_fill("carrel-v1", &host, 2, 1, &second);
	assert_int_equal(first.n_leaves, second.n_leaves);
	for (size_t i = 0; i < first.n_leaves; i++) {
		assert_int_equal(first.leaves[i].leaf, second.leaves[i].leaf);
		assert_int_equal(first.leaves[i].eax, second.leaves[i].eax);
		assert_int_equal(first.leaves[i].ebx, second.leaves[i].ebx);
		assert_int_equal(first.leaves[i].ecx, second.leaves[i].ecx);
		assert_int_equal(first.leaves[i].edx, second.leaves[i].edx);
	}
}

static void
test_cpu_model__hides_what_is_not_in_it(void **state)
{
	struct cpuid_table host, guest;

	(void)state;
	host_fill(&host, VENDOR_INTEL);
	cpu_model_fill("carrel-v0", &host, 1, 0, &guest);
	assert_null(leaf_find(&guest, 0x80000007, 0)); /* invariant TSC */
	assert_null(leaf_find(&guest, 0xd, 0));
	assert_int_equal(leaf_find(&guest, 0, 0)->eax, 0xb);
	assert_int_equal(leaf_find(&guest, 0x80000000, 0)->eax, 0x80000008);
	assert_int_equal(leaf_find(&guest, 1, 0)->ecx, 1u << 31 | 1 << 24 | 1 << 21);
	assert_int_equal(leaf_find(&guest, 1, 0)->edx & 1 << 28, 0);
	assert_int_equal(leaf_find(&guest, 1, 0)->edx & (1 << 7 | 1 << 14), 0); /* MCE, MCA */
	assert_int_equal(leaf_find(&guest, 7, 0)->ebx, 0);
	assert_int_equal(leaf_find(&guest, 0x80000001, 0)->ecx & 1 << 2, 0); /* SVM */
	cpu_model_fill("carrel-v1", &host, 1, 0, &guest);
	assert_null(leaf_find(&guest, 0x80000007, 0));
	assert_int_equal(leaf_find(&guest, 0xd, 0)->ecx, 832);
	assert_int_equal(leaf_find(&guest, 1, 0)->edx & (1 << 7 | 1 << 14), 0); /* MCE, MCA */
	assert_int_equal(leaf_find(&guest, 1, 0)->ecx & 1 << 5, 0);		/* VMX */
	assert_int_equal(leaf_find(&guest, 7, 0)->ebx & 1 << 16, 0);		/* AVX-512 */
}

static void
test_cpu_model__passes_on_what_the_host_says_of_its_flaws(void **state)
{
	struct cpuid_table host, guest;

	(void)state;
	host_fill(&host, VENDOR_AMD);
	cpu_model_fill("carrel-v1", &host, 1, 0, &guest);
	assert_int_equal(leaf_find(&guest, 7, 0)->edx, 0xbc000400 & ~(1u << 30));
	leaf_find(&host, 7, 0)->edx = 1 << 26;
	leaf_find(&host, 0x80000008, 0)->ebx = 1 << 12;
	cpu_model_fill("carrel-v1", &host, 1, 0, &guest);
	assert_int_equal(leaf_find(&guest, 7, 0)->edx, 1 << 26);
	assert_int_equal(leaf_find(&guest, 0x80000008, 0)->ebx, 1 << 12);
}

static void
test_cpu_model__numbers_the_cores_of_one_package(void **state)
{
	static const struct {
		uint32_t n_cpus;
		uint32_t bits;
	} cases[] = { { 1, 0 }, { 2, 1 }, { 3, 2 }, { 4, 2 }, { 33, 6 }, { 64, 6 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t last = cases[i].n_cpus - 1;
		struct cpuid_table host, guest;

		host_fill(&host, VENDOR_INTEL);
		cpu_model_fill("carrel-v1", &host, cases[i].n_cpus, last, &guest);
		assert_int_equal(leaf_find(&guest, 1, 0)->ebx >> 24, last);
		assert_int_equal(leaf_find(&guest, 1, 0)->ebx >> 16 & 0xff, 1 << cases[i].bits);
		assert_int_equal(leaf_find(&guest, 1, 0)->edx >> 28 & 1, cases[i].n_cpus > 1);
		assert_int_equal(leaf_find(&guest, 4, 0)->eax >> 26, (1 << cases[i].bits) - 1);
		assert_int_equal(leaf_find(&guest, 0xb, 0)->eax, 0);
		assert_int_equal(leaf_find(&guest, 0xb, 1)->eax, cases[i].bits);
		assert_int_equal(leaf_find(&guest, 0xb, 1)->ebx, cases[i].n_cpus);
		assert_int_equal(leaf_find(&guest, 0xb, 1)->edx, last);
		assert_int_equal(leaf_find(&guest, 0x80000008, 0)->ecx, 0);
		host_fill(&host, VENDOR_AMD);
		cpu_model_fill("carrel-v1", &host, cases[i].n_cpus, last, &guest);
		assert_null(leaf_find(&guest, 4, 0));
		assert_int_equal(leaf_find(&guest, 0x80000008, 0)->ecx, cases[i].bits << 12 | last);
		assert_int_equal(leaf_find(&guest, 0x80000001, 0)->ecx >> 1 & 1,
				 cases[i].n_cpus > 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpu_model__names_what_the_host_lacks),
		cmocka_unit_test(test_cpu_model__survives_a_host_that_lacks_everything),
		cmocka_unit_test(test_cpu_model__is_the_same_on_every_host),
		cmocka_unit_test(test_cpu_model__hides_what_is_not_in_it),
		cmocka_unit_test(test_cpu_model__passes_on_what_the_host_says_of_its_flaws),
		cmocka_unit_test(test_cpu_model__numbers_the_cores_of_one_package),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
