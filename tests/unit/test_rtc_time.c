/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_rtc_time.c - seconds to a clock's registers and back, compared with the C library's calendar; alarms
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "vmm/rtc_time.h"

#define TEST_DAY_S 86400

static const struct rtc_time_mode test_bcd_24 = { .binary = false, .hours_24 = true };
static const struct rtc_time_mode test_binary_24 = { .binary = true, .hours_24 = true };
static const struct rtc_time_mode test_bcd_12 = { .binary = false, .hours_24 = false };

static void
test_rtc_time__each_day_is_the_librarys(void **state)
{
	(void)state;
	for (int64_t day = 0; day < 230 * 365; day++) {
		time_t seconds = day * TEST_DAY_S + day % TEST_DAY_S;
		struct rtc_time time = rtc_time_encode(seconds, test_binary_24);
		struct tm tm;

		gmtime_r(&seconds, &tm);
		assert_int_equal(time.century * 100 + time.year, tm.tm_year + 1900);
		assert_int_equal(time.month, tm.tm_mon + 1);
		assert_int_equal(time.day, tm.tm_mday);
		assert_int_equal(time.weekday, tm.tm_wday + 1);
		assert_int_equal(time.hour, tm.tm_hour);
		assert_int_equal(time.minute, tm.tm_min);
		assert_int_equal(time.second, tm.tm_sec);
		if (tm.tm_year + 1900 < 2200)
			assert_int_equal(rtc_time_decode(&time, test_binary_24), seconds);
	}
}

static void
test_rtc_time__registers_in_each_mode(void **state)
{
	/* 2026-11-21 is a Saturday. */
	static const struct {
		struct rtc_time_mode mode;
		const char *utc;
		struct rtc_time time;
	} table[] = {
		{ { 0, 1 },
		  "2026-11-21 23:59:58",
		  { 0x58, 0x59, 0x23, 0x07, 0x21, 0x11, 0x26, 0x20 } },
		{ { 1, 1 }, "2026-11-21 23:59:58", { 58, 59, 23, 7, 21, 11, 26, 20 } },
		{ { 0, 0 },
		  "2026-11-21 23:59:58",
		  { 0x58, 0x59, 0x91, 0x07, 0x21, 0x11, 0x26, 0x20 } },
		{ { 0, 0 },
		  "2000-02-29 00:10:00",
		  { 0x00, 0x10, 0x12, 0x03, 0x29, 0x02, 0x00, 0x20 } },
		{ { 1, 0 }, "1999-12-31 12:00:01", { 1, 0, 0x8c, 6, 31, 12, 99, 19 } },
		{ { 1, 0 }, "1999-12-31 01:00:01", { 1, 0, 1, 6, 31, 12, 99, 19 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct rtc_time time;
		struct tm tm = { 0 };
		time_t seconds;

		assert_non_null(strptime(table[i].utc, "%Y-%m-%d %H:%M:%S", &tm));
		seconds = timegm(&tm);
		time = rtc_time_encode(seconds, table[i].mode);
		assert_memory_equal(&time, &table[i].time, sizeof(time));
		assert_int_equal(rtc_time_decode(&time, table[i].mode), seconds);
	}
}

static void
test_rtc_time__nonsense_gives_some_time(void **state)
{
	static const struct rtc_time table[] = {
		{ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		{ 0 },
		{ 0x7a, 0x99, 0x24, 0x00, 0x31, 0x02, 0x69, 0x19 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_in_range(rtc_time_decode(&table[i], test_bcd_24), 0, INT64_C(7258118399));
		assert_in_range(rtc_time_decode(&table[i], test_bcd_12), 0, INT64_C(7258118399));
		assert_in_range(rtc_time_decode(&table[i], test_binary_24), 0, INT64_C(7258118399));
	}
	assert_int_equal(rtc_time_decode(&table[1], test_bcd_24), 0);
	assert_int_equal(rtc_time_decode(&table[0], test_bcd_24), INT64_C(7258118399));
}

static void
test_rtc_time__next_alarm(void **state)
{
	static const struct {
		int64_t from;
		uint8_t second, minute, hour; /* BCD */
		int64_t found;
	} table[] = {
		{ 0, 0x00, 0x00, 0x00, 0 },
		{ 1, 0x00, 0x00, 0x00, TEST_DAY_S },
		{ 1, 0xff, 0xff, 0xff, 1 },
		{ 1, 0x30, 0xff, 0xff, 30 },
		{ 31, 0x30, 0xc0, 0xff, 90 },
		{ 1, 0x00, 0x30, 0xff, 1800 },
		{ 1801, 0x00, 0x30, 0xff, 5400 },
		{ 1, 0x05, 0x04, 0x03, 3 * 3600 + 4 * 60 + 5 },
		{ 4 * 3600, 0x05, 0x04, 0x03, TEST_DAY_S + 3 * 3600 + 4 * 60 + 5 },
		{ 3 * 3600 + 4 * 60 + 5, 0x05, 0x04, 0x03, 3 * 3600 + 4 * 60 + 5 },
		{ 7, 0xff, 0xff, 0x23, 23 * 3600 },
		{ 7, 0x60, 0xff, 0xff, -1 },
		{ 7, 0x00, 0x75, 0xff, -1 },
		{ 7, 0x00, 0x00, 0x24, -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct rtc_time alarm = {
			.second = table[i].second,
			.minute = table[i].minute,
			.hour = table[i].hour,
		};

		assert_int_equal(rtc_time_find_alarm(table[i].from, &alarm, test_bcd_24),
				 table[i].found);
	}
}

static void
test_rtc_time__alarm_in_the_afternoon(void **state)
{
	const struct rtc_time alarm = { .second = 0, .minute = 0, .hour = 0x81 };

	(void)state;
	assert_int_equal(rtc_time_find_alarm(0, &alarm, test_bcd_12), 13 * 3600);
}

/* A guest may set such a one and have it looked for all the time. */
static void
test_rtc_time__alarm_that_never_fits_costs_nothing(void **state)
{
	static const struct rtc_time alarms[] = {
		{ .second = 61, .minute = RTC_TIME_ANY, .hour = RTC_TIME_ANY },
		{ .second = RTC_TIME_ANY, .minute = 60, .hour = RTC_TIME_ANY },
		{ .second = 0, .minute = 0, .hour = 24 },
	};
	const struct rtc_time_mode binary = { .binary = true, .hours_24 = true };
	clock_t began = clock();

	(void)state;
	for (int i = 0; i < 20000; i++)
		for (size_t j = 0; j < sizeof(alarms) / sizeof(alarms[0]); j++)
			assert_int_equal(rtc_time_find_alarm(i, &alarms[j], binary), -1);
	assert_true(clock() - began < CLOCKS_PER_SEC);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rtc_time__each_day_is_the_librarys),
		cmocka_unit_test(test_rtc_time__registers_in_each_mode),
		cmocka_unit_test(test_rtc_time__nonsense_gives_some_time),
		cmocka_unit_test(test_rtc_time__next_alarm),
		cmocka_unit_test(test_rtc_time__alarm_in_the_afternoon),
		cmocka_unit_test(test_rtc_time__alarm_that_never_fits_costs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
