/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * screenshots.c - pictures of desktops that the broker asks for (carrel-hostd)
 *
 * How it works: screenshots_take() lets the desktop's machine write a PNG into a memfd; screenshots_handle_taken() reads it
 * back. The answer stays until the broker does not ask for it any more, so that one which got lost is told again.
 */
#include "host/screenshots.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/desktop.h"

struct screenshot {
	struct screenshots *owner; /* NULL: forgotten while it is taken */
	gint64 id;
	int fd;
	gboolean taken;
	char *png; /* base64; NULL: failed */
	char *error;
};

struct screenshots {
	GQueue list; /* struct screenshot */
	void (*changed)(void *context);
	void *context;
};

struct screenshots *
screenshots_new(void (*changed)(void *context), void *context)
{
	struct screenshots *screenshots = g_new0(struct screenshots, 1);

	g_queue_init(&screenshots->list);
	screenshots->changed = changed;
	screenshots->context = context;
	return screenshots;
}

static void
screenshots_drop(struct screenshot *shot)
{
	if (shot->fd >= 0)
		close(shot->fd);
	g_free(shot->png);
	g_free(shot->error);
	g_free(shot);
}

/* One that is still taken is freed when that has ended. */
static void
screenshots_forget(gpointer data)
{
	struct screenshot *shot = data;

	shot->owner = NULL;
	if (shot->taken)
		screenshots_drop(shot);
}

void
screenshots_free(struct screenshots *screenshots)
{
	if (!screenshots)
		return;
	g_queue_clear_full(&screenshots->list, screenshots_forget);
	g_free(screenshots);
}

static void
screenshots_end(struct screenshot *shot, const char *error)
{
	shot->taken = TRUE;
	shot->error = g_strdup(error ? error : "");
	shot->owner->changed(shot->owner->context);
}

/* The file is a guest's picture, written by its machine: only its size is relied on. */
static void
screenshots_read(struct screenshot *shot)
{
	g_autofree guchar *data = NULL;
	struct stat about;
	ssize_t n;

	if (fstat(shot->fd, &about) < 0 || about.st_size <= 0 ||
	    about.st_size > SCREENSHOTS_MAX_BYTES) {
		screenshots_end(shot, "the picture is empty or larger than 2 MiB");
		return;
	}
	data = g_malloc((gsize)about.st_size);
	n = pread(shot->fd, data, (gsize)about.st_size, 0);
	if (n != about.st_size) {
		screenshots_end(shot, "the picture cannot be read back");
		return;
	}
	shot->png = g_base64_encode(data, (gsize)n);
	screenshots_end(shot, NULL);
}

static void
screenshots_handle_taken(GObject *object, GAsyncResult *result, gpointer data)
{
	struct screenshot *shot = data;
	g_autoptr(GError) error = NULL;
	gboolean ok = steps_finish(result, &error);

	(void)object;
	if (!shot->owner)
		screenshots_drop(shot);
	else if (!ok)
		screenshots_end(shot, error->message);
	else
		screenshots_read(shot);
}

static struct screenshot *
screenshots_find(struct screenshots *screenshots, gint64 id)
{
	for (GList *link = screenshots->list.head; link; link = link->next)
		if (((struct screenshot *)link->data)->id == id)
			return link->data;
	return NULL;
}

void
screenshots_take(struct screenshots *screenshots, gint64 id, struct desktop *desktop)
{
	struct steps_call call = { .callback = screenshots_handle_taken };
	struct screenshot *shot;

	if (screenshots_find(screenshots, id))
		return;
	shot = g_new0(struct screenshot, 1);
	shot->owner = screenshots;
	shot->id = id;
	shot->fd = memfd_create("carrel-screenshot", MFD_CLOEXEC);
	g_queue_push_tail(&screenshots->list, shot);
	call.data = shot;
	if (shot->fd < 0)
		screenshots_end(shot, "no memory for a picture");
	else if (!desktop || !desktop_screenshot(desktop, shot->fd, &call))
		screenshots_end(shot, "the desktop does not run");
}

static gboolean
screenshots_is_asked(const json_t *requests, gint64 id)
{
	for (gsize i = 0; i < json_array_size(requests); i++)
		if (json_get_integer(json_array_get(requests, i), "id", 0) == id)
			return TRUE;
	return FALSE;
}

void
screenshots_keep(struct screenshots *screenshots, const json_t *requests)
{
	GList *next;

	for (GList *link = screenshots->list.head; link; link = next) {
		struct screenshot *shot = link->data;

		next = link->next;
		if (screenshots_is_asked(requests, shot->id))
			continue;
		g_queue_delete_link(&screenshots->list, link);
		screenshots_forget(shot);
	}
}

json_t *
screenshots_describe(const struct screenshots *screenshots)
{
	json_t *list = json_array();

	for (GList *link = screenshots->list.head; link; link = link->next) {
		const struct screenshot *shot = link->data;

		if (!shot->taken)
			continue;
		json_array_append_new(list, json_pack("{s:I, s:s, s:s}", "id", (json_int_t)shot->id,
						      "error", shot->error, "png",
						      shot->png ? shot->png : ""));
		break;
	}
	return list;
}
