/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_space.h - a job and the room on the disk that it works on (carrel-worker)
 */
#ifndef TEMPLATES_JOB_SPACE_H
#define TEMPLATES_JOB_SPACE_H

#include <gio/gio.h>

/* The bytes that a job may still write to that folder's disk; G_MAXUINT64 when the disk does not say. */
guint64 job_space_find_free(const char *folder);

/*
 * What failed on a disk with so little room becomes a G_IO_ERROR_NO_SPACE: what a machine or its guest says of a full disk
 * is seldom that it is full. To be called before what the job made is removed. Leaves G_IO_ERROR_CANCELLED as it is.
 */
void job_space_blame(guint64 free_bytes, GError *error);

/*
 * The cause, the room there is and what to do, in "size" bytes at most: it is the cause that is cut. need_bytes: what the job
 * takes at most, 0: not known. verb: the job's kind, as the user types it. The caller's to free.
 */
char *job_space_explain(const char *cause, const char *folder, guint64 need_bytes,
			guint64 free_bytes, const char *verb, gsize size);

#endif
