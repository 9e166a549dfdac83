/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * name.h - names that people choose: templates, pools, hosts, users
 *
 * A noun's name is a folder's name and a path segment, so it is [a-z0-9] and inner '-' only, 1 to 63 characters
 * (RFC 1123 label, lower case). A user's name follows useradd(8), 32 characters at most.
 */
#ifndef BASE_NAME_H
#define BASE_NAME_H

#include <stdbool.h>
#include <stdint.h>

#define NAME_SIZE      64
#define NAME_USER_SIZE 33

bool name_valid(const char *name);
bool name_user_valid(const char *name);

/*
 * "debian-xfce@3" into its name and version; without "@N" the version is 0, which means the current one.
 * 0 or -EINVAL.
 */
int name_parse_version(const char *text, char ret_name[NAME_SIZE], uint32_t *ret_version);

#endif
