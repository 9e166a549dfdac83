/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktops_move.c - desktops that go to another host or come from one: their turn, and what is asked of them (carrel-hostd)
 *
 * How it works: desktops_wanted.c asks desktops_apply_move() for each desktop that is here, desktops_begin_move() for one that
 * is not. At most MAX_MOVING are on their way at a time; the others wait, and those that are not here yet are not in the table then.
 */
#include <string.h>

#include "base/log.h"
#include "host/desktop_move.h"
#include "host/desktops_parts.h"
#include "host/host_room.h"
#include "host/move_clear.h"

#define MAX_MOVING 2 /* each reads and writes gigabytes in a thread */

/* One that is given up, and only waits until it has gone from the exchange folder, takes no turn. */
static gboolean
desktops_may_move(struct desktops *desktops)
{
	GHashTableIter iter;
	gpointer value;
	guint moving = 0;

	g_hash_table_iter_init(&iter, desktops->table);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		moving += desktop_is_moving(value) != FALSE;
	return moving < MAX_MOVING && launch_client_is_up(desktops->launch);
}

/* Of the version that it shall be of nothing is loaded yet: it stays suspended. */
static void
desktops_take_in(struct desktops *desktops, struct desktop *desktop, const json_t *want)
{
	g_autofree char *refusal = desktops_find_refusal(desktops, want);
	g_autoptr(GError) error = NULL;
	struct engine_template source = { .kind = json_get_text(want, "kind", ""),
					  .folder = -1,
					  .memory = -1 };
	struct manifest *manifest = NULL;

	if (!refusal)
		manifest = template_store_check(
			desktops->templates, json_get_text(want, "template", ""),
			(guint32)json_get_integer(want, "version", 0), source.kind, &error);
	source.manifest = manifest;
	if (manifest)
		desktop_arrive(desktop, &source,
			       strcmp(json_get_text(want, "network", ""), "passt") == 0,
			       host_room_get_disk_reserve(desktops->lib));
	else
		desktop_refuse_arrival(desktop, refusal ? refusal : error->message);
	manifest_free(manifest);
}

gboolean
desktops_apply_move(struct desktops *desktops, struct desktop *desktop, const json_t *want)
{
	const char *word = json_get_text(want, "want", "");
	enum desktop_state state = desktop_get_state(desktop);
	gboolean leaves = strcmp(word, "exported") == 0;
	gboolean arrives = strcmp(word, "arrives") == 0;
	gboolean comes = arrives || strcmp(word, "returns") == 0;
	const char *refusal = desktop_get_refusal(desktop);
	gboolean away = state == DESKTOP_STATE_EXPORTING || state == DESKTOP_STATE_EXPORTED ||
			state == DESKTOP_STATE_ARRIVING;

	if (!leaves)
		desktop_forget_copy(desktop);
	/* Its files are being worked on; when that has ended it is looked at again. */
	if (desktop_is_held(desktop))
		return TRUE;
	if (!leaves && !comes && !away) {
		desktop_keep_here(desktop);
		return FALSE;
	}
	desktops_try_later(desktops);
	if (!desktops_may_move(desktops))
		return TRUE;
	if (leaves || state == DESKTOP_STATE_EXPORTING)
		desktop_export(desktop);
	else if (arrives && refusal)
		desktop_refuse_move(desktop, refusal);
	else if (comes && (away || state == DESKTOP_STATE_FORKING))
		desktops_take_in(desktops, desktop, want);
	return TRUE;
}

void
desktops_begin_move(struct desktops *desktops, const json_t *want)
{
	struct desktop *desktop;

	/* One that waits for its turn, or until an older copy is removed, is not here, and is not reported. */
	if (!desktops_may_move(desktops) ||
	    (desktops->host.clear &&
	     !move_clear_drop(desktops->host.clear, json_get_text(want, "id", "")))) {
		desktops_try_later(desktops);
		return;
	}
	desktop = desktops_add(desktops, json_get_text(want, "id", ""),
			       (guint64)json_get_integer(want, "generation", 0));
	desktops_apply_move(desktops, desktop, want);
}

void
desktops_give_up_unknown(struct desktops *desktops, const json_t *want)
{
	desktop_give_up(desktops_add(desktops, json_get_text(want, "id", ""),
				     (guint64)json_get_integer(want, "generation", 0)),
			"the broker wants it gone");
}

gboolean
desktops_is_move(const json_t *want)
{
	static const char *const words[] = { "exported", "arrives", "returns", NULL };

	return g_strv_contains(words, json_get_text(want, "want", ""));
}
