/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sparse_copy.h - copy a file's data and keep its holes
 */
#ifndef COMMON_SPARSE_COPY_H
#define COMMON_SPARSE_COPY_H

#include <gio/gio.h>
#include <sys/types.h>

/*
 * Makes the empty file "to" the first "size" bytes of the regular file "from", inside the kernel where the file systems can do that.
 * 0 or a negative errno: -EIO when "from" is shorter, -ECANCELED. For threads: it may read gigabytes.
 */
int sparse_copy(int from, int to, off_t size, GCancellable *cancellable);

#endif
