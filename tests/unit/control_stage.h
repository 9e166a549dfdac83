/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_stage.h - a carrel-vmm's control socket over a machine that only counts what it is asked, for its tests
 */
#ifndef TESTS_UNIT_CONTROL_STAGE_H
#define TESTS_UNIT_CONTROL_STAGE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/seq.h"
#include "tests/unit/display_peer.h"
#include "vmm/control.h"
#include "vmm/loop.h"

struct control_stage {
	pthread_mutex_t lock;
	struct loop *loop;
	struct control *control;
	int listen_fd;
	enum vmm_state state;
	int n_asked[VMM_EVENT]; /* by enum vmm_type */
	int refusal;		/* of what may be refused */
	bool link_up;
	int link_fd;
	int n_home_fds; /* that were open; -1: detached */
	uint64_t balloon_bytes;
	uint32_t last_id;
	struct seq_message message; /* received last */
};

/* Only this uid may connect. */
void control_stage_open(struct control_stage *stage, enum vmm_state state, uint32_t uid);
void control_stage_close(struct control_stage *stage);

/* The loop does what is to be done at once. */
void control_stage_step(struct control_stage *stage);

/* Somebody connects: display_peer_close(). */
struct display_peer *control_stage_connect(struct control_stage *stage);

/* A request, with a descriptor or without (-1). */
void control_stage_send(struct control_stage *stage, int fd, uint32_t type, const void *payload,
			size_t bytes, int sent_fd);
/* The answer's status to what was sent last; its payload is in "message". */
int control_stage_read_answer(struct control_stage *stage, int fd, uint32_t type);
/* Both. */
int control_stage_ask(struct control_stage *stage, int fd, uint32_t type, const void *payload,
		      size_t bytes, int sent_fd);
/* The words of a refusal that was received last. */
const char *control_stage_refusal(const struct control_stage *stage);

/* Something happens to the machine. */
void control_stage_happen(struct control_stage *stage, enum vmm_event_kind kind, uint32_t value);
/* The value of the event of this kind that was received last. */
uint32_t control_stage_get_event(const struct control_stage *stage, enum vmm_event_kind kind);
void control_stage_expect_event(struct control_stage *stage, int fd, enum vmm_event_kind kind,
				uint32_t value);

#endif
