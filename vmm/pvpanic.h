/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pvpanic.h - a PCI device by which the guest's kernel says that it has panicked
 *
 * QEMU's docs/specs/pvpanic.rst, PCI 1b36:0011: BAR 0 begins with one byte, which reads as the
 * events known here.
 */
#ifndef VMM_PVPANIC_H
#define VMM_PVPANIC_H

struct pci_root;
struct platform;

/* Puts it into SLOT_PVPANIC; the root owns it. */
int pvpanic_new(struct platform *platform, struct pci_root *root);

#endif
