/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bare_hostile.h - a driver that breaks the rules of virtio queues and registers, for any device
 */
#ifndef TESTS_GUESTS_BARE_HOSTILE_H
#define TESTS_GUESTS_BARE_HOSTILE_H

#include <stdbool.h>
#include <stdint.h>

struct bare_virtio;

/* Starts the device afresh and lets it do something good; false when it does not. */
typedef bool (*bare_hostile_try)(struct bare_virtio *device);

bool bare_hostile_needs_reset(const struct bare_virtio *device);

/*
 * Breaks each rule in this queue, which the device reads when its doorbell rings. Each time the device must say
 * NEEDS_RESET, and be as good as new after a reset.
 */
void bare_hostile_break_queue(struct bare_virtio *device, uint16_t queue, bare_hostile_try works);

/* Writes registers when it is too late: the device goes on with what it was told in time. "again" does something good. */
void bare_hostile_write_late(struct bare_virtio *device, uint16_t queue, bare_hostile_try works,
			     bare_hostile_try again);

/* Resets it with the requests that "offer" has given it still in flight. */
void bare_hostile_reset(struct bare_virtio *device, bare_hostile_try offer, bare_hostile_try works);

/* Features that were not offered; queues that do not exist, addresses outside RAM. */
void bare_hostile_negotiate(struct bare_virtio *device, bare_hostile_try works);

#endif
