/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_record.c - the text of a `record` (carrel-launch)
 *
 * How it works: the form is fixed, so the parser is strict by construction: launch_record_parse() takes the values
 * in their order, formats them again with launch_record_format(), and refuses a text that is not the same bytes.
 */
#include "host/launch_record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/proto_launch.h"
#include "host/launch_role.h"

static void
launch_record_add(char *text, size_t size, size_t *length, const char *key, const char *value)
{
	int n = snprintf(text + *length, size - *length, "%s=%s\n", key, value);

	if (n > 0 && (size_t)n < size - *length)
		*length += (size_t)n;
}

size_t
launch_record_format(const struct launch_record *record, char *ret_text, size_t size)
{
	char value[64];
	size_t length = 0;

	launch_record_add(ret_text, size, &length, "version", "1");
	launch_record_add(ret_text, size, &length, "name", record->desktop);
	snprintf(value, sizeof(value), "%" PRIu64, record->generation);
	launch_record_add(ret_text, size, &length, "generation", value);
	snprintf(value, sizeof(value), "%" PRIu32, record->vm_uid);
	launch_record_add(ret_text, size, &length, "vm_uid", value);
	snprintf(value, sizeof(value), "%" PRIu32, record->display_uid);
	launch_record_add(ret_text, size, &length, "display_uid", value);
	for (uint32_t role = 0; role < LAUNCH_ROLE_COUNT; role++) {
		snprintf(value, sizeof(value), "%" PRId32 " %" PRIu64, record->processes[role].pid,
			 record->processes[role].start_ticks);
		launch_record_add(ret_text, size, &length, launch_role_find(role)->name, value);
	}
	return length;
}

/* The value behind "key=" at *at, which moves to the next line; NULL when the line is another. */
static const char *
launch_record_next(const char **at, const char *key)
{
	size_t length = strlen(key);
	const char *value = *at + length + 1;
	const char *end;

	if (strncmp(*at, key, length) != 0 || (*at)[length] != '=')
		return NULL;
	end = strchr(value, '\n');
	if (!end)
		return NULL;
	*at = end + 1;
	return value;
}

static int
launch_record_scan(const char *text, struct launch_record *record)
{
	const char *at = text;
	const char *value = launch_record_next(&at, "version");

	if (!value || !(value = launch_record_next(&at, "name")) ||
	    sscanf(value, "%23s", record->desktop) != 1)
		return -EINVAL;
	value = launch_record_next(&at, "generation");
	if (!value || sscanf(value, "%20" SCNu64, &record->generation) != 1)
		return -EINVAL;
	value = launch_record_next(&at, "vm_uid");
	if (!value || sscanf(value, "%10" SCNu32, &record->vm_uid) != 1)
		return -EINVAL;
	value = launch_record_next(&at, "display_uid");
	if (!value || sscanf(value, "%10" SCNu32, &record->display_uid) != 1)
		return -EINVAL;
	for (uint32_t role = 0; role < LAUNCH_ROLE_COUNT; role++) {
		struct launch_process *process = &record->processes[role];

		value = launch_record_next(&at, launch_role_find(role)->name);
		if (!value || sscanf(value, "%10" SCNd32 " %20" SCNu64, &process->pid,
				     &process->start_ticks) != 2)
			return -EINVAL;
		if (process->pid < 0)
			return -EINVAL;
	}
	return 0;
}

int
launch_record_parse(const char *text, size_t size, struct launch_record *ret_record)
{
	struct launch_record record = { 0 };
	char again[LAUNCH_RECORD_MAX_BYTES];

	if (strlen(text) != size || size >= sizeof(again) || launch_record_scan(text, &record) < 0)
		return -EINVAL;
	if (launch_record_format(&record, again, sizeof(again)) != size ||
	    memcmp(again, text, size) != 0)
		return -EINVAL;
	if (!id_valid(ID_KIND_DESKTOP, record.desktop) && !id_valid(ID_KIND_JOB, record.desktop))
		return -EINVAL;
	*ret_record = record;
	return 0;
}
