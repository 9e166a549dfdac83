/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzzer_clock.c - the time of a fuzzer, which is its input's
 */
#include "tests/fuzz/fuzzer_clock.h"

#define FIRST_NS FUZZER_CLOCK_NS_PER_S
#define FIRST_S	 UINT64_C(1795305590) /* 2026 */

uint64_t __wrap_loop_now_ns(void);
uint64_t __wrap_rtc_time_now_ns(void);

static uint64_t now_ns; /* since the start; the linker's functions have no context */

uint64_t
__wrap_loop_now_ns(void)
{
	return FIRST_NS + now_ns;
}

uint64_t
__wrap_rtc_time_now_ns(void)
{
	return FIRST_S * FUZZER_CLOCK_NS_PER_S + now_ns;
}

void
fuzzer_clock_reset(void)
{
	now_ns = 0;
}

void
fuzzer_clock_add(uint64_t ns)
{
	now_ns += ns;
}
