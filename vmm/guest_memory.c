/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_memory.c - the guest's RAM (carrel-vmm, all threads)
 *
 * How it works: the file is mapped once, in one piece, for as long as the machine lives; nothing
 * here changes after guest_memory_new(), so that any thread may look things up without a lock.
 * guest_memory_find() is the one place where a guest's address becomes a host's; the others are
 * built on it.
 */
#include "vmm/guest_memory.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PAGE_BYTES UINT64_C(4096)
#define MIB	   (UINT64_C(1) << 20)

struct guest_memory {
	void *host;
	uint64_t bytes;
	bool private;
	bool was_empty;
	size_t n_parts;
	struct guest_memory_part parts[GUEST_MEMORY_MAX_PARTS];
};

static void
guest_memory_add_part(struct guest_memory *memory, uint64_t gpa, uint64_t offset, uint64_t bytes)
{
	memory->parts[memory->n_parts++] = (struct guest_memory_part){
		.gpa = gpa,
		.bytes = bytes,
		.host = (uint8_t *)memory->host + offset,
	};
}

/*
 * Where the host allows it for shared memory, 512 times fewer faults while the guest touches its
 * memory. Of a file on a disk Linux would take it as the wish to read 4 MiB at each fault on a page
 * that is not in the page cache (do_sync_mmap_readahead() in its mm/filemap.c), and a fork touches few
 * pages of each.
 */
static void
guest_memory_ask_huge(const struct guest_memory *memory, int fd, uint64_t ram_bytes)
{
	struct statfs system;

	if (fstatfs(fd, &system) == 0 &&
	    (system.f_type == TMPFS_MAGIC || system.f_type == HUGETLBFS_MAGIC))
		(void)madvise(memory->host, ram_bytes, MADV_HUGEPAGE);
}

int
guest_memory_new(int fd, uint64_t ram_bytes, bool private, struct guest_memory **ret_memory)
{
	struct guest_memory *memory;
	struct stat status;
	uint64_t low_bytes;

	if (ram_bytes < GUEST_MEMORY_MIN_BYTES || ram_bytes > GUEST_MEMORY_MAX_BYTES ||
	    ram_bytes % MIB != 0)
		return -EINVAL;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (status.st_size < 0 || (uint64_t)status.st_size < ram_bytes)
		return -EINVAL;
	memory = calloc(1, sizeof(*memory));
	if (!memory)
		return -ENOMEM;
	memory->host = mmap(NULL, ram_bytes, PROT_READ | PROT_WRITE,
			    (private ? MAP_PRIVATE : MAP_SHARED) | MAP_NORESERVE, fd, 0);
	if (memory->host == MAP_FAILED) {
		int error = errno;

		free(memory);
		return -error;
	}
	/* a crash of ours must not write a user's desktop into a core file */
	(void)madvise(memory->host, ram_bytes, MADV_DONTDUMP);
	guest_memory_ask_huge(memory, fd, ram_bytes);
	memory->bytes = ram_bytes;
	memory->private = private;
	memory->was_empty = lseek(fd, 0, SEEK_DATA) < 0 && errno == ENXIO;
	low_bytes = ram_bytes < GUEST_MEMORY_HOLE ? ram_bytes : GUEST_MEMORY_HOLE;
	guest_memory_add_part(memory, 0, 0, low_bytes);
	if (ram_bytes > low_bytes)
		guest_memory_add_part(memory, GUEST_MEMORY_HIGH, low_bytes, ram_bytes - low_bytes);
	*ret_memory = memory;
	return 0;
}

void
guest_memory_free(struct guest_memory *memory)
{
	if (!memory)
		return;
	munmap(memory->host, memory->bytes);
	free(memory);
}

void
guest_memory_read_alone(const struct guest_memory *memory)
{
	(void)madvise(memory->host, memory->bytes, MADV_RANDOM);
}

size_t
guest_memory_list_parts(const struct guest_memory *memory,
			struct guest_memory_part ret_parts[GUEST_MEMORY_MAX_PARTS])
{
	memcpy(ret_parts, memory->parts, memory->n_parts * sizeof(memory->parts[0]));
	return memory->n_parts;
}

uint64_t
guest_memory_get_bytes(const struct guest_memory *memory)
{
	return memory->bytes;
}

bool
guest_memory_was_empty(const struct guest_memory *memory)
{
	return memory->was_empty;
}

void *
guest_memory_find(const struct guest_memory *memory, uint64_t gpa, uint64_t bytes)
{
	for (size_t i = 0; i < memory->n_parts; i++) {
		const struct guest_memory_part *part = &memory->parts[i];
		uint64_t offset = gpa - part->gpa;

		if (gpa < part->gpa || offset >= part->bytes)
			continue;
		if (bytes == 0 || bytes > part->bytes - offset)
			return NULL;
		return (uint8_t *)part->host + offset;
	}
	return NULL;
}

int
guest_memory_read(const struct guest_memory *memory, uint64_t gpa, void *target, size_t bytes)
{
	const void *host = guest_memory_find(memory, gpa, bytes);

	if (!host)
		return -EFAULT;
	memcpy(target, host, bytes);
	return 0;
}

int
guest_memory_write(const struct guest_memory *memory, uint64_t gpa, const void *source,
		   size_t bytes)
{
	void *host = guest_memory_find(memory, gpa, bytes);

	if (!host)
		return -EFAULT;
	memcpy(host, source, bytes);
	return 0;
}

int
guest_memory_discard(const struct guest_memory *memory, uint64_t gpa, uint64_t bytes)
{
	uint8_t *host = guest_memory_find(memory, gpa, bytes);
	uint64_t first, end;

	if (!host)
		return -EFAULT;
	/*
	 * parts begin on page boundaries, here and there: offsets in one are offsets in the other
	 */
	first = (gpa + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	end = (gpa + bytes) & ~(PAGE_BYTES - 1);
	if (first >= end)
		return 0;
	if (madvise(host + (first - gpa), end - first,
		    memory->private ? MADV_DONTNEED : MADV_REMOVE) < 0)
		return -errno;
	return 0;
}
