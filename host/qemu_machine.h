/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * qemu_machine.h - the whole command line of one QEMU process, from one machine description
 */
#ifndef HOST_QEMU_MACHINE_H
#define HOST_QEMU_MACHINE_H

#include <glib.h>

#include "base/json.h"

#define QEMU_MACHINE_TYPE	  "pc-q35-7.2"
#define QEMU_MACHINE_STATE_FORMAT 1
#define QEMU_MACHINE_MAX_FDS	  16

/* Ids of devices and nodes that QMP commands and events name. */
#define QEMU_ID_AGENT_PORT   "agent"
#define QEMU_ID_VDAGENT_PORT "vdagent"
#define QEMU_ID_NET	     "net"
#define QEMU_ID_HUB	     0
#define QEMU_ID_OPEN_PORT    "open" /* of the hub: engine_qemu.c says what for */
#define QEMU_ID_HOME_PORT    "home"
#define QEMU_ID_GENERATION   "generation"

enum qemu_machine_mode {
	QEMU_MACHINE_SEAL, /* boots from a writable raw disk, RAM shared with whoever holds the memfd */
	QEMU_MACHINE_FORK, /* waits for a migration stream; RAM private, disk behind an overlay */
};

/* Descriptors stay the caller's; all must be open. */
struct qemu_machine {
	enum qemu_machine_mode mode;
	const char *id; /* for "ps" and the log */
	const char *accelerator;
	const char *cpu;
	guint cpus;
	guint ram_mib;
	const char *command_line;
	int sockets[3];	   /* listening: control, agent, vdagent */
	int kernel;	   /* O_RDONLY */
	int initrd;	   /* O_RDONLY */
	int memory;	   /* the memfd */
	int disk;	   /* seal: O_RDWR raw; fork: O_RDONLY raw */
	int overlay;	   /* fork: O_RDWR qcow2; else -1 */
	const char *genid; /* 32 hexadecimal digits; NULL: QEMU makes one up */
};

/* argv without the program; descriptor fds[i] must be targets[i] in the process. */
struct qemu_command {
	GPtrArray *argv; /* of char *, NULL-terminated */
	int fds[QEMU_MACHINE_MAX_FDS];
	int targets[QEMU_MACHINE_MAX_FDS];
	gsize n_fds;
};

void qemu_machine_build(const struct qemu_machine *machine, struct qemu_command *ret_command);
void qemu_command_done(struct qemu_command *command);

/* The manifest's "devices": what this version of Carrel builds, in order, with PCI addresses. A new reference. */
json_t *qemu_machine_describe_devices(void);

/* A named CPU model that this accelerator runs everywhere. */
const char *qemu_machine_default_cpu(const char *accelerator);

#endif
