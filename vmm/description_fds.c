/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * description_fds.c - are the descriptors that the description names what it says they are?
 * (carrel-vmm, at its start)
 */
#include "vmm/description_fds.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "vmm/description.h"
#include "vmm/fd_kind.h"

/* kvm, memory, state, pages, kernel, initrd, control, display, net, two a disk, one a port */
#define MAX_FDS (9 + 2 * DESCRIPTION_MAX_DISKS + DESCRIPTION_MAX_PORTS)

#define PROBLEM(problem, ...) snprintf((problem)->text, sizeof((problem)->text), __VA_ARGS__)

struct fd_list {
	size_t count;
	struct fd_entry {
		const char *key;
		const char *owner; /* which disk, which port; "" elsewhere */
		int fd;
		enum fd_kind kind;
	} entries[MAX_FDS];
};

static void
fd_list_add(struct fd_list *list, const char *key, const char *owner, int fd, enum fd_kind kind)
{
	if (fd >= 0)
		list->entries[list->count++] =
			(struct fd_entry){ .key = key, .owner = owner, .fd = fd, .kind = kind };
}

static void
fd_list_fill(struct fd_list *list, const struct description *description)
{
	fd_list_add(list, "kvm_fd", "", description->kvm_fd, FD_KIND_DEVICE);
	fd_list_add(list, "memory_fd", "", description->memory_fd,
		    description->memory_private ? FD_KIND_READ_FILE : FD_KIND_WRITE_FILE);
	fd_list_add(list, "state_fd", "", description->state_fd, FD_KIND_READ_FILE);
	fd_list_add(list, "pages_fd", "", description->pages_fd, FD_KIND_READ_FILE);
	fd_list_add(list, "kernel_fd", "", description->kernel_fd, FD_KIND_READ_FILE);
	fd_list_add(list, "initrd_fd", "", description->initrd_fd, FD_KIND_READ_FILE);
	fd_list_add(list, "control_fd", "", description->control_fd, FD_KIND_LISTEN_PACKETS);
	fd_list_add(list, "display_fd", "", description->display_fd, FD_KIND_LISTEN_PACKETS);
	fd_list_add(list, "fd", "net", description->net_fd,
		    description->net == DESCRIPTION_NET_TAP ? FD_KIND_DEVICE : FD_KIND_STREAM);
	for (size_t i = 0; i < description->n_disks; i++) {
		const struct description_disk *disk = &description->disks[i];

		fd_list_add(list, "base_fd", disk->serial, disk->base_fd, FD_KIND_READ_FILE);
		fd_list_add(list, disk->base_fd < 0 ? "image_fd" : "overlay_fd", disk->serial,
			    disk->overlay_fd, FD_KIND_WRITE_FILE);
	}
	for (size_t i = 0; i < description->n_ports; i++)
		fd_list_add(list, "listen_fd", description->ports[i].name,
			    description->ports[i].listen_fd, FD_KIND_LISTEN_STREAM);
}

static int
description_check_memory(const struct description *description, struct json_problem *ret_problem)
{
	struct stat status;

	if (fstat(description->memory_fd, &status) < 0 ||
	    (uint64_t)status.st_size < description->ram_bytes) {
		PROBLEM(ret_problem,
			"'memory_fd': the file is smaller than 'ram_mib' says: %" PRIu64
			" bytes are needed",
			description->ram_bytes);
		return -EINVAL;
	}
	return 0;
}

int
description_check_fds(const struct description *description, struct json_problem *ret_problem)
{
	struct fd_list list = { 0 };

	fd_list_fill(&list, description);
	for (size_t i = 0; i < list.count; i++) {
		const struct fd_entry *entry = &list.entries[i];
		const char *space = *entry->owner ? " of " : "";
		int error = fd_kind_check(entry->fd, entry->kind);

		if (error < 0) {
			PROBLEM(ret_problem, "'%s'%s%s: descriptor %d %s %s", entry->key, space,
				entry->owner, entry->fd,
				error == -EBADF ? "is not open; it must be" : "must be",
				fd_kind_text(entry->kind));
			return -EINVAL;
		}
		for (size_t j = 0; j < i; j++) {
			if (list.entries[j].fd != entry->fd)
				continue;
			PROBLEM(ret_problem, "'%s'%s%s: descriptor %d is '%s' already", entry->key,
				space, entry->owner, entry->fd, list.entries[j].key);
			return -EINVAL;
		}
	}
	return description_check_memory(description, ret_problem);
}
