/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_virtio_console.c - named ports under any driver, with peers that come, go, write and read
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/fuzz/virtio_fuzzer.h"
#include "tests/unit/fake_platform.h"
#include "vmm/loop.h"
#include "vmm/pci.h"
#include "vmm/slots.h"
#include "vmm/virtio.h"
#include "vmm/virtio_console.h"

#define N_PORTS	  2
#define MAX_BYTES 4096
#define MAX_STEPS 64

struct ports {
	struct virtio_fuzzer fuzzer;
	struct virtio_device *device;
	int listen_fds[N_PORTS];
	int peers[N_PORTS]; /* -1: none */
	bool open[N_PORTS];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
ports_handle_opened(void *context, size_t port, bool open)
{
	struct ports *ports = context;

	/* only changes are told */
	if (port >= N_PORTS || ports->open[port] == open)
		abort();
	ports->open[port] = open;
}

static void
ports_init(struct ports *ports)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct virtio_console_port_options options[N_PORTS] = { { "first", 0 }, { "second", 0 } };
	const struct virtio_console_options all = { options, N_PORTS, getuid(), ports_handle_opened,
						    ports };

	virtio_fuzzer_init(&ports->fuzzer);
	for (int i = 0; i < N_PORTS; i++) {
		ports->peers[i] = -1;
		ports->listen_fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (bind(ports->listen_fds[i], (const struct sockaddr *)&address,
			 sizeof(sa_family_t)) < 0 ||
		    listen(ports->listen_fds[i], 4) < 0)
			abort();
		options[i].listen_fd = ports->listen_fds[i];
	}
	if (virtio_console_new(&ports->fuzzer.fake->platform, &all, &ports->device) < 0 ||
	    virtio_pci_new(ports->fuzzer.root, SLOT_CONSOLE, VIRTIO_CONSOLE_CLASS_CODE,
			   ports->device) < 0)
		abort();
	virtio_fuzzer_ready(&ports->fuzzer, SLOT_CONSOLE);
}

static void
ports_disconnect(struct ports *ports, uint32_t port)
{
	if (ports->peers[port] >= 0)
		close(ports->peers[port]);
	ports->peers[port] = -1;
}

/* The peer before is not closed first: it is replaced. */
static void
ports_connect(struct ports *ports, uint32_t port)
{
	struct sockaddr_un address;
	socklen_t size = sizeof(address);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (getsockname(ports->listen_fds[port], (struct sockaddr *)&address, &size) < 0)
		abort();
	if (connect(fd, (struct sockaddr *)&address, size) < 0) { /* too many at once */
		close(fd);
		return;
	}
	loop_step(ports->fuzzer.fake->platform.loop, 0);
	ports_disconnect(ports, port);
	ports->peers[port] = fd;
}

static void
ports_act(void *context, struct fuzz_input *input)
{
	static uint8_t bytes[MAX_BYTES];
	struct ports *ports = context;
	uint32_t what = (uint32_t)fuzz_input_take(input, 1);
	uint32_t port = what / 4 % N_PORTS;

	switch (what % 4) {
	case 0:
		ports_connect(ports, port);
		break;
	case 1:
		ports_disconnect(ports, port);
		break;
	case 2:
		if (ports->peers[port] >= 0)
			send(ports->peers[port], bytes, fuzz_input_take(input, 2) % MAX_BYTES,
			     MSG_NOSIGNAL);
		break;
	default:
		if (ports->peers[port] >= 0)
			recv(ports->peers[port], bytes, fuzz_input_take(input, 2) % MAX_BYTES, 0);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ports ports;

	if (!ports.device)
		ports_init(&ports);
	virtio_fuzzer_run(&ports.fuzzer, data, size, ports_act, &ports);
	for (uint32_t i = 0; i < N_PORTS; i++) {
		if (virtio_console_is_open(ports.device, i) != ports.open[i])
			abort();
		ports_disconnect(&ports, i);
	}
	/* nothing may keep the loop busy by itself */
	for (int i = 0; loop_step(ports.fuzzer.fake->platform.loop, 0) > 0; i++)
		if (i == MAX_STEPS)
			abort();
	return 0;
}
