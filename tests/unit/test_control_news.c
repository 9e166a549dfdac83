/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_control_news.c - what happens faster than hostd reads is told as it is then
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "tests/unit/control_stage.h"

#define MAX_UNREAD 10000 /* events that no socket holds */

static void
test_control_news__who_does_not_read_is_told_how_it_is_then(void **state)
{
	struct control_stage stage;
	struct display_peer *peer;
	int n = 0;

	(void)state;
	control_stage_open(&stage, VMM_STATE_RUNNING, getuid());
	peer = control_stage_connect(&stage);
	control_stage_send(&stage, peer->fd, VMM_RESET, NULL, 0, -1);
	for (int i = 0; i < MAX_UNREAD; i++)
		control_stage_happen(&stage, VMM_EVENT_STATE,
				     i % 2 ? VMM_STATE_RUNNING : VMM_STATE_PAUSED);
	control_stage_happen(&stage, VMM_EVENT_REBOOTED, 0);
	control_stage_happen(&stage, VMM_EVENT_STATE, VMM_STATE_PAUSED);
	control_stage_send(&stage, peer->fd, VMM_STATUS, NULL, 0, -1);
	while (seq_receive(peer->fd, &stage.message) == 0)
		n++;
	assert_in_range(n, 1, MAX_UNREAD - 1);
	control_stage_step(&stage);
	assert_int_equal(seq_receive(peer->fd, &stage.message), 0);
	assert_int_equal(stage.message.head.type, VMM_RESET);
	control_stage_expect_event(&stage, peer->fd, VMM_EVENT_STATE, VMM_STATE_PAUSED);
	control_stage_expect_event(&stage, peer->fd, VMM_EVENT_REBOOTED, 0);
	assert_int_equal(control_stage_read_answer(&stage, peer->fd, VMM_STATUS), 0);
	assert_int_equal(control_stage_ask(&stage, peer->fd, VMM_STATUS, NULL, 0, -1), 0);
	display_peer_close(peer);
	control_stage_close(&stage);
}

/* As a guest may do all day: each end of it is told, but not each time. */
static void
test_control_news__ports_that_open_and_close_are_told_in_time(void **state)
{
	struct control_stage stage;
	struct display_peer *peer;

	(void)state;
	control_stage_open(&stage, VMM_STATE_RUNNING, getuid());
	peer = control_stage_connect(&stage);
	control_stage_happen(&stage, VMM_EVENT_VDAGENT_PORT, 1);
	control_stage_expect_event(&stage, peer->fd, VMM_EVENT_VDAGENT_PORT, 1);
	for (int i = 0; i < MAX_UNREAD; i++) {
		control_stage_happen(&stage, VMM_EVENT_VDAGENT_PORT, i % 2);
		control_stage_happen(&stage, VMM_EVENT_AGENT_PORT, 1 - i % 2);
	}
	assert_int_equal(seq_receive(peer->fd, &stage.message), -EAGAIN);
	assert_int_equal(control_stage_ask(&stage, peer->fd, VMM_STATUS, NULL, 0, -1), 0);
	while (seq_receive(peer->fd, &stage.message) == -EAGAIN)
		loop_step(stage.loop, -1);
	/* closed and opened; the other was open only when nobody was told */
	assert_int_equal(control_stage_get_event(&stage, VMM_EVENT_VDAGENT_PORT), 0);
	control_stage_expect_event(&stage, peer->fd, VMM_EVENT_VDAGENT_PORT, 1);
	assert_int_equal(seq_receive(peer->fd, &stage.message), -EAGAIN);
	display_peer_close(peer);
	control_stage_close(&stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_control_news__who_does_not_read_is_told_how_it_is_then),
		cmocka_unit_test(test_control_news__ports_that_open_and_close_are_told_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
