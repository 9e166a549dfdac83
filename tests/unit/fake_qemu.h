/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_qemu.h - a spawner whose QEMU is a child that only waits, and a QMP server in the test's own main loop
 */
#ifndef TESTS_UNIT_FAKE_QEMU_H
#define TESTS_UNIT_FAKE_QEMU_H

#include "host/engine.h"
#include "tests/unit/fake_peer.h"

enum fake_qemu_fault {
	FAKE_QEMU_WORKS,
	FAKE_QEMU_NO_SPAWN, /* the program cannot be started */
	FAKE_QEMU_REFUSES,  /* the command gets an error */
	FAKE_QEMU_DIES,	    /* when the command comes; without a command: before it greets */
	FAKE_QEMU_SILENT,   /* the command gets no answer */
	FAKE_QEMU_NONSENSE, /* the command's answer is no QMP; without a command: its greeting */
	FAKE_QEMU_OTHER,    /* the command's answer is that of another QEMU */
	FAKE_QEMU_FAILS,    /* the migration that the command starts */
};

/* What a manifest says that was sealed with it, and the whole of one (its hashes belong to no file). */
#define FAKE_QEMU_VERSION "7.2.22"
#define FAKE_QEMU_CPUID	  "91810b9a0fcf4e5a99af7d9e201005e9f9528975919f9e6e88eef6e58dc22754"

extern const char fake_qemu_manifest[];

struct fake_qemu {
	char *folder; /* of the sockets, for the test too */
	int listeners[LAUNCH_SOCKET_COUNT];
	guint accepting;
	enum launch_role
		role; /* that must be asked for: a test may make it another one's process */
	struct engine_spawner spawner;
	struct engine_place place;
	struct fake_peer peer; /* fd -1: nobody is connected */
	pid_t child;
	guint spawns;
	enum fake_qemu_fault fault;
	const char *command; /* at which the fault shows */
	gboolean hold_spawn; /* the spawner answers only in fake_qemu_release() */
	engine_spawned_callback held;
	void *held_data;
	gboolean full; /* its host's disk: the guest stands, and stands again whenever it goes on */
	gboolean quits;	    /* what it has said is read before it ends */
	const char *status; /* that it says it is in; NULL: it runs */
	GString *commands;  /* all that came, joined by blanks */
};

/* The guest finds no room on the host's disk. */
#define FAKE_QEMU_STANDS                                                                           \
	"{\"event\": \"BLOCK_IO_ERROR\", \"data\": {\"action\": \"stop\", \"nospace\": true}}\r\n" \
	"{\"event\": \"STOP\"}\r\n"

struct fake_qemu *fake_qemu_new(void);
void fake_qemu_free(struct fake_qemu *qemu);

/* Answers what has come; call it in each round of a wait. */
void fake_qemu_serve(struct fake_qemu *qemu);

/* As if killed: the process ends and its sockets close. */
void fake_qemu_die(struct fake_qemu *qemu);
void fake_qemu_release(struct fake_qemu *qemu);
gboolean fake_qemu_lives(const struct fake_qemu *qemu);

/* Waits up to 10 s for the end of the process. */
gboolean fake_qemu_ends(const struct fake_qemu *qemu);

#endif
