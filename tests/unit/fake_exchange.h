/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_exchange.h - the server of an exchange folder, which does not answer while a test has it down
 *
 * There is one in a process: what works in such a folder gets no context from a test.
 */
#ifndef TESTS_UNIT_FAKE_EXCHANGE_H
#define TESTS_UNIT_FAKE_EXCHANGE_H

#include <glib.h>

/* From any thread: returns when the server answers. */
void fake_exchange_wait(void);

/* By the test's own thread; to say it twice is no error. A test that fails leaves the server as it is: teardown sets it up again. */
void fake_exchange_set_down(gboolean down);

#endif
