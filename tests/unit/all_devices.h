/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * all_devices.h - a machine with all devices that there are, and their drivers, which are the test; with cmocka's assertions
 */
#ifndef TESTS_UNIT_ALL_DEVICES_H
#define TESTS_UNIT_ALL_DEVICES_H

struct description;
struct machine;

/* Adds to the smallest machine (machine_stage.h) all that a machine can have, and what files and sockets that needs. */
void all_devices_describe(struct description *description);
/* Closes these, but for the display's socket, which machine_stage_close() does. */
void all_devices_close(const struct description *description);

/*
 * Before the machine runs: each device's driver is started and asks something of it, so that none is as after power-on. Its
 * rings stay in the guest's memory. No message of an interrupt is sent: each waits in its device, masked, since the guest has no
 * handlers.
 */
void all_devices_drive(struct machine *machine);

#endif
