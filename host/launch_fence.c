/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_fence.c - a control group whose processes reach outward only (carrel-launch)
 *
 * How it works: passt turns what a guest sends into sockets of the host, so a guest that writes its own frames could reach
 * whatever listens on the host: with 127.0.0.1 as destination, too. The kernel sends everything that is for an address of
 * its own out of the loopback interface, whichever address it is and whenever it was added. So one short program
 * (BPF_PROG_TYPE_CGROUP_SKB) at the group's exit and entry, launch_fence_build(), drops what has interface 1, which
 * is the loopback in every network namespace. Multicast would be heard by this host's own services (mDNS and the like),
 * and at link-local addresses cloud machines offer their secrets: they are dropped by address.
 *
 * The program is attached before a process enters the group, and goes with the group.
 */
#include "host/launch_fence.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#define LOOPBACK_INTERFACE 1

/* Offsets in the packet, which begins with its IP header, and what is compared there. */
#define IPV4_DESTINATION  16
#define IPV6_DESTINATION  24
#define IPV4_MULTICAST	  0xe0 /* and above: reserved, broadcast */
#define IPV4_LINK_LOCAL_1 169
#define IPV4_LINK_LOCAL_2 254
#define IPV6_MULTICAST	  0xff

/* Jumps go to these places: offsets are counted by launch_fence_build(). */
enum fence_place {
	FENCE_NEXT,
	FENCE_IPV6,
	FENCE_PASS,
	FENCE_DROP,
	FENCE_PLACE_COUNT,
};

struct fence_insn {
	struct bpf_insn insn;
	enum fence_place to; /* of a jump */
	enum fence_place at; /* this instruction is that place */
};

/* The destination's first two bytes go to the stack; r6 holds the packet. */
#define FENCE_LOAD_DESTINATION(offset)                                                            \
	{ .insn = { .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 6 } },          \
		{ .insn = { .code = BPF_ALU64 | BPF_MOV | BPF_K,                                  \
			    .dst_reg = 2,                                                         \
			    .imm = (offset) } },                                                  \
		{ .insn = { .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 3, .src_reg = 10 } }, \
		{ .insn = { .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 3, .imm = -8 } },     \
		{ .insn = { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 4, .imm = 2 } },      \
		{ .insn = { .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skb_load_bytes } },       \
		{ .insn = { .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 0, .imm = 0 },          \
		  .to = FENCE_DROP },                                                             \
	{                                                                                         \
		.insn = {                                                                         \
			.code = BPF_LDX | BPF_B | BPF_MEM,                                        \
			.dst_reg = 0,                                                             \
			.src_reg = 10,                                                            \
			.off = -8                                                                 \
		}                                                                                 \
	}

static size_t
launch_fence_count_to(const struct fence_insn *table, size_t n, enum fence_place place)
{
	for (size_t i = 0; i < n; i++)
		if (table[i].at == place)
			return i;
	return n;
}

size_t
launch_fence_build(struct bpf_insn ret_insns[LAUNCH_FENCE_MAX_INSNS])
{
	const struct fence_insn table[] = {
		{ .insn = { .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1 } },
		{ .insn = { .code = BPF_LDX | BPF_W | BPF_MEM,
			    .dst_reg = 0,
			    .src_reg = 6,
			    .off = offsetof(struct __sk_buff, ifindex) } },
		{ .insn = { .code = BPF_JMP | BPF_JEQ | BPF_K, .imm = LOOPBACK_INTERFACE },
		  .to = FENCE_DROP },
		{ .insn = { .code = BPF_LDX | BPF_W | BPF_MEM,
			    .dst_reg = 0,
			    .src_reg = 6,
			    .off = offsetof(struct __sk_buff, protocol) } },
		{ .insn = { .code = BPF_JMP | BPF_JEQ | BPF_K, .imm = htons(ETH_P_IPV6) },
		  .to = FENCE_IPV6 },
		{ .insn = { .code = BPF_JMP | BPF_JNE | BPF_K, .imm = htons(ETH_P_IP) },
		  .to = FENCE_DROP },
		FENCE_LOAD_DESTINATION(IPV4_DESTINATION),
		{ .insn = { .code = BPF_JMP | BPF_JGE | BPF_K, .imm = IPV4_MULTICAST },
		  .to = FENCE_DROP },
		{ .insn = { .code = BPF_JMP | BPF_JNE | BPF_K, .imm = IPV4_LINK_LOCAL_1 },
		  .to = FENCE_PASS },
		{ .insn = { .code = BPF_LDX | BPF_B | BPF_MEM, .src_reg = 10, .off = -7 } },
		{ .insn = { .code = BPF_JMP | BPF_JEQ | BPF_K, .imm = IPV4_LINK_LOCAL_2 },
		  .to = FENCE_DROP },
		{ .insn = { .code = BPF_JMP | BPF_JA }, .to = FENCE_PASS },
		{ .insn = { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 0 }, .at = FENCE_IPV6 },
		FENCE_LOAD_DESTINATION(IPV6_DESTINATION),
		{ .insn = { .code = BPF_JMP | BPF_JEQ | BPF_K, .imm = IPV6_MULTICAST },
		  .to = FENCE_DROP },
		{ .insn = { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 1 }, .at = FENCE_PASS },
		{ .insn = { .code = BPF_JMP | BPF_EXIT } },
		{ .insn = { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 0 }, .at = FENCE_DROP },
		{ .insn = { .code = BPF_JMP | BPF_EXIT } },
	};
	const size_t n = sizeof(table) / sizeof(table[0]);

	static_assert(sizeof(table) / sizeof(table[0]) <= LAUNCH_FENCE_MAX_INSNS, "it must fit");
	for (size_t i = 0; i < n; i++) {
		ret_insns[i] = table[i].insn;
		if (table[i].to != FENCE_NEXT)
			ret_insns[i].off =
				(int16_t)(launch_fence_count_to(table, n, table[i].to) - i - 1);
	}
	return n;
}

static int
launch_fence_load(enum bpf_attach_type type, int *ret_fd)
{
	struct bpf_insn insns[LAUNCH_FENCE_MAX_INSNS];
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_SKB;
	attr.expected_attach_type = type;
	attr.insn_cnt = (uint32_t)launch_fence_build(insns);
	attr.insns = (uintptr_t)insns;
	attr.license = (uintptr_t) "GPL";
	fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

/* Attached anew it takes the place of the former one. */
static int
launch_fence_attach_one(int group, enum bpf_attach_type type)
{
	CLEANUP_CLOSE int program = -1;
	union bpf_attr attr;
	int error = launch_fence_load(type, &program);

	if (error < 0)
		return error;
	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)group;
	attr.attach_bpf_fd = (uint32_t)program;
	attr.attach_type = type;
	return syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

int
launch_fence_attach(const char *folder)
{
	CLEANUP_CLOSE int group = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int error;

	if (group < 0)
		return -errno;
	error = launch_fence_attach_one(group, BPF_CGROUP_INET_EGRESS);
	return error < 0 ? error : launch_fence_attach_one(group, BPF_CGROUP_INET_INGRESS);
}
