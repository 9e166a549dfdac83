/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_launch_fence.c - which packets the fence's program lets through
 *
 * It is run by an interpreter of the few instructions that it is made of: the kernel would want root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <stdbool.h>
#include <string.h>

#include "host/launch_fence.h"

#define LOOPBACK 1
#define CARD	 2

struct packet {
	uint32_t interface;
	uint16_t protocol;
	size_t size;
	uint8_t bytes[40];
};

struct machine {
	const struct packet *packet;
	uint64_t r[11];
	uint8_t stack[512];
};

#define STACK_TOP UINT64_C(0x1000)

static uint8_t *
machine_stack(struct machine *m, uint64_t address, size_t size)
{
	assert_in_range(address, STACK_TOP - sizeof(m->stack), STACK_TOP - size);
	return m->stack + (address - (STACK_TOP - sizeof(m->stack)));
}

static void
machine_load(struct machine *m, const struct bpf_insn *insn)
{
	if (BPF_SIZE(insn->code) == BPF_B) {
		m->r[insn->dst_reg] =
			*machine_stack(m, m->r[insn->src_reg] + (uint64_t)(int64_t)insn->off, 1);
		return;
	}
	assert_int_equal(BPF_SIZE(insn->code), BPF_W);
	assert_int_equal(m->r[insn->src_reg], 0x77);
	if (insn->off == offsetof(struct __sk_buff, ifindex))
		m->r[insn->dst_reg] = m->packet->interface;
	else if (insn->off == offsetof(struct __sk_buff, protocol))
		m->r[insn->dst_reg] = htons(m->packet->protocol);
	else
		fail_msg("field %d of the packet", insn->off);
}

/* bpf_skb_load_bytes(packet, offset, to, size) */
static void
machine_call(struct machine *m, const struct bpf_insn *insn)
{
	uint64_t offset = m->r[2];
	uint64_t size = m->r[4];

	assert_int_equal(insn->imm, BPF_FUNC_skb_load_bytes);
	assert_int_equal(m->r[1], 0x77);
	m->r[0] = (uint64_t)-1;
	if (offset + size <= m->packet->size) {
		memcpy(machine_stack(m, m->r[3], size), m->packet->bytes + offset, size);
		m->r[0] = 0;
	}
	memset(&m->r[1], 0xee, 5 * sizeof(m->r[1]));
}

static bool
machine_jumps(const struct machine *m, const struct bpf_insn *insn)
{
	uint64_t left = m->r[insn->dst_reg];
	uint64_t right = (uint64_t)(int64_t)insn->imm;

	switch (BPF_OP(insn->code)) {
	case BPF_JA:
		return true;
	case BPF_JEQ:
		return left == right;
	case BPF_JNE:
		return left != right;
	case BPF_JGE:
		return left >= right;
	default:
		fail_msg("jump %#x", insn->code);
		return false;
	}
}

static void
machine_compute(struct machine *m, const struct bpf_insn *insn)
{
	uint64_t value =
		BPF_SRC(insn->code) == BPF_X ? m->r[insn->src_reg] : (uint64_t)(int64_t)insn->imm;

	if (BPF_OP(insn->code) == BPF_ADD)
		value += m->r[insn->dst_reg];
	else
		assert_int_equal(BPF_OP(insn->code), BPF_MOV);
	m->r[insn->dst_reg] = value;
}

static bool
machine_run(const struct packet *packet)
{
	struct machine m = { .packet = packet, .r = { [1] = 0x77, [10] = STACK_TOP } };
	struct bpf_insn insns[LAUNCH_FENCE_MAX_INSNS];
	size_t n = launch_fence_build(insns);

	for (size_t i = 0; i < n; i++) {
		const struct bpf_insn *insn = &insns[i];

		switch (BPF_CLASS(insn->code)) {
		case BPF_ALU64:
			machine_compute(&m, insn);
			break;
		case BPF_LDX:
			machine_load(&m, insn);
			break;
		case BPF_JMP:
			if (BPF_OP(insn->code) == BPF_EXIT)
				return m.r[0] != 0;
			if (BPF_OP(insn->code) == BPF_CALL)
				machine_call(&m, insn);
			else if (machine_jumps(&m, insn))
				i += (size_t)insn->off;
			break;
		default:
			fail_msg("instruction %#x", insn->code);
		}
	}
	fail_msg("it runs off its end");
	return false;
}

static bool
passes(uint32_t interface, const char *destination)
{
	struct packet packet = { .interface = interface, .protocol = ETH_P_IP, .size = 40 };

	if (strchr(destination, ':')) {
		packet.protocol = ETH_P_IPV6;
		assert_int_equal(inet_pton(AF_INET6, destination, packet.bytes + 24), 1);
	} else {
		assert_int_equal(inet_pton(AF_INET, destination, packet.bytes + 16), 1);
	}
	return machine_run(&packet);
}

static void
test_launch_fence__passes_what_goes_outward(void **state)
{
	static const char *const table[] = { "192.0.2.1",   "10.0.0.1",	  "169.253.1.1",
					     "169.255.1.1", "8.8.8.8",	  "223.255.255.255",
					     "2001:db8::1", "fe80::1:2:3" };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_true(passes(CARD, table[i]));
		assert_false(passes(LOOPBACK, table[i]));
	}
}

static void
test_launch_fence__drops_groups_and_link_local(void **state)
{
	static const char *const table[] = { "224.0.0.251", "239.1.1.1", "255.255.255.255",
					     "169.254.169.254", "ff02::fb" };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_false(passes(CARD, table[i]));
}

static void
test_launch_fence__drops_what_it_does_not_know(void **state)
{
	struct packet arp = { .interface = CARD, .protocol = ETH_P_ARP, .size = 40 };
	struct packet cut = { .interface = CARD, .protocol = ETH_P_IP, .size = 17 };

	(void)state;
	assert_false(machine_run(&arp));
	assert_false(machine_run(&cut));
	cut.protocol = ETH_P_IPV6;
	cut.size = 25;
	assert_false(machine_run(&cut));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_launch_fence__passes_what_goes_outward),
		cmocka_unit_test(test_launch_fence__drops_groups_and_link_local),
		cmocka_unit_test(test_launch_fence__drops_what_it_does_not_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
