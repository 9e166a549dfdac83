/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_vmm_sandbox.c - carrel-vmm's threads do what they need and nothing else
 *
 * How the rules are counted: each of machine_lives.c's machines runs in a child under filters of the same rules that stop for a tracer, this process,
 * with the index of the rule at each call (SECCOMP_RET_TRACE, ptrace(2)). sandbox_filter_new() is wrapped for that. This process is not
 * one of carrel-launch's: what contains all of it (contain_enter()) and what would find that it is not (outside_acts_find()) are wrapped,
 * too; test_forbidden_acts.c has these.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/forbidden_acts.h"
#include "base/outside_acts.h"
#include "base/sandbox_compile.h"
#include "base/sandbox_filter.h"
#include "tests/unit/machine_lives.h"
#include "tests/unit/stderr_capture.h"
#include "vmm/sandbox_code.h"
#include "vmm/sandbox_rules.h"
#include "vmm/vmm_sandbox.h"

/* AddressSanitizer makes system calls of its own, for which the filters end the process */
#ifdef __SANITIZE_ADDRESS__
#define WITH_ASAN 1
#else
#define WITH_ASAN 0
#endif

#define MAX_RULES 96

int __wrap_sandbox_filter_new(const struct sandbox_code *code, struct sandbox_filter **ret_filter);
int __real_sandbox_filter_new(const struct sandbox_code *code, struct sandbox_filter **ret_filter);
int __wrap_sandbox_filter_enter(const struct sandbox_filter *filter);
int __real_sandbox_filter_enter(const struct sandbox_filter *filter);
int __wrap_contain_enter(void);
int __wrap_outside_acts_find(void);

static bool traced;			   /* what the wrapped functions do */
static const struct sandbox_code *leaking; /* it lets a file be opened */
static int possible_outside;
static unsigned int n_contained;
static int end_in_filter; /* the exit status of who enters one; 0: it does not end */

int
__wrap_sandbox_filter_enter(const struct sandbox_filter *filter)
{
	if (end_in_filter)
		_exit(end_in_filter);
	return __real_sandbox_filter_enter(filter);
}

int
__wrap_contain_enter(void)
{
	n_contained++;
	return 0;
}

int
__wrap_outside_acts_find(void)
{
	return possible_outside;
}

static int
make_filter(const struct sandbox_rule *rules, size_t n_rules, enum sandbox_compile_kind kind,
	    struct sandbox_filter **ret_filter)
{
	struct sandbox_code code;
	int error = sandbox_compile(rules, n_rules, kind, &code);

	if (error < 0)
		return error;
	error = __real_sandbox_filter_new(&code, ret_filter);
	sandbox_compile_free(&code);
	return error;
}

int
__wrap_sandbox_filter_new(const struct sandbox_code *code, struct sandbox_filter **ret_filter)
{
	const bool is_loop = code == &sandbox_loop_code;
	const struct sandbox_rule *rules = is_loop ? sandbox_loop_rules : sandbox_vcpu_rules;
	const size_t n_rules = is_loop ? sandbox_n_loop_rules : sandbox_n_vcpu_rules;
	struct sandbox_rule more[MAX_RULES];

	assert_true(n_rules < MAX_RULES);
	if (leaking == code) {
		memcpy(more, rules, n_rules * sizeof(more[0]));
		more[n_rules] = (struct sandbox_rule){ .call = "openat", .reason = "test" };
		return make_filter(more, n_rules + 1, SANDBOX_COMPILE_KILL, ret_filter);
	}
	if (traced)
		return make_filter(rules, n_rules, SANDBOX_COMPILE_TRACE, ret_filter);
	return __real_sandbox_filter_new(code, ret_filter);
}

static void
test_vmm_sandbox__a_machine_lives_in_it(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (WITH_ASAN)
		skip();
	pid = fork();
	if (pid == 0)
		_exit(machine_life_live(&machine_lives[0]));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		fail_msg("ended by signal %d", WTERMSIG(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

struct counts {
	unsigned int loop[MAX_RULES];
	unsigned int vcpu[MAX_RULES];
};

/* One stop of a traced thread; the signal that it shall get. */
static int
handle_stop(pid_t pid, pid_t thread, int status, struct counts *counts)
{
	unsigned long rule;

	if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
		assert_int_equal(ptrace(PTRACE_GETEVENTMSG, thread, NULL, &rule), 0);
		assert_in_range(rule, 0, MAX_RULES - 1);
		(thread == pid ? counts->loop : counts->vcpu)[rule]++;
		return 0;
	}
	if (WSTOPSIG(status) == SIGSTOP || WSTOPSIG(status) == SIGTRAP)
		return 0;
	return WSTOPSIG(status);
}

static int
trace(pid_t pid, struct counts *counts)
{
	const long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL, options), 0);
	assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, 0), 0);
	for (;;) {
		pid_t thread = waitpid(-1, &status, __WALL);

		assert_true(thread > 0);
		if (thread == pid && !WIFSTOPPED(status))
			return status;
		if (WIFSTOPPED(status))
			ptrace(PTRACE_CONT, thread, NULL,
			       (long)handle_stop(pid, thread, status, counts));
	}
}

/* What only a tap device needs: some may not make one. */
static bool
is_of_tap(const struct sandbox_rule *rule)
{
	static const uint32_t requests[] = { TUNGETIFF, TUNSETVNETHDRSZ, (uint32_t)TUNSETOFFLOAD };

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (strcmp(rule->call, "ioctl") == 0 && rule->value == requests[i])
			return true;
	return strcmp(rule->call, "writev") == 0 ||
	       (strcmp(rule->call, "fcntl") == 0 && rule->value == F_SETFL);
}

static bool
is_demanded(const struct sandbox_rule *rule)
{
	return !rule->seldom && (machine_life_may_have_tap() || !is_of_tap(rule));
}

static unsigned int
report_unused(const char *who, const struct sandbox_rule *rules, size_t n_rules,
	      const unsigned int *counts)
{
	unsigned int unused = 0;

	for (size_t i = 0; i < n_rules; i++) {
		if (counts[i] > 0 || !is_demanded(&rules[i]))
			continue;
		printf("%s may call %s (%#lx), and never did: %s\n", who, rules[i].call,
		       (unsigned long)rules[i].value, rules[i].reason);
		unused++;
	}
	return unused;
}

static void
count_rules(const struct machine_life *life, struct counts *counts)
{
	int status;
	pid_t pid;

	traced = true;
	pid = fork();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(machine_life_live(life));
	}
	traced = false;
	status = trace(pid, counts);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("the life with '%s' ended with status %#x", life->guest, status);
}

static void
test_vmm_sandbox__every_rule_is_used(void **state)
{
	struct counts counts = { 0 };
	unsigned int unused;

	(void)state;
	if (WITH_ASAN)
		skip();
	for (size_t i = 0; i < machine_n_lives; i++)
		if (!machine_lives[i].tap || machine_life_may_have_tap())
			count_rules(&machine_lives[i], &counts);
	unused = report_unused("the loop", sandbox_loop_rules, sandbox_n_loop_rules, counts.loop);
	unused += report_unused("a vCPU", sandbox_vcpu_rules, sandbox_n_vcpu_rules, counts.vcpu);
	assert_int_equal(unused, 0);
}

/* A rule too many is found, whichever it is. */
static int
try_rules(const struct sandbox_rule *rules, size_t n_rules,
	  struct forbidden_acts_finding *ret_finding)
{
	struct forbidden_acts_trial trial;
	struct sandbox_filter *filter;
	int error = make_filter(rules, n_rules, SANDBOX_COMPILE_KILL, &filter);

	if (error < 0)
		return error;
	error = forbidden_acts_begin((const struct sandbox_filter *const *)&filter, 1, &trial);
	sandbox_filter_free(filter);
	return error < 0 ? error : forbidden_acts_finish(&trial, ret_finding);
}

static void
test_vmm_sandbox__self_test_finds_what_is_let_through(void **state)
{
	static const struct {
		struct sandbox_rule rule;
		const char *words;
	} cases[] = {
		{ { .call = "openat", .reason = "test" }, "open a file" },
		{ { .call = "execve", .reason = "test" }, "run a program" },
		{ { .call = "clone", .reason = "test" }, "make a process" },
		{ { .call = "mprotect", .reason = "test" }, "make memory executable" },
		{ { .call = "io_uring_setup", .reason = "test" }, "make an io_uring" },
	};
	struct sandbox_rule rules[MAX_RULES];
	struct forbidden_acts_finding finding;
	size_t n = sandbox_n_vcpu_rules;

	(void)state;
	if (WITH_ASAN)
		skip();
	memcpy(rules, sandbox_vcpu_rules, n * sizeof(rules[0]));
	assert_int_equal(try_rules(rules, n, &finding), 0);
	assert_int_equal(try_rules(sandbox_loop_rules, sandbox_n_loop_rules, &finding), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rules[n] = cases[i].rule;
		assert_int_equal(try_rules(rules, n + 1, &finding), -EPERM);
		assert_int_equal(finding.stage, 1);
		assert_string_equal(finding.act, cases[i].words);
	}
	rules[n].call = "no_such_call";
	assert_int_equal(try_rules(rules, n + 1, &finding), -EINVAL);
}

static void
test_vmm_sandbox__no_end_in_a_filter_but_its_own_is_a_verdict(void **state)
{
	struct forbidden_acts_finding finding;
	int error;

	(void)state;
	if (WITH_ASAN)
		skip();
	/* Behind the stage's number that would be the exit status 8: an act of the stage before. */
	end_in_filter = 200;
	error = try_rules(sandbox_vcpu_rules, sandbox_n_vcpu_rules, &finding);
	end_in_filter = 0;
	assert_int_equal(error, -EIO);
	assert_string_equal(finding.act, "");
}

/* The verdict of a whole trial, and what the log says of it, for free(). */
static int
confirm(char **ret_log)
{
	struct stderr_capture capture;
	struct vmm_sandbox *sandbox;
	int error;

	assert_int_equal(vmm_sandbox_new(&sandbox), 0);
	stderr_capture_begin(&capture);
	error = vmm_sandbox_confirm(sandbox);
	*ret_log = stderr_capture_end(&capture);
	assert_int_equal(vmm_sandbox_confirm(sandbox), 0);
	vmm_sandbox_free(sandbox);
	return error;
}

static void
test_vmm_sandbox__is_confirmed_only_when_it_is_tight(void **state)
{
	static const struct {
		int outside;
		const struct sandbox_code *leaking;
		const char *says;
	} cases[] = {
		{ 0, NULL, NULL },
		{ 1, NULL, "the process could open a file of the host: " },
		{ 0, &sandbox_loop_code, "the loop could open a file: " },
		{ 0, &sandbox_vcpu_code, "a vCPU could open a file: " },
		{ 2, &sandbox_loop_code, "the process could open a device of the host: " },
	};

	(void)state;
	if (WITH_ASAN)
		skip();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *log;

		possible_outside = cases[i].outside;
		leaking = cases[i].leaking;
		n_contained = 0;
		assert_int_equal(confirm(&log), cases[i].says ? -EPERM : 0);
		assert_int_equal(n_contained, 1);
		if (cases[i].says)
			assert_non_null(strstr(log, cases[i].says));
		else
			assert_string_equal(log, "");
		free(log);
	}
	possible_outside = 0;
	leaking = NULL;
}

static void
test_vmm_sandbox__a_trial_that_fails_says_whose_it_was(void **state)
{
	char *log;

	(void)state;
	if (WITH_ASAN)
		skip();
	possible_outside = OUTSIDE_ACTS_MAX + 1; /* which has no words */
	assert_int_equal(confirm(&log), -EIO);
	assert_non_null(strstr(log, "what contains the process cannot be tried out: "));
	free(log);
	possible_outside = 0;
}

static void
test_vmm_sandbox__no_child_is_left_over(void **state)
{
	struct vmm_sandbox *sandbox;

	(void)state;
	if (WITH_ASAN)
		skip();
	/* Nobody has asked for the verdict. */
	assert_int_equal(vmm_sandbox_new(&sandbox), 0);
	vmm_sandbox_free(sandbox);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void
test_vmm_sandbox__what_is_not_listed_kills(void **state)
{
	struct sandbox_filter *filter;
	int status;
	pid_t pid;

	(void)state;
	if (WITH_ASAN)
		skip();
	assert_int_equal(sandbox_filter_new(&sandbox_loop_code, &filter), 0);
	pid = fork();
	if (pid == 0) {
		if (sandbox_filter_enter(filter) < 0)
			_exit(1);
		syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY);
		_exit(2);
	}
	sandbox_filter_free(filter);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* How many different calls. Each has a reason, and none is listed both whole and in part, which would let all of it through. */
static size_t
count_calls(const struct sandbox_rule *rules, size_t n_rules)
{
	size_t n_calls = 0;

	for (size_t i = 0; i < n_rules; i++) {
		bool known = false;

		assert_true(strlen(rules[i].reason) > 4);
		for (size_t k = 0; k < i; k++) {
			if (strcmp(rules[i].call, rules[k].call) != 0)
				continue;
			assert_true(rules[i].mask && rules[k].mask);
			known = true;
		}
		n_calls += known ? 0 : 1;
	}
	return n_calls;
}

static void
test_vmm_sandbox__rules_are_few_and_have_reasons(void **state)
{
	(void)state;
	assert_in_range(count_calls(sandbox_loop_rules, sandbox_n_loop_rules), 1,
			SANDBOX_MAX_LOOP_CALLS);
	assert_in_range(count_calls(sandbox_vcpu_rules, sandbox_n_vcpu_rules), 1,
			SANDBOX_MAX_VCPU_CALLS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vmm_sandbox__rules_are_few_and_have_reasons),
		cmocka_unit_test(test_vmm_sandbox__self_test_finds_what_is_let_through),
		cmocka_unit_test(test_vmm_sandbox__no_end_in_a_filter_but_its_own_is_a_verdict),
		cmocka_unit_test(test_vmm_sandbox__is_confirmed_only_when_it_is_tight),
		cmocka_unit_test(test_vmm_sandbox__a_trial_that_fails_says_whose_it_was),
		cmocka_unit_test(test_vmm_sandbox__no_child_is_left_over),
		cmocka_unit_test(test_vmm_sandbox__what_is_not_listed_kills),
		cmocka_unit_test(test_vmm_sandbox__a_machine_lives_in_it),
		cmocka_unit_test(test_vmm_sandbox__every_rule_is_used),
	};

	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		printf("/dev/kvm cannot be opened: %s\n", strerror(errno));
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
