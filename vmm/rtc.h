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

#define RTC_PORT    0x70
#define RTC_PORTS   2
#define RTC_CENTURY 0x32 /* the register that the FADT names */

/* "cpus" and the size of the memory are told to firmware in CMOS bytes. */
int rtc_new(struct platform *platform, uint32_t cpus, struct rtc **ret_rtc);
void rtc_free(struct rtc *rtc);
void rtc_reset(struct rtc *rtc);

#endif
