/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * boot_elf.c - loads an ELF kernel with a PVH note (carrel-vmm; Xen docs/misc/pvh.pandoc, xen/include/public/arch-x86/hvm/
 * start_info.h)
 *
 * It is entered in 32-bit protected mode with ebx at struct hvm_start_info, which names command line, RSDP, initrd ("module
 * 0") and memory map. Linux' vmlinux is such a file, and so are the guests in tests/guests/.
 */
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "vmm/boot_image.h"
#include "vmm/guest_memory.h"
#include "vmm/memory_map.h"

#define MAX_HEADERS	   16
#define MAX_NOTE_BYTES	   4096
#define NOTE_PHYS32_ENTRY  18 /* XEN_ELFNOTE_PHYS32_ENTRY */
#define NOTE_NAME	   "Xen"
#define START_INFO_MAGIC   0x336ec578
#define START_INFO_VERSION 1

struct elf_file {
	Elf64_Ehdr head;
	Elf64_Phdr headers[MAX_HEADERS];
	uint64_t entry;
	uint64_t end; /* of the last segment in memory */
};

/* What lies at MEMORY_MAP_PVH */
struct elf_start_info {
	struct {
		uint32_t magic;
		uint32_t version;
		uint32_t flags;
		uint32_t n_modules;
		uint64_t modules_gpa;
		uint64_t command_line_gpa;
		uint64_t rsdp_gpa;
		uint64_t ranges_gpa;
		uint32_t n_ranges;
		uint32_t reserved;
	} head;
	struct {
		uint64_t gpa;
		uint64_t bytes;
		uint64_t command_line_gpa;
		uint64_t reserved;
	} initrd;
	struct {
		uint64_t start;
		uint64_t bytes;
		uint32_t type;
		uint32_t reserved;
	} ranges[BOOT_MAX_RANGES];
};

static int
boot_elf_refuse(struct boot_image *image, const char *why)
{
	BOOT_PROBLEM(image, "the kernel is no ELF file that we can start: %s", why);
	return -EINVAL;
}

static int
boot_elf_read_headers(struct boot_image *image, struct elf_file *file)
{
	const Elf64_Ehdr *head = &file->head;
	int error = boot_image_read(image, 0, &file->head, sizeof(file->head));

	if (error)
		return error;
	if (head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_ident[EI_DATA] != ELFDATA2LSB ||
	    head->e_machine != EM_X86_64)
		return boot_elf_refuse(image, "it is not for x86-64");
	if (head->e_type != ET_EXEC && head->e_type != ET_DYN)
		return boot_elf_refuse(image, "it is not a whole program");
	if (head->e_phnum == 0 || head->e_phnum > MAX_HEADERS ||
	    head->e_phentsize != sizeof(file->headers[0]))
		return boot_elf_refuse(image, "its program headers make no sense");
	return boot_image_read(image, head->e_phoff, file->headers,
			       head->e_phnum * sizeof(file->headers[0]));
}

/* A note's parts begin at multiples of 4 bytes. */
static size_t
boot_elf_round(size_t bytes)
{
	return (bytes + 3) & ~(size_t)3;
}

/* The entry that PVH's note names, or 0. */
static uint64_t
boot_elf_find_entry(const uint8_t *notes, size_t bytes)
{
	Elf64_Nhdr note;
	uint64_t entry;

	for (size_t at = 0; bytes - at >= sizeof(note);) {
		size_t name, value, next;

		memcpy(&note, notes + at, sizeof(note));
		name = at + sizeof(note);
		if (note.n_namesz > MAX_NOTE_BYTES || note.n_descsz > MAX_NOTE_BYTES)
			return 0;
		value = name + boot_elf_round(note.n_namesz);
		next = value + boot_elf_round(note.n_descsz);
		if (next > bytes)
			return 0;
		if (note.n_type == NOTE_PHYS32_ENTRY && note.n_namesz == sizeof(NOTE_NAME) &&
		    memcmp(notes + name, NOTE_NAME, sizeof(NOTE_NAME)) == 0 &&
		    (note.n_descsz == sizeof(uint32_t) || note.n_descsz == sizeof(uint64_t))) {
			entry = 0;
			memcpy(&entry, notes + value, note.n_descsz);
			return entry;
		}
		at = next;
	}
	return 0;
}

static int
boot_elf_read_entry(struct boot_image *image, struct elf_file *file)
{
	for (size_t i = 0; i < file->head.e_phnum && file->entry == 0; i++) {
		const Elf64_Phdr *header = &file->headers[i];
		uint8_t notes[MAX_NOTE_BYTES];
		int error;

		if (header->p_type != PT_NOTE || header->p_filesz > sizeof(notes))
			continue;
		error = boot_image_read(image, header->p_offset, notes, header->p_filesz);
		if (error)
			return error;
		file->entry = boot_elf_find_entry(notes, header->p_filesz);
	}
	return file->entry ? 0 : boot_elf_refuse(image, "it has no PVH note");
}

/*
 * The rest of a segment is zeros. At a reset the guest's last words are still there; at the start nothing is, and half of a
 * Debian kernel is zeros: what is not written then costs neither time nor the host's memory.
 */
static int
boot_elf_load_segment(struct boot_image *image, const Elf64_Phdr *header)
{
	uint8_t *host = boot_image_find_room(image, header->p_paddr, header->p_memsz);
	int error;

	if (!host)
		return -EINVAL;
	if (header->p_filesz > header->p_memsz)
		return boot_elf_refuse(image, "a segment is larger in the file than in memory");
	if (image->source->memory_is_empty)
		return boot_image_read_data(image, header->p_offset, host, header->p_filesz);
	error = boot_image_read(image, header->p_offset, host, header->p_filesz);
	if (!error)
		memset(host + header->p_filesz, 0, header->p_memsz - header->p_filesz);
	return error;
}

/* Segments stand in order and apart; the entry is in one of them. */
static int
boot_elf_load_segments(struct boot_image *image, struct elf_file *file)
{
	bool inside = false;

	for (size_t i = 0; i < file->head.e_phnum; i++) {
		const Elf64_Phdr *header = &file->headers[i];
		int error;

		if (header->p_type != PT_LOAD || header->p_memsz == 0)
			continue;
		if (header->p_paddr < file->end)
			return boot_elf_refuse(image, "its segments overlap or are out of order");
		error = boot_elf_load_segment(image, header);
		if (error)
			return error;
		file->end = header->p_paddr + header->p_memsz;
		if (file->entry >= header->p_paddr &&
		    file->entry - header->p_paddr < header->p_filesz)
			inside = true;
	}
	return inside ? 0 : boot_elf_refuse(image, "its PVH entry is in no segment");
}

static int
boot_elf_write_start_info(const struct boot_image *image)
{
	struct boot_range ranges[BOOT_MAX_RANGES];
	size_t n_ranges = boot_image_list_ranges(image, ranges);
	struct elf_start_info info = {
		.head = {
			.magic = START_INFO_MAGIC,
			.version = START_INFO_VERSION,
			.n_modules = image->initrd_bytes > 0,
			.modules_gpa = MEMORY_MAP_PVH + offsetof(struct elf_start_info, initrd),
			.command_line_gpa = MEMORY_MAP_COMMAND_LINE,
			.rsdp_gpa = MEMORY_MAP_RSDP,
			.ranges_gpa = MEMORY_MAP_PVH + offsetof(struct elf_start_info, ranges),
			.n_ranges = (uint32_t)n_ranges,
		},
		.initrd = { .gpa = image->initrd_gpa, .bytes = image->initrd_bytes },
	};

	for (size_t i = 0; i < n_ranges; i++) {
		info.ranges[i].start = ranges[i].start;
		info.ranges[i].bytes = ranges[i].bytes;
		info.ranges[i].type = ranges[i].type;
	}
	return guest_memory_write(image->memory, MEMORY_MAP_PVH, &info, sizeof(info));
}

int
boot_elf_load(struct boot_image *image, struct vcpu_entry *entry)
{
	struct elf_file file = { 0 };
	int error = boot_elf_read_headers(image, &file);

	if (!error)
		error = boot_elf_read_entry(image, &file);
	if (!error)
		error = boot_elf_load_segments(image, &file);
	if (!error)
		error = boot_image_load_initrd(image, file.end, GUEST_MEMORY_HOLE);
	if (!error)
		error = boot_elf_write_start_info(image);
	if (error)
		return error;
	entry->mode = VCPU_MODE_PROTECTED;
	entry->rip = file.entry;
	entry->rbx = MEMORY_MAP_PVH;
	return 0;
}
