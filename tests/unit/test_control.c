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
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/seq.h"
#include "tests/unit/display_peer.h"
#include "vmm/control.h"
#include "vmm/loop.h"

#define MAX_UNREAD 10000 /* events that no socket holds */

/* The machine only counts what it is asked. */
struct stage {
	pthread_mutex_t lock;
	struct loop *loop;
	struct control *control;
	int listen_fd;
	enum vmm_state state;
	int n_asked[VMM_EVENT]; /* by enum vmm_type */
	int refusal;		/* of what may be refused */
	bool link_up;
	int link_fd;
	int n_home_fds; /* that were open; -1: detached */
	uint64_t balloon_bytes;
	uint32_t last_id;
	struct seq_message message; /* received last */
};

static void
stage_get_status(void *context, struct vmm_status *ret_status)
{
	struct stage *stage = context;

	ret_status->state = stage->state;
	ret_status->agent_open = 1;
}

static void
stage_get_statistics(void *context, struct vmm_statistics *ret_statistics)
{
	(void)context;
	ret_statistics->exits = 123;
}

static void
stage_pause(void *context)
{
	((struct stage *)context)->n_asked[VMM_PAUSE]++;
}

static void
stage_resume(void *context)
{
	((struct stage *)context)->n_asked[VMM_RESUME]++;
}

static void
stage_reset(void *context)
{
	((struct stage *)context)->n_asked[VMM_RESET]++;
}

static void
stage_quit(void *context)
{
	((struct stage *)context)->n_asked[VMM_QUIT]++;
}

static void
stage_press(void *context)
{
	((struct stage *)context)->n_asked[VMM_POWERDOWN]++;
}

static int
stage_set_balloon(void *context, uint64_t bytes)
{
	struct stage *stage = context;

	stage->balloon_bytes = bytes;
	return stage->refusal;
}

static int
stage_take_screenshot(void *context, int fd, struct vmm_picture *ret_picture)
{
	struct stage *stage = context;

	if (stage->refusal < 0)
		return stage->refusal;
	assert_int_equal(write(fd, "pixels", 6), 6);
	*ret_picture = (struct vmm_picture){ 640, 480, 2560 };
	return 0;
}

static int
stage_set_link(void *context, bool up, int fd)
{
	struct stage *stage = context;

	stage->link_up = up;
	stage->link_fd = fd;
	return stage->refusal;
}

static int
stage_attach_home(void *context, int base_fd, int overlay_fd)
{
	struct stage *stage = context;

	if (stage->refusal < 0)
		return stage->refusal;
	stage->n_home_fds = (fcntl(base_fd, F_GETFD) >= 0) + (fcntl(overlay_fd, F_GETFD) >= 0);
	assert_true(fcntl(overlay_fd, F_GETFD) >= 0);
	return 0;
}

static int
stage_detach_home(void *context)
{
	struct stage *stage = context;

	stage->n_home_fds = -1;
	return stage->refusal;
}

static const struct control_ops ops = {
	.get_status = stage_get_status,
	.get_statistics = stage_get_statistics,
	.pause = stage_pause,
	.resume = stage_resume,
	.reset = stage_reset,
	.quit = stage_quit,
	.press_power_button = stage_press,
	.set_balloon = stage_set_balloon,
	.take_screenshot = stage_take_screenshot,
	.set_link = stage_set_link,
	.attach_home = stage_attach_home,
	.detach_home = stage_detach_home,
};

static void
stage_open(struct stage *stage, enum vmm_state state, uint32_t uid)
{
	struct control_setup setup = { .uid = uid, .ops = &ops, .context = stage };

	memset(stage, 0, sizeof(*stage));
	stage->state = state;
	stage->link_fd = -1;
	pthread_mutex_init(&stage->lock, NULL);
	stage->listen_fd = display_peer_listen();
	assert_true(stage->listen_fd >= 0);
	setup.listen_fd = stage->listen_fd;
	assert_int_equal(loop_new(&stage->lock, &stage->loop), 0);
	assert_int_equal(control_new(stage->loop, &setup, &stage->control), 0);
}

static void
stage_step(struct stage *stage)
{
	while (loop_step(stage->loop, 0) > 0)
		;
}

static struct display_peer *
stage_connect(struct stage *stage)
{
	struct display_peer *peer;

	assert_int_equal(display_peer_open(stage->listen_fd, false, &peer), 0);
	stage_step(stage);
	return peer;
}

static void
stage_close(struct stage *stage)
{
	control_free(stage->control);
	loop_free(stage->loop);
	close(stage->listen_fd);
}

static void
stage_send(struct stage *stage, int fd, uint32_t type, const void *payload, size_t bytes,
	   int sent_fd)
{
	struct seq_header head = { .type = type, .id = ++stage->last_id, .size = (uint32_t)bytes };

	assert_int_equal(seq_send(fd, &head, payload, &sent_fd, sent_fd >= 0 ? 1 : 0), 0);
	stage_step(stage);
}

/* The answer's status to what was sent last. */
static int
stage_read_answer(struct stage *stage, int fd, uint32_t type)
{
	assert_int_equal(seq_receive(fd, &stage->message), 0);
	assert_int_equal(stage->message.head.type, type);
	assert_int_equal(stage->message.head.id, stage->last_id);
	return stage->message.head.status;
}

static int
stage_ask(struct stage *stage, int fd, uint32_t type, const void *payload, size_t bytes,
	  int sent_fd)
{
	stage_send(stage, fd, type, payload, bytes, sent_fd);
	return stage_read_answer(stage, fd, type);
}

static const char *
stage_refusal(const struct stage *stage)
{
	assert_int_equal(stage->message.head.size, sizeof(struct vmm_refusal));
	return ((const struct vmm_refusal *)stage->message.payload)->text;
}

static void
stage_happen(struct stage *stage, enum vmm_event_kind kind, uint32_t value)
{
	struct vmm_event event = { .kind = kind, .value = value };

	if (kind == VMM_EVENT_STATE)
		stage->state = value;
	control_tell(stage->control, &event);
}

/* The value of the event of this kind that was received last. */
static uint32_t
stage_get_event(const struct stage *stage, enum vmm_event_kind kind)
{
	struct vmm_event event;

	assert_int_equal(stage->message.head.type, VMM_EVENT);
	assert_int_equal(stage->message.head.id, 0);
	assert_int_equal(stage->message.head.size, sizeof(event));
	memcpy(&event, stage->message.payload, sizeof(event));
	assert_int_equal(event.kind, kind);
	return event.value;
}

static void
stage_expect_event(struct stage *stage, int fd, enum vmm_event_kind kind, uint32_t value)
{
	assert_int_equal(seq_receive(fd, &stage->message), 0);
	assert_int_equal(stage_get_event(stage, kind), value);
}

static void
test_control__answers_what_it_is_asked(void **state)
{
	const struct vmm_balloon balloon = { UINT64_C(5) << 30 };
	struct vmm_status status;
	struct vmm_statistics statistics;
	struct stage stage;
	struct display_peer *peer;

	(void)state;
	stage_open(&stage, VMM_STATE_RUNNING, getuid());
	peer = stage_connect(&stage);
	assert_int_equal(stage_ask(&stage, peer->fd, VMM_STATUS, NULL, 0, -1), 0);
	assert_int_equal(stage.message.head.size, sizeof(status));
	memcpy(&status, stage.message.payload, sizeof(status));
	assert_int_equal(status.version, VMM_PROTOCOL_VERSION);
	assert_int_equal(status.state, VMM_STATE_RUNNING);
	assert_int_equal(status.agent_open, 1);
	assert_int_equal(stage_ask(&stage, peer->fd, VMM_STATISTICS, NULL, 0, -1), 0);
	assert_int_equal(stage.message.head.size, sizeof(statistics));
	memcpy(&statistics, stage.message.payload, sizeof(statistics));
	assert_int_equal(statistics.exits, 123);
	assert_int_equal(stage_ask(&stage, peer->fd, VMM_BALLOON, &balloon, sizeof(balloon), -1),
			 0);
	assert_int_equal(stage.message.head.size, 0);
	assert_int_equal(stage.balloon_bytes, balloon.target_bytes);
	assert_int_equal(stage_ask(&stage, peer->fd, VMM_POWERDOWN, NULL, 0, -1), 0);
	assert_int_equal(stage.n_asked[VMM_POWERDOWN], 1);
	assert_int_equal(stage_ask(&stage, peer->fd, VMM_QUIT, NULL, 0, -1), 0);
	assert_int_equal(stage.n_asked[VMM_QUIT], 1);
	display_peer_close(peer);
	stage_close(&stage);
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
	struct stage stage;

	(void)state;
	stage_open(&stage, VMM_STATE_PAUSED, getuid());
	peer = stage_connect(&stage);
	assert_int_equal(stage_ask(&stage, peer->fd, VMM_SCREENSHOT, NULL, 0, fd), 0);
	memcpy(&picture, stage.message.payload, sizeof(picture));
	assert_int_equal(stage.message.head.size, sizeof(picture));
	assert_int_equal(picture.stride, 2560);
	assert_int_equal(lseek(fd, 0, SEEK_END), 6);
	assert_int_equal(stage_ask(&stage, peer->fd, VMM_LINK, &up, sizeof(up), fd), 0);
	assert_true(stage.link_up);
	assert_true(stage.link_fd >= 0);
	close(stage.link_fd);
	assert_int_equal(stage_ask(&stage, peer->fd, VMM_LINK, &down, sizeof(down), -1), 0);
	assert_false(stage.link_up);
	assert_int_equal(stage.link_fd, -1);
	assert_int_equal(stage_ask(&stage, peer->fd, VMM_LINK, &wrong, sizeof(wrong), -1), -EINVAL);
	display_peer_close(peer);
	stage_close(&stage);
	close(fd);
}

static int
stage_ask_home(struct stage *stage, int fd, uint32_t medium, const int *fds, size_t n_fds)
{
	const struct vmm_home home = { medium };
	struct seq_header head = { .type = VMM_HOME, .id = ++stage->last_id, .size = sizeof(home) };

	assert_int_equal(seq_send(fd, &head, &home, fds, n_fds), 0);
	stage_step(stage);
	return stage_read_answer(stage, fd, VMM_HOME);
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
	struct stage stage;
	struct display_peer *peer;

	(void)state;
	stage_open(&stage, VMM_STATE_RUNNING, getuid());
	peer = stage_connect(&stage);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		stage.n_home_fds = 0;
		stage.refusal = cases[i].refusal;
		assert_int_equal(
			stage_ask_home(&stage, peer->fd, cases[i].medium, fds, cases[i].n_fds),
			cases[i].status);
		assert_int_equal(stage.n_home_fds, cases[i].n_home_fds);
		if (cases[i].words && !strstr(stage_refusal(&stage), cases[i].words))
			fail_msg("case %zu: \"%s\"", i, stage_refusal(&stage));
	}
	stage.state = VMM_STATE_OFF;
	assert_int_equal(stage_ask_home(&stage, peer->fd, VMM_MEDIUM_RAW, fds, 1), -EBUSY);
	assert_non_null(strstr(stage_refusal(&stage), "is off"));
	display_peer_close(peer);
	stage_close(&stage);
	close(fds[0]);
	close(fds[1]);
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
		{ VMM_LINK, 4, false, VMM_STATE_STARTING, -EOPNOTSUPP, -EOPNOTSUPP, "no network" },
	};
	const uint8_t payload[8] = { 0 };
	struct stage stage;
	struct display_peer *peer;
	int fd = memfd_create("picture", MFD_CLOEXEC);

	(void)state;
	stage_open(&stage, VMM_STATE_RUNNING, getuid());
	peer = stage_connect(&stage);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		stage.state = cases[i].state;
		stage.refusal = cases[i].refusal;
		assert_int_equal(stage_ask(&stage, peer->fd, cases[i].type, payload, cases[i].bytes,
					   cases[i].with_fd ? fd : -1),
				 cases[i].status);
		if (!strstr(stage_refusal(&stage), cases[i].words))
			fail_msg("case %zu: \"%s\"", i, stage_refusal(&stage));
	}
	for (size_t i = 0; i < VMM_EVENT; i++)
		assert_int_equal(stage.n_asked[i], 0);
	display_peer_close(peer);
	stage_close(&stage);
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
		struct stage stage;
		struct display_peer *peer;

		stage_open(&stage, cases[i].before, getuid());
		peer = stage_connect(&stage);
		stage_send(&stage, peer->fd, cases[i].type, NULL, 0, -1);
		assert_int_equal(stage.n_asked[cases[i].type], 1);
		assert_int_equal(seq_receive(peer->fd, &stage.message), -EAGAIN);
		stage_happen(&stage, VMM_EVENT_AGENT_PORT, 1);
		stage_expect_event(&stage, peer->fd, VMM_EVENT_AGENT_PORT, 1);
		assert_int_equal(seq_receive(peer->fd, &stage.message), -EAGAIN);
		stage_happen(&stage, cases[i].kind, cases[i].value);
		stage_expect_event(&stage, peer->fd, cases[i].kind, cases[i].value);
		assert_int_equal(stage_read_answer(&stage, peer->fd, cases[i].type),
				 cases[i].status);
		if (cases[i].status < 0)
			assert_non_null(strstr(stage_refusal(&stage), cases[i].words));
		stage_happen(&stage, cases[i].kind, cases[i].value);
		stage_expect_event(&stage, peer->fd, cases[i].kind, cases[i].value);
		assert_int_equal(seq_receive(peer->fd, &stage.message), -EAGAIN);
		display_peer_close(peer);
		stage_close(&stage);
	}
}

static void
test_control__makes_one_change_at_a_time(void **state)
{
	struct stage stage;
	struct display_peer *peer;

	(void)state;
	stage_open(&stage, VMM_STATE_RUNNING, getuid());
	peer = stage_connect(&stage);
	stage_send(&stage, peer->fd, VMM_PAUSE, NULL, 0, -1);
	assert_int_equal(stage_ask(&stage, peer->fd, VMM_RESET, NULL, 0, -1), -EBUSY);
	assert_non_null(strstr(stage_refusal(&stage), "busy"));
	assert_int_equal(stage.n_asked[VMM_RESET], 0);
	assert_int_equal(stage_ask(&stage, peer->fd, VMM_STATUS, NULL, 0, -1), 0);
	display_peer_close(peer);
	stage_step(&stage);

	/* who comes next is not told what the other one has asked */
	peer = stage_connect(&stage);
	stage_happen(&stage, VMM_EVENT_STATE, VMM_STATE_PAUSED);
	stage_expect_event(&stage, peer->fd, VMM_EVENT_STATE, VMM_STATE_PAUSED);
	assert_int_equal(seq_receive(peer->fd, &stage.message), -EAGAIN);
	assert_int_equal(stage_ask(&stage, peer->fd, VMM_STATUS, NULL, 0, -1), 0);
	display_peer_close(peer);
	stage_close(&stage);
}

static void
test_control__the_newest_connection_replaces_the_older(void **state)
{
	struct stage stage;
	struct display_peer *first;
	struct display_peer *second;

	(void)state;
	stage_open(&stage, VMM_STATE_RUNNING, getuid());
	first = stage_connect(&stage);
	second = stage_connect(&stage);
	assert_int_equal(seq_receive(first->fd, &stage.message), -EPIPE);
	assert_int_equal(stage_ask(&stage, second->fd, VMM_STATUS, NULL, 0, -1), 0);
	display_peer_close(first);
	display_peer_close(second);
	stage_close(&stage);
}

static void
test_control__lets_in_one_uid_only(void **state)
{
	struct stage stage;
	struct display_peer *peer;

	(void)state;
	stage_open(&stage, VMM_STATE_RUNNING, getuid() + 1);
	peer = stage_connect(&stage);
	assert_int_equal(seq_receive(peer->fd, &stage.message), -EPIPE);
	display_peer_close(peer);
	stage_close(&stage);
}

static void
test_control__who_does_not_read_is_told_how_it_is_then(void **state)
{
	struct stage stage;
	struct display_peer *peer;
	int n = 0;

	(void)state;
	stage_open(&stage, VMM_STATE_RUNNING, getuid());
	peer = stage_connect(&stage);
	stage_send(&stage, peer->fd, VMM_RESET, NULL, 0, -1);
	for (int i = 0; i < MAX_UNREAD; i++)
		stage_happen(&stage, VMM_EVENT_STATE, i % 2 ? VMM_STATE_RUNNING : VMM_STATE_PAUSED);
	stage_happen(&stage, VMM_EVENT_REBOOTED, 0);
	stage_happen(&stage, VMM_EVENT_STATE, VMM_STATE_PAUSED);
	stage_send(&stage, peer->fd, VMM_STATUS, NULL, 0, -1);
	while (seq_receive(peer->fd, &stage.message) == 0)
		n++;
	assert_in_range(n, 1, MAX_UNREAD - 1);
	stage_step(&stage);
	assert_int_equal(seq_receive(peer->fd, &stage.message), 0);
	assert_int_equal(stage.message.head.type, VMM_RESET);
	stage_expect_event(&stage, peer->fd, VMM_EVENT_STATE, VMM_STATE_PAUSED);
	stage_expect_event(&stage, peer->fd, VMM_EVENT_REBOOTED, 0);
	assert_int_equal(stage_read_answer(&stage, peer->fd, VMM_STATUS), 0);
	assert_int_equal(stage_ask(&stage, peer->fd, VMM_STATUS, NULL, 0, -1), 0);
	display_peer_close(peer);
	stage_close(&stage);
}

/* As a guest may do all day: each end of it is told, but not each time. */
static void
test_control__ports_that_open_and_close_are_told_in_time(void **state)
{
	struct stage stage;
	struct display_peer *peer;

	(void)state;
	stage_open(&stage, VMM_STATE_RUNNING, getuid());
	peer = stage_connect(&stage);
	stage_happen(&stage, VMM_EVENT_VDAGENT_PORT, 1);
	stage_expect_event(&stage, peer->fd, VMM_EVENT_VDAGENT_PORT, 1);
	for (int i = 0; i < MAX_UNREAD; i++) {
		stage_happen(&stage, VMM_EVENT_VDAGENT_PORT, i % 2);
		stage_happen(&stage, VMM_EVENT_AGENT_PORT, 1 - i % 2);
	}
	assert_int_equal(seq_receive(peer->fd, &stage.message), -EAGAIN);
	assert_int_equal(stage_ask(&stage, peer->fd, VMM_STATUS, NULL, 0, -1), 0);
	while (seq_receive(peer->fd, &stage.message) == -EAGAIN)
		loop_step(stage.loop, -1);
	/* closed and opened; the other was open only when nobody was told */
	assert_int_equal(stage_get_event(&stage, VMM_EVENT_VDAGENT_PORT), 0);
	stage_expect_event(&stage, peer->fd, VMM_EVENT_VDAGENT_PORT, 1);
	assert_int_equal(seq_receive(peer->fd, &stage.message), -EAGAIN);
	display_peer_close(peer);
	stage_close(&stage);
}

static void
test_control__drops_who_breaks_the_protocol(void **state)
{
	struct stage stage;
	struct display_peer *peer;

	(void)state;
	stage_open(&stage, VMM_STATE_RUNNING, getuid());
	peer = stage_connect(&stage);
	assert_int_equal(send(peer->fd, "short", 5, 0), 5);
	stage_step(&stage);
	assert_int_equal(seq_receive(peer->fd, &stage.message), -EPIPE);
	display_peer_close(peer);
	stage_close(&stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_control__answers_what_it_is_asked),
		cmocka_unit_test(test_control__passes_descriptors_on),
		cmocka_unit_test(test_control__changes_the_home),
		cmocka_unit_test(test_control__refuses_in_words),
		cmocka_unit_test(test_control__answers_a_change_when_it_has_come),
		cmocka_unit_test(test_control__makes_one_change_at_a_time),
		cmocka_unit_test(test_control__the_newest_connection_replaces_the_older),
		cmocka_unit_test(test_control__lets_in_one_uid_only),
		cmocka_unit_test(test_control__who_does_not_read_is_told_how_it_is_then),
		cmocka_unit_test(test_control__ports_that_open_and_close_are_told_in_time),
		cmocka_unit_test(test_control__drops_who_breaks_the_protocol),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
