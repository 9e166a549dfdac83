/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_sandbox_compile.c - a filter's code has one place for the process's id, where its table asks for it, or there is no code
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "base/sandbox_compile.h"
#include "base/sandbox_filter.h"

#define LIKE_PLACE 0x7ffffff1 /* what libseccomp is given for an id that is not known yet */

#define ANY(name)                         \
	{                                 \
		.call = (name), .mask = 0 \
	}
#define OWN(name)                                   \
	{                                           \
		.call = (name), .own_process = true \
	}
#define ONLY(name, number, wanted)                                                          \
	{                                                                                   \
		.call = (name), .argument = (number), .mask = 0xffffffff, .value = (wanted) \
	}

static void
test_sandbox_compile__place_is_the_tables(void **state)
{
	static const struct {
		enum sandbox_compile_kind kind;
		struct sandbox_rule rules[3];
		int error;
		bool has_place;
	} cases[] = {
		{ SANDBOX_COMPILE_KILL, { ANY("read"), ANY("write") }, 0, false },
		{ SANDBOX_COMPILE_KILL, { ANY("read"), OWN("tgkill") }, 0, true },
		{ SANDBOX_COMPILE_KILL, { OWN("tgkill"), ONLY("ioctl", 1, 0x1234) }, 0, true },
		/* one place serves both, but not where a tracer has to tell them apart */
		{ SANDBOX_COMPILE_KILL, { OWN("tgkill"), OWN("kill") }, 0, true },
		{ SANDBOX_COMPILE_TRACE, { OWN("tgkill"), OWN("kill") }, -EBADMSG, false },
		{ SANDBOX_COMPILE_KILL, { ONLY("kill", 0, LIKE_PLACE) }, -EBADMSG, false },
		{ SANDBOX_COMPILE_KILL,
		  { OWN("tgkill"), ONLY("ioctl", 1, LIKE_PLACE) },
		  -EBADMSG,
		  false },
		/* a rule that has no place, because another lets all of its call through */
		{ SANDBOX_COMPILE_KILL, { ANY("tgkill"), OWN("tgkill") }, -EBADMSG, false },
		{ SANDBOX_COMPILE_KILL,
		  { ANY("tgkill"), OWN("tgkill"), ONLY("ioctl", 1, LIKE_PLACE) },
		  -EBADMSG,
		  false },
		{ SANDBOX_COMPILE_KILL, { ANY("read"), ANY("no_such_call") }, -EINVAL, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sandbox_code code;
		size_t n = 0;

		while (n < 3 && cases[i].rules[n].call)
			n++;
		assert_int_equal(sandbox_compile(cases[i].rules, n, cases[i].kind, &code),
				 cases[i].error);
		if (cases[i].error < 0)
			continue;
		assert_int_equal(code.own_process != SANDBOX_CODE_ANY_PROCESS, cases[i].has_place);
		if (cases[i].has_place)
			assert_int_equal(code.instructions[code.own_process].k, LIKE_PLACE);
		sandbox_compile_free(&code);
	}
}

/* An action of either kind is in it, with the rule's index where a tracer is to hear of it. */
static bool
has_action(const struct sandbox_code *code, uint32_t action)
{
	for (size_t i = 0; i < code->n_instructions; i++)
		if (code->instructions[i].code == (BPF_RET | BPF_K) &&
		    code->instructions[i].k == action)
			return true;
	return false;
}

static void
test_sandbox_compile__a_tracer_hears_which_rule(void **state)
{
	static const struct sandbox_rule rules[] = { ANY("read"), ONLY("ioctl", 1, 0x1234) };
	struct sandbox_code code;

	(void)state;
	assert_int_equal(sandbox_compile(rules, 2, SANDBOX_COMPILE_KILL, &code), 0);
	assert_true(has_action(&code, SECCOMP_RET_ALLOW));
	assert_true(has_action(&code, SECCOMP_RET_KILL_PROCESS));
	sandbox_compile_free(&code);
	assert_int_equal(sandbox_compile(rules, 2, SANDBOX_COMPILE_TRACE, &code), 0);
	assert_false(has_action(&code, SECCOMP_RET_ALLOW));
	assert_true(has_action(&code, SECCOMP_RET_TRACE | 0));
	assert_true(has_action(&code, SECCOMP_RET_TRACE | 1));
	assert_true(has_action(&code, SECCOMP_RET_KILL_PROCESS));
	sandbox_compile_free(&code);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sandbox_compile__place_is_the_tables),
		cmocka_unit_test(test_sandbox_compile__a_tracer_hears_which_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
