/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * login_limit.c - slows down who guesses passwords, without locking their victims out (carrel-broker)
 *
 * How it works: each key ("address" and "address user") has a bucket that a failure fills by one and time empties
 * (login_limit_leak). A full bucket refuses until one has leaked out. The table is bounded: when it is full, empty buckets
 * are dropped, and if there are none all addresses are treated as full until there are.
 */
#include "broker/login_limit.h"

#define LIMIT_MAX_BUCKETS      65536
#define LIMIT_PAIR_FAILURES    10
#define LIMIT_ADDRESS_FAILURES 60
#define LIMIT_LEAK_S	       36 /* 100 failures an hour at most, in the long run */

struct login_limit {
	GHashTable *buckets; /* key -> struct login_bucket */
};

struct login_bucket {
	guint level;
	gint64 leaked_us;
};

struct login_limit *
login_limit_new(void)
{
	struct login_limit *limit = g_new0(struct login_limit, 1);

	limit->buckets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	return limit;
}

void
login_limit_free(struct login_limit *limit)
{
	if (!limit)
		return;
	g_hash_table_unref(limit->buckets);
	g_free(limit);
}

static void
login_limit_leak(struct login_bucket *bucket, gint64 now_us)
{
	gint64 drops = (now_us - bucket->leaked_us) / (LIMIT_LEAK_S * G_USEC_PER_SEC);

	if (drops <= 0)
		return;
	bucket->level -= (guint)MIN(drops, (gint64)bucket->level);
	bucket->leaked_us += drops * LIMIT_LEAK_S * G_USEC_PER_SEC;
}

static gboolean
login_limit_is_empty(gpointer key, gpointer value, gpointer now_us)
{
	struct login_bucket *bucket = value;

	(void)key;
	login_limit_leak(bucket, *(gint64 *)now_us);
	return bucket->level == 0;
}

static guint
login_limit_wait_s(struct login_limit *limit, const char *key, guint max, gint64 now_us)
{
	struct login_bucket *bucket = g_hash_table_lookup(limit->buckets, key);

	if (!bucket)
		return g_hash_table_size(limit->buckets) >= LIMIT_MAX_BUCKETS ? LIMIT_LEAK_S : 0;
	login_limit_leak(bucket, now_us);
	if (bucket->level < max)
		return 0;
	return LIMIT_LEAK_S - (guint)((now_us - bucket->leaked_us) / G_USEC_PER_SEC);
}

guint
login_limit_check(struct login_limit *limit, const char *remote, const char *user, gint64 now_us)
{
	g_autofree char *pair = g_strdup_printf("%s %s", remote, user);
	guint address_s;
	guint pair_s;

	if (g_hash_table_size(limit->buckets) >= LIMIT_MAX_BUCKETS)
		g_hash_table_foreach_remove(limit->buckets, login_limit_is_empty, &now_us);
	address_s = login_limit_wait_s(limit, remote, LIMIT_ADDRESS_FAILURES, now_us);
	pair_s = login_limit_wait_s(limit, pair, LIMIT_PAIR_FAILURES, now_us);
	return MAX(address_s, pair_s);
}

static void
login_limit_fill(struct login_limit *limit, const char *key, gint64 now_us)
{
	struct login_bucket *bucket = g_hash_table_lookup(limit->buckets, key);

	if (!bucket) {
		bucket = g_new0(struct login_bucket, 1);
		bucket->leaked_us = now_us;
		g_hash_table_insert(limit->buckets, g_strdup(key), bucket);
	}
	login_limit_leak(bucket, now_us);
	bucket->level++;
}

void
login_limit_count_failure(struct login_limit *limit, const char *remote, const char *user,
			  gint64 now_us)
{
	g_autofree char *pair = g_strdup_printf("%s %s", remote, user);

	login_limit_fill(limit, remote, now_us);
	login_limit_fill(limit, pair, now_us);
}
