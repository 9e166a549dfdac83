/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control.c - the server of base/proto_vmm.h (carrel-vmm, the loop's thread; control_tell() also
 * vCPUs' under the lock)
 *
 * How it works: a request passes rule_table, its handler leaves the answer's payload in "answer" or
 * says in "refusal" why not, and control_answer() sends it. Pause, resume and reset take a while:
 * such a request becomes "awaited", of which there is one at a time, and control_tell() answers it
 * when it sees what it waited for, or that this cannot come any more.
 *
 * Nothing is sent but by control_flush(). What the socket has no room for stays: events in "news",
 * where they cannot become more, answers in "late"; no request is read before these are gone, so
 * there are two of them at most, that of an awaited request being one. The guest's ports, which it
 * may open and close all the time, are told of every 100 ms at most.
 *
 * There is one connection, the newest. What it has asked is forgotten with it.
 */
#include "vmm/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/seq.h"
#include "vmm/control_news.h"
#include "vmm/listener.h"
#include "vmm/loop.h"
#include "vmm/machine.h"

#define MAX_MESSAGES  16 /* read in one turn of the loop */
#define ANSWER_LATER  1
#define MAX_LATE      2
#define PORTS_PACE_NS UINT64_C(100000000)

union control_payload {
	struct vmm_status status;
	struct vmm_statistics statistics;
	struct vmm_picture picture;
	struct vmm_refusal refusal;
};

struct control_answer {
	struct seq_header head;
	union control_payload payload;
};

struct control {
	struct loop *loop;
	struct control_setup setup;
	struct listener *listener;
	struct loop_timer *pace;
	struct log_limit log_limit;
	/* of this connection */
	int fd; /* -1: nobody is connected */
	struct loop_source *source;
	uint32_t events; /* that the loop waits for */
	struct control_news news;
	uint32_t may_tell; /* of the news: without ports until "pace" */
	struct control_answer late[MAX_LATE];
	size_t n_late;
	struct seq_header awaited; /* the request that waits for its end; type 0: none */
	struct seq_message message;
	/* of this request */
	union control_payload answer;
	uint32_t answer_bytes;
	struct vmm_refusal refusal;
};

static void
control_drop(struct control *control)
{
	loop_remove(control->source);
	control->source = NULL;
	control->awaited.type = 0;
	control->n_late = 0;
	control->news.due = 0;
	close(take_fd(&control->fd));
}

static bool
control_may_log(struct control *control)
{
	return log_limit_allow(&control->log_limit, io_boottime_ms());
}

static void
control_close(struct control *control, const char *why)
{
	if (control->fd < 0)
		return;
	if (control_may_log(control))
		log_info("control: the connection is closed: %s", why);
	control_drop(control);
}

/* What the peer is told. */

static int
control_send_late(struct control *control)
{
	const struct control_answer *answer = &control->late[0];
	int error = seq_send(control->fd, &answer->head, &answer->payload, NULL, 0);

	if (error < 0)
		return error;
	control->n_late--;
	memmove(&control->late[0], &control->late[1], control->n_late * sizeof(control->late[0]));
	return 0;
}

/* 0; 1 when there is none that may be told now; -errno. */
static int
control_send_news(struct control *control)
{
	struct seq_header head = { .type = VMM_EVENT, .size = sizeof(struct vmm_event) };
	struct vmm_event event;
	enum control_due due;
	int error;

	if (!control_news_find(&control->news, control->may_tell, &due, &event))
		return 1;
	error = seq_send(control->fd, &head, &event, NULL, 0);
	if (error == 0)
		control_news_remove(&control->news, due);
	return error;
}

static int
control_watch(struct control *control, uint32_t events)
{
	int error = 0;

	if (events != control->events)
		error = loop_change(control->source, events);
	if (error == 0)
		control->events = events;
	return error;
}

/* As much as there is room for. */
static void
control_flush(struct control *control)
{
	uint32_t ports = control->news.due & CONTROL_DUE_PORTS;
	int result = 0;

	if (control->fd < 0)
		return;
	while (result == 0 && control->n_late > 0)
		result = control_send_late(control);
	while (result == 0)
		result = control_send_news(control);
	if (ports & ~control->news.due) {
		control->may_tell = ~CONTROL_DUE_PORTS;
		loop_timer_set(control->pace, loop_now_ns() + PORTS_PACE_NS);
	}
	if (result == -EAGAIN || result == 1)
		result = control_watch(control, (control->n_late > 0 ? 0 : EPOLLIN) |
							(result == -EAGAIN ? EPOLLOUT : 0));
	if (result < 0)
		control_close(control, strerror(-result));
}

static void
control_handle_pace(void *context)
{
	struct control *control = context;

	control->may_tell = ~0U;
	control_flush(control);
}

static int control_refuse(struct control *control, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int
control_refuse(struct control *control, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(control->refusal.text, sizeof(control->refusal.text), format, arguments);
	va_end(arguments);
	return error;
}

/* What nobody has found words for yet. */
static void
control_explain(struct control *control, int error, enum vmm_state state)
{
	if (control->refusal.text[0])
		return;
	if (error == -ENOSYS)
		control_refuse(control, error, "this carrel-vmm knows no request %u",
			       control->message.head.type);
	else if (error == -EBADMSG)
		control_refuse(control, error,
			       "request %u has a wrong size or number of descriptors",
			       control->message.head.type);
	else if (error == -EBUSY)
		control_refuse(control, error, "the machine is %s: it cannot be asked for that now",
			       machine_state_name(state));
	else
		control_refuse(control, error, "%s", strerror(-error));
}

/* To the request "asked": 0 with the answer's payload, or what it is refused with. */
static void
control_answer(struct control *control, const struct seq_header *asked, int status)
{
	struct control_answer *late = &control->late[control->n_late];

	if (control->fd < 0)
		return;
	late->head = (struct seq_header){ .type = asked->type, .id = asked->id, .status = status };
	if (status < 0) {
		late->head.size = sizeof(control->refusal);
		late->payload.refusal = control->refusal;
	} else {
		late->head.size = control->answer_bytes;
		late->payload = control->answer;
	}
	control->n_late++;
	control_flush(control);
}

/*
 * Whether the request has come true by this event (1), cannot any more (-errno), or may still (0).
 */
static int
control_judge(uint32_t type, const struct vmm_event *event)
{
	if (event->kind == VMM_EVENT_REBOOTED)
		return type == VMM_RESET;
	if (event->kind != VMM_EVENT_STATE)
		return 0;
	switch (event->value) {
	case VMM_STATE_PAUSED: /* a resume is refused by that */
		return type == VMM_RESUME ? -ENOSPC : type == VMM_PAUSE;
	case VMM_STATE_RUNNING:
		return type == VMM_RESUME;
	default:
		return -ECANCELED;
	}
}

static void
control_finish_awaited(struct control *control, const struct vmm_event *event)
{
	struct seq_header asked = control->awaited;
	int verdict = asked.type == 0 ? 0 : control_judge(asked.type, event);

	if (verdict == 0)
		return;
	control->awaited.type = 0;
	control->answer_bytes = 0;
	if (verdict == -ENOSPC)
		control_refuse(control, verdict, "the machine stands on: %s", event->text);
	else if (verdict < 0)
		control_refuse(control, verdict, "the machine is %s meanwhile",
			       machine_state_name(event->value));
	control_answer(control, &asked, verdict < 0 ? verdict : 0);
}

void
control_tell(struct control *control, const struct vmm_event *event)
{
	if (control->fd < 0)
		return;
	control_news_add(&control->news, event);
	control_flush(control);
	control_finish_awaited(control, event);
}

/* What the peer asks. */

static int
control_handle_status(void *context, struct seq_message *message)
{
	struct control *control = context;

	(void)message;
	control->setup.ops->get_status(control->setup.context, &control->answer.status);
	control->answer.status.version = VMM_PROTOCOL_VERSION;
	control->answer_bytes = sizeof(control->answer.status);
	return 0;
}

static int
control_handle_statistics(void *context, struct seq_message *message)
{
	struct control *control = context;

	(void)message;
	control->setup.ops->get_statistics(control->setup.context, &control->answer.statistics);
	control->answer_bytes = sizeof(control->answer.statistics);
	return 0;
}

/* Of those that take a while. */
static int
control_handle_change(void *context, struct seq_message *message)
{
	struct control *control = context;
	const struct control_ops *ops = control->setup.ops;

	if (control->awaited.type != 0)
		return control_refuse(control, -EBUSY,
				      "the machine is still busy with the request before");
	control->awaited = message->head;
	switch (message->head.type) {
	case VMM_PAUSE:
		ops->pause(control->setup.context);
		break;
	case VMM_RESUME:
		ops->resume(control->setup.context);
		break;
	default:
		ops->reset(control->setup.context);
		break;
	}
	return ANSWER_LATER;
}

static int
control_handle_powerdown(void *context, struct seq_message *message)
{
	struct control *control = context;

	(void)message;
	control->setup.ops->press_power_button(control->setup.context);
	return 0;
}

static int
control_handle_balloon(void *context, struct seq_message *message)
{
	struct control *control = context;
	struct vmm_balloon balloon;
	int error;

	memcpy(&balloon, message->payload, sizeof(balloon));
	error = control->setup.ops->set_balloon(control->setup.context, balloon.target_bytes);
	if (error == -EOPNOTSUPP)
		return control_refuse(control, error, "this machine has no balloon");
	return error;
}

static int
control_handle_screenshot(void *context, struct seq_message *message)
{
	struct control *control = context;
	int error = control->setup.ops->take_screenshot(control->setup.context, message->fds[0],
							&control->answer.picture);

	if (error == -EOPNOTSUPP)
		return control_refuse(control, error, "this machine has no screen");
	if (error == -ENODATA)
		return control_refuse(control, error, "the screen shows nothing yet");
	if (error == 0)
		control->answer_bytes = sizeof(control->answer.picture);
	return error;
}

static int
control_handle_link(void *context, struct seq_message *message)
{
	struct control *control = context;
	struct vmm_link link;
	int error;

	memcpy(&link, message->payload, sizeof(link));
	if (link.up > 1)
		return control_refuse(control, -EINVAL, "a link is up (1) or down (0), not %u",
				      link.up);
	error = control->setup.ops->set_link(control->setup.context, link.up == 1,
					     seq_take_fd(message, 0));
	if (error == -EOPNOTSUPP)
		return control_refuse(control, error, "this machine has no network");
	if (error == -EINVAL)
		return control_refuse(control, error,
				      "the link's descriptor is not of the kind of this machine's "
				      "network; its carrel-vmm's log says more");
	return error;
}

static int
control_change_home(struct control *control, uint32_t medium, const int *fds)
{
	const struct control_ops *ops = control->setup.ops;

	if (medium == VMM_MEDIUM_NONE)
		return ops->detach_home(control->setup.context);
	if (medium == VMM_MEDIUM_RAW)
		return ops->attach_home(control->setup.context, -1, fds[0]);
	return ops->attach_home(control->setup.context, fds[0], fds[1]);
}

static int
control_handle_home(void *context, struct seq_message *message)
{
	static const size_t n_fds[VMM_MEDIUM_COUNT] = {
		[VMM_MEDIUM_RAW] = 1,
		[VMM_MEDIUM_OVERLAY] = 2,
	};
	struct control *control = context;
	struct vmm_home home;
	int error;

	memcpy(&home, message->payload, sizeof(home));
	if (home.medium >= VMM_MEDIUM_COUNT || message->n_fds != n_fds[home.medium])
		return control_refuse(control, -EINVAL,
				      "medium %u does not come with %zu descriptors", home.medium,
				      message->n_fds);
	error = control_change_home(control, home.medium, message->fds);
	if (error == -ENODEV)
		return control_refuse(control, error, "this machine has no slot for a home");
	if (error == -EBUSY)
		return control_refuse(control, error, "there is a home in the slot already");
	if (error == -ENOENT)
		return control_refuse(control, error, "there is no home in the slot");
	if (error == -EIO)
		return control_refuse(control, error, "the home's storage failed");
	if (error == -EAGAIN)
		return control_refuse(control, error,
				      "another machine or another disk uses the home's file");
	if (error == -ENOSPC && home.medium == VMM_MEDIUM_NONE)
		return control_refuse(control, error,
				      "the host has no room for what was written to the home: it "
				      "stays until there is some");
	if (error < 0)
		return control_refuse(control, error,
				      "the home cannot be used: %s; its carrel-vmm's log says more",
				      strerror(-error));
	return 0;
}

static int
control_handle_seal(void *context, struct seq_message *message)
{
	struct control *control = context;

	return control->setup.ops->seal(control->setup.context, message->fds, message->n_fds,
					&control->refusal);
}

/* Answered first: the loop ends after this turn. */
static int
control_handle_quit(void *context, struct seq_message *message)
{
	struct control *control = context;

	(void)message;
	control->setup.ops->quit(control->setup.context);
	return 0;
}

#define ALWAYS	((1u << VMM_STATE_COUNT) - 1)
#define RUNNING (1u << VMM_STATE_RUNNING)
#define PAUSED	(1u << VMM_STATE_PAUSED)

static const struct seq_rule rule_table[] = {
	{ VMM_STATUS, 0, 0, 0, 0, ALWAYS, control_handle_status },
	{ VMM_PAUSE, 0, 0, 0, 0, RUNNING, control_handle_change },
	{ VMM_RESUME, 0, 0, 0, 0, PAUSED, control_handle_change },
	{ VMM_POWERDOWN, 0, 0, 0, 0, RUNNING, control_handle_powerdown },
	{ VMM_RESET, 0, 0, 0, 0, RUNNING | PAUSED, control_handle_change },
	{ VMM_BALLOON, sizeof(struct vmm_balloon), sizeof(struct vmm_balloon), 0, 0, RUNNING,
	  control_handle_balloon },
	{ VMM_STATISTICS, 0, 0, 0, 0, ALWAYS, control_handle_statistics },
	{ VMM_SCREENSHOT, 0, 0, 1, 1, ALWAYS, control_handle_screenshot },
	{ VMM_LINK, sizeof(struct vmm_link), sizeof(struct vmm_link), 0, 1, ALWAYS,
	  control_handle_link },
	{ VMM_HOME, sizeof(struct vmm_home), sizeof(struct vmm_home), 0, 2, RUNNING | PAUSED,
	  control_handle_home },
	{ VMM_SEAL, 0, 0, 1, 2, PAUSED, control_handle_seal },
	{ VMM_QUIT, 0, 0, 0, 0, ALWAYS, control_handle_quit },
};

static enum vmm_state
control_get_state(struct control *control)
{
	struct vmm_status status = { 0 };

	control->setup.ops->get_status(control->setup.context, &status);
	return status.state < VMM_STATE_COUNT ? status.state : VMM_STATE_FAILED;
}

/* One request; -errno when there is none or the connection is of no more use. */
static int
control_receive(struct control *control)
{
	enum vmm_state state = control_get_state(control);
	int error = seq_receive(control->fd, &control->message);

	if (error < 0)
		return error;
	control->answer_bytes = 0;
	memset(&control->answer, 0, sizeof(control->answer));
	memset(&control->refusal, 0, sizeof(control->refusal));
	error = seq_dispatch(rule_table, sizeof(rule_table) / sizeof(rule_table[0]), state, control,
			     &control->message);
	if (error == ANSWER_LATER)
		return 0;
	if (error < 0)
		control_explain(control, error, state);
	control_answer(control, &control->message.head, error);
	return 0;
}

static void
control_handle_socket(void *context, uint32_t events)
{
	struct control *control = context;
	int error = 0;

	(void)events;
	control_flush(control);
	for (int i = 0; i < MAX_MESSAGES && error == 0 && control->fd >= 0 && control->n_late == 0;
	     i++)
		error = control_receive(control);
	if (error == -EPIPE)
		control_close(control, "it has gone");
	else if (error < 0 && error != -EAGAIN)
		control_close(control, "it broke the protocol");
}

static void
control_handle_accepted(void *context, int accepted)
{
	CLEANUP_CLOSE int fd = accepted;
	struct control *control = context;

	control_close(control, "another one came");
	if (loop_add(control->loop, "control", fd, EPOLLIN, control_handle_socket, control,
		     &control->source) < 0)
		return;
	control->events = EPOLLIN;
	control->fd = take_fd(&fd);
}

int
control_new(struct loop *loop, const struct control_setup *setup, struct control **ret_control)
{
	struct control *control = calloc(1, sizeof(*control));
	const struct listener_setup listener = {
		.name = "control",
		.listen_fd = setup->listen_fd,
		.uid = setup->uid,
		.accepted = control_handle_accepted,
		.context = control,
	};
	int error;

	if (!control)
		return -ENOMEM;
	control->loop = loop;
	control->setup = *setup;
	control->fd = -1;
	control->may_tell = ~0U;
	control->log_limit = (struct log_limit){ .burst = 10, .every_ms = 1000 };
	error = listener_new(loop, &listener, &control->listener);
	if (error == 0)
		error = loop_timer_new(loop, "control", control_handle_pace, control,
				       &control->pace);
	if (error < 0) {
		control_free(control);
		return error;
	}
	*ret_control = control;
	return 0;
}

void
control_free(struct control *control)
{
	if (!control)
		return;
	if (control->fd >= 0)
		control_drop(control);
	listener_free(control->listener);
	loop_timer_free(control->pace);
	free(control);
}
