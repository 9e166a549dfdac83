/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * move_files.c - a suspended desktop's files go to the folder that hosts share, and come from there (carrel-hostd)
 *
 * How it works: both ways are move_files_pass(): a copy under the name <id>.part, durable, then one rename, then the source goes, its
 * suspended.json first. So at every moment one of the two folders is whole, and a folder with suspended.json in <lib>/desktops/ is the
 * desktop, whatever lies in the exchange folder: that is out of date, or was not finished. Which host may take it from there
 * is the broker's word.
 *
 * What is in the exchange folder may be anybody's work. Each step goes from the folder's descriptor, follows no link and takes plain
 * files of one name only, from a table of names; the small ones come first and are checked before the others are copied.
 */
#include "host/move_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "base/log.h"
#include "common/sparse_copy.h"
#include "host/desktop_folder.h"

#define MARK_FILE  "suspended.json"
#define PART_END   ".part"
#define MAX_SMALL  8192
#define MAX_LARGE  (G_GINT64_CONSTANT(1) << 44)
#define MAX_FILES  64 /* of a folder that is removed */
#define DIR_FLAGS  (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
#define FILE_FLAGS (O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)

/* What a desktop is; logs of its processes stay behind. */
static const struct {
	const char *name;
	gboolean needed;
	gint64 max_bytes;
} file_table[] = {
	{ "origin.json", TRUE, MAX_SMALL },	{ MARK_FILE, TRUE, MAX_SMALL },
	{ "session", FALSE, MAX_SMALL },	{ "network", FALSE, MAX_SMALL },
	{ "suspended.state", TRUE, MAX_LARGE }, { "suspended.pages", TRUE, MAX_LARGE },
	{ "overlay.qcow2", TRUE, MAX_LARGE },
};

/* One way: from a folder's "id" to another's. */
struct move_pass {
	const struct move_files *files;
	const char *from_path; /* of the folders above, for messages */
	const char *to_path;
	char *part;
	int from; /* the desktop's */
	int from_parent;
	int to_parent;
};

static gboolean
move_files_fail(GError **error, const char *folder, const char *name, int code)
{
	g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(code), "'%s/%s': %s", folder,
		    name, g_strerror(code));
	return FALSE;
}

/* --- folders --- */

static gboolean
move_files_empty(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	DIR *folder = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;
	guint n = 0;

	if (!folder) {
		if (copy >= 0)
			close(copy);
		return FALSE;
	}
	// cppcheck-suppress readdirCalled ; a stream of its own
	while (n < MAX_FILES && (entry = readdir(folder)))
		n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		     unlinkat(fd, entry->d_name, 0) == 0;
	closedir(folder);
	return n < MAX_FILES;
}

/* Durably, and the mark before all others. A link is removed, not followed. 0 or an errno. */
static int
move_files_remove(int parent, const char *name)
{
	CLEANUP_CLOSE int fd = openat(parent, name, DIR_FLAGS);

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return unlinkat(parent, name, 0) < 0 ? errno : 0;
	if (unlinkat(fd, MARK_FILE, 0) < 0 && errno != ENOENT)
		return errno;
	if (fsync(fd) < 0)
		return errno;
	if (!move_files_empty(fd))
		return E2BIG;
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0)
		return errno;
	return fsync(parent) < 0 ? errno : 0;
}

/* FALSE and an error when it cannot be known: one that is taken for unmarked is thrown away. */
static gboolean
move_files_find_mark(int parent, const char *folder, const char *name, gboolean *ret_marked,
		     GError **error)
{
	CLEANUP_CLOSE int fd = openat(parent, name, DIR_FLAGS);
	struct stat about;

	*ret_marked = fd >= 0 && fstatat(fd, MARK_FILE, &about, AT_SYMLINK_NOFOLLOW) == 0;
	return *ret_marked || errno == ENOENT || move_files_fail(error, folder, name, errno);
}

/* -1 and an error. */
static int
move_files_open_exchange(const struct move_files *files, GError **error)
{
	int fd;

	if (!files->exchange) {
		g_set_error(
			error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
			"this host has no folder for desktops that move: set 'exchange' in [host] of its "
			"carrel.conf to one that both hosts mount");
		return -1;
	}
	fd = open(files->exchange, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(errno),
			    "the folder for desktops that move, '%s': %s", files->exchange,
			    g_strerror(errno));
	return fd;
}

static char *
move_files_get_desktops(const struct move_files *files)
{
	return g_build_filename(files->lib, "desktops", NULL);
}

static int
move_files_open_desktops(const char *path, GError **error)
{
	int fd = g_mkdir_with_parents(path, 0700) < 0 ? -1 : open(path, DIR_FLAGS);

	if (fd < 0)
		move_files_fail(error, path, "", errno);
	return fd;
}

/* --- files --- */

/* A plain file of one name, not too large; -1 without an error: it is not there and need not be. */
static int
move_files_open(const struct move_pass *pass, gsize index, struct stat *ret_about, GError **error)
{
	const char *name = file_table[index].name;
	CLEANUP_CLOSE int fd = openat(pass->from, name, FILE_FLAGS);
	g_autofree char *folder = g_build_filename(pass->from_path, pass->files->id, NULL);

	if (fd < 0 && errno == ENOENT && !file_table[index].needed)
		return -1;
	if (fd < 0 || fstat(fd, ret_about) < 0) {
		move_files_fail(error, folder, name, errno);
		return -1;
	}
	if (S_ISREG(ret_about->st_mode) && ret_about->st_nlink == 1 &&
	    ret_about->st_size <= file_table[index].max_bytes)
		return take_fd(&fd);
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
		    "'%s/%s' is no plain file, has another name as well, or is too large", folder,
		    name);
	return -1;
}

static gboolean
move_files_copy_one(const struct move_pass *pass, int part, gsize index, GError **error)
{
	const char *name = file_table[index].name;
	g_autoptr(GError) problem = NULL;
	struct stat about;
	CLEANUP_CLOSE int from = move_files_open(pass, index, &about, &problem);
	CLEANUP_CLOSE int to = -1;
	int code = 0;

	if (from < 0 && problem)
		g_propagate_error(error, g_steal_pointer(&problem));
	if (from < 0)
		return !(error && *error);
	to = openat(part, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (to < 0)
		code = errno;
	if (code == 0)
		code = -sparse_copy(from, to, about.st_size, NULL);
	if (code == 0 && fsync(to) < 0)
		code = errno;
	return code == 0 || move_files_fail(error, pass->to_path, pass->part, code);
}

static gboolean
move_files_copy(const struct move_pass *pass, int part, gboolean large, GError **error)
{
	g_autoptr(GError) problem = NULL;

	for (gsize i = 0; !problem && i < G_N_ELEMENTS(file_table); i++)
		if (large == (file_table[i].max_bytes == MAX_LARGE))
			move_files_copy_one(pass, part, i, &problem);
	if (!problem)
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&problem));
	return FALSE;
}

/* Holes take no room. */
static gboolean
move_files_has_room(const struct move_pass *pass, GError **error)
{
	guint64 needed = pass->files->reserve_bytes;
	struct statvfs about;
	guint64 room;

	for (gsize i = 0; i < G_N_ELEMENTS(file_table); i++) {
		struct stat status;

		if (fstatat(pass->from, file_table[i].name, &status, AT_SYMLINK_NOFOLLOW) == 0)
			needed += (guint64)status.st_blocks * 512;
	}
	if (fstatvfs(pass->to_parent, &about) < 0)
		return move_files_fail(error, pass->to_path, "", errno);
	room = (guint64)about.f_bavail * about.f_frsize;
	if (room >= needed)
		return TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
		    "'%s' has %" G_GUINT64_FORMAT " MiB free, and it needs %" G_GUINT64_FORMAT
		    " MiB: make room there",
		    pass->to_path, room >> 20, needed >> 20);
	return FALSE;
}

/* --- one way --- */

static gboolean
move_files_fill(const struct move_pass *pass, move_files_check check, const void *context,
		GError **error)
{
	struct desktop_folder folder;
	CLEANUP_CLOSE int part = -1;
	gboolean ok;

	if (mkdirat(pass->to_parent, pass->part, 0700) < 0)
		return move_files_fail(error, pass->to_path, pass->part, errno);
	part = openat(pass->to_parent, pass->part, DIR_FLAGS);
	if (part < 0)
		return move_files_fail(error, pass->to_path, pass->part, errno);
	if (!move_files_copy(pass, part, FALSE, error))
		return FALSE;
	desktop_folder_init(&folder, pass->files->lib, pass->part);
	ok = !check || check(&folder, context, error);
	desktop_folder_done(&folder);
	if (!ok || !move_files_has_room(pass, error) || !move_files_copy(pass, part, TRUE, error))
		return FALSE;
	return fsync(part) == 0 || move_files_fail(error, pass->to_path, pass->part, errno);
}

/* What is there under the name is out of date. Nothing is left of a copy that failed. */
static gboolean
move_files_place(const struct move_pass *pass, move_files_check check, const void *context,
		 GError **error)
{
	const char *id = pass->files->id;
	int code = move_files_remove(pass->to_parent, pass->part);

	if (code == 0)
		code = move_files_remove(pass->to_parent, id);
	if (code != 0)
		return move_files_fail(error, pass->to_path, id, code);
	if (!move_files_fill(pass, check, context, error)) {
		move_files_remove(pass->to_parent, pass->part);
		return FALSE;
	}
	if (renameat(pass->to_parent, pass->part, pass->to_parent, id) == 0 &&
	    fsync(pass->to_parent) == 0)
		return TRUE;
	move_files_fail(error, pass->to_path, id, errno);
	move_files_remove(pass->to_parent, pass->part);
	move_files_remove(pass->to_parent, id);
	return FALSE;
}

/* When its mark cannot be removed the source goes on being the desktop; what is left without a mark means nothing. */
static gboolean
move_files_leave(const struct move_pass *pass, GError **error)
{
	const char *id = pass->files->id;
	int code = move_files_remove(pass->from_parent, id);
	gboolean marked = FALSE;

	if (code != 0 &&
	    (!move_files_find_mark(pass->from_parent, pass->from_path, id, &marked, NULL) ||
	     marked)) {
		move_files_remove(pass->to_parent, id);
		return move_files_fail(error, pass->from_path, id, code);
	}
	if (code != 0)
		log_warning("'%s/%s' cannot be removed: %s; what is left of it is of no use",
			    pass->from_path, id, g_strerror(code));
	return TRUE;
}

static gboolean
move_files_pass(struct move_pass *pass, move_files_check check, const void *context, GError **error)
{
	const char *id = pass->files->id;
	CLEANUP_CLOSE int from = openat(pass->from_parent, id, DIR_FLAGS);
	gboolean ok;

	if (from < 0)
		return move_files_fail(error, pass->from_path, id, errno);
	pass->from = from;
	pass->part = g_strconcat(id, PART_END, NULL);
	ok = move_files_place(pass, check, context, error);
	g_free(pass->part);
	return ok;
}

gboolean
move_files_export(const struct move_files *files, GError **error)
{
	g_autofree char *desktops = move_files_get_desktops(files);
	CLEANUP_CLOSE int exchange = move_files_open_exchange(files, error);
	CLEANUP_CLOSE int own = exchange < 0 ? -1 : move_files_open_desktops(desktops, error);
	struct move_pass pass = { files, desktops, files->exchange, NULL, -1, own, exchange };
	gboolean here = FALSE;
	gboolean there = FALSE;

	if (own < 0 || !move_files_find_mark(own, desktops, files->id, &here, error))
		return FALSE;
	if (here)
		return move_files_pass(&pass, NULL, NULL, error) && move_files_leave(&pass, error);
	if (!move_files_find_mark(exchange, files->exchange, files->id, &there, error))
		return FALSE;
	if (there)
		return move_files_leave(&pass, error);
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
		    "its files are neither in '%s' nor in '%s'", desktops, files->exchange);
	return FALSE;
}

gboolean
move_files_import(const struct move_files *files, move_files_check check, const void *context,
		  GError **error)
{
	g_autofree char *desktops = move_files_get_desktops(files);
	CLEANUP_CLOSE int exchange = move_files_open_exchange(files, error);
	CLEANUP_CLOSE int own = exchange < 0 ? -1 : move_files_open_desktops(desktops, error);
	struct move_pass pass = { files, files->exchange, desktops, NULL, -1, exchange, own };
	gboolean here = FALSE;
	int code;

	if (own < 0 || !move_files_find_mark(own, desktops, files->id, &here, error))
		return FALSE;
	if (!here && !move_files_pass(&pass, check, context, error))
		return FALSE;
	/* From here on it is this host's, and a copy that stays behind is of no use. */
	code = move_files_remove(exchange, files->id);
	if (code != 0)
		log_warning("desktop=%s is here, and its copy in '%s' cannot be removed: %s; "
			    "remove it",
			    files->id, files->exchange, g_strerror(code));
	return TRUE;
}

gboolean
move_files_discard(const struct move_files *files, GError **error)
{
	g_autofree char *part = g_strconcat(files->id, PART_END, NULL);
	CLEANUP_CLOSE int exchange = move_files_open_exchange(files, error);
	int code;

	if (exchange < 0)
		return FALSE;
	code = move_files_remove(exchange, part);
	if (code == 0)
		code = move_files_remove(exchange, files->id);
	return code == 0 || move_files_fail(error, files->exchange, files->id, code);
}

void
move_files_sweep(const char *lib)
{
	g_autofree char *path = g_build_filename(lib, "desktops", NULL);
	CLEANUP_CLOSE int desktops = open(path, DIR_FLAGS);
	g_autoptr(GDir) folder = desktops < 0 ? NULL : g_dir_open(path, 0, NULL);
	const char *name;

	while (folder && (name = g_dir_read_name(folder))) {
		g_autofree char *id =
			g_strndup(name, strlen(name) - MIN(strlen(name), strlen(PART_END)));

		if (g_str_has_suffix(name, PART_END) && id_valid(ID_KIND_DESKTOP, id))
			move_files_remove(desktops, name);
	}
}
