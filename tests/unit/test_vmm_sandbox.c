/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_vmm_sandbox.c - carrel-vmm's threads do what they need and nothing else
 *
 * How the rules are counted: a machine runs in a child under filters of the same rules that stop for a tracer, this process,
 * with the index of the rule at each call (SECCOMP_RET_TRACE, ptrace(2)). sandbox_filter_new() is wrapped for that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/forbidden_acts.h"
#include "base/sandbox_filter.h"
#include "base/seq.h"
#include "tests/unit/display_peer.h"
#include "tests/unit/guest_kernel.h"
#include "tests/unit/machine_stage.h"
#include "vmm/control.h"
#include "vmm/description.h"
#include "vmm/machine.h"
#include "vmm/machine_control.h"
#include "vmm/sandbox_rules.h"

/* AddressSanitizer makes system calls of its own, for which the filters end the process */
#ifdef __SANITIZE_ADDRESS__
#define WITH_ASAN 1
#else
#define WITH_ASAN 0
#endif

#define WAIT_MS	     20000
#define MAX_RULES    96
#define STEP_US	     20000
#define DISK_SECTORS 2048
#define SECTOR	     512
#define DISK_GUEST   "../guests/guest_blk.guest"

int __wrap_sandbox_filter_new(const struct sandbox_rule *rules, size_t n_rules,
			      enum sandbox_filter_kind kind, struct sandbox_filter **ret_filter);
int __real_sandbox_filter_new(const struct sandbox_rule *rules, size_t n_rules,
			      enum sandbox_filter_kind kind, struct sandbox_filter **ret_filter);

static bool traced; /* what the wrapped function makes */

int
__wrap_sandbox_filter_new(const struct sandbox_rule *rules, size_t n_rules,
			  enum sandbox_filter_kind kind, struct sandbox_filter **ret_filter)
{
	if (traced && kind == SANDBOX_FILTER_KILL)
		kind = SANDBOX_FILTER_TRACE;
	return __real_sandbox_filter_new(rules, n_rules, kind, ret_filter);
}

/* Says a line on COM1, has the clock interrupt, and counts what it reads of it. */
GUEST(busy, "mov $0x3f8, %dx\nmov $'h', %al\nout %al, %dx\nmov $'\\n', %al\nout %al, %dx\n"
	    "mov $0x3f9, %dx\nmov $2, %al\nout %al, %dx\n" /* interrupts of the serial port */
	    "mov $0x0a, %al\nout %al, $0x70\nmov $0x26, %al\nout %al, $0x71\n"
	    "mov $0x0b, %al\nout %al, $0x70\nmov $0x42, %al\nout %al, $0x71\n" /* periodic */
	    "1: mov $0x0c, %al\nout %al, $0x70\nin $0x71, %al\njmp 1b\n");

struct stage {
	struct description description;
	struct machine *machine;
};

static int
wait_for_answer(int fd, uint32_t type, struct seq_message *answer)
{
	int error = 0;

	for (int waited = 0; error == 0 && waited < WAIT_MS; waited++) {
		error = seq_receive(fd, answer);
		if (error == 0 && answer->head.type == type)
			return answer->head.status;
		if (error == -EAGAIN) {
			usleep(1000);
			error = 0;
		}
	}
	return error < 0 ? error : -ETIMEDOUT;
}

static int
ask(int fd, uint32_t type, struct seq_message *answer)
{
	struct seq_header head = { .type = type, .id = type };
	int error = seq_send(fd, &head, NULL, NULL, 0);

	return error < 0 ? error : wait_for_answer(fd, type, answer);
}

static int
change_home(int fd, uint32_t medium, const int *fds, size_t n_fds, struct seq_message *answer)
{
	const struct vmm_home home = { medium };
	struct seq_header head = { .type = VMM_HOME, .id = VMM_HOME, .size = sizeof(home) };
	int error = seq_send(fd, &head, &home, fds, n_fds);

	return error < 0 ? error : wait_for_answer(fd, VMM_HOME, answer);
}

/* A home with an overlay that is made, then one that is an image, and none. */
static void
change_homes(struct stage *stage, int fd, struct seq_message *answer)
{
	const int home[] = { stage->description.disks[0].base_fd,
			     memfd_create("overlay", MFD_CLOEXEC) };
	const int image = memfd_create("image", MFD_CLOEXEC);

	if (ftruncate(image, DISK_SECTORS * SECTOR) < 0 ||
	    change_home(fd, VMM_MEDIUM_OVERLAY, home, 2, answer) < 0 ||
	    change_home(fd, VMM_MEDIUM_RAW, &image, 1, answer) != -EBUSY ||
	    change_home(fd, VMM_MEDIUM_NONE, NULL, 0, answer) < 0 ||
	    change_home(fd, VMM_MEDIUM_RAW, &image, 1, answer) < 0 ||
	    change_home(fd, VMM_MEDIUM_NONE, NULL, 0, answer) < 0)
		_exit(30);
	close(home[1]);
	close(image);
}

/* hostd and carrel-display: a thread that no filter contains, because it is there before. */
static void *
play_outside(void *context)
{
	struct stage *stage = context;
	static const uint32_t asked[] = { VMM_STATUS, VMM_STATISTICS, VMM_PAUSE, VMM_RESUME,
					  VMM_RESET,  VMM_POWERDOWN,  VMM_QUIT };
	struct seq_message *answer = malloc(sizeof(*answer));
	struct display_peer *display = NULL;
	struct display_peer *control = NULL;

	if (!answer || display_peer_open(stage->description.display_fd, true, &display) < 0 ||
	    display_peer_open(stage->description.control_fd, false, &control) < 0)
		_exit(10);
	usleep(STEP_US);
	display_peer_read(display);
	display_peer_close(display);
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		if (asked[i] == VMM_STATISTICS)
			change_homes(stage, control->fd, answer);
		if (ask(control->fd, asked[i], answer) < 0)
			_exit(11 + (int)i);
		usleep(STEP_US);
	}
	display_peer_close(control);
	free(answer);
	return NULL;
}

static int
open_again(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void
describe(struct stage *stage)
{
	int base = memfd_create("disk", MFD_CLOEXEC);
	bool written = true;

	if (machine_stage_describe(guest_kernel_make(guest_busy, guest_busy_end),
				   &stage->description) < 0)
		_exit(20);
	stage->description.control_fd = display_peer_listen();
	stage->description.display_fd = display_peer_listen();
	stage->description.scanouts = 1;
	stage->description.width = 1024;
	stage->description.height = 768;
	stage->description.serial = true;
	stage->description.sandbox = true;
	stage->description.n_disks = 2;
	stage->description.disks[0] =
		(struct description_disk){ DESCRIPTION_SLOT_DISK, "root", -1, -1 };
	stage->description.disks[1] =
		(struct description_disk){ DESCRIPTION_SLOT_HOME, "home", -1, -1 };
	/* as guest_blk.c wants it: each sector begins with its number */
	for (uint64_t sector = 0; sector < DISK_SECTORS; sector++)
		written &= pwrite(base, &sector, sizeof(sector), (off_t)(sector * SECTOR)) > 0;
	if (!written || ftruncate(base, DISK_SECTORS * SECTOR) < 0)
		_exit(21);
	stage->description.disks[0].base_fd = open_again(base);
}

/* tests/guests/guest_blk.c: reads, writes and trims a disk, with interrupts by message, and switches the machine off. */
static int
live_with_disk(void)
{
	char problem[MACHINE_PROBLEM_BYTES];
	struct stage stage;
	int error;

	describe(&stage);
	stage.description.kernel_fd = open(DISK_GUEST, O_RDONLY | O_CLOEXEC);
	stage.description.disks[0].overlay_fd = memfd_create("overlay", MFD_CLOEXEC);
	snprintf(stage.description.command_line, sizeof(stage.description.command_line), "hostile");
	if (machine_new(&stage.description, &stage.machine, problem) < 0) {
		fprintf(stderr, "%s\n", problem);
		return 2;
	}
	error = machine_run(stage.machine);
	machine_free(stage.machine);
	return error < 0 ? 3 : 0;
}

/* A whole life of a machine; an exit status, if the filters let it come to that. */
static int
live(void)
{
	char problem[MACHINE_PROBLEM_BYTES];
	struct control *control;
	struct stage stage;
	pthread_t outside;
	int error;

	describe(&stage);
	if (machine_new(&stage.description, &stage.machine, problem) < 0) {
		fprintf(stderr, "%s\n", problem);
		return 1;
	}
	if (machine_control_new(stage.machine, &stage.description, &control) < 0 ||
	    pthread_create(&outside, NULL, play_outside, &stage) != 0)
		return 2;
	error = machine_run(stage.machine);
	control_free(control);
	pthread_join(outside, NULL);
	machine_free(stage.machine);
	return error < 0 ? 3 : 0;
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
		_exit(live());
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

/* What only the graphics card does: these guests have none. tests/integration/test-vmm-seat.sh has, under these filters. */
static const char *const seat_reasons[] = {
	"a surface for carrel-display",
	"its size, and a screenshot's",
	"it keeps that size",
	"surfaces and large pieces of memory",
};

static bool
is_of_seat(const struct sandbox_rule *rule)
{
	for (size_t i = 0; i < sizeof(seat_reasons) / sizeof(seat_reasons[0]); i++)
		if (strcmp(seat_reasons[i], rule->reason) == 0)
			return true;
	return false;
}

static unsigned int
report_unused(const char *who, const struct sandbox_rule *rules, size_t n_rules,
	      const unsigned int *counts)
{
	unsigned int unused = 0;

	for (size_t i = 0; i < n_rules; i++) {
		if (counts[i] > 0 || rules[i].seldom || is_of_seat(&rules[i]))
			continue;
		printf("%s may call %s (%#lx), and never did: %s\n", who, rules[i].call,
		       (unsigned long)rules[i].value, rules[i].reason);
		unused++;
	}
	return unused;
}

static void
count_rules(int (*act)(void), struct counts *counts)
{
	int status;
	pid_t pid;

	traced = true;
	pid = fork();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(act());
	}
	traced = false;
	status = trace(pid, counts);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
test_vmm_sandbox__every_rule_is_used(void **state)
{
	struct counts counts = { 0 };
	unsigned int unused;

	(void)state;
	if (WITH_ASAN)
		skip();
	count_rules(live, &counts);
	count_rules(live_with_disk, &counts);
	unused = report_unused("the loop", sandbox_loop_rules, sandbox_n_loop_rules, counts.loop);
	unused += report_unused("a vCPU", sandbox_vcpu_rules, sandbox_n_vcpu_rules, counts.vcpu);
	assert_int_equal(unused, 0);
}

/* A rule too many is found, whichever it is. */
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
	char act[FORBIDDEN_ACTS_WORDS];
	size_t n = sandbox_n_vcpu_rules;

	(void)state;
	if (WITH_ASAN)
		skip();
	memcpy(rules, sandbox_vcpu_rules, n * sizeof(rules[0]));
	assert_int_equal(forbidden_acts_try_rules(rules, n, act), 0);
	assert_int_equal(forbidden_acts_try_rules(sandbox_loop_rules, sandbox_n_loop_rules, act),
			 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rules[n] = cases[i].rule;
		assert_int_equal(forbidden_acts_try_rules(rules, n + 1, act), -EPERM);
		assert_string_equal(act, cases[i].words);
	}
	rules[n].call = "no_such_call";
	assert_int_equal(forbidden_acts_try_rules(rules, n + 1, act), -EINVAL);
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
	assert_int_equal(sandbox_filter_new(sandbox_loop_rules, sandbox_n_loop_rules,
					    SANDBOX_FILTER_KILL, &filter),
			 0);
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
