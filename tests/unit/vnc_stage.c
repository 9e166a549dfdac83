/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vnc_stage.c - a VNC sink on surfaces of its own, and the socket of its client
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/io.h"
#include "display/sink_vnc.h"
#include "display/surface.h"
#include "tests/unit/vnc_stage.h"
#include "tests/unit/wait_for.h"

static void
vnc_stage_handle_change(void *context)
{
	struct vnc_stage *stage = context;

	if (stage->sink)
		stage->sink->ops->refresh(stage->sink);
}

void
vnc_stage_open(struct vnc_stage *stage, const struct sink_events *events, void *context)
{
	stage->sink = NULL;
	stage->client = -1;
	for (uint32_t i = 0; i < HEADS_MAX; i++)
		stage->surfaces[i] = surface_new(vnc_stage_handle_change, stage);
	stage->sink = sink_vnc_new("a desktop", stage->surfaces, events, context);
}

void
vnc_stage_close(struct vnc_stage *stage)
{
	struct sink *sink = g_steal_pointer(&stage->sink);

	sink->ops->free(sink);
	for (uint32_t i = 0; i < HEADS_MAX; i++)
		surface_free(stage->surfaces[i]);
	if (stage->client >= 0)
		close(stage->client);
}

void
vnc_stage_connect(struct vnc_stage *stage)
{
	struct timeval patience = { .tv_sec = WAIT_FOR_MAX_S };
	int pair[2];

	assert_int_equal(io_socketpair(SOCK_STREAM, pair), 0);
	assert_int_equal(setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
			 0);
	stage->client = pair[1];
	assert_int_equal(stage->sink->ops->add_client(stage->sink, pair[0]), 0);
}
