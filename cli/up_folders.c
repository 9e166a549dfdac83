/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * up_folders.c - the state folder of "carrel up" (carrel)
 */
#include "cli/up_folders.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define UIDS_RESERVED	64
#define UIDS_FOR_BUILDS 65536
#define UID_MIN		65535 /* above nobody's, as carrel-launch wants it */
#define UID_MAX		0xfffffffeLL
#define LOCK_MAX_BYTES	32
#define DATABASE	"lib/broker/carrel.db" /* below the state folder */
#define LOCK_FILE	"up.lock"	       /* the same */

enum folder_owner {
	OWNER_ROOT,
	OWNER_BROKER,
	OWNER_HOSTD
};

static const struct {
	const char *path; /* below the state folder */
	enum folder_owner owner;
	mode_t mode;
} folder_table[] = {
	{ "run", OWNER_ROOT, 01771 }, /* the services make sockets here; nobody removes another's */
	{ "run/desktops", OWNER_ROOT, 0711 },  { "lib", OWNER_ROOT, 0711 },
	{ "lib/broker", OWNER_BROKER, 0700 },  { "lib/templates", OWNER_HOSTD, 0755 },
	{ "lib/images", OWNER_HOSTD, 0755 },   { "lib/staging", OWNER_ROOT, 0711 },
	{ "lib/desktops", OWNER_HOSTD, 0711 }, { "lib/hostd", OWNER_HOSTD, 0700 },
	{ "pam", OWNER_ROOT, 0700 },
};

/* What to do about an errno of the disk. */
static const char *
up_folders_advise(int code)
{
	switch (code) {
	case ENOSPC:
	case EDQUOT:
		return _("free space on that disk, or choose another --state");
	case EROFS:
		return _("choose another --state, on a disk that can be written");
	default:
		return _("mend that, or choose another --state");
	}
}

/* Says what failed, on what and why (errno), and what to do. */
static gboolean G_GNUC_PRINTF(2, 3) up_folders_fail(GError **error, const char *format, ...)
{
	int code = errno;
	g_autofree char *what = NULL;
	va_list arguments;

	va_start(arguments, format);
	what = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code), "%s: %s", what,
		    up_folders_advise(code));
	return FALSE;
}

gboolean
up_ids_parse(struct up_ids *ids, const char *range, GError **error)
{
	g_auto(GStrv) ends = g_strsplit(range, "-", 2);
	gint64 first;
	gint64 last;

	if (g_strv_length(ends) != 2 ||
	    !g_ascii_string_to_signed(ends[0], 10, UID_MIN, UID_MAX, &first, NULL) ||
	    !g_ascii_string_to_signed(ends[1], 10, UID_MIN, UID_MAX, &last, NULL) ||
	    last - first < UIDS_RESERVED + UIDS_FOR_BUILDS + 2) {
		g_set_error(
			error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			_("uid_range '%s' is not FIRST-LAST with at least %d uids above %d: set "
			  "another in [host] of carrel.conf, such as 200000-465535"),
			range, UIDS_RESERVED + UIDS_FOR_BUILDS + 2, UID_MIN - 1);
		return FALSE;
	}
	ids->broker = (uid_t)first;
	ids->gateway = (uid_t)first + 1;
	ids->hostd = (uid_t)first + 2;
	ids->group = (gid_t)first;
	ids->range = g_strdup(range);
	return TRUE;
}

/* Service uids have to get through every folder above. */
static gboolean
up_folders_check_parents(const char *state, GError **error)
{
	g_autofree char *path = g_path_get_dirname(state);
	struct stat about;

	for (;;) {
		char *parent;

		if (stat(path, &about) == 0 && (about.st_mode & S_IXOTH) == 0) {
			g_set_error(
				error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
				_("'%s' is closed to the services' users: choose another --state, or chmod o+x it"),
				path);
			return FALSE;
		}
		if (g_str_equal(path, "/"))
			return TRUE;
		parent = g_path_get_dirname(path);
		g_free(path);
		path = parent;
	}
}

static gboolean
up_folders_make_one(const char *state, gsize index, const struct up_ids *ids, GError **error)
{
	const uid_t owners[] = {
		[OWNER_ROOT] = 0, [OWNER_BROKER] = ids->broker, [OWNER_HOSTD] = ids->hostd
	};
	g_autofree char *path = g_build_filename(state, folder_table[index].path, NULL);
	struct stat about;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return up_folders_fail(error, _("cannot make '%s': %s"), path, g_strerror(errno));
	if (lstat(path, &about) < 0)
		return up_folders_fail(error, _("cannot look at '%s': %s"), path,
				       g_strerror(errno));
	if (!S_ISDIR(about.st_mode)) {
		errno = ENOTDIR;
		return up_folders_fail(error, _("cannot use '%s': %s"), path, g_strerror(errno));
	}
	if (lchown(path, owners[folder_table[index].owner], ids->group) < 0 ||
	    chmod(path, folder_table[index].mode) < 0)
		return up_folders_fail(error, _("cannot set owner and mode of '%s': %s"), path,
				       g_strerror(errno));
	return TRUE;
}

/* NULL, or the name of something in the folder that neither "carrel up" nor quickstart puts there. */
static char *
up_folders_find_stranger(const char *state)
{
	static const char *const ours[] = { "run", "lib", "pam", "lost+found", NULL };
	g_autoptr(GDir) folder = g_dir_open(state, 0, NULL);
	const char *name;

	while (folder && (name = g_dir_read_name(folder)))
		if (!g_strv_contains(ours, name) && !g_str_has_prefix(name, "up."))
			return g_strdup(name);
	return NULL;
}

/* Whoever owns it can put other folders and links in the place of those that root makes in there. */
static gboolean
up_folders_check_root(const char *state, GError **error)
{
	struct stat about;

	if (stat(state, &about) < 0)
		return up_folders_fail(error, _("cannot look at '%s': %s"), state,
				       g_strerror(errno));
	if (about.st_uid == geteuid())
		return TRUE;
	g_set_error(
		error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
		_("'%s' belongs to uid %u, who could change it under the services: choose another --state, or chown it to root"),
		state, (unsigned int)about.st_uid);
	return FALSE;
}

/* Owners and modes in there are changed, which would be the end of --state / or --state /tmp. */
static gboolean
up_folders_check_use(const char *state, GError **error)
{
	g_autofree char *lock = g_build_filename(state, LOCK_FILE, NULL);
	g_autofree char *stranger = NULL;

	if (g_file_test(lock, G_FILE_TEST_EXISTS))
		return TRUE;
	stranger = up_folders_find_stranger(state);
	if (!stranger)
		return TRUE;
	g_set_error(
		error, G_IO_ERROR, G_IO_ERROR_NOT_EMPTY,
		_("'%s' holds '%s', so it is no folder of Carrel's: choose another --state, empty or new"),
		state, stranger);
	return FALSE;
}

/*
 * What the services have made stays theirs when uid_range changes: then none of them can read its own files. The
 * database is the first of these files, and the first that would be missed.
 */
static gboolean
up_folders_check_owner(const char *state, const struct up_ids *ids, GError **error)
{
	g_autofree char *path = g_build_filename(state, DATABASE, NULL);
	struct stat about;

	if (lstat(path, &about) < 0)
		return errno == ENOENT ? TRUE
				       : up_folders_fail(error, _("cannot look at '%s': %s"), path,
							 g_strerror(errno));
	if (about.st_uid == ids->broker)
		return TRUE;
	g_set_error(
		error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
		_("'%s' belongs to uid %u and not to the broker, whose uid is the first of uid_range '%s': "
		  "set uid_range in [host] of carrel.conf back to what it was when this folder was made, "
		  "or choose another --state"),
		path, (unsigned int)about.st_uid, ids->range);
	return FALSE;
}

static gboolean
up_folders_lock(struct up_folders *folders, GError **error)
{
	g_autofree char *path = g_build_filename(folders->state, LOCK_FILE, NULL);
	char text[LOCK_MAX_BYTES] = "";
	ssize_t n;

	folders->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (folders->lock_fd < 0)
		return up_folders_fail(error, _("cannot open '%s': %s"), path, g_strerror(errno));
	if (flock(folders->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		n = read(folders->lock_fd, text, sizeof(text) - 1);
		g_set_error(
			error, G_IO_ERROR, G_IO_ERROR_BUSY,
			_("another 'carrel up' (pid %s) runs on '%s': stop it first, or choose another --state"),
			n > 0 ? g_strchomp(text) : "?", folders->state);
		return FALSE;
	}
	g_snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(folders->lock_fd, 0) < 0 || write(folders->lock_fd, text, strlen(text)) < 0)
		return up_folders_fail(error, _("cannot write '%s': %s"), path, g_strerror(errno));
	return TRUE;
}

gboolean
up_folders_make(struct up_folders *folders, const char *state, const struct up_ids *ids,
		GError **error)
{
	folders->lock_fd = -1;
	folders->state = g_canonicalize_filename(state, NULL);
	folders->run = g_build_filename(folders->state, "run", NULL);
	folders->lib = g_build_filename(folders->state, "lib", NULL);
	folders->pam = g_build_filename(folders->state, "pam", NULL);
	if (g_mkdir_with_parents(folders->state, 0711) < 0)
		return up_folders_fail(error, _("cannot make '%s': %s"), folders->state,
				       g_strerror(errno));
	if (!up_folders_check_parents(folders->state, error) ||
	    !up_folders_check_root(folders->state, error) ||
	    !up_folders_check_use(folders->state, error) || !up_folders_lock(folders, error) ||
	    !up_folders_check_owner(folders->state, ids, error))
		return FALSE;
	if (chmod(folders->state, 0711) < 0)
		return up_folders_fail(error, _("cannot set the mode of '%s': %s"), folders->state,
				       g_strerror(errno));
	for (gsize i = 0; i < G_N_ELEMENTS(folder_table); i++)
		if (!up_folders_make_one(folders->state, i, ids, error))
			return FALSE;
	return TRUE;
}

void
up_folders_done(struct up_folders *folders)
{
	if (folders->lock_fd >= 0)
		close(folders->lock_fd);
	g_free(folders->state);
	g_free(folders->run);
	g_free(folders->lib);
	g_free(folders->pam);
}
