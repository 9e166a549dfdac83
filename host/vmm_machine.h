/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vmm_machine.h - one carrel-vmm process: its description and the descriptors that it gets
 */
#ifndef HOST_VMM_MACHINE_H
#define HOST_VMM_MACHINE_H

#include <gio/gio.h>

#include "base/json.h"
#include "base/proto_launch.h"

#define VMM_MACHINE_TYPE "carrel-1"
#define VMM_MACHINE_CPU	 "carrel-v1"

/* Descriptors stay the caller's. */
struct vmm_machine {
	const char *id;
	guint cpus;
	guint ram_mib;
	const char *command_line;
	int sockets[LAUNCH_SOCKET_COUNT]; /* listening; WATCH and CONTROL are not used */
	int kvm;
	int memory; /* of ram_mib: a memfd, which the guest writes to; or a version's, O_RDONLY */
	gboolean memory_random; /* engine_template's */
	int state;		/* the version's, O_RDONLY: it goes on from there; -1: it boots */
	int pages; /* of a suspended machine, whose state that is then, O_RDONLY; -1: none */
	const char *genid; /* 32 hexadecimal digits; NULL: one that was never given */
	int kernel;
	int initrd;
	int disk;    /* O_RDONLY raw; without an overlay O_RDWR: the guest writes to it */
	int overlay; /* O_RDWR, empty; or -1 */
};

/* The arguments of the program; descriptor fds[i] must be targets[i] in the process. */
struct vmm_command {
	char *argv[3];
	int fds[LAUNCH_MAX_FDS];
	int targets[LAUNCH_MAX_FDS];
	gsize n_fds;
	int description; /* a memfd of the command's own, among fds */
};

/* FALSE and an error with the limits, when carrel-vmm would refuse a machine of this size. */
gboolean vmm_machine_check_size(guint cpus, guint ram_mib, GError **error);

/* 0 or a negative errno. */
int vmm_machine_build(const struct vmm_machine *machine, struct vmm_command *ret_command);
void vmm_command_done(struct vmm_command *command);

/* The manifest's "devices": what a machine of this type has, in order, with PCI addresses. A new reference. */
json_t *vmm_machine_list_devices(void);

#endif
