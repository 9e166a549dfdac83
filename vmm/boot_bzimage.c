/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * boot_bzimage.c - loads a bzImage (carrel-vmm; Linux Documentation/x86/boot.rst, "64-bit Boot
 * Protocol")
 *
 * The file is a setup part, which is for real mode and whose header we read, and the part that we
 * load and enter. That part unpacks the kernel within init_size bytes of where it lies.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/boot_image.h"
#include "vmm/guest_memory.h"
#include "vmm/memory_map.h"

#define SECTOR_BYTES	    UINT64_C(512)
#define HEADER_OFFSET	    0x1f1
#define HEADER_JUMP_OFFSET  0x200 /* its operand, a byte further on, says where the header ends */
#define HEADER_MAGIC	    0x53726448 /* "HdrS" */
#define BOOT_FLAG	    0xaa55
#define PROTOCOL_MIN	    0x020c /* the first with xloadflags */
#define DEFAULT_SETUP_SECTS 4
#define PARAGRAPH_BYTES	    UINT64_C(16)
#define ENTRY_OFFSET	    UINT64_C(0x200) /* of 64-bit code */
#define LOADER_UNKNOWN	    0xff

static int
boot_bzimage_refuse(struct boot_image *image, const char *why)
{
	BOOT_PROBLEM(image, "the kernel is no Linux kernel that we can start: %s", why);
	return -EINVAL;
}

static int
boot_bzimage_read_header(struct boot_image *image, struct setup_header *header)
{
	uint8_t raw[HEADER_OFFSET + sizeof(*header)];
	size_t header_end;
	int error = boot_image_read(image, 0, raw, sizeof(raw));

	if (error)
		return error;
	header_end = 0x202 + (size_t)raw[HEADER_JUMP_OFFSET + 1];
	memset(header, 0, sizeof(*header));
	memcpy(header, raw + HEADER_OFFSET,
	       header_end < sizeof(raw) ? header_end - HEADER_OFFSET : sizeof(*header));
	if (header->boot_flag != BOOT_FLAG || header->header != HEADER_MAGIC)
		return boot_bzimage_refuse(image, "it is neither a bzImage nor an ELF file");
	if (header->version < PROTOCOL_MIN)
		return boot_bzimage_refuse(image, "its boot protocol is older than 2.12");
	if (!(header->xloadflags & XLF_KERNEL_64) || !(header->loadflags & LOADED_HIGH))
		return boot_bzimage_refuse(image, "it has no 64-bit entry");
	if (header->pref_address % PARAGRAPH_BYTES != 0 || header->init_size == 0)
		return boot_bzimage_refuse(image, "its header makes no sense");
	return 0;
}

/* Where it wants to be. *ret_end: of all that it uses before it knows its memory. */
static int
boot_bzimage_load_code(struct boot_image *image, const struct setup_header *header,
		       uint64_t *ret_end)
{
	uint64_t sectors = header->setup_sects ? header->setup_sects : DEFAULT_SETUP_SECTS;
	uint64_t offset = (sectors + 1) * SECTOR_BYTES;
	uint64_t code_bytes = header->syssize * PARAGRAPH_BYTES;
	uint64_t used_bytes;
	void *host;

	/* syssize is rounded up */
	if (code_bytes <= ENTRY_OFFSET ||
	    offset + code_bytes - PARAGRAPH_BYTES >= image->kernel_bytes) {
		BOOT_PROBLEM(image,
			     "the kernel's file is truncated: %" PRIu64
			     " bytes, its header says %" PRIu64,
			     image->kernel_bytes, offset + code_bytes);
		return -EINVAL;
	}
	if (code_bytes > image->kernel_bytes - offset)
		code_bytes = image->kernel_bytes - offset;
	used_bytes = header->init_size > code_bytes ? header->init_size : code_bytes;
	host = boot_image_find_room(image, header->pref_address, used_bytes);
	if (!host)
		return -EINVAL;
	*ret_end = header->pref_address + used_bytes;
	return boot_image_read(image, offset, host, code_bytes);
}

static int
boot_bzimage_write_zero_page(const struct boot_image *image, const struct setup_header *header)
{
	struct boot_params params = {
		.hdr = *header,
		.acpi_rsdp_addr = MEMORY_MAP_RSDP,
	};
	struct boot_range ranges[BOOT_MAX_RANGES];
	size_t n_ranges = boot_image_list_ranges(image, ranges);

	params.hdr.type_of_loader = LOADER_UNKNOWN;
	params.hdr.cmd_line_ptr = MEMORY_MAP_COMMAND_LINE;
	params.hdr.ramdisk_image = (uint32_t)image->initrd_gpa;
	params.hdr.ramdisk_size = (uint32_t)image->initrd_bytes;
	params.hdr.setup_data = 0;
	params.e820_entries = (uint8_t)n_ranges;
	for (size_t i = 0; i < n_ranges; i++)
		params.e820_table[i] = (struct boot_e820_entry){
			.addr = ranges[i].start,
			.size = ranges[i].bytes,
			.type = ranges[i].type,
		};
	return guest_memory_write(image->memory, MEMORY_MAP_ZERO_PAGE, &params, sizeof(params));
}

int
boot_bzimage_load(struct boot_image *image, struct vcpu_entry *entry)
{
	struct setup_header header;
	uint64_t end = 0;
	int error = boot_bzimage_read_header(image, &header);

	if (error)
		return error;
	if (strlen(image->source->command_line) > header.cmdline_size) {
		BOOT_PROBLEM(image,
			     "the command line is longer than the %u bytes that the kernel takes",
			     header.cmdline_size);
		return -EINVAL;
	}
	error = boot_bzimage_load_code(image, &header, &end);
	if (!error)
		error = boot_image_load_initrd(image, end, (uint64_t)header.initrd_addr_max + 1);
	if (!error)
		error = boot_bzimage_write_zero_page(image, &header);
	if (error)
		return error;
	entry->mode = VCPU_MODE_LONG;
	entry->rip = header.pref_address + ENTRY_OFFSET;
	entry->rsi = MEMORY_MAP_ZERO_PAGE;
	return 0;
}
