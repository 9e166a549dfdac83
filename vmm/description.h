/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * description.h - the JSON by which carrel-vmm is told what machine to be: parsed whole and checked
 * before anything starts
 *
 *   {
 *     "version": 1,
 *     "name": "d-...",                      for logs
 *     "machine": "carrel-1",                the versioned machine: slots, addresses, ids, tables
 *     "cpus": 2, "ram_mib": 1024,
 *     "cpu": "carrel-v1",                   base/cpu_model.h; what KVM lacks of it is an error
 *     "kvm_fd": 3, "memory_fd": 4, "memory_private": false,
 *     "memory_random": false,               a fault reads its page alone: guest_memory_read_alone()
 *     "state_fd": 14,                       it goes on from there: a fork of that memory
 *     "pages_fd": 15,                       of a suspended fork: what it had changed of the memory
 *     "boot": {"kernel_fd": 5, "initrd_fd": 6, "command_line": "..."},
 *     "genid": "32 hex digits",             VM generation id
 *     "control_fd": 7, "control_uid": 998,  listening (proto_vmm.h), and who may connect to this
 *                                           and all other sockets
 *     "display_fd": 8,                      listening (proto_source.h)
 *     "scanouts": 1, "width": 1024, "height": 768,
 *     "serial": true,                       COM1's output goes to the log, line by line
 *     "disks": [{"slot": "disk", "serial": "root", "base_fd": 9, "overlay_fd": 10},
 *               {"slot": "home", "serial": "home"}],
 *     "net": {"mac": "52:54:00:...", "kind": "stream", "fd": 11, "link": false},
 *     "ports": [{"name": "org.carrel.agent.0", "listen_fd": 12},
 *               {"name": "com.redhat.spice.0", "listen_fd": 13}],
 *     "sound": true,
 *     "sandbox": true                       false only for tests
 *   }
 *
 * Optional: initrd_fd, display_fd (with scanouts, width, height), disks, net, ports, sound, serial,
 * genid, memory_private, memory_random, state_fd (only with private memory and without a link), pages_fd (only with
 * state_fd). A disk has base_fd, which is only read, and overlay_fd, where what is written goes (without: read-only); or
 * image_fd, a raw image that is written itself, as while a version is sealed; or neither, and no
 * capacity yet. A net of kind "tap" has a tap device's descriptor; "stream" a unix stream socket with
 * a 32-bit big-endian length before each frame (passt, QEMU), and its fd may be missing until LINK
 * brings one. Unknown keys, keys twice, descriptors twice or not open, are errors.
 */
#ifndef VMM_DESCRIPTION_H
#define VMM_DESCRIPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

#define DESCRIPTION_MAX_BYTES	     (64 * 1024)
#define DESCRIPTION_MAX_DISKS	     2
#define DESCRIPTION_MAX_PORTS	     8
#define DESCRIPTION_MAX_CPUS	     64
#define DESCRIPTION_MAX_COMMAND_LINE 2047
#define DESCRIPTION_MAX_SERIAL	     20 /* virtio 1.2 section 5.2.6 */
#define DESCRIPTION_MAX_NAME	     63

enum description_slot {
	DESCRIPTION_SLOT_DISK,
	DESCRIPTION_SLOT_HOME,
};

enum description_net {
	DESCRIPTION_NET_NONE,
	DESCRIPTION_NET_STREAM,
	DESCRIPTION_NET_TAP,
};

struct description_disk {
	enum description_slot slot;
	char serial[DESCRIPTION_MAX_SERIAL + 1];
	int base_fd;	/* -1: the other is image_fd, or there is no medium */
	int overlay_fd; /* -1: read-only */
};

struct description_port {
	char name[DESCRIPTION_MAX_NAME + 1];
	int listen_fd;
};

/* Descriptors are numbers in this process and stay where they are; -1: none. */
struct description {
	char name[DESCRIPTION_MAX_NAME + 1];
	char machine[DESCRIPTION_MAX_NAME + 1];
	char cpu[DESCRIPTION_MAX_NAME + 1];
	uint32_t cpus;
	uint64_t ram_bytes;
	int kvm_fd;
	int memory_fd;
	bool memory_private;
	bool memory_random;
	int state_fd; /* -1: it boots */
	int pages_fd;
	int pagemap_fd; /* not in the JSON: own_pages_open(), when the memory is private */
	int kernel_fd;
	int initrd_fd;
	char command_line[DESCRIPTION_MAX_COMMAND_LINE + 1];
	bool has_genid;
	uint8_t genid[16];
	int control_fd;
	uint32_t control_uid;
	int display_fd;
	uint32_t scanouts;
	uint32_t width;
	uint32_t height;
	bool serial;
	size_t n_disks;
	struct description_disk disks[DESCRIPTION_MAX_DISKS];
	enum description_net net;
	uint8_t mac[6];
	int net_fd;
	bool net_link;
	size_t n_ports;
	struct description_port ports[DESCRIPTION_MAX_PORTS];
	bool sound;
	bool sandbox;
};

/* 0, or -EINVAL and one line that says what is wrong and where. */
int description_parse(const char *text, size_t size, struct description *ret_description,
		      struct json_problem *ret_problem);

#endif
