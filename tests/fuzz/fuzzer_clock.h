/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzzer_clock.h - the time of a fuzzer, which is its input's, so that each run is the same
 *
 * The linker puts it in place of loop_now_ns() and rtc_time_now_ns() (-Wl,--wrap=loop_now_ns, and so on). It stands still
 * but for fuzzer_clock_add().
 */
#ifndef TESTS_FUZZ_FUZZER_CLOCK_H
#define TESTS_FUZZ_FUZZER_CLOCK_H

#include <stdint.h>

#define FUZZER_CLOCK_NS_PER_S  UINT64_C(1000000000)
#define FUZZER_CLOCK_NS_PER_MS UINT64_C(1000000)
#define FUZZER_CLOCK_NS_PER_US UINT64_C(1000)

/* Before each input. */
void fuzzer_clock_reset(void);
void fuzzer_clock_add(uint64_t ns);

#endif
