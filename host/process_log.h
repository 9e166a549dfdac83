/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * process_log.h - what a desktop's process said last, for the reason of its failure
 */
#ifndef HOST_PROCESS_LOG_H
#define HOST_PROCESS_LOG_H

#include <glib.h>

#define PROCESS_LOG_MAX_LINE 200 /* bytes */

/*
 * "reason", and what the last line of <folder>/<role>.log says, in printable characters: a guest may have had a part in it.
 * The caller's to free.
 */
char *process_log_explain(const char *folder, const char *role, const char *reason);

#endif
