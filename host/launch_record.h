/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_record.h - the text of a `record`: what a restarted carrel-launch needs to know of a desktop or a job
 *
 *   version=1
 *   name=d-...
 *   generation=1
 *   vm_uid=200064
 *   display_uid=200065
 *   qemu=PID TICKS          and one such line for each role, "0 0" when it does not run
 */
#ifndef HOST_LAUNCH_RECORD_H
#define HOST_LAUNCH_RECORD_H

#include <stddef.h>

struct launch_record;

#define LAUNCH_RECORD_MAX_BYTES 1024

/* Returns the length without its NUL; "size" is LAUNCH_RECORD_MAX_BYTES. */
size_t launch_record_format(const struct launch_record *record, char *ret_text, size_t size);

/* Exactly what launch_record_format() writes and nothing else: 0 or -EINVAL. */
int launch_record_parse(const char *text, size_t size, struct launch_record *ret_record);

#endif
