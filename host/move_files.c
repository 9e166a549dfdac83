/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * move_files.c - a suspended desktop's files go to the folder that hosts share, and come from there (carrel-hostd)
 *
 * How it works: a copy is made under another name and made durable, <exchange>/<id>.part on the way there and the folder "arriving" in the
 * desktop's own on the way back. Then comes one rename: of that folder, or of suspended.json as the last of its files. Then the
 * source goes, its suspended.json first. So at every moment one of the two folders is whole, and where <lib>/desktops/ has one with
 * suspended.json that is the desktop: what lies in the exchange folder is out of date, or was not finished. A disk may have failed
 * meanwhile, though, so nothing there is removed before the files here are seen to be all there and, of one that comes, to pass the
 * check (move_files_is_whole, move_files_trust). Which host may take it from there is the broker's word. The folder in
 * <lib>/desktops/ itself is carrel-launch's to make and to remove.
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
#include "base/io.h"
#include "base/log.h"
#include "common/sparse_copy.h"
#include "host/desktop_folder.h"

#define PART_END   ".part"
#define ARRIVING   "arriving"
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
	{ DESKTOP_ORIGIN_FILE, TRUE, MAX_SMALL },   { DESKTOP_MARK_FILE, TRUE, MAX_SMALL },
	{ DESKTOP_SESSION_FILE, FALSE, MAX_SMALL }, { DESKTOP_NETWORK_FILE, FALSE, MAX_SMALL },
	{ DESKTOP_STATE_FILE, TRUE, MAX_LARGE },    { DESKTOP_PAGES_FILE, TRUE, MAX_LARGE },
	{ DESKTOP_OVERLAY_FILE, TRUE, MAX_LARGE },
};

/* One way. */
struct move_pass {
	const struct move_files *files;
	const char *from_path; /* the desktop's folder */
	const char *to_path;   /* where the copy is made */
	const char *part;      /* its name there */
	gboolean arrives;      /* from where others may have been at work */
	int from;
	int to;
};

G_DEFINE_QUARK(move - files - error - quark, move_files_error)

static gboolean
move_files_fail(GError **error, const char *folder, const char *name, int code)
{
	g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(code), "'%s%s%s': %s%s", folder,
		    name[0] ? "/" : "", name, g_strerror(code),
		    code == EACCES || code == EPERM
			    ? ": does it belong to another uid? carrel-hostd must have the same on "
			      "all hosts"
			    : "");
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
	if (unlinkat(fd, DESKTOP_MARK_FILE, 0) < 0 && errno != ENOENT)
		return errno;
	if (fsync(fd) < 0)
		return errno;
	if (!move_files_empty(fd))
		return E2BIG;
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0)
		return errno;
	return fsync(parent) < 0 ? errno : 0;
}

/* Who else may write to it could put a machine's memory there. whole: it is the exchange folder; what is not mounted is mostly root's. */
static gboolean
move_files_is_ours(int fd, const char *path, gboolean whole, GError **error)
{
	struct stat about;

	if (fstat(fd, &about) < 0)
		return move_files_fail(error, path, "", errno);
	if (about.st_uid == geteuid() && (about.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return TRUE;
	if (whole)
		g_set_error(
			error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
			"'%s' belongs to uid %u with mode %04o: see that the folder for desktops "
			"that move is mounted and that carrel-hostd has the same uid on all hosts, "
			"then 'chown %u' it and 'chmod go-w' it",
			path, about.st_uid, about.st_mode & 07777, geteuid());
	else
		g_set_error(
			error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
			"'%s' belongs to uid %u with mode %04o, and only what is carrel-hostd's (uid "
			"%u) and nobody else can write to is taken: find out who wrote it, or remove it",
			path, about.st_uid, about.st_mode & 07777, geteuid());
	return FALSE;
}

/* -1 and an error. */
static int
move_files_open_exchange(const struct move_files *files, GError **error)
{
	CLEANUP_CLOSE int fd = -1;

	if (!files->exchange) {
		g_set_error(
			error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
			"this host has no folder for desktops that move: set 'exchange' in [host] of its "
			"carrel.conf to one that both hosts mount");
		return -1;
	}
	fd = open(files->exchange, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && move_files_is_ours(fd, files->exchange, TRUE, error))
		return take_fd(&fd);
	if (fd < 0)
		g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(errno),
			    "the folder for desktops that move, '%s': %s; see that it is mounted",
			    files->exchange, g_strerror(errno));
	return -1;
}

/* The desktop's folder in that. -1 without an error: there is none. */
static int
move_files_open_away(const struct move_files *files, int exchange, GError **error)
{
	g_autofree char *path = g_build_filename(files->exchange, files->id, NULL);
	CLEANUP_CLOSE int fd = openat(exchange, files->id, DIR_FLAGS);

	if (fd < 0 && errno != ENOENT)
		move_files_fail(error, files->exchange, files->id, errno);
	if (fd >= 0 && move_files_is_ours(fd, path, FALSE, error))
		return take_fd(&fd);
	return -1;
}

/* The desktop's own folder. -1 without an error: there is none. */
static int
move_files_open_own(const char *path, GError **error)
{
	int fd = open(path, DIR_FLAGS);

	if (fd < 0 && errno != ENOENT)
		move_files_fail(error, path, "", errno);
	return fd;
}

/* FALSE and an error when it cannot be known: one that is taken for unmarked is thrown away. */
static gboolean
move_files_find_mark(int fd, const char *path, gboolean *ret_marked, GError **error)
{
	struct stat about;

	*ret_marked = fd >= 0 && fstatat(fd, DESKTOP_MARK_FILE, &about, AT_SYMLINK_NOFOLLOW) == 0;
	return *ret_marked || fd < 0 || errno == ENOENT ||
	       move_files_fail(error, path, DESKTOP_MARK_FILE, errno);
}

/* All that a desktop must have, as plain files. */
static gboolean
move_files_has_all(int fd, const char *path, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(file_table); i++) {
		struct stat about;

		if (!file_table[i].needed)
			continue;
		if (fstatat(fd, file_table[i].name, &about, AT_SYMLINK_NOFOLLOW) < 0)
			return move_files_fail(error, path, file_table[i].name, errno);
		if (!S_ISREG(about.st_mode)) {
			g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
				    "'%s/%s' is no plain file", path, file_table[i].name);
			return FALSE;
		}
	}
	return TRUE;
}

/*
 * The mark first and durably: the others mean nothing without it. Once it is gone they go as well, whatever fails: should a disk that
 * fails bring it back, it is not to find them. 0 or the first errno.
 */
static int
move_files_clear(int fd)
{
	int first = 0;
	int code;

	if (unlinkat(fd, DESKTOP_MARK_FILE, 0) < 0 && errno != ENOENT)
		return errno;
	if (fsync(fd) < 0)
		first = errno;
	for (gsize i = 0; i < G_N_ELEMENTS(file_table); i++)
		if (unlinkat(fd, file_table[i].name, 0) < 0 && errno != ENOENT && first == 0)
			first = errno;
	code = move_files_remove(fd, ARRIVING);
	return first != 0 ? first : code;
}

/* --- files --- */

/* A plain file of one name, not too large; -1 without an error: it is not there and need not be. */
static int
move_files_open(const struct move_pass *pass, gsize index, struct stat *ret_about, GError **error)
{
	const char *name = file_table[index].name;
	g_autofree char *path = g_build_filename(pass->from_path, name, NULL);
	CLEANUP_CLOSE int fd = openat(pass->from, name, FILE_FLAGS);

	if (fd < 0 && errno == ENOENT && !file_table[index].needed)
		return -1;
	if (fd < 0 || fstat(fd, ret_about) < 0) {
		move_files_fail(error, pass->from_path, name, errno);
		return -1;
	}
	if (pass->arrives && !move_files_is_ours(fd, path, FALSE, error))
		return -1;
	if (S_ISREG(ret_about->st_mode) && ret_about->st_nlink == 1 &&
	    ret_about->st_size <= file_table[index].max_bytes)
		return take_fd(&fd);
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
		    "'%s' is no plain file, has another name as well, or is too large", path);
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
	if (code != 0)
		g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(code),
			    "'%s/%s' cannot be copied to '%s/%s': %s", pass->from_path, name,
			    pass->to_path, pass->part, g_strerror(code));
	return code == 0;
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
	if (fstatvfs(pass->to, &about) < 0)
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
move_files_fill(const struct move_pass *pass, int part, move_files_check check, const void *context,
		GError **error)
{
	g_autofree char *name = g_build_filename(pass->files->id, pass->part, NULL);
	struct desktop_folder folder; /* of what is received */
	gboolean ok = move_files_copy(pass, part, FALSE, error);

	desktop_folder_init(&folder, pass->files->lib, name);
	ok = ok && (!check || check(&folder, context, error));
	desktop_folder_done(&folder);
	if (!ok || !move_files_has_room(pass, error) || !move_files_copy(pass, part, TRUE, error))
		return FALSE;
	return fsync(part) == 0 || move_files_fail(error, pass->to_path, pass->part, errno);
}

/* A whole and durable copy under another name, whose descriptor is returned; -1 and an error, and nothing is left of it. */
static int
move_files_make_part(const struct move_pass *pass, move_files_check check, const void *context,
		     GError **error)
{
	CLEANUP_CLOSE int part = -1;
	int code = move_files_remove(pass->to, pass->part);

	if (code == 0 && mkdirat(pass->to, pass->part, 0700) < 0)
		code = errno;
	if (code == 0) {
		part = openat(pass->to, pass->part, DIR_FLAGS);
		code = part < 0 ? errno : 0;
	}
	if (code != 0)
		move_files_fail(error, pass->to_path, pass->part, code);
	else if (move_files_fill(pass, part, check, context, error))
		return take_fd(&part);
	move_files_remove(pass->to, pass->part);
	return -1;
}

/* What is there under the name is out of date. */
static gboolean
move_files_send(const struct move_pass *pass, GError **error)
{
	const char *id = pass->files->id;
	CLEANUP_CLOSE int part = -1;
	int code = move_files_remove(pass->to, id);

	if (code != 0)
		return move_files_fail(error, pass->to_path, id, code);
	part = move_files_make_part(pass, NULL, NULL, error);
	if (part < 0)
		return FALSE;
	if (renameat(pass->to, pass->part, pass->to, id) == 0 && fsync(pass->to) == 0)
		return TRUE;
	move_files_fail(error, pass->to_path, id, errno);
	move_files_remove(pass->to, pass->part);
	move_files_remove(pass->to, id);
	return FALSE;
}

/*
 * When its mark cannot be removed this goes on being the desktop, and the copy goes. Not when nobody can tell whether it is here still:
 * then the copy is perhaps all that there is.
 */
static gboolean
move_files_leave(const struct move_pass *pass, GError **error)
{
	int code = move_files_clear(pass->from);
	gboolean marked = FALSE;
	gboolean known =
		code == 0 || move_files_find_mark(pass->from, pass->from_path, &marked, NULL);

	if (marked)
		move_files_remove(pass->to, pass->files->id);
	if (marked || !known)
		return move_files_fail(error, pass->from_path, DESKTOP_MARK_FILE, code);
	if (code != 0)
		log_warning("'%s' cannot be cleared: %s; what is left in it is of no use",
			    pass->from_path, g_strerror(code));
	return TRUE;
}

gboolean
move_files_export(const struct move_files *files, GError **error)
{
	g_autofree char *path = g_build_filename(files->lib, "desktops", files->id, NULL);
	g_autofree char *part = g_strconcat(files->id, PART_END, NULL);
	g_autoptr(GError) problem = NULL;
	g_autoptr(GError) strange = NULL;
	CLEANUP_CLOSE int exchange = move_files_open_exchange(files, &problem);
	CLEANUP_CLOSE int own = problem ? -1 : move_files_open_own(path, &problem);
	/* A link, or what somebody else has put there, is replaced. */
	CLEANUP_CLOSE int away = problem ? -1 : move_files_open_away(files, exchange, &strange);
	struct move_pass pass = { files, path, files->exchange, part, FALSE, own, exchange };
	gboolean here = FALSE;
	gboolean there = FALSE;

	if (!problem && move_files_find_mark(own, path, &here, &problem) && here &&
	    move_files_send(&pass, &problem) && move_files_leave(&pass, &problem))
		return TRUE;
	/* An earlier hostd has sent it; what is left here without a mark goes with its folder. */
	if (!problem && move_files_find_mark(away, files->exchange, &there, &problem) && there)
		return TRUE;
	if (problem)
		g_propagate_error(error, g_steal_pointer(&problem));
	else if (strange)
		g_propagate_error(error, g_steal_pointer(&strange));
	else
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
			    "its files are neither in '%s' nor in '%s': see that this is mounted",
			    path, files->exchange);
	return FALSE;
}

/* The mark comes last, when all the others are there durably. 0 or an errno. */
static int
move_files_settle(int part, int own)
{
	for (gsize i = 0; i < G_N_ELEMENTS(file_table); i++)
		if (strcmp(file_table[i].name, DESKTOP_MARK_FILE) != 0 &&
		    renameat(part, file_table[i].name, own, file_table[i].name) < 0 &&
		    (errno != ENOENT || file_table[i].needed))
			return errno;
	if (fsync(own) < 0 || renameat(part, DESKTOP_MARK_FILE, own, DESKTOP_MARK_FILE) < 0 ||
	    fsync(own) < 0)
		return errno;
	return unlinkat(own, ARRIVING, AT_REMOVEDIR) < 0 ? errno : 0;
}

static gboolean
move_files_receive(const struct move_pass *pass, move_files_check check, const void *context,
		   GError **error)
{
	g_autofree char *above = g_path_get_dirname(pass->to_path);
	CLEANUP_CLOSE int part = -1;
	int code = move_files_clear(pass->to);

	if (code != 0)
		return move_files_fail(error, pass->to_path, "", code);
	part = move_files_make_part(pass, check, context, error);
	if (part < 0)
		return FALSE;
	code = move_files_settle(part, pass->to);
	if (code == 0)
		code = -io_sync_folder(above);
	if (code == 0)
		return TRUE;
	move_files_clear(pass->to);
	return move_files_fail(error, pass->to_path, DESKTOP_MARK_FILE, code);
}

/* It is here, as an earlier hostd has left it: is it good enough to be the only one? */
static gboolean
move_files_trust(const struct move_pass *pass, move_files_check check, const void *context,
		 GError **error)
{
	struct desktop_folder folder;
	g_autoptr(GError) problem = NULL;
	gboolean ok = move_files_has_all(pass->to, pass->to_path, &problem);

	desktop_folder_init(&folder, pass->files->lib, pass->files->id);
	ok = ok && check(&folder, context, &problem);
	desktop_folder_done(&folder);
	if (!ok && pass->from < 0)
		g_set_error_literal(error, MOVE_FILES_ERROR, MOVE_FILES_ERROR_DOUBTFUL,
				    problem->message);
	else if (!ok)
		g_propagate_prefixed_error(
			error, g_steal_pointer(&problem),
			"what is left of it in '%s' cannot be used, remove that: ", pass->to_path);
	return ok;
}

gboolean
move_files_import(const struct move_files *files, move_files_check check, const void *context,
		  GError **error)
{
	g_autofree char *path = g_build_filename(files->lib, "desktops", files->id, NULL);
	g_autoptr(GError) strange = NULL;
	CLEANUP_CLOSE int exchange = move_files_open_exchange(files, error);
	g_autofree char *from =
		exchange < 0 ? NULL : g_build_filename(files->exchange, files->id, NULL);
	CLEANUP_CLOSE int away =
		exchange < 0 ? -1 : move_files_open_away(files, exchange, &strange);
	CLEANUP_CLOSE int own = exchange < 0 ? -1 : open(path, DIR_FLAGS);
	struct move_pass pass = { files, from, path, ARRIVING, TRUE, away, own };
	gboolean here = FALSE;
	int code;

	if (exchange < 0)
		return FALSE;
	if (own < 0)
		return move_files_fail(error, path, "", errno);
	if (!move_files_find_mark(own, path, &here, error))
		return FALSE;
	if (strange) {
		g_propagate_error(error, g_steal_pointer(&strange));
		return FALSE;
	}
	if (!here && away < 0) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
			    "there is no '%s/%s': see that this is mounted", files->exchange,
			    files->id);
		return FALSE;
	}
	if (here && !move_files_trust(&pass, check, context, error))
		return FALSE;
	if (!here && !move_files_receive(&pass, check, context, error))
		return FALSE;
	/* From here on it is this host's, and a copy that stays behind is of no use: whoever has it tries that again. */
	code = move_files_remove(exchange, files->id);
	if (code != 0)
		log_warning("desktop=%s is here, and its copy in '%s' cannot be removed: %s; "
			    "while the desktop is here it is tried again",
			    files->id, files->exchange, g_strerror(code));
	return TRUE;
}

gboolean
move_files_discard(const struct move_files *files, gboolean *ret_found, GError **error)
{
	g_autofree char *part = g_strconcat(files->id, PART_END, NULL);
	CLEANUP_CLOSE int exchange = move_files_open_exchange(files, error);
	struct stat about;
	int code;

	if (exchange < 0)
		return FALSE;
	*ret_found = fstatat(exchange, part, &about, AT_SYMLINK_NOFOLLOW) == 0 ||
		     fstatat(exchange, files->id, &about, AT_SYMLINK_NOFOLLOW) == 0;
	code = move_files_remove(exchange, part);
	if (code == 0)
		code = move_files_remove(exchange, files->id);
	return code == 0 || move_files_fail(error, files->exchange, files->id, code);
}

gboolean
move_files_is_whole(const char *lib, const char *id, GError **error)
{
	g_autofree char *path = g_build_filename(lib, "desktops", id, NULL);
	CLEANUP_CLOSE int own = open(path, DIR_FLAGS);

	return own < 0 ? move_files_fail(error, path, "", errno)
		       : move_files_has_all(own, path, error);
}
