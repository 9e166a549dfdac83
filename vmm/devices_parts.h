/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * devices_parts.h - what devices.c, devices_make.c and devices_state.c share
 */
#ifndef VMM_DEVICES_PARTS_H
#define VMM_DEVICES_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"
#include "vmm/description.h"
#include "vmm/devices.h"

struct loop_timer;
struct virtio_device;

struct devices_disk {
	struct devices *devices;
	struct virtio_device *device; /* NULL: none */
	bool lacks_space;
};

struct devices {
	struct platform *platform;
	const struct description *description;
	struct acpi_pm *pm;
	struct rtc *rtc;
	struct serial *serial;
	struct log_limit serial_lines;
	struct vmgenid *vmgenid;
	struct pci_root *root;
	struct seat *seat;
	struct hda *hda;				  /* the root's; NULL: none */
	struct devices_disk disks[DESCRIPTION_MAX_DISKS]; /* by enum description_slot */
	struct loop_timer *retry_timer;			  /* while one lacks space */
	struct virtio_device *console;			  /* NULL: no ports */
	struct virtio_device *net;			  /* NULL: none */
	struct virtio_device *balloon;
	devices_watcher watcher;
	void *watcher_context;
};

/* All that the description asks for. 0 or -errno and a line in the log; what was made stays the caller's to free. */
int devices_make(struct devices *devices);

/* As after power-on, but for the tables in guest memory; of that only the VM generation id is written. */
void devices_reset(struct devices *devices);

/*
 * What a disk is to be made of (-1: not there) is nothing that the machine has for something else;
 * two disks may share a base. 0, or a line in the log and -EAGAIN (another disk is kept in it) or
 * -EINVAL (it is the guest's memory, or the base of another disk is to be written).
 */
int devices_check_disk_files(const struct devices_disk *disk, const char *name, int base_fd,
			     int overlay_fd);

/* What devices say: the console (context: the devices), a disk (its devices_disk), the retry timer (the devices). */
void devices_handle_port(void *context, size_t port, bool open);
void devices_handle_space(void *context, bool lacks);
void devices_handle_retry(void *context);

#endif
