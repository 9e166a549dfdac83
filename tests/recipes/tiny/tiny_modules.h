/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tiny_modules.h - loads the kernel modules of a guest of tests that has no other programs
 */
#ifndef TESTS_RECIPES_TINY_MODULES_H
#define TESTS_RECIPES_TINY_MODULES_H

/*
 * Loads what is in /modules, in the order of the names. Calls "stop" with the path of one that cannot be loaded; errno says why,
 * and it does not return.
 */
void tiny_modules_load(void (*stop)(const char *what));

#endif
