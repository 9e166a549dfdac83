/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * irq_lines.h - the ISA interrupt lines (GSIs of the in-kernel PIC and IOAPIC) and who has them,
 * all in one place
 */
#ifndef VMM_IRQ_LINES_H
#define VMM_IRQ_LINES_H

#define IRQ_LINE_TIMER	0 /* in KVM: the PIT */
#define IRQ_LINE_SERIAL 4
#define IRQ_LINE_RTC	8
#define IRQ_LINE_SCI	9 /* ACPI: power button, VM generation id */

#endif
