/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rtc_time.h - the time as the registers of a real-time clock have it: bytes, in BCD or binary, of
 * 24 or twice 12 hours
 */
#ifndef VMM_RTC_TIME_H
#define VMM_RTC_TIME_H

#include <stdbool.h>
#include <stdint.h>

#define RTC_TIME_ANY 0xc0 /* an alarm's byte with both these bits set fits any value */

/* Register B: DM (binary) and 24/12. */
struct rtc_time_mode {
	bool binary;
	bool hours_24;
};

struct rtc_time {
	uint8_t second;
	uint8_t minute;
	uint8_t hour;
	uint8_t weekday; /* 1: Sunday */
	uint8_t day;
	uint8_t month;
	uint8_t year;
	uint8_t century;
};

/* CLOCK_REALTIME in nanoseconds. */
uint64_t rtc_time_now_ns(void);

/* Seconds since 1970, UTC, to registers. */
struct rtc_time rtc_time_encode(int64_t seconds, struct rtc_time_mode mode);
/*
 * Nonsense in, some time out: each value is first brought into its range, the year into 1970 to
 * 2199.
 */
int64_t rtc_time_decode(const struct rtc_time *time, struct rtc_time_mode mode);

/*
 * The first second at or after "from" that an alarm at this second, minute and hour fits; -1: none
 * ever does.
 */
int64_t rtc_time_find_alarm(int64_t from, const struct rtc_time *alarm, struct rtc_time_mode mode);

#endif
