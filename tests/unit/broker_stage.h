/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * broker_stage.h - a broker without HTTP for its modules' tests: a store in memory, and requests whose answers are kept
 */
#ifndef TESTS_BROKER_STAGE_H
#define TESTS_BROKER_STAGE_H

#include "broker/broker.h"
#include "broker/http.h"
#include "broker/store.h"

/* An http_respond() of its own stands in for http.c. */
struct stage_request {
	struct http_request request; /* first: http_respond() finds the rest by it */
	guint answers;
	guint status;
	json_t *body;
};

/* Makes a broker with host 'h1' (24576 MiB), template 't' version 1 (1024 MiB) and no pools. */
void broker_stage_init(struct broker *broker);
void broker_stage_done(struct broker *broker);

void broker_stage_add_pool(struct broker *broker, const char *name, gint64 size, gint64 spare);
void broker_stage_add_desktop(struct broker *broker, const char *id, const char *pool,
			      const char *state);

/* A new open session of "user" on a free desktop of pool 'p'; NULL when there is none. The caller frees it. */
char *broker_stage_assign(struct broker *broker, const char *user);

/* One number out of the store, for SQL without parameters. */
gint64 broker_stage_count(struct broker *broker, const char *sql);
void broker_stage_run(struct broker *broker, const char *sql);

struct stage_request *stage_request_new(const char *user, const char *name, json_t *body);
void stage_request_free(struct stage_request *request);
const char *stage_request_code(const struct stage_request *request);

#endif
