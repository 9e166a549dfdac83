/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * identity.h - what makes one fork different from the others: the verb identify
 *
 * docs/PROTOCOL.md, "Agent frames"; docs/ARCHITECTURE.md, "A fork". The order is part of the promise: entropy first.
 */
#ifndef AGENT_IDENTITY_H
#define AGENT_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/task.h"

#define IDENTITY_SEED_BYTES 64

extern const struct task_kind identity_task_kind;
extern const struct task_kind identity_clock_kind; /* sets the wall clock and nothing else */

/* The request's values beyond what its table says. 0 or -EINVAL and the problem. */
int identity_check_request(const json_t *body, struct json_problem *ret_problem);

/* Exactly "size" bytes out of 2 * size lower- or upper-case hex digits. */
bool identity_parse_hex(const char *text, uint8_t *ret_bytes, size_t size);

/* "52:54:00:12:34:56" with the group bit clear and not all zero. */
bool identity_parse_mac(const char *text, uint8_t ret_mac[6]);

/* A DNS label or several, RFC 1123, 63 characters at most. */
bool identity_hostname_ok(const char *text);

/* The lines of /etc/hosts with the 127.0.1.1 line made anew. ret_text is the caller's to free(). 0 or -ENOMEM. */
int identity_make_hosts(const char *old_text, const char *hostname, char **ret_text);

#endif
