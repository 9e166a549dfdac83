/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tiny_tcp.h - the key of the kernel's TCP sequence numbers, as far as it can be seen
 */
#ifndef TESTS_RECIPES_TINY_TCP_H
#define TESTS_RECIPES_TINY_TCP_H

#include <stdbool.h>

#define TINY_TCP_TEXT_SIZE 17 /* hex digits and NUL */

/*
 * Text that is the same in two guests only if their kernels have the same key. The kernel draws it when it is used first, which
 * this does: so it is for forks, not for what they are forked from. Brings the interface "lo" up. False, and errno, when that or a
 * connection fails.
 */
bool tiny_tcp_read_key(char ret_text[TINY_TCP_TEXT_SIZE]);

#endif
