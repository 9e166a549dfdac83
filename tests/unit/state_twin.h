/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * state_twin.h - one machine without KVM goes on as another, for tests and fuzzers
 *
 * The second machine is made like the first; its memory and its driver become copies of the first one's, so that both
 * can go on. No cmocka here: what cannot go wrong unless the machine is short of something ends the process by abort().
 */
#ifndef TESTS_UNIT_STATE_TWIN_H
#define TESTS_UNIT_STATE_TWIN_H

#include <stddef.h>
#include <stdint.h>

struct fake_platform;
struct pci_root;
struct virtio_driver;

#define STATE_TWIN_MAX_DRIVERS 3

struct state_twin {
	struct fake_platform *fake;
	struct pci_root *root;
	struct virtio_driver *drivers[STATE_TWIN_MAX_DRIVERS]; /* the rest is NULL */
};

/*
 * Saves "source", and "target" goes on as it from state_twin_resume() on, with its memory and its drivers. 0; 1: target
 * would not be saved with the same bytes; -errno and what is wrong: a text until the next call.
 */
int state_twin_move(const struct state_twin *target, const struct state_twin *source,
		    const char **ret_problem);

struct state_twin_forgery {
	const char *section;
	size_t offset;
	uint64_t value;
	size_t bytes; /* of it that are written there */
};

/*
 * Loads "source" into "target" with each of these values in its place, then as it is. NULL when each was refused with
 * its section's name, and what was right was loaded; else what happened instead: a text until the next call.
 */
const char *state_twin_forge(const struct state_twin *target, const struct state_twin *source,
			     const struct state_twin_forgery *forgeries, size_t count);

/* The same in steps. */

/* Pauses the machine, whose devices have come to rest, and saves it: a file in memory; -errno. */
int state_twin_save(struct fake_platform *fake, struct pci_root *root);
/* Resets the machine, pauses it and loads it. 0, or -errno and what is wrong: a text until the next call. */
int state_twin_load(struct fake_platform *fake, struct pci_root *root, int fd,
		    const char **ret_problem);
/* The machine goes on, until there is nothing to do any more. */
void state_twin_resume(struct fake_platform *fake, struct pci_root *root);

void state_twin_copy_memory(struct fake_platform *target, const struct fake_platform *source);
/* What "source" knows of its device and rings, for the same device of another machine. */
void state_twin_copy_driver(struct virtio_driver *target, const struct virtio_driver *source);

#endif
