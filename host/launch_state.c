/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_state.c - what carrel-launch knows (carrel-launch)
 *
 * How it works: launch_state_save() writes a unit's record before hostd is told of a change, so that after a kill -9
 * launch_state_load() finds all processes again. A pid counts only with its start time: a pidfd is opened first, then the
 * start time is compared, so that the descriptor is known to be that of the recorded process.
 */
#include "host/launch_state.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/seq.h"
#include "host/launch_record.h"

#define PATH_SIZE 320

struct launch_unit *
launch_state_find(struct launch *launch, const char *name)
{
	for (size_t i = 0; i < LAUNCH_MAX_RECORDS; i++)
		if (name[0] && strcmp(launch->units[i].name, name) == 0)
			return &launch->units[i];
	return NULL;
}

struct launch_unit *
launch_state_add(struct launch *launch, const char *name)
{
	struct launch_unit *unit = NULL;

	for (size_t i = 0; i < LAUNCH_MAX_RECORDS && !unit; i++)
		if (!launch->units[i].name[0])
			unit = &launch->units[i];
	if (!unit)
		return NULL;
	memset(unit, 0, sizeof(*unit));
	seq_text_set(unit->name, sizeof(unit->name), name);
	for (size_t i = 0; i < LAUNCH_SOCKET_COUNT; i++)
		unit->listeners[i] = -1;
	for (size_t i = 0; i < LAUNCH_ROLE_COUNT; i++)
		unit->children[i].pidfd = -1;
	return unit;
}

void
launch_state_close_listeners(struct launch_unit *unit)
{
	for (size_t i = 0; i < LAUNCH_SOCKET_COUNT; i++) {
		if (unit->listeners[i] >= 0)
			close(unit->listeners[i]);
		unit->listeners[i] = -1;
	}
}

void
launch_state_drop(struct launch_unit *unit)
{
	launch_state_close_listeners(unit);
	for (size_t i = 0; i < LAUNCH_ROLE_COUNT; i++)
		if (unit->children[i].pidfd >= 0)
			close(unit->children[i].pidfd);
	unit->name[0] = '\0';
}

bool
launch_state_alive(const struct launch_unit *unit)
{
	for (size_t i = 0; i < LAUNCH_ROLE_COUNT; i++)
		if (unit->children[i].pid > 0)
			return true;
	return false;
}

int
launch_state_refuse(struct launch *launch, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(launch->refusal.text, sizeof(launch->refusal.text), format, arguments);
	va_end(arguments);
	return error;
}

int
launch_state_run_path(const struct launch *launch, const char *name, const char *file,
		      char *ret_path, size_t size)
{
	int length = snprintf(ret_path, size, "%s/%s/%s%s%s", launch->options.run,
			      id_valid(ID_KIND_JOB, name) ? "jobs" : "desktops", name,
			      file[0] ? "/" : "", file);

	return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

int
launch_state_lib_path(const struct launch *launch, const char *name, char *ret_path, size_t size)
{
	int length = snprintf(ret_path, size, "%s/%s/%s", launch->options.lib,
			      id_valid(ID_KIND_JOB, name) ? "staging" : "desktops", name);

	return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

int
launch_state_save(struct launch *launch, const struct launch_unit *unit)
{
	struct launch_record record = {
		.generation = unit->generation,
		.vm_uid = unit->uids[0],
		.display_uid = unit->uids[1],
	};
	char text[LAUNCH_RECORD_MAX_BYTES];
	char path[PATH_SIZE];
	size_t size;
	int error;

	memcpy(record.desktop, unit->name, sizeof(record.desktop));
	for (size_t i = 0; i < LAUNCH_ROLE_COUNT; i++) {
		record.processes[i].pid = unit->children[i].pid;
		record.processes[i].start_ticks = unit->children[i].start_ticks;
	}
	size = launch_record_format(&record, text, sizeof(text));
	error = launch_state_run_path(launch, unit->name, "record", path, sizeof(path));
	if (error == 0)
		error = io_write_file_durably(path, text, size, 0600);
	if (error < 0)
		log_error("the record of '%s' cannot be written: %s", unit->name, strerror(-error));
	return error;
}

/* Opens the recorded process, if it still lives. */
static void
launch_state_adopt(struct launch_unit *unit, uint32_t role, const struct launch_process *process)
{
	CLEANUP_CLOSE int pidfd = -1;
	uint64_t ticks;

	if (process->pid <= 0 || io_pidfd_open(process->pid, &pidfd) < 0)
		return;
	if (io_process_start(process->pid, &ticks) < 0 || ticks != process->start_ticks)
		return;
	unit->children[role] = (struct launch_child){ process->pid, ticks, take_fd(&pidfd) };
	log_info("adopted name=%s role=%u pid=%d", unit->name, role, process->pid);
}

static int
launch_state_load_one(struct launch *launch, const char *name)
{
	CLEANUP_FREE char *text = NULL;
	struct launch_record record;
	struct launch_unit *unit;
	char path[PATH_SIZE];
	struct stat status;
	size_t size;
	int error = launch_state_run_path(launch, name, "record", path, sizeof(path));

	if (error < 0)
		return error;
	if (lstat(path, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode) || status.st_uid != 0 || (status.st_mode & 07777) != 0600)
		return -EPERM;
	error = io_read_file(path, LAUNCH_RECORD_MAX_BYTES, &text, &size);
	if (error == 0)
		error = launch_record_parse(text, size, &record);
	if (error == 0 && strcmp(record.desktop, name) != 0)
		error = -EINVAL;
	if (error < 0)
		return error;
	unit = launch_state_add(launch, name);
	if (!unit)
		return -ENOSPC;
	unit->generation = record.generation;
	unit->uids[0] = record.vm_uid;
	unit->uids[1] = record.display_uid;
	for (uint32_t role = 0; role < LAUNCH_ROLE_COUNT; role++)
		launch_state_adopt(unit, role, &record.processes[role]);
	return 0;
}

static int
launch_state_load_folder(struct launch *launch, const char *folder, enum id_kind kind)
{
	struct dirent *entry;
	char path[PATH_SIZE];
	DIR *units;

	snprintf(path, sizeof(path), "%s/%s", launch->options.run, folder);
	units = opendir(path);
	if (!units)
		return -errno;
	// cppcheck-suppress readdirCalled ; one thread
	while ((entry = readdir(units))) {
		int error;

		if (!id_valid(kind, entry->d_name))
			continue;
		error = launch_state_load_one(launch, entry->d_name);
		if (error < 0)
			log_warning("no usable record in '%s/%s' (%s): it can only be removed",
				    path, entry->d_name, strerror(-error));
	}
	closedir(units);
	return 0;
}

int
launch_state_load(struct launch *launch)
{
	int error = launch_state_load_folder(launch, "desktops", ID_KIND_DESKTOP);

	return error < 0 ? error : launch_state_load_folder(launch, "jobs", ID_KIND_JOB);
}
