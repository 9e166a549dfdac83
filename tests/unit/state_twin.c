/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * state_twin.c - one machine without KVM goes on as another
 */
#include "tests/unit/state_twin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/fake_platform.h"
#include "tests/unit/state_edit.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/guest_memory.h"
#include "vmm/pci.h"

static void
state_twin_insist(bool holds)
{
	if (!holds)
		abort();
}

static void
state_twin_save_root(void *context, struct state_writer *writer)
{
	pci_root_save(context, writer);
}

static int
state_twin_load_root(void *context, struct state_reader *reader)
{
	pci_root_reset(context);
	return pci_root_load(context, reader);
}

int
state_twin_save(struct fake_platform *fake, struct pci_root *root)
{
	fake->platform.paused = true;
	return state_edit_save(state_twin_save_root, root);
}

int
state_twin_load(struct fake_platform *fake, struct pci_root *root, int fd, const char **ret_problem)
{
	static char problem[STATE_PROBLEM_BYTES];

	*ret_problem = problem;
	fake->platform.paused = true;
	return state_edit_load(fd, state_twin_load_root, root, problem);
}

void
state_twin_resume(struct fake_platform *fake, struct pci_root *root)
{
	fake->platform.paused = false;
	pci_root_resume(root);
	state_twin_insist(fake_platform_settle(fake));
}

void
state_twin_copy_memory(struct fake_platform *target, const struct fake_platform *source)
{
	struct guest_memory_part from[GUEST_MEMORY_MAX_PARTS], to[GUEST_MEMORY_MAX_PARTS];
	size_t count = guest_memory_list_parts(source->platform.memory, from);

	state_twin_insist(guest_memory_list_parts(target->platform.memory, to) == count);
	for (size_t i = 0; i < count; i++) {
		state_twin_insist(from[i].bytes == to[i].bytes);
		memcpy(to[i].host, from[i].host, from[i].bytes);
	}
	target->next_gpa = source->next_gpa;
}

void
state_twin_copy_driver(struct virtio_driver *target, const struct virtio_driver *source)
{
	struct fake_platform *fake = target->fake;

	virtio_driver_close(target);
	*target = *source;
	target->fake = fake;
	for (uint32_t i = 0; i < VIRTIO_DRIVER_MAX_QUEUES; i++) {
		if (!source->rings[i])
			continue;
		target->rings[i] = malloc(sizeof(*target->rings[i]));
		state_twin_insist(target->rings[i] != NULL);
		*target->rings[i] = *source->rings[i];
		target->rings[i]->fake = fake;
	}
}

int
state_twin_move(const struct state_twin *target, const struct state_twin *source,
		const char **ret_problem)
{
	int fd = state_twin_save(source->fake, source->root);
	int again, error;

	*ret_problem = "it cannot be saved";
	if (fd < 0)
		return fd;
	state_twin_copy_memory(target->fake, source->fake);
	for (size_t i = 0; i < STATE_TWIN_MAX_DRIVERS && source->drivers[i]; i++)
		state_twin_copy_driver(target->drivers[i], source->drivers[i]);
	fake_platform_forget(target->fake);
	error = state_twin_load(target->fake, target->root, fd, ret_problem);
	if (error == 0) {
		again = state_twin_save(target->fake, target->root);
		state_twin_insist(again >= 0);
		error = !state_edit_is_same(fd, again);
		close(again);
	}
	close(fd);
	return error;
}

/* Is it refused, as it should be? */
static bool
state_twin_is_refused(const struct state_twin *target, int fd, const char *section,
		      const char **ret_problem)
{
	char expected[STATE_PROBLEM_BYTES];

	snprintf(expected, sizeof(expected), "section '%s': ", section);
	return state_twin_load(target->fake, target->root, fd, ret_problem) == -EBADMSG &&
	       strncmp(*ret_problem, expected, strlen(expected)) == 0;
}

const char *
state_twin_forge(const struct state_twin *target, const struct state_twin *source,
		 const struct state_twin_forgery *forgeries, size_t count)
{
	static char text[2 * STATE_PROBLEM_BYTES];
	int fd = state_twin_save(source->fake, source->root);
	const char *problem = "";
	bool right = true;

	state_twin_insist(fd >= 0);
	state_twin_copy_memory(target->fake, source->fake);
	for (size_t i = 0; right && i < count; i++) {
		const struct state_twin_forgery *forgery = &forgeries[i];
		int copy = state_edit_forge(fd, forgery->section, forgery->offset, forgery->value,
					    forgery->bytes);

		right = !state_edit_is_same(copy, fd) &&
			state_twin_is_refused(target, copy, forgery->section, &problem);
		if (!right)
			snprintf(text, sizeof(text), "forgery %zu, in '%s' at %zu: '%s'", i,
				 forgery->section, forgery->offset, problem);
		close(copy);
	}
	if (right && state_twin_load(target->fake, target->root, fd, &problem) < 0) {
		snprintf(text, sizeof(text), "what was right is refused: '%s'", problem);
		right = false;
	}
	close(fd);
	return right ? NULL : text;
}
