/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_control.c - what hostd asks of carrel-vmm is checked, done and answered
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/control_stage.h"

static void
test_control__answers_what_it_is_asked(void **state)
{
	const struct vmm_balloon balloon = { UINT64_C(5) << 30 };
	struct vmm_status status;
	struct vmm_statistics statistics;
	struct control_stage stage;
	struct display_peer *peer;

	(void)state;
	control_stage_open(&stage, VMM_STATE_RUNNING, getuid());
	peer = control_stage_connect(&stage);
	assert_int_equal(control_stage_ask(&stage, peer->fd, VMM_STATUS, NULL, 0, -1), 0);
	assert_int_equal(stage.message.head.size, sizeof(status));
	memcpy(&status, stage.message.payload, sizeof(status));
	assert_int_equal(status.version, VMM_PROTOCOL_VERSION);
	assert_int_equal(status.state, VMM_STATE_RUNNING);
	assert_int_equal(status.agent_open, 1);
	assert_int_equal(control_stage_ask(&stage, peer->fd, VMM_STATISTICS, NULL, 0, -1), 0);
	assert_int_equal(stage.message.head.size, sizeof(statistics));
	memcpy(&statistics, stage.message.payload, sizeof(statistics));
	assert_int_equal(statistics.exits, 123);
	assert_int_equal(
		control_stage_ask(&stage, peer->fd, VMM_BALLOON, &balloon, sizeof(balloon), -1), 0);
	assert_int_equal(stage.message.head.size, 0);
	assert_int_equal(stage.balloon_bytes, balloon.target_bytes);
	assert_int_equal(control_stage_ask(&stage, peer->fd, VMM_POWERDOWN, NULL, 0, -1), 0);
	assert_int_equal(stage.n_asked[VMM_POWERDOWN], 1);
	assert_int_equal(control_stage_ask(&stage, peer->fd, VMM_QUIT, NULL, 0, -1), 0);
	assert_int_equal(stage.n_asked[VMM_QUIT], 1);
	display_peer_close(peer);
	control_stage_close(&stage);
}

static void
test_control__passes_descriptors_on(void **state)
{
	const struct vmm_link up = { 1 };
	const struct vmm_link down = { 0 };
	const struct vmm_link wrong = { 2 };
	int fd = memfd_create("picture", MFD_CLOEXEC);
	struct vmm_picture picture;
	struct display_peer *peer;
	struct control_stage stage;

	(void)state;
	control_stage_open(&stage, VMM_STATE_PAUSED, getuid());
	peer = control_stage_connect(&stage);
	assert_int_equal(control_stage_ask(&stage, peer->fd, VMM_SCREENSHOT, NULL, 0, fd), 0);
	memcpy(&picture, stage.message.payload, sizeof(picture));
	assert_int_equal(stage.message.head.size, sizeof(picture));
	assert_int_equal(picture.stride, 2560);
	assert_int_equal(lseek(fd, 0, SEEK_END), 6);
	assert_int_equal(control_stage_ask(&stage, peer->fd, VMM_LINK, &up, sizeof(up), fd), 0);
	assert_true(stage.link_up);
	assert_true(stage.link_fd >= 0);
	close(stage.link_fd);
	assert_int_equal(control_stage_ask(&stage, peer->fd, VMM_LINK, &down, sizeof(down), -1), 0);
	assert_false(stage.link_up);
	assert_int_equal(stage.link_fd, -1);
	assert_int_equal(control_stage_ask(&stage, peer->fd, VMM_LINK, &wrong, sizeof(wrong), -1),
			 -EINVAL);
	display_peer_close(peer);
	control_stage_close(&stage);
	close(fd);
}

static int
stage_ask_home(struct control_stage *stage, int fd, uint32_t medium, const int *fds, size_t n_fds)
{
	const struct vmm_home home = { medium };
	struct seq_header head = { .type = VMM_HOME, .id = ++stage->last_id, .size = sizeof(home) };

	assert_int_equal(seq_send(fd, &head, &home, fds, n_fds), 0);
	control_stage_step(stage);
	return control_stage_read_answer(stage, fd, VMM_HOME);
}

static void
test_control__changes_the_home(void **state)
{
	static const struct {
		uint32_t medium;
		size_t n_fds;
		int refusal; /* the machine's */
		int status;
		int n_home_fds;
		const char *words;
	} cases[] = {
		{ VMM_MEDIUM_RAW, 1, 0, 0, 1, NULL },
		{ VMM_MEDIUM_OVERLAY, 2, 0, 0, 2, NULL },
		{ VMM_MEDIUM_NONE, 0, 0, 0, -1, NULL },
		{ VMM_MEDIUM_NONE, 1, 0, -EINVAL, 0, "medium 0 does not come with 1 descriptors" },
		{ VMM_MEDIUM_RAW, 0, 0, -EINVAL, 0, "medium 1" },
		{ VMM_MEDIUM_RAW, 2, 0, -EINVAL, 0, "medium 1" },
		{ VMM_MEDIUM_OVERLAY, 1, 0, -EINVAL, 0, "medium 2" },
		{ VMM_MEDIUM_COUNT, 1, 0, -EINVAL, 0, "medium 3" },
		{ UINT32_MAX, 2, 0, -EINVAL, 0, "medium 4294967295" },
		{ VMM_MEDIUM_RAW, 1, -ENODEV, -ENODEV, 0, "no slot" },
		{ VMM_MEDIUM_RAW, 1, -EBUSY, -EBUSY, 0, "already" },
		{ VMM_MEDIUM_NONE, 0, -ENOENT, -ENOENT, -1, "no home" },
		{ VMM_MEDIUM_NONE, 0, -EIO, -EIO, -1, "storage failed" },
		{ VMM_MEDIUM_NONE, 0, -ENOSPC, -ENOSPC, -1, "stays until" },
		{ VMM_MEDIUM_OVERLAY, 2, -EINVAL, -EINVAL, 0, "log says more" },
	};
	const int fds[] = { memfd_create("base", MFD_CLOEXEC), memfd_create("image", MFD_CLOEXEC) };
	struct control_stage stage;
	struct display_peer *peer;

	(void)state;
	control_stage_open(&stage, VMM_STATE_RUNNING, getuid());
	peer = control_stage_connect(&stage);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		stage.n_home_fds = 0;
		stage.refusal = cases[i].refusal;
		assert_int_equal(
			stage_ask_home(&stage, peer->fd, cases[i].medium, fds, cases[i].n_fds),
			cases[i].status);
		assert_int_equal(stage.n_home_fds, cases[i].n_home_fds);
		if (cases[i].words && !strstr(control_stage_refusal(&stage), cases[i].words))
			fail_msg("case %zu: \"%s\"", i, control_stage_refusal(&stage));
	}
	stage.state = VMM_STATE_OFF;
	assert_int_equal(stage_ask_home(&stage, peer->fd, VMM_MEDIUM_RAW, fds, 1), -EBUSY);
	assert_non_null(strstr(control_stage_refusal(&stage), "is off"));
	display_peer_close(peer);
	control_stage_close(&stage);
	close(fds[0]);
	close(fds[1]);
}

static void
test_control__seals_what_is_paused(void **state)
{
	int fd = memfd_create("state", MFD_CLOEXEC);
	struct display_peer *peer;
	struct control_stage stage;

	(void)state;
	control_stage_open(&stage, VMM_STATE_PAUSED, getuid());
	peer = control_stage_connect(&stage);
	assert_int_equal(control_stage_ask(&stage, peer->fd, VMM_SEAL, NULL, 0, fd), 0);
	assert_int_equal(stage.message.head.size, 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 5);
	display_peer_close(peer);
	control_stage_close(&stage);
	close(fd);
}

/* A fork's state and its pages; never more than that. */
static void
test_control__seals_into_two_files(void **state)
{
	const int fds[] = { memfd_create("state", MFD_CLOEXEC), memfd_create("pages", MFD_CLOEXEC),
			    memfd_create("more", MFD_CLOEXEC) };
	struct seq_header head = { .type = VMM_SEAL };
	struct display_peer *peer;
	struct control_stage stage;
	char text[6] = "";

	(void)state;
	control_stage_open(&stage, VMM_STATE_PAUSED, getuid());
	peer = control_stage_connect(&stage);
	assert_int_equal(seq_send(peer->fd, &head, NULL, fds, 2), 0);
	control_stage_step(&stage);
	assert_int_equal(control_stage_read_answer(&stage, peer->fd, VMM_SEAL), 0);
	assert_int_equal(pread(fds[1], text, 5, 0), 5);
	assert_string_equal(text, "pages");
	assert_int_equal(seq_send(peer->fd, &head, NULL, fds, 3), 0);
	control_stage_step(&stage);
	assert_int_equal(control_stage_read_answer(&stage, peer->fd, VMM_SEAL), -EBADMSG);
	display_peer_close(peer);
	control_stage_close(&stage);
	for (size_t i = 0; i < 3; i++)
		close(fds[i]);
}

static void
test_control__refuses_in_words(void **state)
{
	static const struct {
		uint32_t type;
		size_t bytes;
		bool with_fd;
		enum vmm_state state;
		int refusal; /* the machine's */
		int status;
		const char *words;
	} cases[] = {
		{ 0, 0, false, VMM_STATE_RUNNING, 0, -ENOSYS, "no request 0" },
		{ VMM_EVENT, 0, false, VMM_STATE_RUNNING, 0, -ENOSYS, "no request 12" },
		{ VMM_STATUS, 4, false, VMM_STATE_RUNNING, 0, -EBADMSG, "wrong size" },
		{ VMM_PAUSE, 0, true, VMM_STATE_RUNNING, 0, -EBADMSG, "descriptors" },
		{ VMM_SCREENSHOT, 0, false, VMM_STATE_RUNNING, 0, -EBADMSG, "descriptors" },
		{ VMM_BALLOON, 4, false, VMM_STATE_RUNNING, 0, -EBADMSG, "wrong size" },
		{ VMM_PAUSE, 0, false, VMM_STATE_PAUSED, 0, -EBUSY, "is paused" },
		{ VMM_RESUME, 0, false, VMM_STATE_RUNNING, 0, -EBUSY, "is running" },
		{ VMM_POWERDOWN, 0, false, VMM_STATE_PANICKED, 0, -EBUSY, "is panicked" },
		{ VMM_RESET, 0, false, VMM_STATE_FAILED, 0, -EBUSY, "is failed" },
		{ VMM_BALLOON, 8, false, VMM_STATE_RUNNING, -EOPNOTSUPP, -EOPNOTSUPP,
		  "no balloon" },
		{ VMM_SCREENSHOT, 0, true, VMM_STATE_OFF, -ENODATA, -ENODATA, "nothing yet" },
		{ VMM_SCREENSHOT, 0, true, VMM_STATE_OFF, -EOPNOTSUPP, -EOPNOTSUPP, "no screen" },
		{ VMM_SCREENSHOT, 0, true, VMM_STATE_OFF, -ENOSPC, -ENOSPC, "No space" },
		{ VMM_SEAL, 0, false, VMM_STATE_PAUSED, 0, -EBADMSG, "descriptors" },
		{ VMM_SEAL, 0, true, VMM_STATE_RUNNING, 0, -EBUSY, "is running" },
		{ VMM_SEAL, 0, true, VMM_STATE_PAUSED, -EBUSY, -EBUSY, "upside down" },
		{ VMM_LINK, 4, false, VMM_STATE_STARTING, -EOPNOTSUPP, -EOPNOTSUPP, "no network" },
	};
	const uint8_t payload[8] = { 0 };
	struct control_stage stage;
	struct display_peer *peer;
	int fd = memfd_create("picture", MFD_CLOEXEC);

	(void)state;
	control_stage_open(&stage, VMM_STATE_RUNNING, getuid());
	peer = control_stage_connect(&stage);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		stage.state = cases[i].state;
		stage.refusal = cases[i].refusal;
		assert_int_equal(control_stage_ask(&stage, peer->fd, cases[i].type, payload,
						   cases[i].bytes, cases[i].with_fd ? fd : -1),
				 cases[i].status);
		if (!strstr(control_stage_refusal(&stage), cases[i].words))
			fail_msg("case %zu: \"%s\"", i, control_stage_refusal(&stage));
	}
	for (size_t i = 0; i < VMM_EVENT; i++)
		assert_int_equal(stage.n_asked[i], 0);
	display_peer_close(peer);
	control_stage_close(&stage);
	close(fd);
}

static void
test_control__answers_a_change_when_it_has_come(void **state)
{
	static const struct {
		uint32_t type;
		enum vmm_state before;
		enum vmm_event_kind kind;
		uint32_t value;
		int status;
		const char *words;
	} cases[] = {
		{ VMM_PAUSE, VMM_STATE_RUNNING, VMM_EVENT_STATE, VMM_STATE_PAUSED, 0, NULL },
		{ VMM_RESUME, VMM_STATE_PAUSED, VMM_EVENT_STATE, VMM_STATE_RUNNING, 0, NULL },
		{ VMM_RESUME, VMM_STATE_PAUSED, VMM_EVENT_STATE, VMM_STATE_PAUSED, -ENOSPC,
		  "stands on" },
		{ VMM_RESET, VMM_STATE_PAUSED, VMM_EVENT_REBOOTED, 0, 0, NULL },
		{ VMM_PAUSE, VMM_STATE_RUNNING, VMM_EVENT_STATE, VMM_STATE_OFF, -ECANCELED,
		  "meanwhile" },
		{ VMM_RESET, VMM_STATE_RUNNING, VMM_EVENT_STATE, VMM_STATE_FAILED, -ECANCELED,
		  "meanwhile" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct control_stage stage;
		struct display_peer *peer;

		control_stage_open(&stage, cases[i].before, getuid());
		peer = control_stage_connect(&stage);
		control_stage_send(&stage, peer->fd, cases[i].type, NULL, 0, -1);
		assert_int_equal(stage.n_asked[cases[i].type], 1);
		assert_int_equal(seq_receive(peer->fd, &stage.message), -EAGAIN);
		control_stage_happen(&stage, VMM_EVENT_AGENT_PORT, 1);
		control_stage_expect_event(&stage, peer->fd, VMM_EVENT_AGENT_PORT, 1);
		assert_int_equal(seq_receive(peer->fd, &stage.message), -EAGAIN);
		control_stage_happen(&stage, cases[i].kind, cases[i].value);
		control_stage_expect_event(&stage, peer->fd, cases[i].kind, cases[i].value);
		assert_int_equal(control_stage_read_answer(&stage, peer->fd, cases[i].type),
				 cases[i].status);
		if (cases[i].status < 0)
			assert_non_null(strstr(control_stage_refusal(&stage), cases[i].words));
		control_stage_happen(&stage, cases[i].kind, cases[i].value);
		control_stage_expect_event(&stage, peer->fd, cases[i].kind, cases[i].value);
		assert_int_equal(seq_receive(peer->fd, &stage.message), -EAGAIN);
		display_peer_close(peer);
		control_stage_close(&stage);
	}
}

static void
test_control__makes_one_change_at_a_time(void **state)
{
	struct control_stage stage;
	struct display_peer *peer;

	(void)state;
	control_stage_open(&stage, VMM_STATE_RUNNING, getuid());
	peer = control_stage_connect(&stage);
	control_stage_send(&stage, peer->fd, VMM_PAUSE, NULL, 0, -1);
	assert_int_equal(control_stage_ask(&stage, peer->fd, VMM_RESET, NULL, 0, -1), -EBUSY);
	assert_non_null(strstr(control_stage_refusal(&stage), "busy"));
	assert_int_equal(stage.n_asked[VMM_RESET], 0);
	assert_int_equal(control_stage_ask(&stage, peer->fd, VMM_STATUS, NULL, 0, -1), 0);
	display_peer_close(peer);
	control_stage_step(&stage);

	/* who comes next is not told what the other one has asked */
	peer = control_stage_connect(&stage);
	control_stage_happen(&stage, VMM_EVENT_STATE, VMM_STATE_PAUSED);
	control_stage_expect_event(&stage, peer->fd, VMM_EVENT_STATE, VMM_STATE_PAUSED);
	assert_int_equal(seq_receive(peer->fd, &stage.message), -EAGAIN);
	assert_int_equal(control_stage_ask(&stage, peer->fd, VMM_STATUS, NULL, 0, -1), 0);
	display_peer_close(peer);
	control_stage_close(&stage);
}

static void
test_control__the_newest_connection_replaces_the_older(void **state)
{
	struct control_stage stage;
	struct display_peer *first;
	struct display_peer *second;

	(void)state;
	control_stage_open(&stage, VMM_STATE_RUNNING, getuid());
	first = control_stage_connect(&stage);
	second = control_stage_connect(&stage);
	assert_int_equal(seq_receive(first->fd, &stage.message), -EPIPE);
	assert_int_equal(control_stage_ask(&stage, second->fd, VMM_STATUS, NULL, 0, -1), 0);
	display_peer_close(first);
	display_peer_close(second);
	control_stage_close(&stage);
}

static void
test_control__lets_in_one_uid_only(void **state)
{
	struct control_stage stage;
	struct display_peer *peer;

	(void)state;
	control_stage_open(&stage, VMM_STATE_RUNNING, getuid() + 1);
	peer = control_stage_connect(&stage);
	assert_int_equal(seq_receive(peer->fd, &stage.message), -EPIPE);
	display_peer_close(peer);
	control_stage_close(&stage);
}

static void
test_control__drops_who_breaks_the_protocol(void **state)
{
	struct control_stage stage;
	struct display_peer *peer;

	(void)state;
	control_stage_open(&stage, VMM_STATE_RUNNING, getuid());
	peer = control_stage_connect(&stage);
	assert_int_equal(send(peer->fd, "short", 5, 0), 5);
	control_stage_step(&stage);
	assert_int_equal(seq_receive(peer->fd, &stage.message), -EPIPE);
	display_peer_close(peer);
	control_stage_close(&stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_control__answers_what_it_is_asked),
		cmocka_unit_test(test_control__passes_descriptors_on),
		cmocka_unit_test(test_control__changes_the_home),
		cmocka_unit_test(test_control__seals_what_is_paused),
		cmocka_unit_test(test_control__seals_into_two_files),
		cmocka_unit_test(test_control__refuses_in_words),
		cmocka_unit_test(test_control__answers_a_change_when_it_has_come),
		cmocka_unit_test(test_control__makes_one_change_at_a_time),
		cmocka_unit_test(test_control__the_newest_connection_replaces_the_older),
		cmocka_unit_test(test_control__lets_in_one_uid_only),
		cmocka_unit_test(test_control__drops_who_breaks_the_protocol),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
