/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * acpi_pm.h - power management registers: power button, general events, PM timer, switching off,
 * reset
 *
 * One block of ports, whose parts the FADT names (vmm/acpi.c), and port 0x64 of the keyboard
 * controller that is not there, by which old software resets a PC. ACPI 6.3 section 4.8; the SCI is
 * IRQ_LINE_SCI, level-triggered.
 */
#ifndef VMM_ACPI_PM_H
#define VMM_ACPI_PM_H

#include <stdint.h>

struct acpi_pm;
struct platform;
struct state_reader;
struct state_writer;

#define ACPI_PM_PORT	      0x600
#define ACPI_PM_PORTS	      16
#define ACPI_PM_EVENT_PORT    0x600 /* PM1 status, enable */
#define ACPI_PM_EVENT_BYTES   4
#define ACPI_PM_CONTROL_PORT  0x604
#define ACPI_PM_CONTROL_BYTES 2
#define ACPI_PM_TIMER_PORT    0x608
#define ACPI_PM_TIMER_BYTES   4
#define ACPI_PM_GPE_PORT      0x60c /* GPE0 status, enable */
#define ACPI_PM_GPE_BYTES     2
#define ACPI_PM_RESET_PORT    0x60e
#define ACPI_PM_RESET_VALUE   1

#define ACPI_PM_SLEEP_TYPE_OFF 5 /* SLP_TYP that means S5 */
#define ACPI_PM_TIMER_HZ       3579545

#define ACPI_PM_GPE_GENID 5 /* the VM generation id has changed */

int acpi_pm_new(struct platform *platform, struct acpi_pm **ret_pm);
void acpi_pm_free(struct acpi_pm *pm);
void acpi_pm_reset(struct acpi_pm *pm);

/* While the machine is paused the PM timer stands still. */
void acpi_pm_pause(struct acpi_pm *pm);
void acpi_pm_resume(struct acpi_pm *pm);

/*
 * The section "acpi-pm" (vmm/state_file.h): all registers, and how long the PM timer has run. What
 * was loaded stands until acpi_pm_resume(), its SCI is as its events want it. 0 or the reader's
 * error; then nothing has changed.
 */
void acpi_pm_save(struct acpi_pm *pm, struct state_writer *writer);
int acpi_pm_load(struct acpi_pm *pm, struct state_reader *reader);

void acpi_pm_press_power_button(struct acpi_pm *pm);
/* "gpe": 0 to 7 */
void acpi_pm_raise_gpe(struct acpi_pm *pm, unsigned int gpe);

#endif
