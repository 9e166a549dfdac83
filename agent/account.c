/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * account.c - a user's account in the guest (carrel-agent, in the guest)
 *
 * How it works: account_run_make() is a step of the log-in. The account has no password, so nothing but the agent lets
 * anybody in. It is made by useradd(8), or the spare one gets its user's name: in each file of shadow(5)'s family a line
 * begins with the name it is about. account_rename_in() writes a copy with that name replaced and puts it into the
 * file's place. passwd comes last: as long as it names the spare account, that is the account there is.
 */
#include "agent/account.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <shadow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/task.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/name.h"

#define TIMEOUT_MS  20000
#define GROUPS_SIZE (64 * NAME_USER_SIZE)
#define HOME_FIELD  5 /* of passwd(5), counted from the name, which is 0 */

/* The line is taken apart. */
static void
account_print_line(FILE *to, char *line, const char *user, const char *home)
{
	static const char spare[] = ACCOUNT_SPARE ":";
	const char *field;
	char *rest;

	if (strncmp(line, spare, sizeof(spare) - 1) != 0) {
		fputs(line, to);
		return;
	}
	rest = line + sizeof(spare) - 1;
	fputs(user, to);
	for (int number = 1; (field = strsep(&rest, ":")); number++)
		fprintf(to, ":%s", home && number == HOME_FIELD ? home : field);
}

/* Nobody else reads it before it has the owner and mode of the file it replaces. */
static FILE *
account_open_new(const char *path)
{
	FILE *file;
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (fd >= 0 && !file)
		close(fd);
	return file;
}

static int
account_copy(FILE *from, FILE *to, const char *user, const char *home)
{
	CLEANUP_FREE char *line = NULL;
	size_t capacity = 0;
	struct stat status;

	while (getline(&line, &capacity, from) >= 0)
		account_print_line(to, line, user, home);
	if (ferror(from) || fflush(to) != 0)
		return -EIO;
	if (fstat(fileno(from), &status) < 0 ||
	    fchown(fileno(to), status.st_uid, status.st_gid) < 0 ||
	    fchmod(fileno(to), status.st_mode & 07777) < 0)
		return -errno;
	return 0;
}

/* "home" is for passwd, NULL for the others. */
static int
account_rename_in(const char *etc, const char *name, const char *user, const char *home)
{
	char path[PATH_MAX];
	char temporary[PATH_MAX];
	FILE *from;
	FILE *to;
	int error;

	if (snprintf(path, sizeof(path), "%s/%s", etc, name) >= (int)sizeof(path) ||
	    snprintf(temporary, sizeof(temporary), "%s.carrel", path) >= (int)sizeof(temporary))
		return -ENAMETOOLONG;
	from = fopen(path, "re");
	if (!from)
		return -errno;
	to = account_open_new(temporary);
	error = to ? account_copy(from, to, user, home) : -errno;
	fclose(from);
	if (to && fclose(to) != 0 && error == 0)
		error = -errno;
	if (error == 0 && rename(temporary, path) < 0)
		error = -errno;
	if (error < 0)
		unlink(temporary);
	return error;
}

int
account_take_spare(const char *etc, const char *homes, const char *user)
{
	static const char *const files[] = { "gshadow", "group", "shadow", "subuid", "subgid" };
	char spare[PATH_MAX];
	char home[PATH_MAX];
	int error;

	if (snprintf(spare, sizeof(spare), "%s/%s", homes, ACCOUNT_SPARE) >= (int)sizeof(spare) ||
	    snprintf(home, sizeof(home), "%s/%s", homes, user) >= (int)sizeof(home))
		return -ENAMETOOLONG;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		error = account_rename_in(etc, files[i], user, NULL);
		if (error < 0 && error != -ENOENT)
			return error;
	}
	if (rename(spare, home) < 0)
		return -errno;
	return account_rename_in(etc, "passwd", user, home);
}

/* Those of the policy's groups that this guest has, as "a,b,c". */
static void
account_join_groups(const json_t *groups, char ret_text[GROUPS_SIZE])
{
	size_t size = 0;

	ret_text[0] = '\0';
	for (size_t i = 0; i < json_array_size(groups); i++) {
		const char *name = json_string_value(json_array_get(groups, i));

		if (!getgrnam(name)) {
			log_info("group '%s' is not in this guest: left out", name);
			continue;
		}
		size += (size_t)snprintf(ret_text + size, GROUPS_SIZE - size, "%s%s",
					 size ? "," : "", name);
	}
}

static int
account_run_useradd(struct task *task, const char *user, const char *groups)
{
	int64_t uid = json_get_integer(task->request, "uid", 0);
	char uid_text[24];
	const char *const argv[] = { "/usr/sbin/useradd",
				     "--create-home",
				     "--user-group",
				     "--shell",
				     "/bin/bash",
				     "--uid",
				     uid_text,
				     "--groups",
				     groups,
				     "--",
				     user,
				     NULL };

	snprintf(uid_text, sizeof(uid_text), "%lld", (long long)uid);
	return task_command(task, argv, TIMEOUT_MS);
}

static int
account_run_spare(struct task *task, const char *user, const char *groups)
{
	const char *const argv[] = {
		"/usr/sbin/usermod", "--append", "--groups", groups, "--", user, NULL
	};
	int error;

	if (getgrnam(user))
		return task_fail(task, -EEXIST,
				 "this guest has a group '%s': remove it from the template, or the "
				 "user of that name cannot be",
				 user);
	error = lckpwdf() < 0 ? -EBUSY : account_take_spare("/etc", "/home", user);
	ulckpwdf();
	if (error < 0)
		return task_fail(task, error, "cannot give the spare account the name '%s': %s",
				 user, strerror(-error));
	return groups[0] == '\0' ? TASK_DONE : task_command(task, argv, TIMEOUT_MS);
}

int
account_run_make(struct agent *agent, struct task *task)
{
	const char *user = json_get_text(task->request, "user", "");
	uid_t uid = (uid_t)json_get_integer(task->request, "uid", 0);
	const struct passwd *known = getpwnam(user);
	const struct passwd *owner;
	char groups[GROUPS_SIZE];

	(void)agent;
	if (known && known->pw_uid == uid)
		return TASK_SKIPPED;
	account_join_groups(json_object_get(task->request, "groups"), groups);
	owner = known ? known : getpwuid(uid);
	if (!owner)
		return account_run_useradd(task, user, groups);
	if (!known && strcmp(owner->pw_name, ACCOUNT_SPARE) == 0)
		return account_run_spare(task, user, groups);
	return task_fail(task, -EEXIST,
			 "this guest has an account '%s' with uid %u: give user '%s' another "
			 "uid or remove that account from the template",
			 owner->pw_name, owner->pw_uid, user);
}
