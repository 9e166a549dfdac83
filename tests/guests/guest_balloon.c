/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_balloon.c - memory goes to the host and comes back (virtio 1.2 section 5.5)
 *
 * The host says how far to go by the size that it asks for: GIVE pages, then those and one more, then none.
 *
 * With "forked" it is sealed before. Its fork begins when the host asks for one page: pages that it changes and gives come
 * back as its template has them.
 */
#include <linux/virtio_balloon.h>

#include "tests/guests/bare.h"
#include "tests/guests/bare_hostile.h"
#include "tests/guests/bare_irq.h"
#include "tests/guests/bare_virtio.h"

#define SLOT	   9
#define INFLATE	   0 /* queues */
#define DEFLATE	   1
#define STATISTICS 2
#define REPORTING  3
#define N_QUEUES   4
#define GIVE	   256	    /* pages */
#define GIVEN	   0x800000 /* where they are */
#define REPORTED   0xa00000 /* as many again */
#define NO_RAM	   0xd0000000
#define PAGE_BYTES 4096
#define EMPTY	   UINT64_C(0) /* marks of touch() */
#define TOUCHED	   UINT64_C(1)
#define SEALED	   UINT64_C(0x10000)
#define WANTED \
	(UINT64_C(1) << VIRTIO_BALLOON_F_STATS_VQ | UINT64_C(1) << VIRTIO_BALLOON_F_REPORTING)

static struct bare_virtio balloon;
static uint32_t pages[GIVE];
static uint32_t n_targets; /* that the host has asked for */

static uint32_t
send_pages(struct bare_virtio *device, uint16_t queue, uint32_t count)
{
	const struct bare_buffer buffer = { pages, count * (uint32_t)sizeof(pages[0]), false };

	return bare_virtio_transfer(device, queue, &buffer, 1);
}

static bool
works_still(struct bare_virtio *device)
{
	pages[0] = GIVEN / PAGE_BYTES;
	BARE_REGISTER(uint64_t, GIVEN) = 1;
	return send_pages(device, INFLATE, 1) == 0 && BARE_REGISTER(uint64_t, GIVEN) == 0;
}

static bool
works(struct bare_virtio *device)
{
	return bare_virtio_start(device, WANTED, N_QUEUES) && works_still(device);
}

static bool
offer_many(struct bare_virtio *device)
{
	const struct bare_buffer buffer = { pages, sizeof(pages), false };

	if (!bare_virtio_start(device, WANTED, N_QUEUES))
		return false;
	bare_virtio_offer_many(device, INFLATE, 8, &buffer);
	return true;
}

static void
touch(uint64_t start, uint64_t mark)
{
	for (uint64_t i = 0; i < GIVE; i++)
		BARE_REGISTER(uint64_t, start + i * PAGE_BYTES) = mark * (i + 1);
}

/* So many pages are as touch() has left them; with EMPTY, are empty. */
static uint64_t
count_touched(uint64_t start, uint64_t mark)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < GIVE; i++)
		count += BARE_REGISTER(uint64_t, start + i * PAGE_BYTES) == mark * (i + 1);
	return count;
}

static uint32_t
get_target(void)
{
	return bare_virtio_get_config(&balloon, 0, 4);
}

static void
wait_for_target(uint32_t target)
{
	bare_check(BARE_WAIT(get_target() == target), "the host asks for pages");
	n_targets++;
	bare_check(BARE_WAIT(bare_irq_get_count(BARE_IRQ_FIRST) == n_targets), "by an interrupt");
}

static void
test_giving(void)
{
	touch(GIVEN, TOUCHED);
	touch(REPORTED, TOUCHED);
	bare_say("note: touched");
	wait_for_target(GIVE);
	for (uint32_t i = 0; i < GIVE; i++)
		pages[i] = GIVEN / PAGE_BYTES + i;
	bare_check_equal(send_pages(&balloon, INFLATE, GIVE), 0, "pages are taken");
	bare_virtio_set_config(&balloon, 4, 4, GIVE);
	bare_check_equal(bare_virtio_get_config(&balloon, 4, 4), GIVE, "it knows how many");
	bare_say("note: given");
	wait_for_target(GIVE + 1);
}

static void
test_reporting(void)
{
	const struct bare_buffer buffer = { (void *)UINT64_C(REPORTED), GIVE * PAGE_BYTES, true };

	bare_check(bare_virtio_transfer(&balloon, REPORTING, &buffer, 1) != BARE_VIRTIO_LOST,
		   "free pages are reported");
	bare_say("note: reported");
	wait_for_target(0);
}

static void
test_taking_back(uint64_t mark, const char *what)
{
	bare_check_equal(send_pages(&balloon, DEFLATE, GIVE), 0, "pages are taken back");
	bare_virtio_set_config(&balloon, 4, 4, 0);
	bare_check_equal(count_touched(GIVEN, mark), GIVE, what);
	bare_check_equal(count_touched(REPORTED, mark), GIVE, "so are those that were reported");
	touch(GIVEN, TOUCHED);
	bare_check_equal(count_touched(GIVEN, TOUCHED), GIVE, "they can be used again");
}

static void
test_fork(void)
{
	touch(GIVEN, SEALED);
	touch(REPORTED, SEALED);
	bare_say("note: is settled");
	while (get_target() == 0)
		__asm__ volatile("pause");
	wait_for_target(1);
	test_giving();
	test_reporting();
	test_taking_back(SEALED, "they are the template's");
}

static void
test_statistics(void)
{
	struct virtio_balloon_stat stats[] = { { VIRTIO_BALLOON_S_MEMFREE, 1000 },
					       { VIRTIO_BALLOON_S_MEMTOT, 3000 } };
	const struct bare_buffer buffer = { stats, sizeof(stats), false };

	bare_virtio_offer(&balloon, STATISTICS, 0, &buffer, 1);
	bare_say("note: told");
	bare_check_equal(bare_virtio_wait(&balloon, STATISTICS), 0, "the host asks for news");
	stats[0].val = 2000;
	bare_virtio_offer(&balloon, STATISTICS, 0, &buffer, 1);
	bare_say("note: told again");
	bare_check_equal(bare_virtio_wait(&balloon, STATISTICS), 0, "and once more");
}

static void
test_outside_ram(void)
{
	bare_check(works(&balloon), "it works");
	pages[0] = NO_RAM / PAGE_BYTES;
	bare_virtio_offer(&balloon, INFLATE, 0, &(struct bare_buffer){ pages, 4, false }, 1);
	bare_check(BARE_WAIT(bare_hostile_needs_reset(&balloon)),
		   "a page that is no RAM is refused");
}

void
guest_main(void)
{
	bare_irq_set_up();
	if (!bare_virtio_open(&balloon, SLOT) || !bare_virtio_start(&balloon, WANTED, N_QUEUES))
		return;
	if (bare_command_line_has("forked")) {
		test_fork();
		return;
	}
	test_giving();
	test_reporting();
	test_taking_back(EMPTY, "they are empty");
	test_statistics();
	bare_hostile_negotiate(&balloon, works);
	bare_hostile_write_late(&balloon, INFLATE, works, works_still);
	bare_hostile_reset(&balloon, offer_many, works);
	test_outside_ram();
	bare_hostile_break_queue(&balloon, INFLATE, works);
	bare_hostile_break_queue(&balloon, REPORTING, works);
}
