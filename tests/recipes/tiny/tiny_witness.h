/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tiny_witness.h - what makes one fork of the tiny guest different from the others, told to the test
 */
#ifndef TESTS_RECIPES_TINY_WITNESS_H
#define TESTS_RECIPES_TINY_WITNESS_H

/* Gives the guest what forks must not share, as an installed system has it: before the agent runs. */
void tiny_witness_prepare(void);

/* Starts the process that watches: before the seal, so that a fork of it goes on in each fork of the guest. */
void tiny_witness_start(void);

/*
 * What is found under the name of ssh-keygen, where a test has not put the real one: random numbers in the place of each of a host's
 * public keys. Returns an exit status.
 */
int tiny_witness_make_key(void);

/* What process 1's program does under this name: it prints what the kernel has given it to begin with. Returns an exit status. */
#define TINY_WITNESS_PROGRAM "at-random"
int tiny_witness_print_random(void);

#endif
