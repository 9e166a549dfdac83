/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * machine_control.c - what vmm/control.c asks, of a real machine (carrel-vmm, under the machine's
 * lock)
 */
#include "vmm/machine_control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmm/control.h"
#include "vmm/description.h"
#include "vmm/devices.h"
#include "vmm/machine.h"
#include "vmm/platform.h"
#include "vmm/seat.h"

static void
machine_control_get_status(void *context, struct vmm_status *ret_status)
{
	const struct devices *devices = machine_get_devices(context);

	ret_status->state = machine_get_state(context);
	ret_status->pause_reason = machine_get_pause_reason(context);
	ret_status->agent_open = devices_is_port_open(devices, VMM_EVENT_AGENT_PORT);
	ret_status->vdagent_open = devices_is_port_open(devices, VMM_EVENT_VDAGENT_PORT);
	ret_status->link_up = devices_has_link(devices);
	ret_status->has_home = devices_has_home(devices);
}

static void
machine_control_get_statistics(void *context, struct vmm_statistics *ret_statistics)
{
	ret_statistics->exits = machine_get_exits(context);
	devices_get_statistics(machine_get_devices(context), ret_statistics);
}

static void
machine_control_pause(void *context)
{
	machine_ask_pause(context);
}

static void
machine_control_resume(void *context)
{
	machine_ask_resume(context);
}

static void
machine_control_reset(void *context)
{
	machine_ask_reset(context);
}

static void
machine_control_quit(void *context)
{
	machine_ask_quit(context);
}

static void
machine_control_press_power_button(void *context)
{
	devices_press_power_button(machine_get_devices(context));
}

static int
machine_control_set_balloon(void *context, uint64_t target_bytes)
{
	return devices_set_balloon(machine_get_devices(context), target_bytes);
}

static int
machine_control_take_screenshot(void *context, int fd, struct vmm_picture *ret_picture)
{
	struct seat *seat = devices_get_seat(machine_get_devices(context));

	return seat ? seat_screenshot(seat, fd, ret_picture) : -EOPNOTSUPP;
}

static int
machine_control_set_link(void *context, bool up, int fd)
{
	return devices_set_link(machine_get_devices(context), up, fd);
}

static int
machine_control_attach_home(void *context, int base_fd, int overlay_fd)
{
	return devices_attach_home(machine_get_devices(context), base_fd, overlay_fd);
}

static int
machine_control_detach_home(void *context)
{
	return devices_detach_home(machine_get_devices(context));
}

static int
machine_control_seal(void *context, const int *fds, size_t n_fds, struct vmm_refusal *ret_problem)
{
	const char *problem = NULL;
	int error = machine_save(context, fds, n_fds, &problem);

	if (error < 0)
		snprintf(ret_problem->text, sizeof(ret_problem->text), "%s",
			 problem ? problem : strerror(-error));
	return error;
}

static const struct control_ops control_ops = {
	.get_status = machine_control_get_status,
	.get_statistics = machine_control_get_statistics,
	.pause = machine_control_pause,
	.resume = machine_control_resume,
	.reset = machine_control_reset,
	.quit = machine_control_quit,
	.press_power_button = machine_control_press_power_button,
	.set_balloon = machine_control_set_balloon,
	.take_screenshot = machine_control_take_screenshot,
	.set_link = machine_control_set_link,
	.attach_home = machine_control_attach_home,
	.detach_home = machine_control_detach_home,
	.seal = machine_control_seal,
};

static void
machine_control_watch(void *context, const struct vmm_event *event)
{
	control_tell(context, event);
}

int
machine_control_new(struct machine *machine, const struct description *description,
		    struct control **ret_control)
{
	const struct control_setup setup = {
		.listen_fd = description->control_fd,
		.uid = description->control_uid,
		.ops = &control_ops,
		.context = machine,
	};
	int error = control_new(machine_get_platform(machine)->loop, &setup, ret_control);

	if (error == 0)
		machine_set_watcher(machine, machine_control_watch, *ret_control);
	return error;
}
