/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_kernel.c - guests of a few instructions, as kernels that the machine boots
 */
#include "tests/unit/guest_kernel.h"

#include <asm/bootparam.h>
#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NOTE_PVH      18 /* XEN_ELFNOTE_PHYS32_ENTRY */
#define SECTOR	      512
#define HEADER_OFFSET 0x1f1
#define INIT_BYTES    (1 << 16)

/* To be read only, as the machine wants it; -1. */
static int
guest_kernel_make_file(const void *head, size_t head_bytes, const uint8_t *code, size_t code_bytes)
{
	int fd = memfd_create("kernel", MFD_CLOEXEC);
	char path[64];
	int read_fd = -1;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, head, head_bytes) == (ssize_t)head_bytes &&
	    write(fd, code, code_bytes) == (ssize_t)code_bytes)
		read_fd = open(path, O_RDONLY | O_CLOEXEC);
	close(fd);
	return read_fd;
}

int
guest_kernel_make(const uint8_t *code, const uint8_t *code_end)
{
	struct {
		Elf64_Ehdr head;
		Elf64_Phdr segments[2];
		Elf64_Nhdr note;
		char note_name[4];
		uint32_t note_entry;
	} file = {
		.head = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			  .e_type = ET_EXEC,
			  .e_machine = EM_X86_64,
			  .e_version = EV_CURRENT,
			  .e_entry = GUEST_KERNEL_GPA,
			  .e_phoff = sizeof(file.head),
			  .e_ehsize = sizeof(file.head),
			  .e_phentsize = sizeof(file.segments[0]),
			  .e_phnum = 2 },
		.note = { .n_namesz = 4, .n_descsz = 4, .n_type = NOTE_PVH },
		.note_name = "Xen",
		.note_entry = GUEST_KERNEL_GPA,
	};
	size_t code_bytes = (size_t)(code_end - code);

	file.segments[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
					 .p_flags = PF_R | PF_X,
					 .p_offset = sizeof(file),
					 .p_vaddr = GUEST_KERNEL_GPA,
					 .p_paddr = GUEST_KERNEL_GPA,
					 .p_filesz = code_bytes,
					 .p_memsz = code_bytes,
					 .p_align = 1 };
	file.segments[1] =
		(Elf64_Phdr){ .p_type = PT_NOTE,
			      .p_offset = offsetof(__typeof__(file), note),
			      .p_filesz = sizeof(file) - offsetof(__typeof__(file), note),
			      .p_memsz = sizeof(file) - offsetof(__typeof__(file), note),
			      .p_align = 4 };
	return guest_kernel_make_file(&file, sizeof(file), code, code_bytes);
}

/* Linux Documentation/x86/boot.rst: two sectors for real mode, then what is loaded. */
int
guest_kernel_make_bzimage(const uint8_t *code, const uint8_t *code_end)
{
	size_t code_bytes = (size_t)(code_end - code);
	uint8_t file[2 * SECTOR + GUEST_KERNEL_ENTRY_64] = { 0 };
	const struct setup_header header = {
		.setup_sects = 1,
		.syssize = (uint32_t)((GUEST_KERNEL_ENTRY_64 + code_bytes + 15) / 16),
		.boot_flag = 0xaa55,
		.jump = (HEADER_OFFSET + sizeof(header) - 0x202) << 8 | 0xeb,
		.header = 0x53726448, /* HdrS */
		.version = 0x020f,
		.loadflags = LOADED_HIGH,
		.initrd_addr_max = 0x7fffffff,
		.xloadflags = XLF_KERNEL_64,
		.cmdline_size = 2047,
		.pref_address = GUEST_KERNEL_GPA,
		.init_size = INIT_BYTES,
	};

	memcpy(file + HEADER_OFFSET, &header, sizeof(header));
	return guest_kernel_make_file(file, sizeof(file), code, code_bytes);
}
