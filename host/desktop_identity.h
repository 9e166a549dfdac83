/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_identity.h - what makes a fork itself: the body of the agent's identify verb
 */
#ifndef HOST_DESKTOP_IDENTITY_H
#define HOST_DESKTOP_IDENTITY_H

#include <glib.h>

#include "base/json.h"

/* link: the guest shall use its network card. Names and MAC follow from id and generation, the seed is random. NULL when the kernel gives no random numbers. */
json_t *desktop_identity_new(const char *id, guint64 generation, gint64 now_us, gboolean link);

#endif
