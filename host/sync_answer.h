/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sync_answer.h - what the broker wants of this host, checked before anything is changed (docs/PROTOCOL.md, Sync)
 */
#ifndef HOST_SYNC_ANSWER_H
#define HOST_SYNC_ANSWER_H

#include "base/json.h"

#define SYNC_ANSWER_MAX_ELEMENTS 4096

/* 0, or -EINVAL and the problem: then no part of the answer may be used. */
int sync_answer_check(const json_t *answer, struct json_problem *ret_problem);

#endif
