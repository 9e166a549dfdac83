/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_machine.h - what the operations of engine.h are given: where a machine lives, what it is made of
 */
#ifndef HOST_ENGINE_MACHINE_H
#define HOST_ENGINE_MACHINE_H

#include <gio/gio.h>

#include "base/proto_launch.h"
#include "host/manifest.h"

/* The pidfd of a process that a spawner started, taken over; or -1 and an error. */
typedef void (*engine_spawned_callback)(void *data, int pidfd, const GError *error);

/*
 * How programs are started: through carrel-launch (hostd) or directly (the worker, which is in a sandbox already).
 * Descriptors stay the caller's. The callback comes exactly once, perhaps from inside spawn().
 */
struct engine_spawner {
	void *context;
	void (*spawn)(void *context, const char *name, guint64 generation, enum launch_role role,
		      const char *const *argv, const int *fds, const int *targets, gsize n_fds,
		      guint64 memory_max_bytes, engine_spawned_callback callback, void *data);
};

/* Where a machine lives: the listening sockets that were made for it, and their folder to connect to. */
struct engine_place {
	const struct engine_spawner *spawner;
	const char *folder;		  /* <run>/desktops/<id> */
	int sockets[LAUNCH_SOCKET_COUNT]; /* -1 when adopting: the running process has them */
	int kvm; /* /dev/kvm, for a process that may not open it itself; -1: none */
};

struct engine_template {
	const struct manifest *manifest;
	/* <lib>/templates/<name>/<version>, open: all that is opened below it is of one seal, though another takes its place. */
	int folder;
	const char *kind; /* "user" */
	int memory;	  /* of the guest: what a fork maps privately, as loads_memory says */
	/* The fork's VM generation id, ENGINE_GENID_LENGTH hexadecimal digits; NULL: one that is never given again. */
	const char *genid;
	/*
	 * A fault on its memory reads that page from the disk and nothing around it, to see what is
	 * touched; ignored where loads_memory.
	 */
	gboolean memory_random;
};

#define ENGINE_GENID_LENGTH 32

/* What a machine is while it is suspended, beside its overlay. Descriptors stay the caller's. */
struct engine_image {
	int state;
	int pages; /* engine kvm: the memory in which it differs from its template's; engine qemu leaves it empty */
};

/* What a worker seals: a staging folder that holds disk.img, kernel and initrd, and gets <engine>/<kind>/. */
struct engine_seal {
	const char *folder;
	const char *kind;
	const char *accelerator;
	const char *cpu; /* NULL: the accelerator's default */
	guint cpus;
	guint ram_mib;
	const char *command_line;
};

#endif
