/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_fork.c - a machine that is sealed, and then goes on in others: it waits until its VM generation id changes, and
 * looks whether all else is as it was
 *
 * Command line: the number of CPUs, 1 or 2. Each has a timer of its local APIC, and says when it ticked first after the seal. The
 * first CPU's is periodic, the second's has a TSC deadline, as Linux' has, which each tick sets anew: one that is lost is the last.
 * The second CPU counts all the time; the first looks at its clocks, none of which may make a step of a second, however
 * long ago it was sealed.
 *
 * With "suspended" the fork then dirties memory and disk and is suspended, twice: each time it waits for the power button,
 * looks whether it is still the same machine, and changes all of that once more. "many": 50 times as much memory.
 *
 * With "reads" the fork reads what is only in its disk's base, where each sector begins with its number. With "rests" it rests, at
 * its end, until the power button is pressed.
 */
#include "tests/guests/bare.h"
#include "tests/guests/bare_blk.h"
#include "tests/guests/bare_irq.h"
#include "tests/guests/bare_kvm_clock.h"
#include "tests/guests/bare_smp.h"
#include "tests/guests/bare_virtio.h"

#define SLOT_DISK     3
#define SLOT_RNG      8
#define SECTOR_WORDS  (BARE_BLK_SECTOR_BYTES / sizeof(uint64_t))
#define SECTORS	      2048
#define CLUSTER	      128   /* sectors: vmm/overlay_file.h */
#define GPE_STATUS    0x60c /* vmm/acpi_pm.h */
#define GPE_ENABLE    0x60d
#define GPE_GENID     (1 << 5)
#define PM_TIMER_PORT 0x608
#define PM_STATUS     0x600
#define PM_ENABLE     0x602
#define POWER_BUTTON  (1 << 8)
#define PM_TIMER_HZ   3579545
#define SCI	      9
#define VECTOR_SCI    (BARE_IRQ_FIRST + 8)
#define VECTOR_TIMER  (BARE_IRQ_FIRST + 9) /* of the first CPU, then the second's */
#define MAX_CPUS      2
#define GENID	      ((volatile uint64_t *)UINT64_C(0xef000)) /* vmm/memory_map.h */
#define APIC_TIMER    0xfee00320
#define APIC_PERIODIC 0x20000
#define APIC_DEADLINE 0x40000
#define APIC_COUNT    0xfee00380
#define APIC_DIVIDE   0xfee003e0
#define APIC_EACH     0xb
#define TIMER_COUNTS  20000000 /* of 1 ns */
#define MSR_DEADLINE  0x6e0
#define TIMER_CYCLES  50000000 /* 10 to 50 ms, as the TSC has 5 to 1 GHz */
#define NS_PER_MS     1000000
#define MAX_STEP_MS   1000
#define BLOCK_WORDS   65536
#define BLOCK	      ((volatile uint64_t *)UINT64_C(0x800000))
#define PAGE_WORDS    512
#define DIRTY	      ((volatile uint64_t *)UINT64_C(0x900000)) /* behind BLOCK */
#define FEW_PAGES     1000
#define MANY_PAGES    50000
#define SUSPENSIONS   2

/* In a cluster of the overlay that no other is in; with a write cache, and never flushed by the guest. */
#define ROUND_SECTOR(round) (CLUSTER * (UINT64_C(1) + (round)))

struct cpu {
	struct bare_kvm_clock clock;
	volatile uint64_t sealed_stolen_ns; /* up to the last tick before the seal */
	volatile uint64_t first_ns; /* its clock at the first one after it; 0: there was none yet */
	volatile uint64_t stolen_ns; /* from that last one to this first one */
};

/* The first CPU's clocks, and the time stolen from it when they were about to be read and when they had been */
struct reading {
	uint64_t stolen_before_ms;
	uint64_t clock_ms;
	uint32_t ticks;
	uint64_t stolen_ms;
};

static struct cpu cpus[MAX_CPUS];
static volatile uint32_t count;
static volatile bool is_changed;
static volatile uint32_t n_presses;
static uint64_t genid[2];
static struct bare_virtio disk;
static struct bare_virtio rng;
static uint64_t data[SECTOR_WORDS];
static uint64_t chunk[CLUSTER * SECTOR_WORDS];

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

static uint32_t
count_cpus(void)
{
	return bare_command_line_number();
}

/* The new generation is in memory before any CPU runs on, so that a tick knows which side of the seal it is on. */
static void
note_tick(struct cpu *cpu)
{
	uint64_t stolen_ns = bare_kvm_clock_read_stolen_ns(&cpu->clock);

	if (GENID[0] == genid[0] && GENID[1] == genid[1]) {
		cpu->sealed_stolen_ns = stolen_ns;
	} else if (cpu->first_ns == 0) {
		cpu->stolen_ns = stolen_ns - cpu->sealed_stolen_ns;
		cpu->first_ns = bare_kvm_clock_read_ns(&cpu->clock);
	}
}

static void
handle_tick(void)
{
	note_tick(&cpus[0]);
}

static void
set_deadline(void)
{
	uint64_t deadline = bare_clock_start() + TIMER_CYCLES;

	__asm__ volatile("wrmsr" ::"c"(MSR_DEADLINE), "a"((uint32_t)deadline),
			 "d"((uint32_t)(deadline >> 32)));
}

static void
handle_second_tick(void)
{
	note_tick(&cpus[1]);
	set_deadline();
}

static bool
start_timer(void)
{
	if (!bare_kvm_clock_start(&cpus[0].clock))
		return false;
	BARE_REGISTER(uint32_t, APIC_DIVIDE) = APIC_EACH;
	BARE_REGISTER(uint32_t, APIC_TIMER) = VECTOR_TIMER | APIC_PERIODIC;
	BARE_REGISTER(uint32_t, APIC_COUNT) = TIMER_COUNTS;
	return true;
}

/* Where the CPU has no such timer it never ticks. */
static void
start_second_timer(void)
{
	bare_kvm_clock_start(&cpus[1].clock);
	BARE_REGISTER(uint32_t, APIC_TIMER) = (VECTOR_TIMER + 1) | APIC_DEADLINE;
	set_deadline();
}

static void
run_second(void)
{
	start_second_timer();
	for (;;) {
		count++;
		__asm__ volatile("pause");
	}
}

/* The timers of all CPUs; nothing is said before. */
static bool
check_timers(const char *what)
{
	uint32_t ticks[MAX_CPUS];
	bool is_good = true;

	for (uint8_t i = 0; i < count_cpus(); i++)
		ticks[i] = bare_irq_get_count(VECTOR_TIMER + i);
	for (uint8_t i = 0; i < count_cpus(); i++)
		is_good = BARE_WAIT(bare_irq_get_count(VECTOR_TIMER + i) > ticks[i] + 2) && is_good;
	return bare_check(is_good, what);
}

static bool
start_timers(void)
{
	bare_irq_set_handler(VECTOR_TIMER, handle_tick);
	bare_irq_set_handler(VECTOR_TIMER + 1, handle_second_tick);
	if (!start_timer())
		return false;
	if (count_cpus() > 1)
		bare_smp_start(run_second);
	return check_timers("each CPU has a timer");
}

static bool
set_up(void)
{
	bare_irq_set_up();
	bare_irq_set_handler(VECTOR_SCI, handle_sci);
	bare_irq_route(SCI, VECTOR_SCI, true);
	bare_out8(GPE_ENABLE, GPE_GENID);
	bare_out16(PM_ENABLE, POWER_BUTTON);
	for (uint32_t i = 0; i < 2; i++)
		genid[i] = GENID[i];
	for (uint32_t i = 0; i < BLOCK_WORDS; i += BLOCK_WORDS / 64)
		BLOCK[i] = ~(uint64_t)i;
	return bare_virtio_open(&disk, SLOT_DISK) &&
	       bare_virtio_start(&disk, UINT64_C(1) << VIRTIO_BLK_F_FLUSH, 1) &&
	       bare_virtio_open(&rng, SLOT_RNG) && bare_virtio_start(&rng, 0, 1) &&
	       start_timers() && bare_check(write_sector(1, 100), "the disk is written");
}

static void
read_clocks(struct reading *reading)
{
	reading->stolen_before_ms = bare_kvm_clock_read_stolen_ns(&cpus[0].clock) / NS_PER_MS;
	reading->clock_ms = bare_kvm_clock_read_ns(&cpus[0].clock) / NS_PER_MS;
	reading->ticks = bare_in32(PM_TIMER_PORT);
	reading->stolen_ms = bare_kvm_clock_read_stolen_ns(&cpus[0].clock) / NS_PER_MS;
}

/* The larger one; of the time that passed it counts what the host did not take for others. */
static uint64_t
keep_most(uint64_t most_ms, uint64_t passed_ms, uint64_t stolen_ms)
{
	uint64_t own_ms = passed_ms > stolen_ms ? passed_ms - stolen_ms : 0;

	return own_ms > most_ms ? own_ms : most_ms;
}

/*
 * Its clocks make no step meanwhile. They are read once more when it is over: it may go on from its seal with the interrupt that
 * ends the waiting.
 */
static void
wait_until(bool (*is_over)(uint32_t), uint32_t number, const char *what)
{
	uint64_t most_ms = 0, most_pm_ms = 0;
	struct reading last, now;
	bool is_last;

	read_clocks(&last);
	bare_say("note: is %s", what);
	do {
		uint64_t stolen_ms;

		is_last = is_over(number);
		read_clocks(&now);
		stolen_ms = now.stolen_ms - last.stolen_before_ms;
		most_ms = keep_most(most_ms, now.clock_ms - last.clock_ms, stolen_ms);
		most_pm_ms = keep_most(most_pm_ms, (now.ticks - last.ticks) / (PM_TIMER_HZ / 1000),
				       stolen_ms);
		last = now;
	} while (!is_last);
	bare_say("note: goes on, steps of %u and %u ms", most_ms, most_pm_ms);
	bare_check(most_ms < MAX_STEP_MS, "KVM's clock goes on from where it was");
	bare_check(most_pm_ms < MAX_STEP_MS, "so does the PM timer");
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
	uint32_t counts = count;
	bool is_good = true;

	check_timers("each CPU's timer goes on");
	if (count_cpus() > 1)
		bare_check(BARE_WAIT(count > counts + 2), "the other CPU goes on");
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
	for (uint64_t i = 0; i < count_cpus(); i++)
		bare_say("note: tick-%u %u %u", i, cpus[i].first_ns, cpus[i].stolen_ns);
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

/* All that was written up to now is in the first cluster. */
static void
read_base(void)
{
	bool is_good = true;

	for (uint64_t first = CLUSTER; first < SECTORS; first += CLUSTER) {
		is_good = is_good && bare_blk_request(&disk, VIRTIO_BLK_T_IN, first, chunk,
						      sizeof(chunk)) == VIRTIO_BLK_S_OK;
		for (uint64_t i = 0; i < CLUSTER; i++)
			is_good = is_good && chunk[i * SECTOR_WORDS] == first + i;
	}
	bare_check(is_good, "the disk's base can be read");
}

/* A timer's interrupt ends each halt: a press between the look and the halt is seen, too. */
static void
rest(void)
{
	bare_say("note: rests");
	while (n_presses == 0)
		__asm__ volatile("hlt" ::: "memory");
}

void
guest_main(void)
{
	if (!set_up())
		return;
	wait_until(is_forked, 0, "settled");
	check_fork();
	if (bare_command_line_has("reads"))
		read_base();
	if (bare_command_line_has("rests"))
		rest();
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
