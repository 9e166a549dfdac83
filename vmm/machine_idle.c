/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * machine_idle.c - a fork that idles gives back the pages that are its template's after all
 * (carrel-vmm, the loop's thread)
 *
 * How it works: a third of the pages that an idle desktop has copied are the same as the template's.
 * They are counters and locks that were changed and changed back, and the guest's own page tables,
 * which its processor reads as if it wrote. Some time after a fork has begun, when it has its
 * identity and waits for a user, they are compared while the vCPUs stand, and those that are the same
 * are dropped: the mapping shows the file's again. That is done only where so few pages
 * are its own that it takes a few milliseconds, so not when its user is at work.
 */
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "vmm/description.h"
#include "vmm/loop.h"
#include "vmm/machine_parts.h"
#include "vmm/own_pages.h"

#define FIRST_NS      UINT64_C(30000000000)
#define AGAIN_NS      UINT64_C(600000000000)
#define MAX_OWN_PAGES 8192

/* A page that is the file's again costs a fault when it is looked at, one that is written to two. */
static void
machine_give_back(struct machine *machine)
{
	const struct description *description = machine->description;
	uint64_t count;
	int error = own_pages_give_back(description->pagemap_fd, machine_get_ram(machine),
					description->ram_bytes, description->memory_fd, &count);

	if (error < 0)
		log_warning("machine '%s': not all pages can be given back to its template: %s",
			    description->name, strerror(-error));
	log_info("machine '%s': %" PRIu64 " pages are its template's again", description->name,
		 count);
}

static void
machine_handle_idle(void *context)
{
	struct machine *machine = context;
	const struct description *description = machine->description;
	uint64_t count;

	loop_timer_set(machine->idle_timer, loop_now_ns() + AGAIN_NS);
	if (own_pages_count(description->pagemap_fd, machine_get_ram(machine),
			    description->ram_bytes, &count) == 0 &&
	    count <= MAX_OWN_PAGES)
		machine_hold(machine, machine_give_back);
}

int
machine_idle_make(struct machine *machine)
{
	const struct description *description = machine->description;

	if (!description->memory_private || description->pagemap_fd < 0)
		return 0;
	return loop_timer_new(machine->platform.loop, "idle", machine_handle_idle, machine,
			      &machine->idle_timer);
}

void
machine_idle_begin(struct machine *machine)
{
	if (machine->idle_timer)
		loop_timer_set(machine->idle_timer, loop_now_ns() + FIRST_NS);
}
