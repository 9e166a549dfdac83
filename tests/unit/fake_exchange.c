/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_exchange.c - the server of an exchange folder, which does not answer while a test has it down (unit tests)
 */
#include "tests/unit/fake_exchange.h"

static GMutex server; /* locked while it is down */

void
fake_exchange_wait(void)
{
	g_mutex_lock(&server);
	g_mutex_unlock(&server);
}

void
fake_exchange_set_down(gboolean down)
{
	static gboolean is_down;

	if (down && !is_down)
		g_mutex_lock(&server);
	else if (!down && is_down)
		g_mutex_unlock(&server);
	is_down = down;
}
