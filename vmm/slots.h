/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * slots.h - where each device sits on PCI bus 0: part of the machine's description, so never
 * changed, only added to
 */
#ifndef VMM_SLOTS_H
#define VMM_SLOTS_H

enum slot {
	SLOT_HOST_BRIDGE = 0,
	SLOT_GPU = 1, /* the guest's spice-vdagent is told "pci/0000/01.0" */
	SLOT_NET = 2,
	SLOT_DISK = 3, /* the system's */
	SLOT_HOME = 4, /* the user's: a disk without capacity until it is attached */
	SLOT_CONSOLE = 5,
	SLOT_KEYBOARD = 6,
	SLOT_TABLET = 7,
	SLOT_RNG = 8,
	SLOT_BALLOON = 9,
	SLOT_PVPANIC = 10,
	SLOT_SOUND = 27, /* as on Q35 */
	SLOT_COUNT = 32,
};

#endif
