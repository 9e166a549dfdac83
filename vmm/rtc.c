/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rtc.c - the real-time clock (carrel-vmm, under the machine's lock)
 *
 * How it works: nothing ticks. The guest's time is the host's plus state.offset_ns, and rtc_latch()
 * puts it into the registers whenever they are read. While the guest sets the time (bit SET of
 * register B, or the divider held in reset) the clock is frozen: the registers keep what is
 * written, and rtc_commit() makes a new offset of them afterwards.
 *
 * rtc_check() finds out what has happened since it last looked (a second has passed, an alarm in
 * between, a period) and sets the flags of register C; rtc_update() then sets the interrupt line,
 * and the loop's timer to the next moment at which an enabled interrupt is due.
 */
#include "vmm/rtc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "vmm/bus.h"
#include "vmm/guest_memory.h"
#include "vmm/irq_lines.h"
#include "vmm/loop.h"
#include "vmm/platform.h"
#include "vmm/rtc_time.h"
#include "vmm/state_file.h"

#define RTC_STATE_VERSION 1
#define RTC_CMOS_BYTES	  128

enum rtc_register {
	RTC_SECOND = 0x00,
	RTC_SECOND_ALARM = 0x01,
	RTC_MINUTE = 0x02,
	RTC_MINUTE_ALARM = 0x03,
	RTC_HOUR = 0x04,
	RTC_HOUR_ALARM = 0x05,
	RTC_WEEKDAY = 0x06,
	RTC_DAY = 0x07,
	RTC_MONTH = 0x08,
	RTC_YEAR = 0x09,
	RTC_A = 0x0a,
	RTC_B = 0x0b,
	RTC_C = 0x0c,
	RTC_D = 0x0d,
	/* Memory as SeaBIOS and OVMF want to know it */
	RTC_BASE_KIB = 0x15,	  /* 2 bytes */
	RTC_EXTENDED_KIB = 0x17,  /* 2 bytes: above 1 MiB, at most 64 MiB */
	RTC_EXTENDED_KIB2 = 0x30, /* the same again */
	RTC_LOW_64KIB = 0x34,	  /* 2 bytes: from 16 MiB to the hole */
	RTC_HIGH_64KIB = 0x5b,	  /* 3 bytes: above 4 GiB */
	RTC_MORE_CPUS = 0x5f,	  /* without the first */
};

#define RTC_A_UPDATING	   0x80
#define RTC_A_DIVIDER_HELD 0x60
#define RTC_A_RATE	   0x0f
#define RTC_B_SET	   0x80
#define RTC_B_BINARY	   0x04
#define RTC_B_24_HOURS	   0x02
#define RTC_C_ANY	   0x80
#define RTC_D_VALID	   0x80

/* In C: has happened; in B: interrupts. */
#define RTC_PERIODIC 0x40
#define RTC_ALARM    0x20
#define RTC_SECONDS  0x10 /* "update ended" */
#define RTC_EVENTS   (RTC_PERIODIC | RTC_ALARM | RTC_SECONDS)

#define RTC_NS_PER_S	  1000000000
#define RTC_UPDATE_NS	  244000    /* UIP is up for so long before each update */
#define RTC_FIRST_TICK_NS 500000000 /* from the divider's release */
#define RTC_CRYSTAL_HZ	  32768
#define RTC_NEVER	  INT64_MAX
#define RTC_MAX_TIME_S \
	INT64_C(8000000000) /* that is saved; 2223, what a guest can set ends in 2199 */

struct rtc_state {
	uint8_t index;
	uint8_t cmos[RTC_CMOS_BYTES];
	int64_t offset_ns; /* the guest's time minus the host's */
	int64_t checked_s; /* the guest's time when rtc_check() last looked */
	int64_t period;	   /* and the number of the period */
};

struct rtc {
	struct platform *platform;
	struct rtc_state state;
	uint32_t cpus;
	struct loop_timer *timer;
};

static int64_t
rtc_get_time_ns(const struct rtc *rtc)
{
	return (int64_t)rtc_time_now_ns() + rtc->state.offset_ns;
}

static bool
rtc_is_divider_held(const struct rtc *rtc)
{
	return (rtc->state.cmos[RTC_A] & RTC_A_DIVIDER_HELD) == RTC_A_DIVIDER_HELD;
}

static bool
rtc_is_frozen(const struct rtc *rtc)
{
	return (rtc->state.cmos[RTC_B] & RTC_B_SET) || rtc_is_divider_held(rtc);
}

static struct rtc_time_mode
rtc_get_mode(const struct rtc *rtc)
{
	return (struct rtc_time_mode){
		.binary = rtc->state.cmos[RTC_B] & RTC_B_BINARY,
		.hours_24 = rtc->state.cmos[RTC_B] & RTC_B_24_HOURS,
	};
}

/* The time into the registers, unless they hold what the guest is just setting. */
static void
rtc_latch(struct rtc *rtc)
{
	uint8_t *cmos = rtc->state.cmos;
	struct rtc_time time;

	if (rtc_is_frozen(rtc))
		return;
	time = rtc_time_encode(rtc_get_time_ns(rtc) / RTC_NS_PER_S, rtc_get_mode(rtc));
	cmos[RTC_SECOND] = time.second;
	cmos[RTC_MINUTE] = time.minute;
	cmos[RTC_HOUR] = time.hour;
	cmos[RTC_WEEKDAY] = time.weekday;
	cmos[RTC_DAY] = time.day;
	cmos[RTC_MONTH] = time.month;
	cmos[RTC_YEAR] = time.year;
	cmos[RTC_CENTURY] = time.century;
}

static int64_t
rtc_get_period_ns(const struct rtc *rtc)
{
	unsigned int rate = rtc->state.cmos[RTC_A] & RTC_A_RATE;

	if (rate == 0)
		return 0;
	if (rate < 3) /* 256 and 128 a second: the same as 8 and 9 */
		rate += 7;
	return (INT64_C(1) << (rate - 1)) * RTC_NS_PER_S / RTC_CRYSTAL_HZ;
}

static int64_t
rtc_get_period(const struct rtc *rtc)
{
	int64_t period_ns = rtc_get_period_ns(rtc);

	return period_ns > 0 ? rtc_get_time_ns(rtc) / period_ns : 0;
}

/* From here on rtc_check() looks. */
static void
rtc_restart_checks(struct rtc *rtc)
{
	rtc->state.checked_s = rtc_get_time_ns(rtc) / RTC_NS_PER_S;
	rtc->state.period = rtc_get_period(rtc);
}

/* The registers into the time, "into_ns" nanoseconds into their second. */
static void
rtc_commit(struct rtc *rtc, int64_t into_ns)
{
	const uint8_t *cmos = rtc->state.cmos;
	const struct rtc_time time = {
		.second = cmos[RTC_SECOND],
		.minute = cmos[RTC_MINUTE],
		.hour = cmos[RTC_HOUR],
		.day = cmos[RTC_DAY],
		.month = cmos[RTC_MONTH],
		.year = cmos[RTC_YEAR],
		.century = cmos[RTC_CENTURY],
	};
	int64_t seconds = rtc_time_decode(&time, rtc_get_mode(rtc));

	rtc->state.offset_ns = seconds * RTC_NS_PER_S + into_ns - (int64_t)rtc_time_now_ns();
	rtc_restart_checks(rtc);
}

static int64_t
rtc_find_alarm(const struct rtc *rtc)
{
	const struct rtc_time alarm = {
		.second = rtc->state.cmos[RTC_SECOND_ALARM],
		.minute = rtc->state.cmos[RTC_MINUTE_ALARM],
		.hour = rtc->state.cmos[RTC_HOUR_ALARM],
	};

	return rtc_time_find_alarm(rtc->state.checked_s + 1, &alarm, rtc_get_mode(rtc));
}

static void
rtc_check(struct rtc *rtc)
{
	int64_t seconds = rtc_get_time_ns(rtc) / RTC_NS_PER_S, period = rtc_get_period(rtc), alarm;
	uint8_t *flags = &rtc->state.cmos[RTC_C];

	if (rtc_is_frozen(rtc))
		return;
	if (seconds > rtc->state.checked_s) {
		alarm = rtc_find_alarm(rtc);
		*flags |= RTC_SECONDS;
		if (alarm >= 0 && alarm <= seconds)
			*flags |= RTC_ALARM;
	}
	if (period != rtc->state.period)
		*flags |= RTC_PERIODIC;
	rtc_restart_checks(rtc);
}

/*
 * When the next interrupt is due, in the guest's time. Those that stand in register C do not come
 * again before it is read.
 */
static int64_t
rtc_find_next_ns(const struct rtc *rtc)
{
	const uint8_t *cmos = rtc->state.cmos;
	uint8_t wanted = cmos[RTC_B] & (uint8_t)~cmos[RTC_C] & RTC_EVENTS;
	int64_t next_ns = RTC_NEVER, at, period_ns = rtc_get_period_ns(rtc);

	if (rtc_is_frozen(rtc))
		return RTC_NEVER;
	if (wanted & RTC_SECONDS)
		next_ns = (rtc->state.checked_s + 1) * RTC_NS_PER_S;
	if (wanted & RTC_ALARM) {
		at = rtc_find_alarm(rtc);
		if (at >= 0 && at * RTC_NS_PER_S < next_ns)
			next_ns = at * RTC_NS_PER_S;
	}
	if ((wanted & RTC_PERIODIC) && period_ns > 0) {
		at = (rtc->state.period + 1) * period_ns;
		if (at < next_ns)
			next_ns = at;
	}
	return next_ns;
}

static void
rtc_update(struct rtc *rtc)
{
	uint8_t *flags = &rtc->state.cmos[RTC_C];
	int64_t next_ns, now_ns;
	bool level;

	rtc_check(rtc);
	level = *flags & rtc->state.cmos[RTC_B] & RTC_EVENTS;
	*flags = (uint8_t)((*flags & RTC_EVENTS) | (level ? RTC_C_ANY : 0));
	rtc->platform->ops->set_irq(rtc->platform->context, IRQ_LINE_RTC, level);

	next_ns = rtc_find_next_ns(rtc);
	now_ns = rtc_get_time_ns(rtc);
	if (next_ns == RTC_NEVER)
		loop_timer_set(rtc->timer, 0);
	else
		loop_timer_set(rtc->timer,
			       loop_now_ns() +
				       (next_ns > now_ns ? (uint64_t)(next_ns - now_ns) : 0));
}

static void
rtc_handle_timer(void *context)
{
	rtc_update(context);
}

static uint8_t
rtc_read_a(const struct rtc *rtc)
{
	int64_t left_ns = RTC_NS_PER_S - rtc_get_time_ns(rtc) % RTC_NS_PER_S;
	bool updating = !rtc_is_frozen(rtc) && left_ns <= RTC_UPDATE_NS;

	return rtc->state.cmos[RTC_A] | (updating ? RTC_A_UPDATING : 0);
}

/* Reading it acknowledges all that is in it. */
static uint8_t
rtc_read_c(struct rtc *rtc)
{
	uint8_t value;

	rtc_update(rtc);
	value = rtc->state.cmos[RTC_C];
	rtc->state.cmos[RTC_C] = 0;
	rtc_update(rtc);
	return value;
}

static uint64_t
rtc_read(void *context, uint64_t offset, uint32_t bytes)
{
	struct rtc *rtc = context;

	(void)bytes;
	if (offset == 0)
		return 0xff; /* the index can only be written */
	switch (rtc->state.index) {
	case RTC_A:
		return rtc_read_a(rtc);
	case RTC_C:
		return rtc_read_c(rtc);
	case RTC_D:
		return RTC_D_VALID;
	default:
		rtc_latch(rtc);
		return rtc->state.cmos[rtc->state.index];
	}
}

static bool
rtc_is_time(uint8_t index)
{
	return index == RTC_SECOND || index == RTC_MINUTE || index == RTC_HOUR ||
	       (index >= RTC_WEEKDAY && index <= RTC_YEAR) || index == RTC_CENTURY;
}

/*
 * A register of the time, A or B. The time goes on from where it stood, or anew when the divider is
 * released.
 */
static void
rtc_write_clock(struct rtc *rtc, uint8_t index, uint8_t value)
{
	int64_t into_ns = rtc_get_time_ns(rtc) % RTC_NS_PER_S;
	bool frozen = rtc_is_frozen(rtc), held = rtc_is_divider_held(rtc);

	rtc_latch(rtc);
	rtc->state.cmos[index] = value;
	if (!rtc_is_frozen(rtc) && (frozen || rtc_is_time(index)))
		rtc_commit(rtc, held ? RTC_NS_PER_S - RTC_FIRST_TICK_NS : into_ns);
	rtc->state.period = rtc_get_period(rtc); /* the rate may be another */
}

static void
rtc_write(void *context, uint64_t offset, uint32_t bytes, uint64_t value)
{
	struct rtc *rtc = context;
	uint8_t index = rtc->state.index, byte = (uint8_t)value;

	(void)bytes;
	if (offset == 0) {
		rtc->state.index = byte % RTC_CMOS_BYTES; /* bit 7 masks NMIs */
		return;
	}
	rtc_check(rtc);
	if (index == RTC_A)
		rtc_write_clock(rtc, index, byte & (uint8_t)~RTC_A_UPDATING);
	else if (index == RTC_B)
		rtc_write_clock(rtc, index, byte & RTC_B_SET ? byte & (uint8_t)~RTC_SECONDS : byte);
	else if (rtc_is_time(index))
		rtc_write_clock(rtc, index, byte);
	else if (index != RTC_C && index != RTC_D)
		rtc->state.cmos[index] = byte;
	rtc_update(rtc);
}

static void
rtc_put(struct rtc *rtc, enum rtc_register first, unsigned int n_bytes, uint64_t value)
{
	for (unsigned int i = 0; i < n_bytes; i++)
		rtc->state.cmos[first + i] = (uint8_t)(value >> 8 * i);
}

static void
rtc_put_sizes(struct rtc *rtc)
{
	uint64_t ram = guest_memory_get_bytes(rtc->platform->memory);
	uint64_t low = ram < GUEST_MEMORY_HOLE ? ram : GUEST_MEMORY_HOLE;
	uint64_t extended_kib = (low >> 10) - 1024;

	if (extended_kib > UINT16_MAX)
		extended_kib = UINT16_MAX;
	rtc_put(rtc, RTC_BASE_KIB, 2, 640);
	rtc_put(rtc, RTC_EXTENDED_KIB, 2, extended_kib);
	rtc_put(rtc, RTC_EXTENDED_KIB2, 2, extended_kib);
	rtc_put(rtc, RTC_LOW_64KIB, 2, low > 16 << 20 ? (low - (16 << 20)) >> 16 : 0);
	rtc_put(rtc, RTC_HIGH_64KIB, 3, (ram - low) >> 16);
	rtc_put(rtc, RTC_MORE_CPUS, 1, rtc->cpus - 1);
}

int
rtc_new(struct platform *platform, uint32_t cpus, struct rtc **ret_rtc)
{
	static const struct bus_ops ops = { rtc_read, rtc_write };
	struct rtc *rtc = calloc(1, sizeof(*rtc));
	int error;

	if (!rtc)
		return -ENOMEM;
	rtc->platform = platform;
	rtc->cpus = cpus;
	rtc->state.cmos[RTC_A] = 0x26; /* it runs; 1024 periods a second */
	rtc->state.cmos[RTC_B] = RTC_B_24_HOURS;
	error = loop_timer_new(platform->loop, "rtc", rtc_handle_timer, rtc, &rtc->timer);
	if (!error)
		error = bus_add(platform->pio,
				&(struct bus_range){ "rtc", RTC_PORT, RTC_PORTS, &ops, rtc });
	if (error) {
		loop_timer_free(rtc->timer);
		free(rtc);
		return error;
	}
	rtc_reset(rtc);
	*ret_rtc = rtc;
	return 0;
}

void
rtc_free(struct rtc *rtc)
{
	if (!rtc)
		return;
	bus_remove(rtc->platform->pio, RTC_PORT);
	loop_timer_free(rtc->timer);
	free(rtc);
}

/* The battery keeps the rest: the time, the alarm, the mode. */
void
rtc_reset(struct rtc *rtc)
{
	rtc->state.index = 0;
	rtc->state.cmos[RTC_B] &= (uint8_t)~RTC_EVENTS;
	rtc->state.cmos[RTC_C] = 0;
	rtc_put_sizes(rtc);
	rtc_restart_checks(rtc);
	rtc_update(rtc);
}

void
rtc_save(struct rtc *rtc, struct state_writer *writer)
{
	const struct rtc_state *state = &rtc->state;

	rtc_update(rtc);
	state_writer_begin(writer, RTC_STATE_VERSION, "rtc");
	state_put_u8(writer, state->index);
	state_put_bytes(writer, state->cmos, sizeof(state->cmos));
	state_put_u64(writer, (uint64_t)state->offset_ns);
	state_put_u64(writer, (uint64_t)state->checked_s);
	state_writer_end(writer);
}

static void
rtc_take(struct rtc_state *state, struct state_reader *reader)
{
	const int64_t max_ns = RTC_MAX_TIME_S * RTC_NS_PER_S;
	int64_t now_ns = (int64_t)rtc_time_now_ns();

	state->index = state_take_u8(reader);
	state_take_bytes(reader, state->cmos, sizeof(state->cmos));
	state->offset_ns = (int64_t)state_take_u64(reader);
	state->checked_s = (int64_t)state_take_u64(reader);
	state_reader_want(reader, state->index < RTC_CMOS_BYTES,
			  "a register is chosen that is not there");
	state_reader_want(reader, !(state->cmos[RTC_A] & RTC_A_UPDATING),
			  "register A has a bit that is not kept");
	state_reader_want(reader, !(state->cmos[RTC_C] & ~(RTC_EVENTS | RTC_C_ANY)),
			  "register C has events that do not exist");
	state_reader_want(reader, state->checked_s >= 0 && state->checked_s <= RTC_MAX_TIME_S,
			  "its time is not one of a clock");
	state_reader_want(reader,
			  state->offset_ns >= -now_ns && state->offset_ns <= max_ns - now_ns,
			  "its difference to the host's time makes no time of a clock");
}

/*
 * The rest of the state is where rtc_update() looks from here on. What was due since the guest
 * stood is told once, as after a night of the host: an alarm that got lost would leave a guest
 * waiting for a day.
 */
int
rtc_load(struct rtc *rtc, struct state_reader *reader)
{
	struct rtc_state state = { 0 };
	int error;

	state_reader_open(reader, RTC_STATE_VERSION, "rtc");
	rtc_take(&state, reader);
	error = state_reader_close(reader);
	if (error < 0)
		return error;
	rtc->state = state;
	rtc->state.period = rtc_get_period(rtc);
	rtc_update(rtc);
	return 0;
}
