/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * machine_control.h - puts a machine under the control of whoever its description names
 */
#ifndef VMM_MACHINE_CONTROL_H
#define VMM_MACHINE_CONTROL_H

struct control;
struct description;
struct machine;

/*
 * Before machine_run(); becomes the machine's watcher. 0 or -errno. control_free() before
 * machine_free().
 */
int machine_control_new(struct machine *machine, const struct description *description,
			struct control **ret_control);

#endif
