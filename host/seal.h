/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seal.h - what sealing is for every engine: the golden machine's files, its agent, its memory
 *
 * An engine's own struct begins with a struct seal, so that the steps here can stand in the engine's table: their context
 * is that struct.
 */
#ifndef HOST_SEAL_H
#define HOST_SEAL_H

#include "host/agent_link.h"
#include "host/engine.h"

/* How long its steps may take, on a host that is emulated itself; a guest that ends or panics is told at once. */
#define SEAL_BOOT_MS	900000
#define SEAL_SETTLE_MS	600000
#define SEAL_QUIESCE_MS 300000
#define SEAL_MEMORY_MS	300000

struct seal {
	char *folder; /* staging */
	char *target; /* <folder>/<engine>/<kind> */
	char *accelerator;
	char *command_line;
	guint cpus;
	guint ram_mib;
	int memory; /* the machine's RAM: a memfd; -1: none yet */
	int state;  /* <target>/state; -1: none yet */
	struct agent_link *agent;
	json_t *result; /* the manifest's "engine" and "machine" */
};

/* What the machine boots from, each its own to close; -1: not open. */
struct seal_files {
	int disk; /* read and written */
	int kernel;
	int initrd;
};

void seal_init(struct seal *seal, const char *engine, const struct engine_seal *request);
void seal_done(struct seal *seal);

/* FALSE when the step was failed; ret_files is filled either way. */
gboolean seal_open_files(const struct seal *seal, struct steps *steps,
			 struct seal_files *ret_files);
void seal_close_files(struct seal_files *files);

/* The target folder with memory, and the state's file, which must not exist. FALSE when the step was failed. */
gboolean seal_make_memory(struct seal *seal, struct steps *steps);
gboolean seal_make_state(struct seal *seal, struct steps *steps);

/* Takes over a connection to the agent's port. */
void seal_take_agent(struct seal *seal, int fd, guint64 generation);

/* Steps. The agent answers; the desktop is up; the guest is quiet. */
void seal_start_hello(struct steps *steps, void *context);
void seal_start_settle(struct steps *steps, void *context);
void seal_start_quiesce(struct steps *steps, void *context);
/* A step, when the guest stands and its state is written: the state is made durable, <target>/memory written beside it. */
void seal_start_memory(struct steps *steps, void *context);

/* Parts of the result. "devices" is taken over. */
void seal_set_engine(struct seal *seal, const char *name, const char *version, int state_format);
void seal_set_machine(struct seal *seal, const char *type, const char *cpu,
		      const char *cpuid_sha256, json_t *devices);

#endif
