/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine.h - the table through which hostd and the worker drive a desktop's machine
 *
 * Every operation is asynchronous, can be cancelled, has a deadline, and may be repeated: for the same desktop and
 * generation it then says that it is done.
 */
#ifndef HOST_ENGINE_H
#define HOST_ENGINE_H

#include <gio/gio.h>

#include "base/id.h"
#include "base/json.h"
#include "base/proto_display.h"
#include "base/proto_launch.h"
#include "host/manifest.h"
#include "host/steps.h"

struct engine_ops;

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
	const char *folder; /* <lib>/templates/<name>/<version> */
	const char *kind;   /* "user" */
	int memory; /* the sealed memfd, template_memory_load(); -1 where the engine boots its forks */
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

enum engine_event {
	ENGINE_EVENT_AGENT_PORT,   /* value: 1 open in the guest, 0 closed */
	ENGINE_EVENT_VDAGENT_PORT, /* the same */
	ENGINE_EVENT_STOPPED, /* the guest's CPUs stand still; value: 1 until the host's disk has room again */
	ENGINE_EVENT_RUNNING,
	ENGINE_EVENT_REBOOTED,
	ENGINE_EVENT_POWERDOWN, /* the guest switched itself off */
	ENGINE_EVENT_PANICKED,	/* its kernel has panicked: the machine can only end */
	ENGINE_EVENT_FAILED, /* it cannot go on with its guest: it can only end; its log says why */
	ENGINE_EVENT_GONE, /* the process has ended: the machine can only be freed; value: 1 for lack of memory */
	ENGINE_EVENT_COUNT,
};

typedef void (*engine_event_callback)(void *context, enum engine_event event, gint64 value);

/* One machine. Engines put it in front of their own struct. */
struct engine_vm {
	const struct engine_ops *ops;
	char id[ID_SIZE];
	guint64 generation;
};

struct engine_ops {
	const char *name;
	enum launch_role role;		 /* of its machines' processes */
	const char *process;		 /* the role's name: that of its log */
	enum display_source_kind source; /* what display_source() connects to */
	enum launch_socket control;	 /* the socket that its process needs to be reached by */
	gboolean boots; /* nothing is sealed: a fork boots from the disk, which takes minutes */

	/*
	 * {"name", "usable", "accelerator", "isolation", "reason"}: can this host run it, and why not. A new reference. kvm: as in
	 * struct engine_place.
	 */
	json_t *(*probe)(int kvm);

	/* A machine without a process. The place's sockets are duplicated; the spawner must outlive it. */
	struct engine_vm *(*vm_new)(const char *id, guint64 generation,
				    const struct engine_place *place,
				    engine_event_callback callback, void *context);
	void (*vm_free)(struct engine_vm *vm); /* leaves the process alone */

	/* Ends in "files are written, the process has ended". steps_get_json() gives the machine's part of the manifest. */
	void (*seal)(struct engine_vm *vm, const struct engine_seal *seal,
		     const struct steps_call *call);
	/* Ends when the guest runs, its link down. overlay_path must not exist, except where the fork was done before. */
	void (*fork)(struct engine_vm *vm, const struct engine_template *template,
		     const char *overlay_path, const struct steps_call *call);
	/* Takes a running process over after a restart of hostd. The pidfd is taken over. */
	void (*adopt)(struct engine_vm *vm, int pidfd, const struct steps_call *call);
	/* Asks the guest. */
	void (*powerdown)(struct engine_vm *vm, const struct steps_call *call);

	/*
	 * peer: a stream socket with QEMU's framing (passt); it replaces the one that is plugged in. Taking the link up
	 * without one (-1) is an error; taken down, the machine lets go of its peer.
	 */
	void (*set_link)(struct engine_vm *vm, gboolean up, int peer,
			 const struct steps_call *call);
	/* Writes a PNG to the descriptor, which must be a regular file or memfd open for reading and writing. */
	void (*screenshot)(struct engine_vm *vm, int file, const struct steps_call *call);
	/* steps_take_fd(): the display process's end. */
	void (*display_source)(struct engine_vm *vm, const struct steps_call *call);
	/* steps_take_fd(): a new connection to the agent's port; vdagent likewise. */
	void (*agent_channel)(struct engine_vm *vm, gboolean vdagent,
			      const struct steps_call *call);
};

extern const struct engine_ops
	engine_kvm_ops; /* both for engine_list.c, which finds engines by name */
extern const struct engine_ops engine_qemu_ops;

#endif
