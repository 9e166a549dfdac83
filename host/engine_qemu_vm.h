/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_qemu_vm.h - what the files of engine qemu share: one QEMU process and its QMP connection
 */
#ifndef HOST_ENGINE_QEMU_VM_H
#define HOST_ENGINE_QEMU_VM_H

#include "host/engine.h"
#include "host/process_watch.h"
#include "host/qemu_machine.h"
#include "host/qmp.h"

#define QEMU_COMMAND_MS 10000
#define QEMU_MEMORY_MS \
	600000 /* a guest's whole RAM to a file, or from there: 16 GiB on a slow disk */

/*
 * Room on the host's disk for what the guest writes (engine_qemu_space.c). enough -> lacking: a request found none and the
 * guest stands. lacking -> tried: it runs again with that request. tried -> lacking: there was still none. tried -> enough.
 */
enum qemu_space {
	QEMU_SPACE_ENOUGH,
	QEMU_SPACE_LACKING,
	QEMU_SPACE_TRIED,
	QEMU_SPACE_COUNT,
};

struct qemu_vm {
	struct engine_vm vm; /* first: the table's functions get this one */
	const struct engine_spawner *spawner;
	char *folder;
	int sockets[LAUNCH_SOCKET_COUNT];
	engine_event_callback callback;
	void *context;
	struct qmp *qmp;
	struct process_watch process;
	struct steps *migrating; /* waits for a MIGRATION event */
	struct steps *exiting;	 /* waits for the end of the process */
	struct steps *filling;	 /* fails when the guest's disk finds no room on the host's */
	enum qemu_space space;
	guint space_tick; /* unless there is enough */
	guint ended;	  /* the process has, and that is not told yet */
};

static inline struct qemu_vm *
qemu_vm_of(struct engine_vm *vm)
{
	return (struct qemu_vm *)vm;
}

/* A QMP command as (part of) a step: an error fails the step; otherwise "then" gets the answer (NULL: steps_next()). */
typedef void (*qemu_answer_function)(struct steps *steps, void *context, const json_t *value);
void qemu_vm_execute(struct qemu_vm *qemu, struct steps *steps, void *context, const char *command,
		     json_t *arguments, int fd, qemu_answer_function then);

/* The same for what need not succeed: QEMU's refusal ends the step as well. */
void qemu_vm_try(struct qemu_vm *qemu, struct steps *steps, void *context, const char *command,
		 json_t *arguments);

/* To the owner's callback; after ENGINE_EVENT_GONE the machine may be freed. */
void qemu_vm_tell(struct qemu_vm *qemu, enum engine_event event, gint64 value);

/* Starts the process; ends the step when it is there. The command is only borrowed. */
void qemu_vm_spawn(struct qemu_vm *qemu, struct steps *steps, const struct qemu_command *command,
		   guint64 memory_max_bytes);

/* None runs yet; an adopted one's pidfd is given to process_watch_begin(). */
void qemu_vm_init_process(struct qemu_vm *qemu);

/* Connects to the control socket; FALSE when the step was failed. */
gboolean qemu_vm_connect(struct qemu_vm *qemu, struct steps *steps);
void qemu_vm_disconnect(struct qemu_vm *qemu);

/* From here on MIGRATION events end this step. */
void qemu_vm_await_migration(struct qemu_vm *qemu, struct steps *steps);

/* Has the process end; ends the step when it has. */
void qemu_vm_quit(struct qemu_vm *qemu, struct steps *steps);

/* "7.2.22" of query-version's answer, and what stands for the CPU in query-cpu-model-expansion's; the caller's to free. */
char *qemu_vm_read_version(const json_t *value);
char *qemu_vm_read_cpu(const json_t *value);
json_t *qemu_vm_cpu_arguments(const char *cpu);

/* The arguments of migrate-set-capabilities; without memory where the guest's RAM is a file of its own: sealing and forking. */
json_t *qemu_vm_migration_capabilities(gboolean memory);

/*
 * engine_qemu_space.c. From here on the step fails when the host's disk is full; without one the guest stands and is let go on
 * again and again.
 */
void qemu_space_watch(struct qemu_vm *qemu, struct steps *steps);

/* The data of BLOCK_IO_ERROR, the events STOP and RESUME, and query-status' answer of an adopted machine. */
void qemu_space_take_error(struct qemu_vm *qemu, const json_t *data);
void qemu_space_take_stop(struct qemu_vm *qemu);
void qemu_space_take_resume(struct qemu_vm *qemu);
void qemu_space_take_status(struct qemu_vm *qemu, const json_t *value);

/* QMP has ended: nothing is tried any more. */
void qemu_space_done(struct qemu_vm *qemu);

void engine_qemu_seal(struct engine_vm *vm, const struct engine_seal *seal,
		      const struct steps_call *call);
void engine_qemu_fork(struct engine_vm *vm, const struct engine_template *source,
		      const char *overlay_path, const struct steps_call *call);
void engine_qemu_restore(struct engine_vm *vm, const struct engine_template *source,
			 const char *overlay_path, const struct engine_image *image,
			 const struct steps_call *call);

/* engine_qemu_suspend.c */
guint64 engine_qemu_measure(struct engine_vm *vm, guint64 ram_bytes);
void engine_qemu_suspend(struct engine_vm *vm, const struct engine_image *image,
			 const struct steps_call *call);
void engine_qemu_end(struct engine_vm *vm, int pidfd, const struct steps_call *call);
void engine_qemu_resume(struct engine_vm *vm, const struct steps_call *call);
void engine_qemu_adopt(struct engine_vm *vm, int pidfd, const struct steps_call *call);

#endif
