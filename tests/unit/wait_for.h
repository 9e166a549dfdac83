/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wait_for.h - a test runs GLib's main loop until something is so
 */
#ifndef TESTS_UNIT_WAIT_FOR_H
#define TESTS_UNIT_WAIT_FOR_H

#include <glib.h>

#define WAIT_FOR_MAX_S	 30
#define WAIT_FOR_TICK_MS 10 /* what other threads and peers do wakes no main loop */

static inline gboolean
wait_for_handle_tick(gpointer data)
{
	(void)data;
	return G_SOURCE_CONTINUE;
}

/* Fails the test when it is not so within WAIT_FOR_MAX_S. */
#define WAIT_FOR(condition)                                                                      \
	do {                                                                                     \
		gint64 wait_since_us = g_get_monotonic_time();                                   \
		guint wait_ticker = g_timeout_add(WAIT_FOR_TICK_MS, wait_for_handle_tick, NULL); \
                                                                                                 \
		while (!(condition)) {                                                           \
			if (g_get_monotonic_time() - wait_since_us >=                            \
			    WAIT_FOR_MAX_S * G_USEC_PER_SEC)                                     \
				fail_msg("waited %d s in vain for: %s", WAIT_FOR_MAX_S,          \
					 #condition);                                            \
			g_main_context_iteration(NULL, TRUE);                                    \
		}                                                                                \
		g_source_remove(wait_ticker);                                                    \
	} while (0)

#endif
