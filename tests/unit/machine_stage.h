/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * machine_stage.h - the smallest machine on /dev/kvm, for tests of whole machines
 *
 * No cmocka here.
 */
#ifndef TESTS_UNIT_MACHINE_STAGE_H
#define TESTS_UNIT_MACHINE_STAGE_H

#include <stdint.h>

#include "vmm/description.h"

#define MACHINE_STAGE_RAM_BYTES (UINT64_C(16) << 20)

/* One processor, that memory and this kernel, which is taken over; who runs the test may connect. A test adds what it is about. 0 or -errno. */
int machine_stage_describe(int kernel_fd, struct description *ret_description);

/* Closes what the description holds, but for its disks. */
void machine_stage_close(const struct description *description);

#endif
