/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store_sqlite.h - the store in one SQLite file
 */
#ifndef BROKER_STORE_SQLITE_H
#define BROKER_STORE_SQLITE_H

#include "broker/store.h"

/*
 * Opens or makes the database and brings its schema to this program's version; a newer one is refused. ":memory:" is for
 * tests. store_close() frees it.
 */
struct store *store_sqlite_open(const char *path, GError **error);

#endif
