/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hash.h - SHA-256 as 64 lower-case hexadecimal digits (FIPS 180-4)
 */
#ifndef COMMON_HASH_H
#define COMMON_HASH_H

#include <gio/gio.h>

#define HASH_TEXT_LENGTH 64

char *hash_bytes(const void *data, gsize size);
char *hash_text(const char *text);

/*
 * Of a whole plain file; holes count as the zeros they read as, without being read. NULL and error when it cannot be
 * read to its end.
 */
char *hash_file(const char *path, GCancellable *cancellable, GError **error);

#endif
