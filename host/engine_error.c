/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_error.c - the errors of engines beside those of GIO (carrel-hostd, carrel-worker)
 */
#include "host/engine_error.h"

G_DEFINE_QUARK(engine - error - quark, engine_error)

void
engine_error_set_foreign(GError **error, const char *what, const char *sealed, const char *here)
{
	g_set_error(error, ENGINE_ERROR, ENGINE_ERROR_FOREIGN,
		    "it was sealed with %s %s, here it is %s", what, sealed, here);
}
