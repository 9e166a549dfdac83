/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_kernel.c - guests of a few instructions, as kernels that the machine boots
 */
#include "tests/unit/guest_kernel.h"

#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define NOTE_PVH 18 /* XEN_ELFNOTE_PHYS32_ENTRY */

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
	int fd = memfd_create("kernel", MFD_CLOEXEC);
	char path[64];
	int read_fd;

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
	if (write(fd, &file, sizeof(file)) != (ssize_t)sizeof(file) ||
	    write(fd, code, code_bytes) != (ssize_t)code_bytes) {
		close(fd);
		return -1;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	read_fd = open(path, O_RDONLY | O_CLOEXEC);
	close(fd);
	return read_fd;
}
