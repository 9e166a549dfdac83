/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * notes.c - short texts that a session leaves for the host (carrel-agent, in the guest)
 *
 * How it works: the folder is everybody's, so nothing in it is trusted: names are checked, links are not followed,
 * only plain files of at most 256 bytes of UTF-8 count, and opening never waits (a FIFO would).
 */
#include "agent/notes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/name.h"

#define NOTES_MAX_LOOKED_AT 64 /* a user may fill the folder; the agent does not read it all */

int
notes_prepare(const char *folder)
{
	if (mkdir("/run/carrel", 0755) < 0 && errno != EEXIST)
		return -errno;
	if (mkdir(folder, 01777) < 0 && errno != EEXIST)
		return -errno;
	return chmod(folder, 01777) < 0 ? -errno : 0;
}

static json_t *
notes_read_one(int folder_fd, const char *name)
{
	CLEANUP_CLOSE int fd =
		openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char text[NOTES_MAX_BYTES];
	struct stat status;
	ssize_t n;

	if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
	    status.st_size > NOTES_MAX_BYTES)
		return NULL;
	n = read(fd, text, sizeof(text));
	while (n > 0 && text[n - 1] == '\n')
		n--;
	if (n < 0 || memchr(text, '\0', (size_t)n))
		return NULL;
	return json_stringn(text, (size_t)n);
}

json_t *
notes_read(const char *folder)
{
	json_t *notes = json_object();
	DIR *stream = opendir(folder);
	struct dirent *entry;

	for (int i = 0; stream && i < NOTES_MAX_LOOKED_AT && (entry = readdir(stream)); i++) {
		if (json_object_size(notes) >= NOTES_MAX)
			break;
		if (name_valid(entry->d_name))
			json_object_set_new(notes, entry->d_name,
					    notes_read_one(dirfd(stream), entry->d_name));
	}
	if (stream)
		closedir(stream);
	return notes;
}
