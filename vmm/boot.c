/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * boot.c - puts a Linux kernel, its initrd and its command line into guest memory (carrel-vmm: at start, and at each reset)
 *
 * How it works: boot_load() looks at the file's first bytes and lets boot_bzimage.c or boot_elf.c load it; these use the
 * boot_image functions here. Nothing is believed of a file: each size and address in it is checked against the file and
 * against the guest's RAM before it is used. The kernel and the initrd lie above 1 MiB, all tables below, so that only
 * the two of them can be in each other's way.
 */
#include "vmm/boot.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/boot_image.h"
#include "vmm/guest_memory.h"
#include "vmm/memory_map.h"
#include "vmm/pci.h"

#define PAGE_BYTES	   UINT64_C(4096)
#define MAX_READ_BYTES	   (UINT64_C(1) << 30) /* read(2) does at most 2 GiB at once */
#define COMMAND_LINE_BYTES UINT64_C(4096)
#define LOW_END		   UINT64_C(0xa0000)
#define KVM_PAGES_END	   UINT64_C(0xfffc0000)
#define GDT_CODE_64	   UINT64_C(0x00af9b000000ffff)
#define GDT_CODE_32	   UINT64_C(0x00cf9b000000ffff)
#define GDT_DATA	   UINT64_C(0x00cf93000000ffff)
#define GDT_TASK	   UINT64_C(0x00008b0000000067)
#define PAGE_PRESENT_WRITE UINT64_C(0x3)
#define PAGE_LARGE	   UINT64_C(0x80) /* 2 MiB */

/* Reads exactly so many bytes. 0; -EINVAL: the file ends before; -errno. */
static int
boot_read(int fd, uint64_t offset, void *target, uint64_t bytes)
{
	uint8_t *at = target;

	while (bytes > 0) {
		size_t want = bytes < MAX_READ_BYTES ? bytes : MAX_READ_BYTES;
		ssize_t n = pread(fd, at, want, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EINVAL;
		at += n;
		offset += (uint64_t)n;
		bytes -= (uint64_t)n;
	}
	return 0;
}

static int
boot_image_check(struct boot_image *image, uint64_t offset, size_t bytes)
{
	if (offset <= image->kernel_bytes && bytes <= image->kernel_bytes - offset)
		return 0;
	BOOT_PROBLEM(image,
		     "the kernel's file is truncated: %" PRIu64 " bytes, %zu wanted at %" PRIu64,
		     image->kernel_bytes, bytes, offset);
	return -EINVAL;
}

int
boot_image_read(struct boot_image *image, uint64_t offset, void *target, size_t bytes)
{
	int error = boot_image_check(image, offset, bytes);

	if (error)
		return error;
	error = boot_read(image->source->kernel_fd, offset, target, bytes);
	if (error)
		BOOT_PROBLEM(image, "the kernel's file cannot be read: %s",
			     error == -EINVAL ? "it became shorter" : strerror(-error));
	return error;
}

/* The first byte at or after "offset" with data or without; the end when there is none. A file system that cannot tell: all is data. */
static uint64_t
boot_image_seek(const struct boot_image *image, uint64_t offset, int whence)
{
	off_t found = lseek(image->source->kernel_fd, (off_t)offset, whence);

	if (found < 0)
		return whence == SEEK_DATA && errno != ENXIO ? offset : image->kernel_bytes;
	return (uint64_t)found;
}

int
boot_image_read_data(struct boot_image *image, uint64_t offset, uint8_t *target, size_t bytes)
{
	uint64_t end = offset + bytes;
	int error = boot_image_check(image, offset, bytes);

	for (uint64_t at = offset, data_end; !error && at < end; at = data_end) {
		at = boot_image_seek(image, at, SEEK_DATA);
		data_end = boot_image_seek(image, at, SEEK_HOLE);
		if (data_end > end)
			data_end = end;
		if (at < data_end)
			error = boot_image_read(image, at, target + (at - offset), data_end - at);
	}
	return error;
}

void *
boot_image_find_room(struct boot_image *image, uint64_t gpa, uint64_t bytes)
{
	void *host = guest_memory_find(image->memory, gpa, bytes);

	if (host && gpa >= MEMORY_MAP_HIGH_RAM && gpa < image->low_end)
		return host;
	BOOT_PROBLEM(image,
		     "the kernel does not fit: it needs %" PRIu64 " bytes at 0x%" PRIx64
		     "; RAM is from 1 MiB to 0x%" PRIx64,
		     bytes, gpa, image->low_end);
	return NULL;
}

int
boot_image_load_initrd(struct boot_image *image, uint64_t kernel_end, uint64_t limit)
{
	uint64_t end = limit < image->low_end ? limit : image->low_end;
	uint64_t gpa;
	int error;

	if (image->initrd_bytes == 0)
		return 0;
	gpa = end < image->initrd_bytes ? 0 : (end - image->initrd_bytes) & ~(PAGE_BYTES - 1);
	if (gpa < kernel_end) {
		BOOT_PROBLEM(image,
			     "the initrd does not fit: %" PRIu64
			     " bytes between the kernel's end 0x%" PRIx64 " and 0x%" PRIx64,
			     image->initrd_bytes, kernel_end, end);
		return -EINVAL;
	}
	error = boot_read(image->source->initrd_fd, 0,
			  guest_memory_find(image->memory, gpa, image->initrd_bytes),
			  image->initrd_bytes);
	if (error) {
		BOOT_PROBLEM(image, "the initrd cannot be read: %s",
			     error == -EINVAL ? "it became shorter" : strerror(-error));
		return error;
	}
	image->initrd_gpa = gpa;
	return 0;
}

size_t
boot_image_list_ranges(const struct boot_image *image,
		       struct boot_range ret_ranges[BOOT_MAX_RANGES])
{
	uint64_t high_bytes = guest_memory_get_bytes(image->memory) - image->low_end;
	size_t count = 0;
	const struct boot_range ranges[] = {
		{ 0, MEMORY_MAP_LOW_END, BOOT_RANGE_RAM },
		{ MEMORY_MAP_LOW_END, LOW_END - MEMORY_MAP_LOW_END, BOOT_RANGE_RESERVED },
		{ MEMORY_MAP_RESERVED, MEMORY_MAP_RESERVED_END - MEMORY_MAP_RESERVED,
		  BOOT_RANGE_RESERVED },
		{ MEMORY_MAP_HIGH_RAM, image->low_end - MEMORY_MAP_HIGH_RAM, BOOT_RANGE_RAM },
		{ PCI_ECAM_BASE, PCI_ECAM_BYTES, BOOT_RANGE_RESERVED },
		{ MEMORY_MAP_IDENTITY_PAGE, KVM_PAGES_END - MEMORY_MAP_IDENTITY_PAGE,
		  BOOT_RANGE_RESERVED },
		{ GUEST_MEMORY_HIGH, high_bytes, BOOT_RANGE_RAM },
	};

	_Static_assert(sizeof(ranges) / sizeof(ranges[0]) <= BOOT_MAX_RANGES, "they fit");
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (ranges[i].bytes > 0)
			ret_ranges[count++] = ranges[i];
	return count;
}

/* At the selectors that vmm/vcpu_state.h names; a task's descriptor is of two in long mode. */
static int
boot_write_gdt(const struct guest_memory *memory, struct vcpu_entry *entry)
{
	const uint64_t gdt[] = {
		0,	  0,	    entry->mode == VCPU_MODE_LONG ? GDT_CODE_64 : GDT_CODE_32,
		GDT_DATA, GDT_TASK, 0,
	};

	entry->gdt = MEMORY_MAP_GDT;
	entry->gdt_limit = sizeof(gdt) - 1;
	return guest_memory_write(memory, MEMORY_MAP_GDT, gdt, sizeof(gdt));
}

/* One page each of levels 4 and 3, four of level 2: 2048 pages of 2 MiB. */
static int
boot_write_page_tables(const struct guest_memory *memory, struct vcpu_entry *entry)
{
	uint64_t *tables = guest_memory_find(memory, MEMORY_MAP_PAGE_TABLES, 6 * PAGE_BYTES);
	uint64_t gpa = MEMORY_MAP_PAGE_TABLES;

	if (!tables)
		return -EFAULT;
	memset(tables, 0, 2 * PAGE_BYTES);
	tables[0] = (gpa + PAGE_BYTES) | PAGE_PRESENT_WRITE;
	for (uint64_t i = 0; i < 4; i++)
		tables[512 + i] = (gpa + (2 + i) * PAGE_BYTES) | PAGE_PRESENT_WRITE;
	for (uint64_t i = 0; i < 2048; i++)
		tables[1024 + i] = i << 21 | PAGE_LARGE | PAGE_PRESENT_WRITE;
	entry->page_table = gpa;
	return 0;
}

static int
boot_image_open(struct boot_image *image)
{
	struct guest_memory_part parts[GUEST_MEMORY_MAX_PARTS];
	struct stat status;

	if (fstat(image->source->kernel_fd, &status) < 0) {
		BOOT_PROBLEM(image, "the kernel's file cannot be read: %s", strerror(errno));
		return -errno;
	}
	image->kernel_bytes = (uint64_t)status.st_size;
	if (image->source->initrd_fd >= 0) {
		if (fstat(image->source->initrd_fd, &status) < 0) {
			BOOT_PROBLEM(image, "the initrd cannot be read: %s", strerror(errno));
			return -errno;
		}
		if (status.st_size == 0) {
			BOOT_PROBLEM(image, "the initrd is empty");
			return -EINVAL;
		}
		image->initrd_bytes = (uint64_t)status.st_size;
	}
	guest_memory_list_parts(image->memory, parts);
	image->low_end = parts[0].bytes;
	return 0;
}

static int
boot_write_command_line(const struct boot_image *image)
{
	size_t bytes = strlen(image->source->command_line) + 1;

	if (bytes > COMMAND_LINE_BYTES) {
		BOOT_PROBLEM(image,
			     "the command line has %zu bytes; at most %" PRIu64 " are possible",
			     bytes - 1, COMMAND_LINE_BYTES - 1);
		return -EINVAL;
	}
	return guest_memory_write(image->memory, MEMORY_MAP_COMMAND_LINE,
				  image->source->command_line, bytes);
}

int
boot_load(const struct guest_memory *memory, const struct boot_source *source,
	  struct vcpu_entry *ret_entry, struct boot_problem *ret_problem)
{
	struct boot_image image = { .memory = memory, .source = source, .problem = ret_problem };
	struct vcpu_entry entry = { 0 };
	char magic[SELFMAG];
	int error = boot_image_open(&image);

	if (!error)
		error = boot_image_read(&image, 0, magic, sizeof(magic));
	if (!error)
		error = boot_write_command_line(&image);
	if (error)
		return error;
	if (memcmp(magic, ELFMAG, SELFMAG) == 0)
		error = boot_elf_load(&image, &entry);
	else
		error = boot_bzimage_load(&image, &entry);
	if (!error)
		error = boot_write_gdt(memory, &entry);
	if (!error && entry.mode == VCPU_MODE_LONG)
		error = boot_write_page_tables(memory, &entry);
	if (error)
		return error;
	*ret_entry = entry;
	return 0;
}
