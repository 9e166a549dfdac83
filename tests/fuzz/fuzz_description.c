/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_description.c - any description of a machine; what is accepted keeps the header's promises
 *
 * Descriptors 100 (a device), 101 and 107 (files), 102, 103 and 106 (for reading), 104 (listening) are open.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/description.h"
#include "vmm/guest_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_place(int fd, int number)
{
	if (dup2(fd, number) != number)
		abort();
	close(fd);
}

__attribute__((constructor)) static void
fuzz_open_all(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	if (bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)) < 0 ||
	    listen(listener, 1) < 0)
		abort();
	fuzz_place(listener, 104);
	fuzz_place(open("/dev/null", O_RDWR), 100);
	fuzz_place(memfd_create("memory", 0), 101);
	fuzz_place(memfd_create("overlay", 0), 107);
	if (ftruncate(101, 1 << 20) < 0)
		abort();
	fuzz_place(open("/proc/self/exe", O_RDONLY), 102);
	fuzz_place(open("/proc/self/exe", O_RDONLY), 103);
	fuzz_place(open("/proc/self/exe", O_RDONLY), 106);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct description is;
	struct json_problem problem = { "" };

	if (description_parse((const char *)data, size, &is, &problem) != 0) {
		assert(problem.text[0] && memchr(problem.text, '\0', sizeof(problem.text)));
		return 0;
	}
	assert(is.cpus >= 1 && is.cpus <= DESCRIPTION_MAX_CPUS);
	assert(is.ram_bytes >= GUEST_MEMORY_MIN_BYTES && is.ram_bytes <= GUEST_MEMORY_MAX_BYTES);
	assert(is.kvm_fd > 2 && is.memory_fd > 2 && is.kernel_fd > 2 && is.control_fd > 2);
	assert(strlen(is.command_line) <= DESCRIPTION_MAX_COMMAND_LINE);
	assert(is.n_disks <= DESCRIPTION_MAX_DISKS && is.n_ports <= DESCRIPTION_MAX_PORTS);
	assert((is.display_fd >= 0) == (is.scanouts && is.width && is.height));
	for (size_t i = 0; i < is.n_disks; i++)
		assert(is.disks[i].base_fd < 0 || is.disks[i].base_fd != is.disks[i].overlay_fd);
	return 0;
}
