/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bare_smp.h - a second CPU of a guest without an operating system
 */
#ifndef TESTS_GUESTS_BARE_SMP_H
#define TESTS_GUESTS_BARE_SMP_H

void bare_smp_run(void);

/*
 * The second CPU calls this, on a stack of its own, with the first one's memory and interrupts (after bare_irq_set_up());
 * only one of the two may speak at a time. Once.
 */
void bare_smp_start(void (*run)(void));

#endif
