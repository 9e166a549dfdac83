/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rtc_time.c - the time as the registers of a real-time clock have it (carrel-vmm)
 *
 * The C library's calendar is not used: at its first call it opens /etc/localtime, which carrel-vmm
 * may not.
 */
#include "vmm/rtc_time.h"

#include <time.h>

#define RTC_TIME_AFTERNOON 0x80 /* of an hour byte in 12-hour mode */
#define RTC_TIME_MIN_YEAR  1970
#define RTC_TIME_MAX_YEAR  2199 /* so that nanoseconds fit into 64 bits with a sign */

#define RTC_TIME_DAY_S	  (24 * 60 * 60)
#define RTC_TIME_ERA_DAYS 146097 /* in 400 years */

uint64_t
rtc_time_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static uint8_t
rtc_time_pack(int64_t value, struct rtc_time_mode mode)
{
	return (uint8_t)(mode.binary ? value : value / 10 << 4 | value % 10);
}

static int
rtc_time_unpack(uint8_t byte, struct rtc_time_mode mode)
{
	return mode.binary ? byte : (byte >> 4) * 10 + (byte & 0x0f);
}

static uint8_t
rtc_time_pack_hour(int64_t hour, struct rtc_time_mode mode)
{
	if (mode.hours_24)
		return rtc_time_pack(hour, mode);
	return rtc_time_pack(hour % 12 == 0 ? 12 : hour % 12, mode) |
	       (hour >= 12 ? RTC_TIME_AFTERNOON : 0);
}

static int
rtc_time_unpack_hour(uint8_t byte, struct rtc_time_mode mode)
{
	if (mode.hours_24)
		return rtc_time_unpack(byte, mode);
	return rtc_time_unpack(byte & (uint8_t)~RTC_TIME_AFTERNOON, mode) % 12 +
	       (byte & RTC_TIME_AFTERNOON ? 12 : 0);
}

static int
rtc_time_clamp(int value, int min, int max)
{
	return value < min ? min : value > max ? max : value;
}

/*
 * Days since 1970-01-01 to a date and back. Years are counted from March, so that the leap day is a
 * year's last: day 0 is then 0000-03-01, and the months before the one with index m have (153 * m +
 * 2) / 5 days.
 */
static int64_t
rtc_time_count_days(int year, int month, int day)
{
	int shifted_year = year - (month <= 2);
	int shifted_month = (month + 9) % 12;
	int days = 365 * shifted_year + shifted_year / 4 - shifted_year / 100 + shifted_year / 400;

	return days + (153 * shifted_month + 2) / 5 + day - 1 - 719468;
}

static void
rtc_time_find_date(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
	int era_day = (int)((days + 719468) % RTC_TIME_ERA_DAYS);
	int era_year = (era_day - era_day / 1460 + era_day / 36524 - era_day / 146096) / 365;
	int year_day = era_day - (365 * era_year + era_year / 4 - era_year / 100);
	int shifted_month = (5 * year_day + 2) / 153;

	*ret_day = year_day - (153 * shifted_month + 2) / 5 + 1;
	*ret_month = (shifted_month + 2) % 12 + 1;
	*ret_year = (int)((days + 719468) / RTC_TIME_ERA_DAYS) * 400 + era_year + (*ret_month <= 2);
}

struct rtc_time
rtc_time_encode(int64_t seconds, struct rtc_time_mode mode)
{
	int64_t days = seconds / RTC_TIME_DAY_S;
	int year, month, day;

	rtc_time_find_date(days, &year, &month, &day);
	return (struct rtc_time){
		.second = rtc_time_pack(seconds % 60, mode),
		.minute = rtc_time_pack(seconds / 60 % 60, mode),
		.hour = rtc_time_pack_hour(seconds / 3600 % 24, mode),
		.weekday = rtc_time_pack((days + 4) % 7 + 1, mode),
		.day = rtc_time_pack(day, mode),
		.month = rtc_time_pack(month, mode),
		.year = rtc_time_pack(year % 100, mode),
		.century = rtc_time_pack(year / 100, mode),
	};
}

int64_t
rtc_time_decode(const struct rtc_time *time, struct rtc_time_mode mode)
{
	int second = rtc_time_clamp(rtc_time_unpack(time->second, mode), 0, 59);
	int minute = rtc_time_clamp(rtc_time_unpack(time->minute, mode), 0, 59);
	int hour = rtc_time_clamp(rtc_time_unpack_hour(time->hour, mode), 0, 23);
	int day = rtc_time_clamp(rtc_time_unpack(time->day, mode), 1, 31);
	int month = rtc_time_clamp(rtc_time_unpack(time->month, mode), 1, 12);
	int year = rtc_time_unpack(time->century, mode) * 100 + rtc_time_unpack(time->year, mode);

	year = rtc_time_clamp(year, RTC_TIME_MIN_YEAR, RTC_TIME_MAX_YEAR);
	return rtc_time_count_days(year, month, day) * RTC_TIME_DAY_S + hour * 3600 + minute * 60 +
	       second;
}

static bool
rtc_time_fits(uint8_t byte, int wanted, int64_t value)
{
	return (byte & RTC_TIME_ANY) == RTC_TIME_ANY || wanted == value;
}

static bool
rtc_time_ever_fits(uint8_t byte, int wanted, int limit)
{
	return (byte & RTC_TIME_ANY) == RTC_TIME_ANY || wanted < limit;
}

/*
 * Goes on by whole hours, then minutes, then seconds. That are few steps, because what no second
 * ever fits is sorted out first: a guest can have this done at each access.
 */
int64_t
rtc_time_find_alarm(int64_t from, const struct rtc_time *alarm, struct rtc_time_mode mode)
{
	int second = rtc_time_unpack(alarm->second, mode);
	int minute = rtc_time_unpack(alarm->minute, mode);
	int hour = rtc_time_unpack_hour(alarm->hour, mode);

	if (!rtc_time_ever_fits(alarm->hour, hour, 24) ||
	    !rtc_time_ever_fits(alarm->minute, minute, 60) ||
	    !rtc_time_ever_fits(alarm->second, second, 60))
		return -1;
	for (int64_t at = from; at < from + RTC_TIME_DAY_S;) {
		if (!rtc_time_fits(alarm->hour, hour, at / 3600 % 24))
			at = (at / 3600 + 1) * 3600;
		else if (!rtc_time_fits(alarm->minute, minute, at / 60 % 60))
			at = (at / 60 + 1) * 60;
		else if (!rtc_time_fits(alarm->second, second, at % 60))
			at++;
		else
			return at;
	}
	return -1;
}
