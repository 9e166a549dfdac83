/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine.c - what all engines share (carrel-hostd, carrel-worker)
 */
#include "host/engine.h"

void
engine_refuse(const struct engine_ops *ops, const char *operation, const struct steps_call *call)
{
	GTask *task = g_task_new(NULL, call->cancellable, call->callback, call->data);

	g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
				"'%s' is not offered by engine %s", operation, ops->name);
	g_object_unref(task);
}
