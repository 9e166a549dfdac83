/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * name.c - names that people choose: templates, pools, hosts, users (all processes)
 */
#include "base/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char lower_and_digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";

bool
name_valid(const char *name)
{
	size_t length = name ? strlen(name) : 0;

	if (length == 0 || length >= NAME_SIZE || name[0] == '-' || name[length - 1] == '-')
		return false;
	for (size_t i = 0; i < length; i++)
		if (name[i] != '-' && !strchr(lower_and_digits, name[i]))
			return false;
	return true;
}

bool
name_user_valid(const char *name)
{
	size_t length = name ? strlen(name) : 0;

	if (length == 0 || length >= NAME_USER_SIZE)
		return false;
	if (name[0] != '_' && !(name[0] >= 'a' && name[0] <= 'z'))
		return false;
	for (size_t i = 1; i < length; i++)
		if (!strchr("_-.", name[i]) && !strchr(lower_and_digits, name[i]))
			return false;
	return true;
}

int
name_parse_version(const char *text, char ret_name[NAME_SIZE], uint32_t *ret_version)
{
	const char *at = strchr(text, '@');
	size_t length = at ? (size_t)(at - text) : strlen(text);
	unsigned long version = 0;
	char name[NAME_SIZE];

	if (length >= sizeof(name))
		return -EINVAL;
	memcpy(name, text, length);
	name[length] = '\0';
	if (!name_valid(name))
		return -EINVAL;
	if (at) {
		char *end;

		if (at[1] < '1' || at[1] > '9' || strlen(at + 1) > 9)
			return -EINVAL;
		version = strtoul(at + 1, &end, 10);
		if (*end != '\0')
			return -EINVAL;
	}
	memcpy(ret_name, name, length + 1);
	*ret_version = (uint32_t)version;
	return 0;
}
