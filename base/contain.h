/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * contain.h - leave a process nothing but its descriptors (carrel-vmm, carrel-display)
 *
 * carrel-launch has cloned the process into namespaces of its own, as their first process, with CAP_SYS_ADMIN over these as
 * its only capability (host/launch_child.c). It cannot take away the files as well, because the dynamic loader needs them; so the
 * program does that, once it is loaded and before it hears a stranger. base/forbidden_acts.h tries out whether it worked.
 */
#ifndef BASE_CONTAIN_H
#define BASE_CONTAIN_H

/*
 * An empty, read-only root instead of the host's files, no core and no tracer, no capabilities, no
 * new privileges. In a mount namespace of its own, so that nothing outside ever changes. 0; -EBUSY
 * when there is another thread, which is logged; -EPERM when launch has left no right to; -errno.
 */
int contain_enter(void);

#endif
