/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * proto_vmm.h - what carrel-hostd asks of a carrel-vmm
 *
 * SOCK_SEQPACKET on the desktop folder's "vmm" socket, seq.h messages; only hostd's uid may connect (SO_PEERCRED:
 * its uid stands in the description). Every request is answered with the same type and id: status 0 and the payload
 * named here, or a negative errno and struct vmm_refusal. The newest connection replaces an older one.
 *
 * type        payload      fds   answer       legal while
 * STATUS      -            -     vmm_status   always
 * PAUSE       -            -     -            running; done when no vCPU runs and no I/O is in flight
 * RESUME      -            -     -            paused; -ENOSPC: the host has no room for a disk request yet, and the machine
 *                                             stands on, for that reason
 * POWERDOWN   -            -     -            running: presses the power button
 * RESET       -            -     -            running, paused: as the reset button
 * BALLOON     vmm_balloon  -     -            running
 * STATISTICS  -            -     vmm_statistics  always
 * SCREENSHOT  -            memfd vmm_picture  always: raw pixels into the memfd (proto_source.h), -ENODATA without a scanout
 * LINK        vmm_link     0, 1  -            always: the network's link, with a new peer socket or without
 * HOME        vmm_home     0..2  -            running, paused: a disk comes into the empty slot 'home', or goes: what is in flight is
 *                                             done and durable by then; -ENOSPC: the host has no room for it, the disk stays
 *                                             -EAGAIN: another machine or disk has the file still (a killed one up to some
 *                                             100 ms longer than its process), or its end is under way: ask again
 *                                             -EINVAL: it is no such file, the guest's memory, or to be written as another
 *                                             disk's base: carrel-vmm's log says which
 * SEAL        -            1, 2  -            paused, its link down and no home in the slot: writes what it is besides its
 *                                             memory into the file (vmm/state_file.h), a fork its own pages into a second one
 *                                             (vmm/pages_file.h). -EBUSY: not as it is now; -EINVAL: not into these files
 * QUIT        -            -     -            always: answered, then the process ends, with what the guest wrote made durable
 * EVENT       vmm_event    -     sent by carrel-vmm by itself, id 0; what changes faster than it is read is told as it is then
 */
#ifndef BASE_PROTO_VMM_H
#define BASE_PROTO_VMM_H

#include <stdint.h>

#define VMM_PROTOCOL_VERSION 1
#define VMM_STATE_FORMAT     1 /* of what SEAL writes: manifests say it, hostd knows it before a fork */

/* What a machine may have; hostd refuses more before it starts one. */
#define VMM_MAX_CPUS	64
#define VMM_MAX_RAM_MIB (64 * 1024)

enum vmm_type {
	VMM_STATUS = 1,
	VMM_PAUSE,
	VMM_RESUME,
	VMM_POWERDOWN,
	VMM_RESET,
	VMM_BALLOON,
	VMM_STATISTICS,
	VMM_SCREENSHOT,
	VMM_LINK,
	VMM_HOME,
	VMM_QUIT,
	VMM_EVENT,
	VMM_SEAL,
};

/*
 * The machine's life. starting -> running <-> paused (-> paused, for another reason); both -> off, panicked, failed
 * (paused: by what the guest did just before). Off ends the process, the other two wait for QUIT. What was written is durable
 * when off is told, or QUIT ends the process; if that cannot be had it is told as failed.
 */
enum vmm_state {
	VMM_STATE_STARTING,
	VMM_STATE_RUNNING,
	VMM_STATE_PAUSED,
	VMM_STATE_OFF,
	VMM_STATE_PANICKED,
	VMM_STATE_FAILED,
	VMM_STATE_COUNT,
};

/* Why a machine stands still; what lacks room is tried again from time to time, and goes on by itself when there is some. */
enum vmm_pause_reason {
	VMM_PAUSE_NONE,
	VMM_PAUSE_ASKED,
	VMM_PAUSE_NO_SPACE, /* a disk request failed: no room on the host, or no memory */
	VMM_PAUSE_COUNT,
};

struct vmm_status {
	uint32_t version;
	uint32_t state;
	uint32_t pause_reason;
	uint32_t agent_open; /* the guest has opened the port */
	uint32_t vdagent_open;
	uint32_t link_up;
	uint32_t has_home; /* a disk is in the slot 'home' */
};

struct vmm_balloon {
	uint64_t target_bytes; /* of RAM taken from the guest; it gives them when it can */
};

struct vmm_statistics {
	uint64_t exits;
	uint64_t disk_read_bytes;
	uint64_t disk_written_bytes;
	uint64_t net_received_bytes;
	uint64_t net_sent_bytes;
	uint64_t balloon_bytes;	   /* taken from the guest at present */
	uint64_t reported_bytes;   /* free pages given back to the host since the start */
	uint64_t guest_free_bytes; /* as the guest says, 0: not known */
	uint64_t guest_total_bytes;
};

struct vmm_picture {
	uint32_t width;
	uint32_t height;
	uint32_t stride;
};

struct vmm_link {
	uint32_t up;
};

/* Descriptors are of files, open for what they are needed for. */
enum vmm_medium {
	VMM_MEDIUM_NONE,
	VMM_MEDIUM_RAW, /* one: an image, read and written */
	VMM_MEDIUM_OVERLAY, /* two: an image that is only read, and its overlay; an empty file becomes one */
	VMM_MEDIUM_COUNT,
};

struct vmm_home {
	uint32_t medium; /* enum vmm_medium */
};

enum vmm_event_kind {
	VMM_EVENT_STATE, /* value: enum vmm_state; detail: enum vmm_pause_reason */
	VMM_EVENT_AGENT_PORT,
	VMM_EVENT_VDAGENT_PORT,
	VMM_EVENT_REBOOTED,
	VMM_EVENT_COUNT,
};

struct vmm_event {
	uint32_t kind;
	uint32_t value;
	uint32_t detail;
	char text[100]; /* why, for people; may be empty */
};

struct vmm_refusal {
	char text[200];
};

#endif
