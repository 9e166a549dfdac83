/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_fork.c - a machine that is sealed, and then goes on in others: it waits until its VM generation id changes, and
 * looks whether all else is as it was
 *
 * Command line: the number of CPUs. The second CPU counts all the time; the first has a timer of its local APIC and looks
 * at its clocks, none of which may make a step of a second, however long ago it was sealed.
 *
 * With "suspended" the fork then dirties memory and disk and is suspended, twice: each time it waits for the power button,
 * looks whether it is still the same machine, and changes all of that once more. "many": 50 times as much memory.
 */
#include "tests/guests/bare.h"
#include "tests/guests/bare_blk.h"
#include "tests/guests/bare_irq.h"
#include "tests/guests/bare_kvm_clock.h"
#include "tests/guests/bare_virtio.h"

#define SLOT_DISK	 3
#define SLOT_RNG	 8
#define SECTOR_WORDS	 (BARE_BLK_SECTOR_BYTES / sizeof(uint64_t))
#define GPE_STATUS	 0x60c /* vmm/acpi_pm.h */
#define GPE_ENABLE	 0x60d
#define GPE_GENID	 (1 << 5)
#define PM_TIMER_PORT	 0x608
#define PM_STATUS	 0x600
#define PM_ENABLE	 0x602
#define POWER_BUTTON	 (1 << 8)
#define PM_TIMER_HZ	 3579545
#define SCI		 9
#define VECTOR_SCI	 (BARE_IRQ_FIRST + 8)
#define VECTOR_TIMER	 (BARE_IRQ_FIRST + 9)
#define GENID		 ((volatile uint64_t *)UINT64_C(0xef000)) /* vmm/memory_map.h */
#define APIC_TIMER	 0xfee00320
#define APIC_PERIODIC	 0x20000
#define APIC_COUNT	 0xfee00380
#define APIC_DIVIDE	 0xfee003e0
#define APIC_EACH	 0xb
#define TIMER_COUNTS	 20000000 /* of 1 ns */
#define APIC_COMMAND	 0xfee00300
#define ALL_OTHERS_INIT	 0xc4500
#define ALL_OTHERS_START 0xc4608 /* at page 8 */
#define START_ADDRESS	 0x8000
#define COUNT_ADDRESS	 0x8ff0
#define NS_PER_MS	 1000000
#define MAX_STEP_MS	 1000
#define BLOCK_WORDS	 65536
#define BLOCK		 ((volatile uint64_t *)UINT64_C(0x800000))
#define PAGE_WORDS	 512
#define DIRTY		 ((volatile uint64_t *)UINT64_C(0x900000)) /* behind BLOCK */
#define FEW_PAGES	 1000
#define MANY_PAGES	 50000
#define SUSPENSIONS	 2

/* In a cluster of the overlay that no other is in; with a write cache, and never flushed by the guest. */
#define ROUND_SECTOR(round) (128 * (UINT64_C(1) + (round)))

/* 16-bit code: 1: lock incl 0x8ff0; pause; jmp 1b */
static const uint8_t count_code[] = { 0xf0, 0x66, 0xff, 0x06, 0xf0, 0x8f, 0xf3, 0x90, 0xeb, 0xf6 };

static volatile uint32_t *const count = (volatile uint32_t *)COUNT_ADDRESS;
static volatile bool is_changed;
static volatile uint32_t n_presses;
static uint64_t genid[2];
static struct bare_virtio disk;
static struct bare_virtio rng;
static uint64_t data[SECTOR_WORDS];

static void
handle_sci(void)
{
	if (bare_in16(PM_STATUS) & POWER_BUTTON) {
		bare_out16(PM_STATUS, POWER_BUTTON);
		n_presses++;
	}
	if (!(bare_in8(GPE_STATUS) & GPE_GENID))
		return;
	bare_out8(GPE_STATUS, GPE_GENID);
	is_changed = true;
}

static bool
write_sector(uint64_t sector, uint64_t mark)
{
	for (uint32_t i = 0; i < SECTOR_WORDS; i++)
		data[i] = mark + i;
	return bare_blk_request(&disk, VIRTIO_BLK_T_OUT, sector, data, sizeof(data)) ==
	       VIRTIO_BLK_S_OK;
}

static bool
read_sector(uint64_t sector, uint64_t mark)
{
	bool is_good = bare_blk_request(&disk, VIRTIO_BLK_T_IN, sector, data, sizeof(data)) ==
		       VIRTIO_BLK_S_OK;

	for (uint32_t i = 0; i < SECTOR_WORDS; i++)
		is_good = is_good && data[i] == mark + i;
	return is_good;
}

static uint64_t
read_clock_ms(void)
{
	return bare_kvm_clock_read_ns() / NS_PER_MS;
}

static void
start_timer(void)
{
	BARE_REGISTER(uint32_t, APIC_DIVIDE) = APIC_EACH;
	BARE_REGISTER(uint32_t, APIC_TIMER) = VECTOR_TIMER | APIC_PERIODIC;
	BARE_REGISTER(uint32_t, APIC_COUNT) = TIMER_COUNTS;
}

static void
start_others(void)
{
	volatile uint8_t *code = (volatile uint8_t *)START_ADDRESS;

	for (uint32_t i = 0; i < sizeof(count_code); i++)
		code[i] = count_code[i];
	BARE_REGISTER(uint32_t, APIC_COMMAND) = ALL_OTHERS_INIT;
	BARE_REGISTER(uint32_t, APIC_COMMAND) = ALL_OTHERS_START;
}

static bool
set_up(void)
{
	bare_irq_set_up();
	bare_irq_set_handler(VECTOR_SCI, handle_sci);
	bare_irq_route(SCI, VECTOR_SCI, true);
	bare_out8(GPE_ENABLE, GPE_GENID);
	bare_out16(PM_ENABLE, POWER_BUTTON);
	start_timer();
	if (bare_command_line_number() > 1)
		start_others();
	for (uint32_t i = 0; i < 2; i++)
		genid[i] = GENID[i];
	for (uint32_t i = 0; i < BLOCK_WORDS; i += BLOCK_WORDS / 64)
		BLOCK[i] = ~(uint64_t)i;
	return bare_virtio_open(&disk, SLOT_DISK) &&
	       bare_virtio_start(&disk, UINT64_C(1) << VIRTIO_BLK_F_FLUSH, 1) &&
	       bare_virtio_open(&rng, SLOT_RNG) && bare_virtio_start(&rng, 0, 1) &&
	       bare_kvm_clock_start() &&
	       bare_check(BARE_WAIT(bare_irq_get_count(VECTOR_TIMER) > 0), "there is a timer") &&
	       bare_check(write_sector(1, 100), "the disk is written");
}

/* Its clocks make no step meanwhile. */
static void
wait_until(bool (*is_over)(uint32_t), uint32_t number, const char *what)
{
	uint64_t clock_ms = read_clock_ms(), most_ms = 0, most_pm = 0;
	uint32_t ticks = bare_in32(PM_TIMER_PORT);

	bare_say("note: is %s", what);
	while (!is_over(number)) {
		uint64_t now_ms = read_clock_ms();
		uint32_t now = bare_in32(PM_TIMER_PORT);

		if (now_ms - clock_ms > most_ms)
			most_ms = now_ms - clock_ms;
		if (now - ticks > most_pm)
			most_pm = now - ticks;
		clock_ms = now_ms;
		ticks = now;
	}
	bare_say("note: goes on, steps of %u and %u ms", most_ms, most_pm / (PM_TIMER_HZ / 1000));
	bare_check(most_ms < MAX_STEP_MS, "KVM's clock goes on from where it was");
	bare_check(most_pm / (PM_TIMER_HZ / 1000) < MAX_STEP_MS, "so does the PM timer");
}

static bool
is_forked(uint32_t number)
{
	(void)number;
	return is_changed;
}

static bool
is_pressed(uint32_t number)
{
	return n_presses == number;
}

static void
say_random(void)
{
	uint64_t random[2] = { 0, 0 };
	const struct bare_buffer buffer = { random, sizeof(random), true };

	bare_check_equal(bare_virtio_transfer(&rng, 0, &buffer, 1), sizeof(random),
			 "there are random numbers");
	bare_say("note: random 0x%x 0x%x", random[0], random[1]);
}

static void
check_machine(void)
{
	uint32_t timers = bare_irq_get_count(VECTOR_TIMER);
	uint32_t counts = *count;
	bool is_good = true;

	bare_check(BARE_WAIT(bare_irq_get_count(VECTOR_TIMER) > timers + 2), "the timer goes on");
	if (bare_command_line_number() > 1)
		bare_check(BARE_WAIT(*count > counts + 2), "the other CPU goes on");
	for (uint32_t i = 0; i < BLOCK_WORDS; i += BLOCK_WORDS / 64)
		is_good = is_good && BLOCK[i] == ~(uint64_t)i;
	bare_check(is_good, "memory is what it was");
}

static void
check_fork(void)
{
	bare_say("note: genid 0x%x 0x%x", GENID[0], GENID[1]);
	bare_check(GENID[0] != genid[0] || GENID[1] != genid[1], "it is another generation");
	check_machine();
	bare_check(read_sector(1, 100), "so is the disk");
	bare_check(write_sector(1, 200) && write_sector(2, 300) && read_sector(1, 200),
		   "it can be written");
	say_random();
}

static uint64_t
count_pages(void)
{
	return bare_command_line_has("many") ? MANY_PAGES : FEW_PAGES;
}

/* Of three pages one gets what was there before; the others differ in each round. */
static uint64_t
make_word(uint64_t number, uint32_t round)
{
	return number % 3 == 0 ? 0 : number << 8 | round;
}

static void
dirty(uint32_t round)
{
	uint64_t n_pages = count_pages() * 3 / 2;

	for (uint64_t i = 0; i < n_pages; i++)
		DIRTY[i * PAGE_WORDS] = make_word(i, round);
	bare_check(write_sector(ROUND_SECTOR(round), round), "the disk is written to");
}

static bool
is_dirty(uint32_t round)
{
	uint64_t n_pages = count_pages() * 3 / 2;

	for (uint64_t i = 0; i < n_pages; i++)
		if (DIRTY[i * PAGE_WORDS] != make_word(i, round))
			return false;
	return true;
}

static void
check_resumed(uint32_t round)
{
	bare_check(GENID[0] == genid[0] && GENID[1] == genid[1] && !is_changed,
		   "it is the same generation");
	check_machine();
	bare_check(is_dirty(round), "what it wrote to its memory is there");
	bare_check(read_sector(ROUND_SECTOR(round), round), "what it wrote to the disk is there");
}

void
guest_main(void)
{
	if (!set_up())
		return;
	wait_until(is_forked, 0, "settled");
	check_fork();
	for (uint32_t round = 1; bare_command_line_has("suspended") && round <= SUSPENSIONS;
	     round++) {
		genid[0] = GENID[0];
		genid[1] = GENID[1];
		is_changed = false;
		dirty(round);
		wait_until(is_pressed, round, "dirty");
		check_resumed(round);
	}
}
