/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vnc_stage.h - a VNC sink on surfaces of its own, and the socket of its client
 */
#ifndef TESTS_UNIT_VNC_STAGE_H
#define TESTS_UNIT_VNC_STAGE_H

#include "display/heads.h"
#include "display/sink.h"

struct surface;

struct vnc_stage {
	struct surface *surfaces[HEADS_MAX]; /* empty; each change wakes the sink */
	struct sink *sink;
	int client; /* -1: there is none */
};

void vnc_stage_open(struct vnc_stage *stage, const struct sink_events *events, void *context);
void vnc_stage_close(struct vnc_stage *stage);

/* A new client, in place of the one before. It waits for what it reads as long as a test waits (wait_for.h). */
void vnc_stage_connect(struct vnc_stage *stage);

#endif
