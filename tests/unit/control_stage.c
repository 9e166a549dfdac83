/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_stage.c - a carrel-vmm's control socket over a machine that only counts what it is asked (unit tests)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/control_stage.h"

static void
control_stage_get_status(void *context, struct vmm_status *ret_status)
{
	struct control_stage *stage = context;

	ret_status->state = stage->state;
	ret_status->agent_open = 1;
}

static void
control_stage_get_statistics(void *context, struct vmm_statistics *ret_statistics)
{
	(void)context;
	ret_statistics->exits = 123;
}

static void
control_stage_pause(void *context)
{
	((struct control_stage *)context)->n_asked[VMM_PAUSE]++;
}

static void
control_stage_resume(void *context)
{
	((struct control_stage *)context)->n_asked[VMM_RESUME]++;
}

static void
control_stage_reset(void *context)
{
	((struct control_stage *)context)->n_asked[VMM_RESET]++;
}

static void
control_stage_quit(void *context)
{
	((struct control_stage *)context)->n_asked[VMM_QUIT]++;
}

static void
control_stage_press(void *context)
{
	((struct control_stage *)context)->n_asked[VMM_POWERDOWN]++;
}

static int
control_stage_set_balloon(void *context, uint64_t bytes)
{
	struct control_stage *stage = context;

	stage->balloon_bytes = bytes;
	return stage->refusal;
}

static int
control_stage_take_screenshot(void *context, int fd, struct vmm_picture *ret_picture)
{
	struct control_stage *stage = context;

	if (stage->refusal < 0)
		return stage->refusal;
	assert_int_equal(write(fd, "pixels", 6), 6);
	*ret_picture = (struct vmm_picture){ 640, 480, 2560 };
	return 0;
}

static int
control_stage_set_link(void *context, bool up, int fd)
{
	struct control_stage *stage = context;

	stage->link_up = up;
	stage->link_fd = fd;
	return stage->refusal;
}

static int
control_stage_attach_home(void *context, int base_fd, int overlay_fd)
{
	struct control_stage *stage = context;

	if (stage->refusal < 0)
		return stage->refusal;
	stage->n_home_fds = (fcntl(base_fd, F_GETFD) >= 0) + (fcntl(overlay_fd, F_GETFD) >= 0);
	assert_true(fcntl(overlay_fd, F_GETFD) >= 0);
	return 0;
}

static int
control_stage_detach_home(void *context)
{
	struct control_stage *stage = context;

	stage->n_home_fds = -1;
	return stage->refusal;
}

static int
control_stage_seal(void *context, const int *fds, size_t n_fds, struct vmm_refusal *ret_problem)
{
	struct control_stage *stage = context;

	if (stage->refusal < 0)
		memcpy(ret_problem->text, "it lies upside down", sizeof("it lies upside down"));
	for (size_t i = 0; stage->refusal == 0 && i < n_fds; i++)
		assert_int_equal(write(fds[i], i == 0 ? "state" : "pages", 5), 5);
	return stage->refusal;
}

static const struct control_ops ops = {
	.get_status = control_stage_get_status,
	.get_statistics = control_stage_get_statistics,
	.pause = control_stage_pause,
	.resume = control_stage_resume,
	.reset = control_stage_reset,
	.quit = control_stage_quit,
	.press_power_button = control_stage_press,
	.set_balloon = control_stage_set_balloon,
	.take_screenshot = control_stage_take_screenshot,
	.set_link = control_stage_set_link,
	.attach_home = control_stage_attach_home,
	.detach_home = control_stage_detach_home,
	.seal = control_stage_seal,
};

void
control_stage_open(struct control_stage *stage, enum vmm_state state, uint32_t uid)
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

void
control_stage_step(struct control_stage *stage)
{
	while (loop_step(stage->loop, 0) > 0)
		;
}

struct display_peer *
control_stage_connect(struct control_stage *stage)
{
	struct display_peer *peer;

	assert_int_equal(display_peer_open(stage->listen_fd, false, &peer), 0);
	control_stage_step(stage);
	return peer;
}

void
control_stage_close(struct control_stage *stage)
{
	control_free(stage->control);
	loop_free(stage->loop);
	close(stage->listen_fd);
}

void
control_stage_send(struct control_stage *stage, int fd, uint32_t type, const void *payload,
		   size_t bytes, int sent_fd)
{
	struct seq_header head = { .type = type, .id = ++stage->last_id, .size = (uint32_t)bytes };

	assert_int_equal(seq_send(fd, &head, payload, &sent_fd, sent_fd >= 0 ? 1 : 0), 0);
	control_stage_step(stage);
}

int
control_stage_read_answer(struct control_stage *stage, int fd, uint32_t type)
{
	assert_int_equal(seq_receive(fd, &stage->message), 0);
	assert_int_equal(stage->message.head.type, type);
	assert_int_equal(stage->message.head.id, stage->last_id);
	return stage->message.head.status;
}

int
control_stage_ask(struct control_stage *stage, int fd, uint32_t type, const void *payload,
		  size_t bytes, int sent_fd)
{
	control_stage_send(stage, fd, type, payload, bytes, sent_fd);
	return control_stage_read_answer(stage, fd, type);
}

const char *
control_stage_refusal(const struct control_stage *stage)
{
	assert_int_equal(stage->message.head.size, sizeof(struct vmm_refusal));
	return ((const struct vmm_refusal *)stage->message.payload)->text;
}

void
control_stage_happen(struct control_stage *stage, enum vmm_event_kind kind, uint32_t value)
{
	struct vmm_event event = { .kind = kind, .value = value };

	if (kind == VMM_EVENT_STATE)
		stage->state = value;
	control_tell(stage->control, &event);
}

uint32_t
control_stage_get_event(const struct control_stage *stage, enum vmm_event_kind kind)
{
	struct vmm_event event;

	assert_int_equal(stage->message.head.type, VMM_EVENT);
	assert_int_equal(stage->message.head.id, 0);
	assert_int_equal(stage->message.head.size, sizeof(event));
	memcpy(&event, stage->message.payload, sizeof(event));
	assert_int_equal(event.kind, kind);
	return event.value;
}

void
control_stage_expect_event(struct control_stage *stage, int fd, enum vmm_event_kind kind,
			   uint32_t value)
{
	assert_int_equal(seq_receive(fd, &stage->message), 0);
	assert_int_equal(control_stage_get_event(stage, kind), value);
}
