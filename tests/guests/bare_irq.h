/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bare_irq.h - interrupts of a guest without an operating system: counted, and handed on
 */
#ifndef TESTS_GUESTS_BARE_IRQ_H
#define TESTS_GUESTS_BARE_IRQ_H

#include <stdbool.h>
#include <stdint.h>

#define BARE_IRQ_FIRST 0x30 /* vectors 0x30 to 0x3f are for devices */
#define BARE_IRQ_COUNT 16
#define BARE_IRQ_MSI   0xfee00000 /* the address of a message to this CPU; its data is the vector */

/* Local APIC and interrupts on. An exception is said, and ends the guest. */
void bare_irq_set_up(void);
/* The same on another CPU, after that: the handlers are the same, the lines of the IOAPIC go to the first. */
void bare_irq_join(void);
/* Calls this at each interrupt with this vector, before its end is told to the local APIC. */
void bare_irq_set_handler(uint8_t vector, void (*handler)(void));
/* This line of the IOAPIC sends the vector from here on. */
void bare_irq_route(uint8_t gsi, uint8_t vector, bool is_level);
/* How often this vector has come so far. */
uint32_t bare_irq_get_count(uint8_t vector);

#endif
