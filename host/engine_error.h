/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_error.h - the errors of engines beside those of GIO
 */
#ifndef HOST_ENGINE_ERROR_H
#define HOST_ENGINE_ERROR_H

#include <glib.h>

enum engine_error {
	ENGINE_ERROR_FOREIGN, /* the version's machine cannot be restored exactly here: it must be sealed again */
};

#define ENGINE_ERROR engine_error_quark()
GQuark engine_error_quark(void);

/* "it was sealed with WHAT SEALED, here it is HERE". */
void engine_error_set_foreign(GError **error, const char *what, const char *sealed,
			      const char *here);

#endif
