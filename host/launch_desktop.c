/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_desktop.c - a desktop's folders, sockets and uids (carrel-launch)
 *
 * How it works: launch_desktop_handle_make() finds or adds the unit, writes its record, then makes folders and
 * listening sockets. Launch keeps these sockets, so that clients can wait on them while nothing runs; while a machine has
 * them it answers with none of those, by which hostd knows that none is left of an earlier one. After launch
 * itself was restarted the sockets of a living desktop are held by its processes alone and are left as they are.
 */
#include "host/launch_desktop.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/seq.h"
#include "host/launch_state.h"
#include "host/launch_tree.h"
#include "host/launch_uids.h"
#include "host/launch_unit.h"

#define DESKTOP_PATH_SIZE 320

static const struct {
	const char *name;
	int type;
} socket_table[] = {
	[LAUNCH_SOCKET_CONTROL] = { "control", SOCK_STREAM },
	[LAUNCH_SOCKET_AGENT] = { "agent", SOCK_STREAM },
	[LAUNCH_SOCKET_VDAGENT] = { "vdagent", SOCK_STREAM },
	[LAUNCH_SOCKET_DISPLAY] = { "display", SOCK_SEQPACKET },
	[LAUNCH_SOCKET_WATCH] = { "watch", SOCK_SEQPACKET },
	[LAUNCH_SOCKET_VMM] = { "vmm", SOCK_SEQPACKET },
};
static_assert(sizeof(socket_table) / sizeof(socket_table[0]) == LAUNCH_SOCKET_COUNT,
	      "a row a socket");

static int
launch_desktop_check(struct launch *launch, const struct launch_desktop *wish)
{
	if (!seq_text_ok(wish->desktop, sizeof(wish->desktop)) ||
	    !id_valid(ID_KIND_DESKTOP, wish->desktop))
		return launch_state_refuse(launch, -EINVAL, "the name is no id of a desktop");
	return 0;
}

/* The unit in the wished generation. */
static int
launch_desktop_open_unit(struct launch *launch, const struct launch_desktop *wish,
			 struct launch_unit **ret_unit)
{
	struct launch_unit *unit = launch_state_find(launch, wish->desktop);

	if (unit && wish->generation < unit->generation)
		return launch_state_refuse(launch, -ESTALE,
					   "'%s' has generation %" PRIu64 ", not %" PRIu64,
					   unit->name, unit->generation, wish->generation);
	if (unit && wish->generation > unit->generation) {
		if (launch_state_alive(unit))
			return launch_state_refuse(launch, -EBUSY,
						   "'%s' still runs as generation %" PRIu64
						   ": end it first",
						   unit->name, unit->generation);
		launch_state_close_listeners(unit);
		unit->generation = wish->generation;
	}
	if (!unit) {
		unit = launch_state_add(launch, wish->desktop);
		if (!unit)
			return launch_state_refuse(
				launch, -ENOSPC,
				"%d desktops and jobs are known already: remove some",
				LAUNCH_MAX_RECORDS);
		unit->generation = wish->generation;
	}
	*ret_unit = unit;
	return 0;
}

static int
launch_desktop_listen(struct launch *launch, struct launch_unit *unit)
{
	char path[DESKTOP_PATH_SIZE];

	for (size_t i = 0; i < LAUNCH_SOCKET_COUNT; i++) {
		int error = launch_state_run_path(launch, unit->name, socket_table[i].name, path,
						  sizeof(path));

		/* Its machine holds the others itself. */
		if (launch_state_alive(unit) &&
		    (i != LAUNCH_SOCKET_WATCH || unit->children[LAUNCH_ROLE_DISPLAY].pid))
			continue;
		if (error == 0 && unit->listeners[i] < 0)
			error = io_unix_listen(path, socket_table[i].type, 0600,
					       &unit->listeners[i]);
		if (error == 0 &&
		    lchown(path, launch->options.hostd_uid, launch->options.hostd_gid) < 0)
			error = -errno;
		if (error < 0) {
			launch_state_close_listeners(unit);
			return error;
		}
	}
	return 0;
}

static int
launch_desktop_make(struct launch *launch, struct launch_unit *unit)
{
	int error = launch_unit_make(launch, unit, 2, launch->options.hostd_uid,
				     launch->options.hostd_gid);

	if (error < 0)
		return error;
	error = launch_desktop_listen(launch, unit);
	if (error == 0)
		return 0;
	return launch_state_refuse(launch, error, "its sockets: %s",
				   error == -ENAMETOOLONG
					   ? "their path is too long: use a shorter --run"
					   : strerror(-error));
}

static bool
launch_desktop_has_machine(const struct launch_unit *unit)
{
	return unit->children[LAUNCH_ROLE_QEMU].pid > 0 || unit->children[LAUNCH_ROLE_VMM].pid > 0;
}

static void
launch_desktop_answer(struct launch *launch, const struct launch_unit *unit)
{
	struct launch_desktop_made *made = &launch->payload.made;

	*made = (struct launch_desktop_made){ unit->uids[0], unit->uids[1], 0 };
	launch->answer.payload = made;
	launch->answer.size = sizeof(*made);
	for (unsigned int i = 0; i < LAUNCH_SOCKET_COUNT; i++) {
		if (unit->listeners[i] < 0 ||
		    (i != LAUNCH_SOCKET_WATCH && launch_desktop_has_machine(unit)))
			continue;
		made->sockets |= 1u << i;
		launch->answer.fds[launch->answer.n_fds++] = unit->listeners[i];
	}
}

int
launch_desktop_handle_make(void *context, struct seq_message *message)
{
	struct launch *launch = context;
	const struct launch_desktop *wish = (const void *)message->payload;
	struct launch_unit *unit = NULL;
	int error = launch_desktop_check(launch, wish);

	if (error == 0)
		error = launch_desktop_open_unit(launch, wish, &unit);
	if (error < 0)
		return error;
	error = launch_desktop_make(launch, unit);
	if (error < 0) {
		/* What was made stays on disk for DESKTOP_REMOVE; nothing runs. */
		if (!launch_state_alive(unit))
			launch_state_drop(unit);
		return error;
	}
	launch_desktop_answer(launch, unit);
	return 0;
}

int
launch_desktop_handle_remove(void *context, struct seq_message *message)
{
	struct launch *launch = context;
	const struct launch_desktop *wish = (const void *)message->payload;
	struct launch_unit *unit = NULL;
	char path[DESKTOP_PATH_SIZE];
	int error = launch_desktop_check(launch, wish);

	if (error < 0)
		return error;
	unit = launch_state_find(launch, wish->desktop);
	if (unit && wish->generation < unit->generation)
		return launch_state_refuse(launch, -ESTALE,
					   "'%s' has generation %" PRIu64 " by now", unit->name,
					   unit->generation);
	if (unit && (launch_state_alive(unit) || launch_uids_in_use(unit->uids[0]) ||
		     launch_uids_in_use(unit->uids[1])))
		return launch_state_refuse(launch, -EBUSY, "'%s' still runs: end it first",
					   unit->name);
	/* The record last: until then a restarted launch knows whose the uids are. */
	error = launch_state_lib_path(launch, wish->desktop, path, sizeof(path));
	if (error == 0)
		error = launch_tree_remove_path(path);
	if (error == 0)
		error = launch_state_run_path(launch, wish->desktop, "", path, sizeof(path));
	if (error == 0)
		error = launch_tree_remove_path(path);
	if (error < 0)
		return launch_state_refuse(launch, error, "'%s' cannot be removed: %s: %s",
					   wish->desktop, path, strerror(-error));
	launch_cgroup_remove(&launch->cgroup, wish->desktop);
	if (unit)
		launch_state_drop(unit);
	log_info("removed name=%s", wish->desktop);
	return 0;
}

int
launch_desktop_handle_list(void *context, struct seq_message *message)
{
	struct launch *launch = context;
	uint32_t count = 0;

	static_assert(sizeof(launch->payload.records) <= SEQ_MAX_PAYLOAD, "one answer holds all");
	(void)message;
	memset(launch->payload.records, 0, sizeof(launch->payload.records));
	for (size_t i = 0; i < LAUNCH_MAX_RECORDS; i++) {
		const struct launch_unit *unit = &launch->units[i];
		struct launch_record *record = &launch->payload.records[count];

		if (!unit->name[0])
			continue;
		memcpy(record->desktop, unit->name, sizeof(record->desktop));
		record->generation = unit->generation;
		record->vm_uid = unit->uids[0];
		record->display_uid = unit->uids[1];
		for (size_t role = 0; role < LAUNCH_ROLE_COUNT; role++) {
			record->processes[role].pid = unit->children[role].pid;
			record->processes[role].start_ticks = unit->children[role].start_ticks;
		}
		count++;
	}
	launch->answer.payload = launch->payload.records;
	launch->answer.size = count * (uint32_t)sizeof(struct launch_record);
	return 0;
}
