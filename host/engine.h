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
#include "host/engine_machine.h"
#include "host/steps.h"

struct engine_ops;

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
	/* A fork's memory must be a memfd, template_memory_load(); else the version's file does, open for reading only. */
	gboolean loads_memory;
	/* A machine that was restored shares no memory with its template any more. */
	gboolean restores_all;

	/*
	 * {"name", "usable", "accelerator", "isolation", "reason"}: can this host run it, and why not. A new reference. kvm: as in
	 * struct engine_place.
	 */
	json_t *(*probe)(int kvm);

	/*
	 * Could this host restore exactly what the version holds? FALSE and ENGINE_ERROR_FOREIGN, with the reason, when it has to be
	 * sealed again here; other errors when that would not help. What only a process of the engine finds out fails its
	 * fork. kvm: as above. Called by engine_list_check().
	 */
	gboolean (*check)(const struct manifest *manifest, int kvm, GError **error);

	/* A machine without a process. The place's sockets are duplicated; the spawner must outlive it. */
	struct engine_vm *(*vm_new)(const char *id, guint64 generation,
				    const struct engine_place *place,
				    engine_event_callback callback, void *context);
	void (*vm_free)(struct engine_vm *vm); /* leaves the process alone */

	/* Ends in "files are written, the process has ended". steps_get_json() gives the machine's part of the manifest. */
	void (*seal)(struct engine_vm *vm, const struct engine_seal *seal,
		     const struct steps_call *call);
	/*
	 * Ends when the guest runs, its link down. overlay_path must not exist, except where the fork was done before.
	 * ENGINE_ERROR_FOREIGN: as in check().
	 */
	void (*fork)(struct engine_vm *vm, const struct engine_template *template,
		     const char *overlay_path, const struct steps_call *call);
	/*
	 * Writes a fork into the image's two files, empty and open for writing; they are not durable then. Afterwards, and when it
	 * failed as well, the guest stands until resume() or end(). When it succeeded the overlay holds all that the guest wrote,
	 * durable or not, and the process writes nothing more to it: it may end in whatever way.
	 */
	void (*suspend)(struct engine_vm *vm, const struct engine_image *image,
			const struct steps_call *call);
	/* How much suspend() would write now, at most: of that RAM. */
	guint64 (*measure)(struct engine_vm *vm, guint64 ram_bytes);
	/*
	 * Ends when the guest that suspend() wrote runs again, in a new process over the same version, the same overlay and with
	 * the same VM generation id; its link is as it was. The image's files are open for reading.
	 */
	void (*restore)(struct engine_vm *vm, const struct engine_template *template,
			const char *overlay_path, const struct engine_image *image,
			const struct steps_call *call);
	/*
	 * Ends the process of a machine that suspend() wrote. pidfd: of a process from before a restart of hostd, taken over;
	 * else -1.
	 */
	void (*end)(struct engine_vm *vm, int pidfd, const struct steps_call *call);
	/* The guest of a suspend() runs on in its process, whatever became of the files; one that runs already does. */
	void (*resume)(struct engine_vm *vm, const struct steps_call *call);
	/* Takes a running process over after a restart of hostd, and resumes it. The pidfd is taken over. */
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
