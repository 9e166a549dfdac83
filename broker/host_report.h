/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * host_report.h - takes what a host says exists into the store
 */
#ifndef BROKER_HOST_REPORT_H
#define BROKER_HOST_REPORT_H

#include <glib.h>

#include "base/json.h"

struct broker;

/* 0 or -EINVAL and the problem: the whole report is checked before anything of it is used. */
int host_report_check(const json_t *report, struct json_problem *ret_problem);

/*
 * Applies a checked report inside the caller's transaction. number: of the answer that says what is wanted of the host as the store has
 * it now. ret_acknowledged: the number of the last event applied.
 */
gboolean host_report_apply(struct broker *broker, const char *host, const json_t *report,
			   gint64 number, gint64 *ret_acknowledged, GError **error);

#endif
