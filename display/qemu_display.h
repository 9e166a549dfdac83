/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * qemu_display.h - what QEMU's D-Bus display tells its listener, written into the surface
 *
 * The calls of interface org.qemu.Display1.Listener (QEMU's ui/dbus-display1.xml) that QEMU 7.2 makes without shared
 * memory: Scanout, Update, Disable, MouseSet, CursorDefine.
 */
#ifndef DISPLAY_QEMU_DISPLAY_H
#define DISPLAY_QEMU_DISPLAY_H

#include <glib.h>

struct surface;

/*
 * Any thread. "body" may be NULL or of any type: it comes from a process that a guest may own. 0; -ENOSYS for an unknown
 * call, -EBADMSG for arguments of another type, else what surface.h says.
 */
int qemu_display_call(struct surface *surface, const char *member, GVariant *body);

#endif
