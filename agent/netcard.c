/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * netcard.c - the guest's network card (carrel-agent, in the guest): netdevice(7)
 */
#include "agent/netcard.h"

#include <errno.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

static bool
netcard_is_ethernet(const char *name)
{
	CLEANUP_FREE char *text = NULL;
	char path[64 + IF_NAMESIZE];
	size_t size;

	snprintf(path, sizeof(path), "/sys/class/net/%s/device", name);
	if (access(path, F_OK) < 0)
		return false;
	snprintf(path, sizeof(path), "/sys/class/net/%s/type", name);
	return io_read_file(path, 32, &text, &size) == 0 && atoi(text) == ARPHRD_ETHER;
}

int
netcard_find(char ret_name[IF_NAMESIZE])
{
	struct if_nameindex *all = if_nameindex();
	int result = -ENODEV;

	for (struct if_nameindex *at = all; at && at->if_index != 0; at++) {
		if (!netcard_is_ethernet(at->if_name))
			continue;
		snprintf(ret_name, IF_NAMESIZE, "%s", at->if_name);
		result = 0;
		break;
	}
	if_freenameindex(all);
	return result;
}

/* Any socket will do for requests to a card. */
static int
netcard_open(const char *name, struct ifreq *ret_request)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	memset(ret_request, 0, sizeof(*ret_request));
	snprintf(ret_request->ifr_name, IF_NAMESIZE, "%s", name);
	return fd;
}

static int
netcard_switch(int fd, struct ifreq *request, bool up)
{
	if (ioctl(fd, SIOCGIFFLAGS, request) < 0)
		return -errno;
	if (up)
		request->ifr_flags |= IFF_UP;
	else
		request->ifr_flags &= (short)~IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, request) < 0 ? -errno : 0;
}

int
netcard_set_address(const char *name, const uint8_t mac[6])
{
	struct ifreq request;
	CLEANUP_CLOSE int fd = netcard_open(name, &request);
	int error = fd < 0 ? fd : netcard_switch(fd, &request, false);

	if (error < 0)
		return error;
	request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(request.ifr_hwaddr.sa_data, mac, 6);
	return ioctl(fd, SIOCSIFHWADDR, &request) < 0 ? -errno : 0;
}

int
netcard_set_up(const char *name, bool up)
{
	struct ifreq request;
	CLEANUP_CLOSE int fd = netcard_open(name, &request);

	return fd < 0 ? fd : netcard_switch(fd, &request, up);
}
