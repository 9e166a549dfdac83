/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * core_stage.h - a display between a source and sinks that only take notes
 */
#ifndef TESTS_UNIT_CORE_STAGE_H
#define TESTS_UNIT_CORE_STAGE_H

#include "display/display_core.h"
#include "display/heads.h"
#include "display/sink.h"

#define DESKTOP		       "d-abcdefghijklmnopqrst"
#define CORE_STAGE_MAX_FACTS   32
#define CORE_STAGE_MAX_CLIENTS 4

struct core_stage {
	struct sink sink;
	struct source source;
	struct display_core *core;
	struct surface *const *surfaces;
	const struct sink_events *sink_events;
	void *sink_context;
	const struct source_events *source_events;
	void *source_context;
	guint refreshes;
	guint sources;
	guint freed_sources;
	guint sizes;
	guint clients;
	guint keys;
	guint positions;
	guint buttons;
	bool silent; /* the source is one without sound */
	guint listens;
	bool hears, speaks;   /* as the source was told */
	bool plays, records;  /* as the sink was told */
	guint played, spoken; /* frames */
	uint32_t n_heads;
	struct heads set;
	struct vdagent_port *ports[2]; /* as the VNC and as the SPICE sink were lent it */
	int client_fds[CORE_STAGE_MAX_CLIENTS];
	struct sink vnc;
	guint vnc_clients;
	int vnc_fd;
	char password[ID_PASSWORD_SIZE + 7];
	char device[SOURCE_ADDRESS_SIZE];
	guint n_facts;
	struct {
		enum display_fact_kind kind;
		uint64_t attachment;
		uint64_t value;
	} facts[CORE_STAGE_MAX_FACTS];
};

/* The one that there is: the makers have no context, as the program's have none. */
extern struct core_stage core_stage;

/* cmocka's. */
int core_stage_set_up(void **state);
int core_stage_tear_down(void **state);

void core_stage_assert_last_fact(enum display_fact_kind kind, uint64_t attachment);

/* A source of engine qemu; its socket is nobody's. */
int core_stage_set_source(void);

/* The guest opens its vdagent port; returns its end. */
int core_stage_open_vdagent(void);

#endif
