/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_serve.h - hostd's connection: who may speak, what may be asked
 */
#ifndef HOST_LAUNCH_SERVE_H
#define HOST_LAUNCH_SERVE_H

#include <stdint.h>

struct launch;
struct launch_unit;

/* Called when the named descriptor is readable. */
void launch_serve_accept(struct launch *launch);
void launch_serve_request(struct launch *launch);
void launch_serve_exit(struct launch *launch, struct launch_unit *unit, uint32_t role);

#endif
