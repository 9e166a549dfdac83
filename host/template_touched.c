/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * template_touched.c - which pages of a template's memory its forks touch first (carrel-worker notes them, carrel-hostd reads)
 *
 * How it works: a publish drops the memory's file from the page cache (template_touched_drop), forks it once, so that a fault reads
 * its page alone (engine_template's memory_random), and writes down which pages are there when the fork has run for a second and
 * its agent has answered (template_touched_write).
 * mincore(2) tells it of a mapping, which is made in windows, since its answer takes a byte a page.
 *
 * hostd asks for these pages when it opens the version (template_touched_start_read). Of a longer range than the disk's
 * read_ahead_kb Linux may read the beginning only (force_page_cache_ra() in its mm/readahead.c): so it is asked in parts.
 */
#include "host/template_touched.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"

#define HEAD	      "touched 1\n"
#define PAGE_BYTES    TEMPLATE_TOUCHED_PAGE_BYTES
#define WINDOW_PAGES  G_GUINT64_CONSTANT(16384)
#define PART_BYTES    (128 * 1024)
#define STRETCH_BYTES (4 << 20) /* between two looks whether that is wanted still */
#define GAP_PAGES     15 /* as few between two that were touched are read with them: a request less */
#define MAX_DIGITS    12
#define LEFT_SHARE \
	256 /* of the file's data; what stays in the page cache is noted without having been touched */

static gboolean
template_touched_fail(GError **error, const char *what)
{
	int code = errno;

	g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(code), "%s: %s", what,
		    g_strerror(code));
	return FALSE;
}

char *
template_touched_make_path(const char *memory_path)
{
	g_autofree char *folder = g_path_get_dirname(memory_path);

	return g_build_filename(folder, TEMPLATE_TOUCHED_FILE, NULL);
}

static void
template_touched_add(GArray *ranges, guint64 page)
{
	struct template_touched_range *last =
		ranges->len > 0
			? &g_array_index(ranges, struct template_touched_range, ranges->len - 1)
			: NULL;
	const struct template_touched_range next = { page, 1 };

	if (last && last->first + last->count == page)
		last->count++;
	else
		g_array_append_val(ranges, next);
}

/* Of the pages from "first" on; their number is a window's at most. */
static gboolean
template_touched_look(int memory, guint64 first, guint64 n_pages, GArray *ranges, GError **error)
{
	unsigned char cached[WINDOW_PAGES];
	gsize bytes = n_pages * PAGE_BYTES;
	void *window =
		mmap(NULL, bytes, PROT_READ, MAP_SHARED, memory, (off_t)(first * PAGE_BYTES));
	gboolean good;

	if (window == MAP_FAILED)
		return template_touched_fail(error, "the memory cannot be mapped");
	good = mincore(window, bytes, cached) == 0 ||
	       template_touched_fail(error, "what of the memory is in the page cache is not told");
	munmap(window, bytes);
	for (guint64 i = 0; good && i < n_pages; i++)
		if (cached[i] & 1)
			template_touched_add(ranges, first + i);
	return good;
}

/* NULL and an error. */
static GArray *
template_touched_list(int memory, GError **error)
{
	g_autoptr(GArray) ranges = NULL;
	struct stat status;
	guint64 n_pages;

	if (fstat(memory, &status) < 0) {
		template_touched_fail(error, "the memory");
		return NULL;
	}
	ranges = g_array_new(FALSE, FALSE, sizeof(struct template_touched_range));
	n_pages = (guint64)status.st_size / PAGE_BYTES;
	for (guint64 at = 0; at < n_pages; at += WINDOW_PAGES)
		if (!template_touched_look(memory, at, MIN(WINDOW_PAGES, n_pages - at), ranges,
					   error))
			return NULL;
	return g_steal_pointer(&ranges);
}

static guint64
template_touched_count(const GArray *ranges)
{
	guint64 n_pages = 0;

	for (guint i = 0; i < ranges->len; i++)
		n_pages += g_array_index(ranges, struct template_touched_range, i).count;
	return n_pages;
}

gboolean
template_touched_drop(int memory, GError **error)
{
	g_autoptr(GArray) left = NULL;
	struct stat status;

	/* What is not on the disk yet stays. */
	if (fdatasync(memory) < 0 || fstat(memory, &status) < 0)
		return template_touched_fail(error, "the memory cannot be made durable");
	(void)posix_fadvise(memory, 0, 0, POSIX_FADV_DONTNEED);
	left = template_touched_list(memory, error);
	return left && template_touched_count(left) * PAGE_BYTES <=
			       (guint64)status.st_blocks * 512 / LEFT_SHARE;
}

static void
template_touched_join(GArray *ranges)
{
	struct template_touched_range *all = (struct template_touched_range *)ranges->data;
	guint kept = 0;

	for (guint i = 1; i < ranges->len; i++)
		if (all[i].first - (all[kept].first + all[kept].count) <= GAP_PAGES)
			all[kept].count = all[i].first + all[i].count - all[kept].first;
		else
			all[++kept] = all[i];
	if (ranges->len > 0)
		g_array_set_size(ranges, kept + 1);
}

gboolean
template_touched_write(int memory, const char *path, GError **error)
{
	g_autoptr(GArray) ranges = template_touched_list(memory, error);
	g_autoptr(GString) text = g_string_new(HEAD);
	int result;

	if (!ranges)
		return FALSE;
	template_touched_join(ranges);
	for (guint i = 0; i < ranges->len && text->len <= TEMPLATE_TOUCHED_MAX_BYTES; i++) {
		const struct template_touched_range *range =
			&g_array_index(ranges, struct template_touched_range, i);

		g_string_append_printf(text, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n",
				       range->first, range->count);
	}
	result = text->len > TEMPLATE_TOUCHED_MAX_BYTES
			 ? -EFBIG
			 : io_write_file_durably(path, text->str, text->len, 0644);
	errno = -result;
	return result == 0 || template_touched_fail(error, path);
}

static void
template_touched_ask(int memory, guint64 offset, guint64 bytes)
{
	for (guint64 at = 0; at < bytes; at += PART_BYTES)
		(void)posix_fadvise(memory, (off_t)(offset + at),
				    (off_t)MIN(PART_BYTES, bytes - at), POSIX_FADV_WILLNEED);
}

void
template_touched_read_all(int memory, guint limit_ms, GCancellable *cancellable)
{
	const gint64 end = g_get_monotonic_time() + (gint64)limit_ms * 1000;
	off_t at = lseek(memory, 0, SEEK_DATA);

	while (at >= 0 && g_get_monotonic_time() < end &&
	       !g_cancellable_is_cancelled(cancellable)) {
		off_t hole = lseek(memory, at, SEEK_HOLE);

		if (hole < 0)
			return;
		hole = MIN(hole, at + STRETCH_BYTES);
		template_touched_ask(memory, (guint64)at, (guint64)(hole - at));
		at = lseek(memory, hole, SEEK_DATA);
	}
}

/* A decimal number without leading zeros, and what ends it. */
static gboolean
template_touched_parse_number(const char **at, const char *end, char after, guint64 *ret_number)
{
	const char *begin = *at;
	guint64 number = 0;

	while (*at < end && g_ascii_isdigit(**at) && *at - begin < MAX_DIGITS)
		number = number * 10 + (guint64)(*(*at)++ - '0');
	if (*at == begin || (*begin == '0' && *at - begin > 1) || *at == end || **at != after)
		return FALSE;
	(*at)++;
	*ret_number = number;
	return TRUE;
}

/* The next one begins behind the page that is behind "previous". */
static gboolean
template_touched_parse_range(const char **at, const char *end, guint64 n_pages,
			     const struct template_touched_range *previous,
			     struct template_touched_range *ret_range)
{
	return template_touched_parse_number(at, end, ' ', &ret_range->first) &&
	       template_touched_parse_number(at, end, '\n', &ret_range->count) &&
	       ret_range->count > 0 && ret_range->first < n_pages &&
	       ret_range->count <= n_pages - ret_range->first &&
	       (!previous || ret_range->first > previous->first + previous->count);
}

GArray *
template_touched_parse(const char *text, gsize size, guint64 memory_bytes, GError **error)
{
	g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(struct template_touched_range));
	const char *const end = text + size;
	const char *at = text;
	struct template_touched_range range;

	if (size < strlen(HEAD) || size > TEMPLATE_TOUCHED_MAX_BYTES ||
	    memcmp(text, HEAD, strlen(HEAD)) != 0) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
			    "it does not begin with '%.*s', or is too long", (int)strlen(HEAD) - 1,
			    HEAD);
		return NULL;
	}
	at += strlen(HEAD);
	while (at < end) {
		const struct template_touched_range *previous =
			ranges->len > 0 ? &g_array_index(ranges, struct template_touched_range,
							 ranges->len - 1)
					: NULL;

		if (!template_touched_parse_range(&at, end, memory_bytes / PAGE_BYTES, previous,
						  &range)) {
			g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
				    "its line %u is no range of pages behind the one before",
				    ranges->len + 2);
			return NULL;
		}
		g_array_append_val(ranges, range);
	}
	return g_steal_pointer(&ranges);
}

/* What the thread has; nothing of it is anybody else's. */
struct template_touched_read {
	int folder;
	int memory;
	char *path;
	char *name;
	guint64 n_pages; /* that were asked for */
};

static void
template_touched_free_read(gpointer data)
{
	struct template_touched_read *read = data;

	if (read->folder >= 0)
		close(read->folder);
	if (read->memory >= 0)
		close(read->memory);
	g_free(read->path);
	g_free(read->name);
	g_free(read);
}

/* The note's text. NULL without an error: there is none. */
static char *
template_touched_load(int folder, const char *path, gsize *ret_size, GError **error)
{
	/* A FIFO would be waited for. */
	CLEANUP_CLOSE int fd = openat(folder, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	g_autofree char *text = NULL;
	struct stat status;
	int result;

	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd < 0 || fstat(fd, &status) < 0) {
		template_touched_fail(error, "it cannot be opened");
		return NULL;
	}
	if (!S_ISREG(status.st_mode) || status.st_size > TEMPLATE_TOUCHED_MAX_BYTES) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
			    "it is no plain file of %d bytes at most", TEMPLATE_TOUCHED_MAX_BYTES);
		return NULL;
	}
	text = g_malloc((gsize)status.st_size + 1);
	result = io_read_full(fd, text, (size_t)status.st_size);
	if (result < 0) {
		errno = -result;
		template_touched_fail(error, "it cannot be read");
		return NULL;
	}
	*ret_size = (gsize)status.st_size;
	return g_steal_pointer(&text);
}

static void
template_touched_run_read(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
	struct template_touched_read *read = data;
	g_autofree char *text = NULL;
	g_autoptr(GArray) ranges = NULL;
	GError *error = NULL;
	struct stat status;
	gsize size = 0;

	(void)source, (void)cancellable;
	if (fstat(read->memory, &status) < 0)
		template_touched_fail(&error, "the memory");
	else
		text = template_touched_load(read->folder, read->path, &size, &error);
	if (text)
		ranges = template_touched_parse(text, size, (guint64)status.st_size, &error);
	for (guint i = 0; ranges && i < ranges->len; i++) {
		const struct template_touched_range *range =
			&g_array_index(ranges, struct template_touched_range, i);

		template_touched_ask(read->memory, range->first * PAGE_BYTES,
				     range->count * PAGE_BYTES);
		read->n_pages += range->count;
	}
	if (error)
		g_task_return_error(task, error);
	else
		g_task_return_boolean(task, TRUE);
}

static void
template_touched_handle_read(GObject *object, GAsyncResult *result, gpointer unused)
{
	const struct template_touched_read *read = g_task_get_task_data(G_TASK(result));
	g_autoptr(GError) error = NULL;

	(void)object, (void)unused;
	if (!g_task_propagate_boolean(G_TASK(result), &error))
		log_warning("the memory of '%s' is not read ahead by its '%s': %s", read->name,
			    read->path, error->message);
	else if (read->n_pages > 0)
		log_info("%" G_GUINT64_FORMAT " pages of the memory of '%s' are read ahead",
			 read->n_pages, read->name);
}

void
template_touched_start_read(int folder, const char *path, int memory, const char *name)
{
	struct template_touched_read *read = g_new0(struct template_touched_read, 1);
	GTask *task = g_task_new(NULL, NULL, template_touched_handle_read, NULL);

	read->folder = fcntl(folder, F_DUPFD_CLOEXEC, 0);
	read->memory = fcntl(memory, F_DUPFD_CLOEXEC, 0);
	read->path = g_strdup(path);
	read->name = g_strdup(name);
	g_task_set_task_data(task, read, template_touched_free_read);
	g_task_run_in_thread(task, template_touched_run_read);
	g_object_unref(task);
}
