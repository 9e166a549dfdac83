/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * machine_stage.c - the smallest machine on /dev/kvm (unit tests)
 */
#include "tests/unit/machine_stage.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int
machine_stage_describe(int kernel_fd, struct description *ret_description)
{
	*ret_description = (struct description){
		.name = "test",
		.machine = "carrel-1",
		.cpu = "carrel-v0",
		.cpus = 1,
		.ram_bytes = MACHINE_STAGE_RAM_BYTES,
		.kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC),
		.memory_fd = memfd_create("memory", MFD_CLOEXEC),
		.state_fd = -1,
		.pages_fd = -1,
		.pagemap_fd = -1,
		.kernel_fd = kernel_fd,
		.initrd_fd = -1,
		.control_fd = -1,
		.control_uid = getuid(),
		.display_fd = -1,
		.net_fd = -1,
	};
	return ftruncate(ret_description->memory_fd, MACHINE_STAGE_RAM_BYTES) < 0 ? -errno : 0;
}

void
machine_stage_close(const struct description *description)
{
	const int fds[] = { description->kvm_fd, description->memory_fd, description->kernel_fd,
			    description->control_fd, description->display_fd };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}
