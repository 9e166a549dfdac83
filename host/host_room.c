/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * host_room.c - what this host has left of memory and disk, and what a desktop that begins to run takes of it (carrel-hostd)
 */
#include "host/host_room.h"

#include <sys/statvfs.h>

#include "host/doctor.h"
#include "host/engine.h"

/* What a desktop needs beyond its template: its process, and the share of its RAM that it soon writes to. */
#define PROCESS_MIB 96
#define RAM_SHARE   8
/* What is left free on the disk: a twentieth of it, at most 1 GiB. */
#define DISK_RESERVE_SHARE 20
#define DISK_RESERVE_MAX   (G_GUINT64_CONSTANT(1) << 30)

guint
host_room_get_free_mib(guint reserve_mib)
{
	guint available = (guint)doctor_read_memory_mib("", "MemAvailable:");

	return available > reserve_mib ? available - reserve_mib : 0;
}

gboolean
host_room_has_disk(const char *folder, guint64 bytes)
{
	struct statvfs about;
	guint64 reserve;
	guint64 left;

	if (statvfs(folder, &about) < 0)
		return TRUE;
	reserve = MIN((guint64)about.f_blocks * about.f_frsize / DISK_RESERVE_SHARE,
		      DISK_RESERVE_MAX);
	left = (guint64)about.f_bavail * about.f_frsize;
	return left >= reserve && left - reserve >= bytes;
}

guint
host_room_get_fork_mib(guint ram_mib)
{
	return PROCESS_MIB + ram_mib / RAM_SHARE;
}

guint
host_room_get_resume_mib(const struct engine_ops *engine, guint ram_mib, guint64 pages_bytes)
{
	guint64 own_mib = (pages_bytes >> 20) + ram_mib / RAM_SHARE;

	if (engine->restores_all || own_mib > ram_mib)
		own_mib = ram_mib;
	return PROCESS_MIB + (guint)own_mib;
}
