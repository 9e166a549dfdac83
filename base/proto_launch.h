/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * proto_launch.h - what carrel-hostd asks of carrel-launch (root)
 *
 * SOCK_SEQPACKET on <run>/launch.sock, seq.h messages; only hostd's uid may connect (SO_PEERCRED). Every request gets
 * one answer with the same type and id: status 0 and the payload named here, or a negative errno and
 * struct launch_refusal. Launch checks every text again with name_valid()/id_valid(); it never takes a path.
 *
 * type            payload                 fds                        answer
 * DESKTOP_MAKE    launch_desktop          -                          launch_desktop_made; fds: the listening sockets
 * SPAWN           launch_spawn + argv     those named in fd_targets  launch_spawned; fd: a pidfd
 * KILL            launch_kill             -                          -
 * DESKTOP_REMOVE  launch_desktop          -                          - (-EBUSY while a process lives)
 * LIST            -                       -                          array of launch_record
 * STAGE_COMMIT    launch_commit           -                          - (chown to hostd, read-only, rename, fsync)
 * STAGE_REMOVE    launch_stage            -                          - (removes a dead job's staging folder)
 * EXITED          launch_exited           -                          sent by launch by itself when a child ends
 *
 * DESKTOP_MAKE answers with no descriptor but "watch" while a machine (qemu, vmm) lives, nor with
 * one that launch lost in a restart while its holder lives (launch_desktop_made says which are
 * there); "watch" comes as long as no display lives. LIST names jobs too, in "desktop". -EBUSY right
 * after EXITED is possible while children of that process still end: ask again. EXITED is not kept
 * for a hostd that is away (it asks LIST), and its wait_status is -1 (not known) when a former launch
 * had started the process.
 */
#ifndef BASE_PROTO_LAUNCH_H
#define BASE_PROTO_LAUNCH_H

#include <stdint.h>

#include "base/id.h"
#include "base/name.h"

#define LAUNCH_MAX_ARGV_BYTES (16 * 1024)
#define LAUNCH_MAX_ARGS	      256
#define LAUNCH_MAX_FDS	      16
#define LAUNCH_MAX_RECORDS    256 /* desktops on one host that one LIST answer carries */

/*
 * passt's --mtu, and the most that a desktop's network card takes. A unix socket must take a frame whole or not at all:
 * the rest of one that it took in part can get lost (host/engine_qemu.c). Linux divides what is larger than 36544 bytes.
 */
#define LAUNCH_NET_MTU "32000"

enum launch_type {
	LAUNCH_DESKTOP_MAKE = 1,
	LAUNCH_SPAWN,
	LAUNCH_KILL,
	LAUNCH_DESKTOP_REMOVE,
	LAUNCH_LIST,
	LAUNCH_STAGE_COMMIT,
	LAUNCH_STAGE_REMOVE,
	LAUNCH_EXITED,
};

/* Which program; launch knows its path. A worker belongs to a job, the others to a desktop. */
enum launch_role {
	LAUNCH_ROLE_QEMU,
	LAUNCH_ROLE_VMM,
	LAUNCH_ROLE_DISPLAY,
	LAUNCH_ROLE_NET,    /* passt */
	LAUNCH_ROLE_WORKER, /* seal, publish, verify: no network */
	LAUNCH_ROLE_BUILD, /* carrel-worker with a user namespace of 65536 uids and the host's network */
	LAUNCH_ROLE_COUNT,
};

/* Listening sockets in <run>/desktops/<id>/, in the order DESKTOP_MAKE answers with them. */
enum launch_socket {
	LAUNCH_SOCKET_CONTROL, /* "control": QMP (SOCK_STREAM; unused by vmm) */
	LAUNCH_SOCKET_AGENT,   /* "agent": org.carrel.agent.0 (SOCK_STREAM) */
	LAUNCH_SOCKET_VDAGENT, /* "vdagent": com.redhat.spice.0 (SOCK_STREAM) */
	LAUNCH_SOCKET_DISPLAY, /* "display": the vmm's display source (SOCK_SEQPACKET; unused by qemu) */
	LAUNCH_SOCKET_WATCH, /* "watch": carrel-display's control, proto_display.h (SOCK_SEQPACKET) */
	LAUNCH_SOCKET_VMM,   /* "vmm": proto_vmm.h (SOCK_SEQPACKET; unused by qemu) */
	LAUNCH_SOCKET_COUNT,
};

struct launch_desktop {
	char desktop[ID_SIZE];
	uint64_t generation;
};

struct launch_desktop_made {
	uint32_t vm_uid;
	uint32_t display_uid;
	uint32_t sockets; /* bit i: the descriptor of enum launch_socket i is there */
};

/*
 * Followed by argv_bytes of NUL-terminated arguments, argv[0] (the program) not among them. Descriptor i of the message
 * becomes descriptor fd_targets[i] (3..63) of the child; 0-2 are /dev/null and the log. "name" is a desktop's or a job's id.
 */
struct launch_spawn {
	char name[ID_SIZE];
	uint64_t generation;
	uint32_t role;
	uint32_t argc;
	uint32_t argv_bytes;
	uint32_t n_fds;
	int32_t fd_targets[LAUNCH_MAX_FDS];
	uint64_t memory_max_bytes; /* for the cgroup; 0 is no limit */
};

struct launch_spawned {
	int32_t pid;
	uint64_t start_ticks; /* io_process_start() */
};

struct launch_kill {
	char name[ID_SIZE];
	uint32_t role; /* LAUNCH_ROLE_COUNT: all processes of the name */
};

struct launch_process {
	int32_t pid; /* 0: none */
	uint64_t start_ticks;
};

struct launch_record {
	char desktop[ID_SIZE];
	uint64_t generation;
	uint32_t vm_uid;
	uint32_t display_uid;
	struct launch_process processes[LAUNCH_ROLE_COUNT];
};

/* Makes <lib>/staging/<job>/ the version folder <lib>/templates/<name>/<version>/, or the image <lib>/images/<name>/. */
struct launch_commit {
	char job[ID_SIZE];
	char name[NAME_SIZE];
	uint32_t version;  /* 0: an image */
	uint32_t replaces; /* 1: a version that must be there, by exchange, as an image always is */
};

struct launch_stage {
	char job[ID_SIZE];
};

struct launch_exited {
	char name[ID_SIZE];
	uint32_t role;
	int32_t pid;
	int32_t wait_status; /* waitpid(2) */
};

struct launch_refusal {
	char text[200]; /* why, and what to do */
};

#endif
