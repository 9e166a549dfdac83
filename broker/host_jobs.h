/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * host_jobs.h - what a host says of its jobs
 */
#ifndef BROKER_HOST_JOBS_H
#define BROKER_HOST_JOBS_H

#include <glib.h>

#include "base/json.h"

struct store;

/* So many jobs that a host has begun by itself are kept, the newest; what runs is never given up for a newer one. */
#define HOST_JOBS_MAX_OWN 64

/*
 * Applies one element of a checked report's "jobs" (docs/PROTOCOL.md, "Sync") to the host's row, inside the caller's transaction. One
 * that the host has begun by itself gets a row; of any other that there is none of nothing is kept.
 */
gboolean host_jobs_apply(struct store *store, const char *host, const json_t *element,
			 GError **error);

#endif
