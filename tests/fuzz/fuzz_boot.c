/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_boot.c - any file as a kernel: what is taken lies in RAM and is entered there
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/boot.h"
#include "vmm/guest_memory.h"
#include "vmm/memory_map.h"
#include "vmm/vcpu_state.h"

#define RAM_BYTES (UINT64_C(4) << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int memory_fd = memfd_create("memory", 0);
	struct boot_source source = {
		.kernel_fd = memfd_create("kernel", 0),
		.initrd_fd = -1,
		.command_line = "quiet",
		.memory_is_empty = size % 2,
	};
	struct boot_problem problem = { "" };
	struct guest_memory *memory = NULL;
	struct vcpu_entry entry;

	if (ftruncate(memory_fd, RAM_BYTES) < 0 ||
	    guest_memory_new(memory_fd, RAM_BYTES, false, &memory) < 0 ||
	    write(source.kernel_fd, data, size) != (ssize_t)size)
		abort();
	if (boot_load(memory, &source, &entry, &problem) == 0) {
		assert(entry.rip >= MEMORY_MAP_HIGH_RAM);
		assert(guest_memory_find(memory, entry.rip, 1));
	} else {
		assert(problem.text[0] && memchr(problem.text, '\0', sizeof(problem.text)));
	}
	guest_memory_free(memory);
	close(source.kernel_fd);
	close(memory_fd);
	return 0;
}
