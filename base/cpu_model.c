/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cpu_model.c - the processor that the guest sees (carrel-vmm, carrel-hostd, carrel-worker)
 *
 * How it works: feature_table has one line a feature: where its bit is, and the first model that
 * has it. Each model has what the ones before it have. cpu_model_check() looks each line up in what
 * KVM offers; cpu_model_fill() builds every leaf from nothing, one function a leaf, so that nothing
 * of the host's gets in unless a line here says so. Lines with MODEL_AS_HOST tell of flaws, or of
 * ways around them: they are taken over from the host where it has them.
 */
#include "base/cpu_model.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cpuid_table.h"

#define LEAF_VENDOR	  0x0
#define LEAF_FEATURES	  0x1
#define LEAF_CACHES	  0x4
#define LEAF_POWER	  0x6
#define LEAF_STRUCTURED	  0x7
#define LEAF_TOPOLOGY	  0xb
#define LEAF_XSAVE	  0xd
#define LEAF_KVM	  0x40000000
#define LEAF_KVM_FEATURES 0x40000001
#define LEAF_EXTENDED	  0x80000000
#define LEAF_EXTENDED_1	  0x80000001
#define LEAF_BRAND	  0x80000002
#define LEAF_AMD_CACHES	  0x80000005
#define LEAF_AMD_L2_L3	  0x80000006
#define LEAF_ADDRESSES	  0x80000008

#define CACHE_LINE_BYTES 64
#define ALWAYS_THERE \
	(1u << 24 | 1u << 31) /* TSC deadline timer, hypervisor: KVM's, listed or not */
#define APIC_ID_SHIFT 24

enum model {
	MODEL_V0,
	MODEL_V1,
	MODEL_COUNT,
	MODEL_AS_HOST, /* no model's: as the host */
};

static const char *const model_names[] = { "carrel-v0", "carrel-v1" };
static_assert(sizeof(model_names) / sizeof(model_names[0]) == MODEL_COUNT, "a name a model");

/* 48 characters with the NUL: what /proc/cpuinfo calls "model name" */
static const char brand_text[48] = "Carrel virtual processor";

enum cpuid_register {
	EAX,
	EBX,
	ECX,
	EDX,
};

static const struct feature {
	uint32_t leaf; /* its subleaf is 0 */
	enum cpuid_register where;
	uint32_t bit;
	enum model first;
	const char *name;
} feature_table[] = {
	{ LEAF_FEATURES, EDX, 0, MODEL_V0, "fpu" },
	{ LEAF_FEATURES, EDX, 2, MODEL_V0, "de" },
	{ LEAF_FEATURES, EDX, 3, MODEL_V0, "pse" },
	{ LEAF_FEATURES, EDX, 4, MODEL_V0, "tsc" },
	{ LEAF_FEATURES, EDX, 5, MODEL_V0, "msr" },
	{ LEAF_FEATURES, EDX, 6, MODEL_V0, "pae" },
	{ LEAF_FEATURES, EDX, 8, MODEL_V0, "cx8" },
	{ LEAF_FEATURES, EDX, 9, MODEL_V0, "apic" },
	{ LEAF_FEATURES, EDX, 11, MODEL_V0, "sep" },
	{ LEAF_FEATURES, EDX, 12, MODEL_V0, "mtrr" },
	{ LEAF_FEATURES, EDX, 13, MODEL_V0, "pge" },
	{ LEAF_FEATURES, EDX, 15, MODEL_V0, "cmov" },
	{ LEAF_FEATURES, EDX, 16, MODEL_V0, "pat" },
	{ LEAF_FEATURES, EDX, 17, MODEL_V0, "pse36" },
	{ LEAF_FEATURES, EDX, 19, MODEL_V0, "clflush" },
	{ LEAF_FEATURES, EDX, 23, MODEL_V0, "mmx" },
	{ LEAF_FEATURES, EDX, 24, MODEL_V0, "fxsr" },
	{ LEAF_FEATURES, EDX, 25, MODEL_V0, "sse" },
	{ LEAF_FEATURES, EDX, 26, MODEL_V0, "sse2" },
	{ LEAF_FEATURES, ECX, 21, MODEL_V0, "x2apic" },
	{ LEAF_EXTENDED_1, EDX, 11, MODEL_V0, "syscall" },
	{ LEAF_EXTENDED_1, EDX, 20, MODEL_V0, "nx" },
	{ LEAF_EXTENDED_1, EDX, 29, MODEL_V0, "lm" },
	{ LEAF_EXTENDED_1, ECX, 0, MODEL_V0, "lahf_lm" },
	{ LEAF_KVM_FEATURES, EAX, 0, MODEL_V0, "kvm_clocksource" },
	{ LEAF_KVM_FEATURES, EAX, 1, MODEL_V0, "kvm_nop_io_delay" },
	{ LEAF_KVM_FEATURES, EAX, 3, MODEL_V0, "kvm_clocksource2" },
	{ LEAF_KVM_FEATURES, EAX, 5, MODEL_V0, "kvm_steal_time" },
	{ LEAF_KVM_FEATURES, EAX, 6, MODEL_V0, "kvm_pv_eoi" },
	{ LEAF_KVM_FEATURES, EAX, 7, MODEL_V0, "kvm_pv_unhalt" },
	{ LEAF_KVM_FEATURES, EAX, 9, MODEL_V0, "kvm_pv_tlb_flush" },
	{ LEAF_KVM_FEATURES, EAX, 11, MODEL_V0, "kvm_pv_send_ipi" },
	{ LEAF_KVM_FEATURES, EAX, 13, MODEL_V0, "kvm_pv_sched_yield" },
	{ LEAF_KVM_FEATURES, EAX, 24, MODEL_V0, "kvm_clocksource_stable" },

	{ LEAF_FEATURES, ECX, 0, MODEL_V1, "sse3" },
	{ LEAF_FEATURES, ECX, 1, MODEL_V1, "pclmulqdq" },
	{ LEAF_FEATURES, ECX, 9, MODEL_V1, "ssse3" },
	{ LEAF_FEATURES, ECX, 12, MODEL_V1, "fma" },
	{ LEAF_FEATURES, ECX, 13, MODEL_V1, "cx16" },
	{ LEAF_FEATURES, ECX, 19, MODEL_V1, "sse4_1" },
	{ LEAF_FEATURES, ECX, 20, MODEL_V1, "sse4_2" },
	{ LEAF_FEATURES, ECX, 22, MODEL_V1, "movbe" },
	{ LEAF_FEATURES, ECX, 23, MODEL_V1, "popcnt" },
	{ LEAF_FEATURES, ECX, 25, MODEL_V1, "aes" },
	{ LEAF_FEATURES, ECX, 26, MODEL_V1, "xsave" },
	{ LEAF_FEATURES, ECX, 28, MODEL_V1, "avx" },
	{ LEAF_FEATURES, ECX, 29, MODEL_V1, "f16c" },
	{ LEAF_FEATURES, ECX, 30, MODEL_V1, "rdrand" },
	{ LEAF_STRUCTURED, EBX, 0, MODEL_V1, "fsgsbase" },
	{ LEAF_STRUCTURED, EBX, 3, MODEL_V1, "bmi1" },
	{ LEAF_STRUCTURED, EBX, 5, MODEL_V1, "avx2" },
	{ LEAF_STRUCTURED, EBX, 7, MODEL_V1, "smep" },
	{ LEAF_STRUCTURED, EBX, 8, MODEL_V1, "bmi2" },
	{ LEAF_STRUCTURED, EBX, 19, MODEL_V1, "adx" },
	{ LEAF_STRUCTURED, EBX, 20, MODEL_V1, "smap" },
	{ LEAF_EXTENDED_1, ECX, 5, MODEL_V1, "abm" },
	{ LEAF_EXTENDED_1, EDX, 27, MODEL_V1, "rdtscp" },

	{ LEAF_STRUCTURED, EDX, 10, MODEL_AS_HOST, "md_clear" },
	{ LEAF_STRUCTURED, EDX, 26, MODEL_AS_HOST, "spec_ctrl" },
	{ LEAF_STRUCTURED, EDX, 27, MODEL_AS_HOST, "intel_stibp" },
	{ LEAF_STRUCTURED, EDX, 28, MODEL_AS_HOST, "flush_l1d" },
	{ LEAF_STRUCTURED, EDX, 29, MODEL_AS_HOST, "arch_capabilities" },
	{ LEAF_STRUCTURED, EDX, 31, MODEL_AS_HOST, "ssbd" },
	{ LEAF_ADDRESSES, EBX, 12, MODEL_AS_HOST, "ibpb" },
	{ LEAF_ADDRESSES, EBX, 14, MODEL_AS_HOST, "ibrs" },
	{ LEAF_ADDRESSES, EBX, 15, MODEL_AS_HOST, "stibp" },
	{ LEAF_ADDRESSES, EBX, 17, MODEL_AS_HOST, "stibp_always_on" },
	{ LEAF_ADDRESSES, EBX, 24, MODEL_AS_HOST, "amd_ssbd" },
	{ LEAF_ADDRESSES, EBX, 25, MODEL_AS_HOST, "virt_ssbd" },
	{ LEAF_ADDRESSES, EBX, 26, MODEL_AS_HOST, "amd_ssb_no" },
};

#define N_FEATURES (sizeof(feature_table) / sizeof(feature_table[0]))

/* What the functions that build a leaf need to know. */
struct model_scene {
	enum model model;
	const struct cpuid_table *supported;
	uint32_t n_cpus;
	uint32_t index;
	uint32_t id_bits; /* of an APIC id that number the cores */
	bool is_amd;
	struct cpuid_table *table;
};

static struct cpuid_leaf
cpu_model_look_up(const struct cpuid_table *table, uint32_t leaf)
{
	for (size_t i = 0; i < table->n_leaves; i++)
		if (table->leaves[i].leaf == leaf && table->leaves[i].subleaf == 0)
			return table->leaves[i];
	return (struct cpuid_leaf){ .leaf = leaf };
}

static uint32_t *
cpu_model_pick(struct cpuid_leaf *leaf, enum cpuid_register where)
{
	uint32_t *registers[] = { &leaf->eax, &leaf->ebx, &leaf->ecx, &leaf->edx };

	return registers[where];
}

static bool
cpu_model_offers(const struct cpuid_table *supported, const struct feature *feature)
{
	struct cpuid_leaf leaf = cpu_model_look_up(supported, feature->leaf);

	return *cpu_model_pick(&leaf, feature->where) >> feature->bit & 1;
}

static enum model
cpu_model_find(const char *name)
{
	enum model model;

	for (model = 0; model < MODEL_COUNT; model++)
		if (strcmp(name, model_names[model]) == 0)
			break;
	return model;
}

int
cpu_model_check(const char *model, const struct cpuid_table *supported,
		char ret_problem[CPU_MODEL_PROBLEM_BYTES])
{
	enum model which = cpu_model_find(model);
	size_t used = 0;

	if (which == MODEL_COUNT) {
		snprintf(ret_problem, CPU_MODEL_PROBLEM_BYTES, "no processor model '%s'", model);
		return -EINVAL;
	}
	for (size_t i = 0; i < N_FEATURES && used < CPU_MODEL_PROBLEM_BYTES; i++) {
		if (feature_table[i].first > which ||
		    cpu_model_offers(supported, &feature_table[i]))
			continue;
		if (used == 0)
			used = (size_t)snprintf(
				ret_problem, CPU_MODEL_PROBLEM_BYTES,
				"this host's KVM lacks of processor model '%s':", model);
		if (used < CPU_MODEL_PROBLEM_BYTES)
			used += (size_t)snprintf(ret_problem + used, CPU_MODEL_PROBLEM_BYTES - used,
						 " %s", feature_table[i].name);
	}
	return used ? -ENOTSUP : 0;
}

static void
cpu_model_add(struct model_scene *scene, struct cpuid_leaf leaf)
{
	for (size_t i = 0; i < N_FEATURES; i++) {
		const struct feature *feature = &feature_table[i];
		bool has = feature->first == MODEL_AS_HOST
				   ? cpu_model_offers(scene->supported, feature)
				   : feature->first <= scene->model;

		if (feature->leaf == leaf.leaf && leaf.subleaf == 0 && has)
			*cpu_model_pick(&leaf, feature->where) |= UINT32_C(1) << feature->bit;
	}
	scene->table->leaves[scene->table->n_leaves++] = leaf;
}

static void
cpu_model_add_basic(struct model_scene *scene)
{
	struct cpuid_leaf vendor = cpu_model_look_up(scene->supported, LEAF_VENDOR);
	struct cpuid_leaf features = cpu_model_look_up(scene->supported, LEAF_FEATURES);

	vendor.eax = scene->model == MODEL_V0 ? LEAF_TOPOLOGY : LEAF_XSAVE;
	cpu_model_add(scene, vendor);
	features.ebx = scene->index << APIC_ID_SHIFT | UINT32_C(1) << scene->id_bits << 16 |
		       CACHE_LINE_BYTES / 8 << 8;
	features.ecx = ALWAYS_THERE;
	features.edx = scene->n_cpus > 1 ? UINT32_C(1) << 28 : 0; /* several cores */
	cpu_model_add(scene, features);
	/* the LAPIC's timer never stops */
	cpu_model_add(scene, (struct cpuid_leaf){ .leaf = LEAF_POWER, .eax = 1 << 2 });
	cpu_model_add(scene, (struct cpuid_leaf){ .leaf = LEAF_STRUCTURED, .indexed = true });
}

/* As leaf 4 wants it: one less than it is of each. */
static void
cpu_model_add_cache(struct model_scene *scene, uint32_t subleaf, uint32_t type_and_level,
		    uint32_t ways, uint32_t sets, uint32_t sharers)
{
	cpu_model_add(scene, (struct cpuid_leaf){
				     .leaf = LEAF_CACHES,
				     .subleaf = subleaf,
				     .indexed = true,
				     .eax = ((1u << scene->id_bits) - 1) << 26 |
					    (sharers - 1) << 14 | 1 << 8 | type_and_level,
				     .ebx = (ways - 1) << 22 | (CACHE_LINE_BYTES - 1),
				     .ecx = sets - 1,
			     });
}

/*
 * 32 KiB of data and of code and 1 MiB for each core, 16 MiB for all: what programs size their
 * buffers by.
 */
static void
cpu_model_add_intel_caches(struct model_scene *scene)
{
	cpu_model_add_cache(scene, 0, 1 << 5 | 1, 8, 64, 1);
	cpu_model_add_cache(scene, 1, 1 << 5 | 2, 8, 64, 1);
	cpu_model_add_cache(scene, 2, 2 << 5 | 3, 16, 1024, 1);
	cpu_model_add_cache(scene, 3, 3 << 5 | 3, 16, 16384, 1u << scene->id_bits);
	cpu_model_add(scene,
		      (struct cpuid_leaf){ .leaf = LEAF_CACHES, .subleaf = 4, .indexed = true });
}

static void
cpu_model_add_topology(struct model_scene *scene)
{
	cpu_model_add(scene, (struct cpuid_leaf){ .leaf = LEAF_TOPOLOGY,
						  .indexed = true,
						  .ebx = 1,
						  .ecx = 1 << 8, /* threads of a core */
						  .edx = scene->index });
	cpu_model_add(scene, (struct cpuid_leaf){ .leaf = LEAF_TOPOLOGY,
						  .subleaf = 1,
						  .indexed = true,
						  .eax = scene->id_bits,
						  .ebx = scene->n_cpus,
						  .ecx = 2 << 8 | 1, /* cores of the package */
						  .edx = scene->index });
	cpu_model_add(scene, (struct cpuid_leaf){ .leaf = LEAF_TOPOLOGY,
						  .subleaf = 2,
						  .indexed = true,
						  .ecx = 2,
						  .edx = scene->index });
}

/* x87, SSE and AVX: 832 bytes, the last 256 of them the upper halves of the AVX registers. */
static void
cpu_model_add_xsave(struct model_scene *scene)
{
	cpu_model_add(
		scene,
		(struct cpuid_leaf){
			.leaf = LEAF_XSAVE, .indexed = true, .eax = 7, .ebx = 832, .ecx = 832 });
	cpu_model_add(scene, (struct cpuid_leaf){ .leaf = LEAF_XSAVE,
						  .subleaf = 2,
						  .indexed = true,
						  .eax = 256,
						  .ebx = 576 });
}

static void
cpu_model_add_kvm(struct model_scene *scene)
{
	struct cpuid_leaf signature = cpu_model_look_up(scene->supported, LEAF_KVM);

	signature.eax = LEAF_KVM_FEATURES;
	cpu_model_add(scene, signature);
	cpu_model_add(scene, (struct cpuid_leaf){ .leaf = LEAF_KVM_FEATURES });
}

static void
cpu_model_add_extended(struct model_scene *scene)
{
	struct cpuid_leaf extended = cpu_model_look_up(scene->supported, LEAF_EXTENDED);
	uint32_t words[12];

	extended.eax = LEAF_ADDRESSES;
	cpu_model_add(scene, extended);
	cpu_model_add(scene, (struct cpuid_leaf){
				     .leaf = LEAF_EXTENDED_1,
				     .ecx = scene->is_amd && scene->n_cpus > 1 ? 1 << 1 : 0,
			     });
	memcpy(words, brand_text, sizeof(words));
	for (uint32_t i = 0; i < 3; i++)
		cpu_model_add(scene, (struct cpuid_leaf){ .leaf = LEAF_BRAND + i,
							  .eax = words[4 * i],
							  .ebx = words[4 * i + 1],
							  .ecx = words[4 * i + 2],
							  .edx = words[4 * i + 3] });
}

/*
 * The same caches in AMD's words, and how wide addresses are. Leaf 0x80000007, with the invariant
 * TSC, is left out.
 */
static void
cpu_model_add_sizes(struct model_scene *scene)
{
	struct cpuid_leaf addresses = cpu_model_look_up(scene->supported, LEAF_ADDRESSES);

	addresses.ebx = 0;
	addresses.edx = 0;
	addresses.ecx = scene->is_amd ? scene->id_bits << 12 | (scene->n_cpus - 1) : 0;
	if (scene->is_amd)
		cpu_model_add(scene,
			      (struct cpuid_leaf){ .leaf = LEAF_AMD_CACHES,
						   .ecx = 32u << 24 | 8 << 16 | 1 << 8 | 64,
						   .edx = 32u << 24 | 8 << 16 | 1 << 8 | 64 });
	cpu_model_add(scene, (struct cpuid_leaf){
				     .leaf = LEAF_AMD_L2_L3,
				     .ecx = 1024u << 16 | 8 << 12 | 1 << 8 | 64,
				     .edx = scene->is_amd ? 32u << 18 | 8 << 12 | 1 << 8 | 64 : 0,
			     });
	cpu_model_add(scene, addresses);
}

void
cpu_model_fill(const char *model, const struct cpuid_table *supported, uint32_t n_cpus,
	       uint32_t index, struct cpuid_table *ret_table)
{
	struct cpuid_leaf vendor = cpu_model_look_up(supported, LEAF_VENDOR);
	struct model_scene scene = {
		.model = cpu_model_find(model),
		.supported = supported,
		.n_cpus = n_cpus,
		.index = index,
		.is_amd = vendor.ebx == 0x68747541, /* "Auth"enticAMD */
		.table = ret_table,
	};

	while (1u << scene.id_bits < n_cpus)
		scene.id_bits++;
	ret_table->n_leaves = 0;
	cpu_model_add_basic(&scene);
	if (!scene.is_amd)
		cpu_model_add_intel_caches(&scene);
	cpu_model_add_topology(&scene);
	if (scene.model != MODEL_V0)
		cpu_model_add_xsave(&scene);
	cpu_model_add_kvm(&scene);
	cpu_model_add_extended(&scene);
	cpu_model_add_sizes(&scene);
}
