/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_console.h - named ports between programs of the guest and sockets of the host (virtio 1.2 section 5.3, multiport)
 *
 * In the guest port "x" is /dev/virtio-ports/x; on the host it is a listening unix stream socket (vmm/port_peer.h).
 * Bytes go through in order and without loss as long as both ends stay open; what a guest writes while nobody is
 * connected is lost, and what a peer sends while the guest has not opened the port waits in the socket.
 */
#ifndef VMM_VIRTIO_CONSOLE_H
#define VMM_VIRTIO_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct platform;
struct virtio_device;

#define VIRTIO_CONSOLE_CLASS_CODE 0x078000 /* for virtio_pci_new(): communication */
#define VIRTIO_CONSOLE_MAX_PORTS  8
#define VIRTIO_CONSOLE_MAX_NAME	  63

struct virtio_console_port_options {
	const char *name; /* at most VIRTIO_CONSOLE_MAX_NAME; copied */
	int listen_fd;	  /* stays the caller's; as long as the device lives */
};

struct virtio_console_options {
	const struct virtio_console_port_options *ports;
	size_t n_ports;
	uint32_t uid; /* the only one that may connect to them */
	/* A program in the guest has opened the port with this index, or closed it (a reset closes it too). */
	void (*opened)(void *context, size_t port, bool open);
	void *context;
};

/* The device then goes to virtio_pci_new(). 0; -EINVAL: too many ports or a wrong name; -errno. */
int virtio_console_new(struct platform *platform, const struct virtio_console_options *options,
		       struct virtio_device **ret_device);

/* Has the guest opened it? */
bool virtio_console_is_open(const struct virtio_device *device, size_t port);

#endif
