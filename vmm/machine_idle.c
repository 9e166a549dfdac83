/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * machine_idle.c - a fork that idles gives back the pages that are its template's after all
 * (carrel-vmm, the loop's thread)
 *
 * How it works: a third of the pages that an idle desktop has copied are the same as the template's.
 * They are counters and locks that were changed and changed back, and the guest's own page tables,
 * which its processor reads as if it wrote. So some time after a fork has begun, when it has its
 * identity and waits for a user, there is a round through its memory, and then one now and then.
 *
 * A round goes part by part, each from the timer, with TICK_NS between them in which the loop does
 * its other work (machine_handle_idle()):
 *
 *   walk, compare   what is a copy, and which of these are the same, while the guest runs
 *                   (own_pages_find_same())
 *   hold, drop      if there are any: the vCPUs stand while these few, and nothing else, are compared
 *                   once more and dropped; the mapping shows the file's again (machine_give_back())
 *
 * A part is that small that either is a matter of a millisecond (OWN_PAGES_PART_PAGES,
 * OWN_PAGES_PART_OWN), however much memory there is. Neither waits for a disk: a page whose template's
 * is not in the page cache is not compared, and a part during which one of the guest's disks works is
 * done again a little later.
 *
 * The round is over at the memory's end; when the machine does not run; when there are so many copies
 * that its user must be at work, where there is little to gain; or when the page cache has lost so much
 * of the template that memory must be short. In its end what the devices keep for themselves and do not
 * use goes, too (devices_rest()). An error ends it for good.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "vmm/description.h"
#include "vmm/devices.h"
#include "vmm/loop.h"
#include "vmm/machine_parts.h"
#include "vmm/own_pages.h"

#define FIRST_NS       UINT64_C(40000000000) /* Linux writes to its disk what is 30 s old */
#define AGAIN_NS       UINT64_C(600000000000)
#define SPREAD_MS      10000 /* on top: forks that began together do not do it together */
#define TICK_NS	       UINT64_C(10000000)
#define BUSY_NS	       UINT64_C(1000000000)
#define NS_PER_MS      UINT64_C(1000000)
#define MAX_OWN_PAGES  8192
#define MAX_COLD_PAGES 64

struct machine_idle {
	struct loop_timer *timer;
	struct own_pages *pages;
	struct own_pages_part part;
	uint64_t next; /* the page with which the round goes on */
	uint64_t n_own;
	uint64_t n_cold;
	uint64_t n_given;
	int error;	/* of machine_give_back() */
	bool has_given; /* once, and said so */
};

static void
machine_idle_wait(struct machine_idle *idle, uint64_t ns)
{
	loop_timer_set(idle->timer, loop_now_ns() + ns);
}

static void
machine_idle_rest(struct machine_idle *idle, uint64_t ns)
{
	uint32_t random = 0;

	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	idle->next = 0;
	idle->n_own = 0;
	idle->n_cold = 0;
	idle->n_given = 0;
	machine_idle_wait(idle, ns + random % SPREAD_MS * NS_PER_MS);
}

/* A page that is the file's again costs a fault when it is looked at, one that is written to two. */
static void
machine_give_back(struct machine *machine)
{
	struct machine_idle *idle = machine->idle;
	uint64_t count;

	idle->error = own_pages_drop_same(idle->pages, &idle->part, &count);
	idle->n_given += count;
}

/* Each fork does this all day long: only the first time is worth a line. */
static void
machine_idle_end_round(struct machine *machine)
{
	struct machine_idle *idle = machine->idle;

	if (idle->n_given > 0) {
		log_write(idle->has_given ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
			  "machine '%s': %" PRIu64 " pages are its template's again",
			  machine->description->name, idle->n_given);
		idle->has_given = true;
	}
	devices_rest(machine->devices);
	machine_idle_rest(idle, AGAIN_NS);
}

/* 0; -EBUSY: one of the guest's disks works; -errno. */
static int
machine_idle_do_part(struct machine *machine)
{
	struct machine_idle *idle = machine->idle;
	int error;

	if (!devices_are_idle(machine->devices))
		return -EBUSY;
	error = own_pages_find_same(idle->pages, idle->next, &idle->part);
	if (error < 0 || idle->part.n_same == 0)
		return error;
	return machine_hold(machine, machine_give_back) ? idle->error : -EBUSY;
}

static bool
machine_idle_is_over(const struct machine_idle *idle)
{
	return idle->part.is_last || idle->n_own > MAX_OWN_PAGES || idle->n_cold > MAX_COLD_PAGES;
}

static void
machine_idle_go_on(struct machine *machine)
{
	struct machine_idle *idle = machine->idle;

	idle->next = idle->part.next;
	idle->n_own += idle->part.n_own;
	idle->n_cold += idle->part.n_cold;
	if (machine_idle_is_over(idle))
		machine_idle_end_round(machine);
	else
		machine_idle_wait(idle, TICK_NS);
}

static void
machine_handle_idle(void *context)
{
	struct machine *machine = context;
	int error;

	if (machine->state != VMM_STATE_RUNNING) {
		machine_idle_end_round(machine);
		return;
	}
	error = machine_idle_do_part(machine);
	if (error == 0)
		machine_idle_go_on(machine);
	else if (error == -EBUSY)
		machine_idle_wait(machine->idle, BUSY_NS);
	else
		log_warning("machine '%s': pages cannot be given back to its template any more: %s",
			    machine->description->name, strerror(-error));
}

int
machine_idle_make(struct machine *machine)
{
	const struct description *description = machine->description;
	int error;

	if (!description->memory_private || description->pagemap_fd < 0)
		return 0;
	machine->idle = calloc(1, sizeof(*machine->idle));
	if (!machine->idle)
		return -ENOMEM;
	error = own_pages_new(description->pagemap_fd, machine_get_ram(machine),
			      description->ram_bytes, description->memory_fd,
			      &machine->idle->pages);
	if (error < 0)
		return error;
	return loop_timer_new(machine->platform.loop, "idle", machine_handle_idle, machine,
			      &machine->idle->timer);
}

void
machine_idle_begin(struct machine *machine)
{
	if (machine->idle)
		machine_idle_rest(machine->idle, FIRST_NS);
}

void
machine_idle_free(struct machine *machine)
{
	if (!machine->idle)
		return;
	loop_timer_free(machine->idle->timer);
	own_pages_free(machine->idle->pages);
	free(machine->idle);
}
