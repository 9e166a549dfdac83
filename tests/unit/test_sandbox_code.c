/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_sandbox_code.c - what was compiled while carrel-vmm was built allows what the rules list, and nothing else
 *
 * The code is run here as the kernel would, for calls that nobody could make without harm: classic BPF over a struct seccomp_data.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sandbox_compile.h"
#include "base/sandbox_filter.h"
#include "vmm/sandbox_code.h"
#include "vmm/sandbox_rules.h"

#define LAST_CALL     1024	 /* above all that Linux has */
#define X32	      0x40000000 /* __X32_SYSCALL_BIT */
#define EXIT_EXPECTED 5

/* AddressSanitizer makes system calls of its own, for which the filters end the process */
#ifdef __SANITIZE_ADDRESS__
#define WITH_ASAN 1
#else
#define WITH_ASAN 0
#endif

struct table {
	const struct sandbox_code *code;
	const struct sandbox_rule *rules;
	size_t n_rules;
};

static const struct table *
list_tables(size_t *ret_n)
{
	static struct table tables[2];

	tables[0] = (struct table){ &sandbox_loop_code, sandbox_loop_rules, sandbox_n_loop_rules };
	tables[1] = (struct table){ &sandbox_vcpu_code, sandbox_vcpu_rules, sandbox_n_vcpu_rules };
	*ret_n = 2;
	return tables;
}

static bool
jumps(uint16_t code, uint32_t a, uint32_t k)
{
	switch (BPF_OP(code)) {
	case BPF_JA:
		return true;
	case BPF_JEQ:
		return a == k;
	case BPF_JGT:
		return a > k;
	case BPF_JGE:
		return a >= k;
	case BPF_JSET:
		return a & k;
	}
	fail_msg("a jump that this test does not know: %#x", code);
	return false;
}

/* What the kernel would do with this call: SECCOMP_RET_*. */
static uint32_t
run(const struct sandbox_code *code, const struct seccomp_data *call)
{
	uint32_t a = 0;

	for (size_t i = 0; i < code->n_instructions; i++) {
		const struct sock_filter *instruction = &code->instructions[i];

		switch (BPF_CLASS(instruction->code)) {
		case BPF_LD:
			assert_int_equal(instruction->code, BPF_LD | BPF_W | BPF_ABS);
			assert_in_range(instruction->k, 0, sizeof(*call) - sizeof(a));
			memcpy(&a, (const char *)call + instruction->k, sizeof(a));
			break;
		case BPF_ALU:
			assert_int_equal(instruction->code, BPF_ALU | BPF_AND | BPF_K);
			a &= instruction->k;
			break;
		case BPF_JMP:
			if (BPF_OP(instruction->code) == BPF_JA)
				i += instruction->k;
			else
				i += jumps(instruction->code, a, instruction->k) ? instruction->jt
										 : instruction->jf;
			break;
		case BPF_RET:
			assert_int_equal(instruction->code, BPF_RET | BPF_K);
			return instruction->k;
		default:
			fail_msg("an instruction that this test does not know: %#x",
				 instruction->code);
		}
	}
	fail_msg("it has no end");
	return 0;
}

static uint32_t
run_call(const struct sandbox_code *code, int number, unsigned int argument, uint64_t value)
{
	struct seccomp_data call = { .nr = number, .arch = AUDIT_ARCH_X86_64 };

	call.args[argument] = value;
	return run(code, &call);
}

static bool
is_allowed(const struct table *table, int number, unsigned int argument, uint64_t value)
{
	uint32_t action = run_call(table->code, number, argument, value);

	assert_true(action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_KILL_PROCESS);
	return action == SECCOMP_RET_ALLOW;
}

/* Whether the table lists the call with this argument. */
static bool
is_listed(const struct table *table, int number, unsigned int argument, uint64_t value)
{
	for (size_t i = 0; i < table->n_rules; i++) {
		const struct sandbox_rule *rule = &table->rules[i];

		if (seccomp_syscall_resolve_name(rule->call) != number || rule->own_process)
			continue;
		if (!rule->mask ||
		    ((rule->argument == argument ? value : 0) & rule->mask) == rule->value)
			return true;
	}
	return false;
}

static void
test_sandbox_code__is_made_of_these_rules(void **state)
{
	size_t n;
	const struct table *tables = list_tables(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		const struct sandbox_code *made = tables[i].code;
		struct sandbox_code code;

		assert_int_equal(sandbox_compile(tables[i].rules, tables[i].n_rules,
						 SANDBOX_COMPILE_KILL, &code),
				 0);
		assert_int_equal(made->n_instructions, code.n_instructions);
		assert_memory_equal(made->instructions, code.instructions,
				    code.n_instructions * sizeof(code.instructions[0]));
		assert_int_equal(made->own_process, code.own_process);
		sandbox_compile_free(&code);
	}
}

static void
test_sandbox_code__each_rule_is_in_it(void **state)
{
	size_t n;
	const struct table *tables = list_tables(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < tables[i].n_rules; k++) {
			const struct sandbox_rule *rule = &tables[i].rules[k];
			int number = seccomp_syscall_resolve_name(rule->call);

			if (rule->own_process)
				continue;
			assert_true(is_allowed(&tables[i], number, rule->argument, rule->value));
			for (unsigned int bit = 0; rule->mask && bit < 64; bit++) {
				uint64_t other = rule->value ^ UINT64_C(1) << bit;

				assert_int_equal(
					is_allowed(&tables[i], number, rule->argument, other),
					is_listed(&tables[i], number, rule->argument, other));
			}
		}
	}
}

static void
test_sandbox_code__no_other_call_is_in_it(void **state)
{
	size_t n;
	const struct table *tables = list_tables(&n);

	(void)state;
	for (size_t i = 0; i < n; i++)
		for (int number = 0; number < LAST_CALL; number++) {
			const struct seccomp_data i386 = { .nr = number, .arch = AUDIT_ARCH_I386 };

			assert_int_equal(is_allowed(&tables[i], number, 0, 0),
					 is_listed(&tables[i], number, 0, 0));
			assert_false(is_allowed(&tables[i], number | X32, 0, 0));
			assert_int_equal(run(tables[i].code, &i386), SECCOMP_RET_KILL_PROCESS);
		}
}

/* Before it is made into a filter, the code lets no process be sent a signal. */
static void
test_sandbox_code__has_no_process_of_its_own(void **state)
{
	const size_t place = sandbox_loop_code.own_process;

	(void)state;
	assert_int_equal(sandbox_vcpu_code.own_process, SANDBOX_CODE_ANY_PROCESS);
	assert_in_range(place, 1, sandbox_loop_code.n_instructions - 1);
	assert_int_equal(run_call(&sandbox_loop_code, SYS_tgkill, 0,
				  sandbox_loop_code.instructions[place].k),
			 SECCOMP_RET_ALLOW);
	assert_in_range(sandbox_loop_code.instructions[place].k, 1 << 22, INT32_MAX);
	for (uint64_t pid = 0; pid < 1 << 16; pid++)
		assert_int_equal(run_call(&sandbox_loop_code, SYS_tgkill, 0, pid),
				 SECCOMP_RET_KILL_PROCESS);
}

static bool
may_signal(pid_t pid)
{
	errno = 0;
	return syscall(SYS_tgkill, pid, pid, 0) == 0 || errno != SANDBOX_FILTER_REFUSED;
}

/* In a child: under its own filter it reaches itself and not its parent; the upper half of the argument counts, too. */
static int
signal_under_filter(void)
{
	struct sandbox_filter *filter;
	struct sandbox_filter *refusing;
	const pid_t self = getpid();
	const pid_t parent = getppid();

	if (sandbox_filter_new(&sandbox_loop_code, &filter) < 0 ||
	    sandbox_filter_new_refusing(filter, &refusing) < 0 ||
	    sandbox_filter_enter(refusing) < 0)
		return 1;
	if (!may_signal(self))
		return 2;
	if (may_signal(parent))
		return 3;
	errno = 0;
	syscall(SYS_tgkill, (1L << 32) | self, self, 0);
	return errno == SANDBOX_FILTER_REFUSED ? EXIT_EXPECTED : 4;
}

static void
test_sandbox_code__a_filter_has_its_process(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (WITH_ASAN)
		skip();
	pid = fork();
	if (pid == 0)
		_exit(signal_under_filter());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EXIT_EXPECTED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sandbox_code__is_made_of_these_rules),
		cmocka_unit_test(test_sandbox_code__each_rule_is_in_it),
		cmocka_unit_test(test_sandbox_code__no_other_call_is_in_it),
		cmocka_unit_test(test_sandbox_code__has_no_process_of_its_own),
		cmocka_unit_test(test_sandbox_code__a_filter_has_its_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
