/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rtc.h - the real-time clock: an MC146818 with the host's time in UTC, and 128 bytes of CMOS
 * memory
 *
 * Motorola MC146818A data sheet: registers, update cycle, alarm, update and periodic interrupts
 * (IRQ_LINE_RTC). A guest that sets the time changes only its own: the difference to the host's is
 * kept, over resets too.
 */
#ifndef VMM_RTC_H
#define VMM_RTC_H

#include <stdint.h>

struct platform;
struct rtc;
struct state_reader;
struct state_writer;

#define RTC_PORT    0x70
#define RTC_PORTS   2
#define RTC_CENTURY 0x32 /* the register that the FADT names */

/* "cpus" and the size of the memory are told to firmware in CMOS bytes. */
int rtc_new(struct platform *platform, uint32_t cpus, struct rtc **ret_rtc);
void rtc_free(struct rtc *rtc);
void rtc_reset(struct rtc *rtc);

/*
 * The section "rtc" (vmm/state_file.h): all registers and CMOS memory, and how the guest's time
 * differs from the host's. So what is loaded shows the time that it is then, as a clock with a
 * battery does and as a machine that was just started, but for what the guest itself has set (local
 * time, say). 0 or the reader's error; then nothing has changed.
 */
void rtc_save(struct rtc *rtc, struct state_writer *writer);
int rtc_load(struct rtc *rtc, struct state_reader *reader);

#endif
