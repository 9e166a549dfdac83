/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bare_irq.c - interrupts of a guest without an operating system (the stubs are in bare_start.S)
 */
#include "tests/guests/bare_irq.h"

#include "tests/guests/bare.h"

#define N_GATES	       64
#define STUB_BYTES     16
#define GATE_INTERRUPT UINT64_C(0x8e00)
#define CODE_SELECTOR  UINT64_C(0x8)
#define APIC_BASE      0xfee00000
#define APIC_EOI       (APIC_BASE + 0xb0)
#define APIC_SPURIOUS  (APIC_BASE + 0xf0)
#define APIC_ON	       0x1ff
#define IOAPIC_SELECT  0xfec00000
#define IOAPIC_WINDOW  0xfec00010
#define IOAPIC_ENTRIES 0x10
#define IOAPIC_LEVEL   0x8000
#define PIC_MASKS_1    0x21
#define PIC_MASKS_2    0xa1

extern const uint8_t bare_irq_stubs[];
void bare_irq_handle(uint64_t vector, uint64_t rip);

static uint64_t gates[N_GATES][2];
static volatile uint32_t counts[BARE_IRQ_COUNT];
static void (*handlers[BARE_IRQ_COUNT])(void);

void
bare_irq_handle(uint64_t vector, uint64_t rip)
{
	if (vector < BARE_IRQ_FIRST) {
		bare_say("FAIL: exception %u, rip or error code 0x%x", vector, rip);
		bare_switch_off();
	}
	counts[vector - BARE_IRQ_FIRST]++;
	if (handlers[vector - BARE_IRQ_FIRST])
		handlers[vector - BARE_IRQ_FIRST]();
	BARE_REGISTER(uint32_t, APIC_EOI) = 0;
}

void
bare_irq_set_up(void)
{
	for (uint64_t i = 0; i < N_GATES; i++) {
		uint64_t stub = (uintptr_t)bare_irq_stubs + i * STUB_BYTES;

		gates[i][0] = (stub & 0xffff) | CODE_SELECTOR << 16 | GATE_INTERRUPT << 32 |
			      (stub >> 16 & 0xffff) << 48;
		gates[i][1] = stub >> 32;
	}
	bare_out8(PIC_MASKS_1, 0xff);
	bare_out8(PIC_MASKS_2, 0xff);
	bare_irq_join();
}

void
bare_irq_join(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = { sizeof(gates) - 1, (uintptr_t)gates };

	BARE_REGISTER(uint32_t, APIC_SPURIOUS) = APIC_ON;
	__asm__ volatile("lidt %0; sti" ::"m"(pointer));
}

void
bare_irq_set_handler(uint8_t vector, void (*handler)(void))
{
	handlers[vector - BARE_IRQ_FIRST] = handler;
}

void
bare_irq_route(uint8_t gsi, uint8_t vector, bool is_level)
{
	BARE_REGISTER(uint32_t, IOAPIC_SELECT) = IOAPIC_ENTRIES + 2u * gsi;
	BARE_REGISTER(uint32_t, IOAPIC_WINDOW) = vector | (is_level ? IOAPIC_LEVEL : 0u);
}

uint32_t
bare_irq_get_count(uint8_t vector)
{
	return counts[vector - BARE_IRQ_FIRST];
}
