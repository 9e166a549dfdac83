/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * compile-filters.c - prints vmm/sandbox_code.c: the rules of vmm/sandbox_rules.c as BPF (runs while carrel-vmm is built, and never after)
 */
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sandbox_compile.h"
#include "base/sandbox_filter.h"
#include "vmm/sandbox_rules.h"

static void
filters_print(const char *name, const struct sandbox_code *code)
{
	printf("\nstatic const struct sock_filter %s_instructions[] = {\n", name);
	for (size_t i = 0; i < code->n_instructions; i++)
		printf("\t{ 0x%x, %u, %u, 0x%x },\n", code->instructions[i].code,
		       code->instructions[i].jt, code->instructions[i].jf, code->instructions[i].k);
	printf("};\n\nconst struct sandbox_code %s_code = { %s_instructions, %zu, ", name, name,
	       code->n_instructions);
	if (code->own_process == SANDBOX_CODE_ANY_PROCESS)
		printf("SANDBOX_CODE_ANY_PROCESS };\n");
	else
		printf("%zu };\n", code->own_process);
}

static int
filters_compile(const char *name, const struct sandbox_rule *rules, size_t n_rules)
{
	struct sandbox_code code;
	int error = sandbox_compile(rules, n_rules, SANDBOX_COMPILE_KILL, &code);

	if (error < 0) {
		fprintf(stderr, "compile-filters: %s_rules cannot be compiled: %s\n", name,
			strerror(-error));
		return error;
	}
	filters_print(name, &code);
	sandbox_compile_free(&code);
	return 0;
}

int
main(void)
{
	int error;

	printf("/* sandbox_code.c - sandbox_rules.c as BPF; made by compile-filters */\n"
	       "#include \"vmm/sandbox_code.h\"\n\n#include <linux/filter.h>\n");
	error = filters_compile("sandbox_loop", sandbox_loop_rules, sandbox_n_loop_rules);
	if (error == 0)
		error = filters_compile("sandbox_vcpu", sandbox_vcpu_rules, sandbox_n_vcpu_rules);
	return error < 0 || fflush(stdout) != 0 || ferror(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
