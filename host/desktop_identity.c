/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_identity.c - what makes a fork itself: the body of the agent's identify verb (carrel-hostd)
 *
 * The host name is the desktop's id. Machine id and MAC are taken from a hash of id and generation, so that one desktop
 * never looks like another, or like itself in an earlier generation. The MAC is locally administered, unicast.
 */
#include "host/desktop_identity.h"

#include <string.h>
#include <sys/random.h>

#include "common/hash.h"

#define SEED_BYTES 64

static gboolean
desktop_identity_make_seed(char ret_text[2 * SEED_BYTES + 1])
{
	guint8 seed[SEED_BYTES];

	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return FALSE;
	for (gsize i = 0; i < sizeof(seed); i++)
		g_snprintf(ret_text + 2 * i, 3, "%02x", seed[i]);
	explicit_bzero(seed, sizeof(seed));
	return TRUE;
}

json_t *
desktop_identity_new(const char *id, guint64 generation, gint64 now_us, gboolean link)
{
	g_autofree char *text = g_strdup_printf("%s %" G_GUINT64_FORMAT, id, generation);
	g_autofree char *hash = hash_text(text);
	g_autofree char *mac = g_strdup_printf("52:54:%.2s:%.2s:%.2s:%.2s", hash + 32, hash + 34,
					       hash + 36, hash + 38);
	g_autofree char *machine = g_strndup(hash, 32);
	char seed[2 * SEED_BYTES + 1];
	json_t *body;

	if (!desktop_identity_make_seed(seed))
		return NULL;
	body = json_pack("{s:s, s:I, s:s, s:s, s:s, s:b}", "seed", seed, "time_us",
			 (json_int_t)now_us, "hostname", id, "machine_id", machine, "mac", mac,
			 "link", link);
	explicit_bzero(seed, sizeof(seed));
	return body;
}
