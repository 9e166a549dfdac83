/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_fence.h - a control group whose processes reach outward only
 *
 * What they send to an address of this host (any of them, the loopback's among them), to a multicast group or to a
 * link-local IPv4 address is dropped by the kernel, and so is what comes in by the loopback interface.
 */
#ifndef HOST_LAUNCH_FENCE_H
#define HOST_LAUNCH_FENCE_H

#include <linux/bpf.h>
#include <stddef.h>

#define LAUNCH_FENCE_MAX_INSNS 40

/* The program, for bpf(2): the number of its instructions. */
size_t launch_fence_build(struct bpf_insn ret_insns[LAUNCH_FENCE_MAX_INSNS]);

/*
 * Fences the version 2 control group "folder" as long as it lives; for the sockets that its processes make from now on.
 * 0, or a negative errno: then nobody may run in it.
 */
int launch_fence_attach(const char *folder);

#endif
