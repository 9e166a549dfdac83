/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_stage.h - one desktop on a fake launch and a fake QEMU, and the agent inside, which may be silent or talk nonsense
 */
#ifndef TESTS_UNIT_DESKTOP_STAGE_H
#define TESTS_UNIT_DESKTOP_STAGE_H

#include "base/json.h"
#include "base/proto_agent.h"
#include "host/desktop.h"
#include "tests/unit/fake_launch.h"
#include "tests/unit/fake_qemu.h"
#include "tests/unit/wait_for.h"

#define DESKTOP	   "d-aaaaaaaaaaaaaaaaaaaa"
#define SESSION	   "s-aaaaaaaaaaaaaaaaaaaa"
#define GENERATION 7

/* What the agent does when a verb comes. */
enum agent_act {
	AGENT_ANSWERS,
	AGENT_SAYS_NOTHING,
	AGENT_SAYS_NONSENSE, /* bytes that are no frame of its form */
	AGENT_ECHOES_OTHER,  /* a nonce that nobody sent */
	AGENT_REFUSES,
	AGENT_IS_BUSY,
	AGENT_HANGS_UP,
};

/* What it is told. */
enum said_verb {
	SAID_RESYNC,
	SAID_IDENTIFY,
	SAID_LOGIN,
	SAID_READY,
	SAID_CLOCK,
	SAID_VERBS,
};

struct desktop_stage {
	struct fake_launch *launch;
	struct fake_qemu *qemu;
	struct launch_client *client;
	char *root; /* of the template, "run" and "lib" */
	char *run;
	char *lib;
	struct manifest *manifest;
	int folder; /* the root, open */
	int memory;
	struct desktop_host host;
	struct desktop *desktop;
	guint accepting;
	struct fake_peer agent; /* fd -1: hostd is not connected */
	enum agent_act act;
	const char *verb; /* at which it acts so; it answers the others */
	gboolean up;	  /* what the agent says of the guest's desktop; TRUE at first */
	/* what it says of its guest; AGENT_STATE_UNKNOWN: it is of an older template, and never says it */
	enum agent_state says;
	guint said[SAID_VERBS]; /* how often each was */
	GString *events;
};

/* cmocka's; the state is the stage. */
int desktop_stage_setup(void **state);
int desktop_stage_teardown(void **state);

/* Begins the fork, without a network; asks for the log-in of a user "ada". */
void desktop_stage_fork(struct desktop_stage *f);
void desktop_stage_log_in(struct desktop_stage *f);

/* hostd begins anew, and launch lists the machine as it is: of this role, if it lives. */
void desktop_stage_adopt(struct desktop_stage *f, enum launch_role role);

/* The same by whatever its folder says; record NULL: launch does not know it. */
void desktop_stage_find(struct desktop_stage *f, const struct launch_record *record);

gboolean desktop_stage_is_in(const struct desktop_stage *f, enum desktop_state state);

/* The guest has reset itself, and nobody tells it but the agent, if it says anything. */
void desktop_stage_boot(struct desktop_stage *f);

/* The machine tells it, too. */
void desktop_stage_reset(struct desktop_stage *f);

/* The agent says something of its own accord; takes the object. */
void desktop_stage_say(struct desktop_stage *f, json_t *object);
/* The agent answers what has come. */
void desktop_stage_serve_agent(struct desktop_stage *f);

#define SERVE_UNTIL(f, condition) \
	WAIT_FOR((fake_qemu_serve((f)->qemu), desktop_stage_serve_agent(f), (condition)))

#endif
