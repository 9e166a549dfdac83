/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * memory_shortage.h - a kernel that has no memory for what disks ask of it
 */
#ifndef TESTS_UNIT_MEMORY_SHORTAGE_H
#define TESTS_UNIT_MEMORY_SHORTAGE_H

/* So many of the next operations that disk_io_drain() waits for end with -ENOMEM. */
void memory_shortage_begin(int n_operations);

#endif
