/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_boot.c - kernels made here, good and bad, put into guest memory
 *
 * The kernel's code is one recognizable word a page, so that a page in the wrong place is seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vmm/boot.h"
#include "vmm/guest_memory.h"
#include "vmm/memory_map.h"
#include "vmm/pci.h"
#include "vmm/vcpu_state.h"

#define MIB	    (UINT64_C(1) << 20)
#define RAM_BYTES   (32 * MIB)
#define CODE_BYTES  (64 * 1024)
#define SETUP_SECTS 4
#define CODE_OFFSET ((SETUP_SECTS + 1) * 512)
#define KERNEL_GPA  (16 * MIB)

/* A file that is written below, then loaded. */
struct test_file {
	int fd;
	size_t bytes;
	uint8_t data[CODE_OFFSET + CODE_BYTES];
};

struct test_stage {
	struct test_file kernel;
	int initrd_fd;
	int memory_fd;
	struct guest_memory *memory;
};

static int
test_open(size_t bytes)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

static void
test_write(struct test_file *file)
{
	assert_int_equal(ftruncate(file->fd, 0), 0);
	assert_int_equal(pwrite(file->fd, file->data, file->bytes, 0), file->bytes);
}

static void
test_mark_code(uint8_t *code)
{
	for (uint32_t at = 0; at < CODE_BYTES; at += 4096) {
		uint32_t mark = 0xc0de0000 + at;

		memcpy(code + at, &mark, sizeof(mark));
	}
}

static void
test_assert_code(const struct guest_memory *memory, uint64_t gpa)
{
	for (uint32_t at = 0; at < CODE_BYTES; at += 4096) {
		uint32_t mark = 0;

		assert_int_equal(guest_memory_read(memory, gpa + at, &mark, sizeof(mark)), 0);
		assert_int_equal(mark, 0xc0de0000 + at);
	}
}

static void
test_make_bzimage(struct test_file *file)
{
	struct setup_header header = {
		.setup_sects = SETUP_SECTS,
		.syssize = CODE_BYTES / 16,
		.boot_flag = 0xaa55,
		.jump = (sizeof(struct setup_header) + 0x1f1 - 0x202) << 8 | 0xeb,
		.header = 0x53726448,
		.version = 0x020f,
		.loadflags = LOADED_HIGH,
		.initrd_addr_max = 0x7fffffff,
		.kernel_alignment = 0x200000,
		.relocatable_kernel = 1,
		.xloadflags = XLF_KERNEL_64,
		.cmdline_size = 2047,
		.pref_address = KERNEL_GPA,
		.init_size = 4 * MIB,
	};

	file->bytes = CODE_OFFSET + CODE_BYTES;
	memset(file->data, 0xff, CODE_OFFSET);
	memcpy(file->data + 0x1f1, &header, sizeof(header));
	memset(file->data + CODE_OFFSET, 0, CODE_BYTES);
	test_mark_code(file->data + CODE_OFFSET);
	test_write(file);
}

/* Headers, then a note, then the code; in memory the code is followed by zeros. */
struct test_elf {
	Elf64_Ehdr head;
	Elf64_Phdr headers[2];
	struct {
		Elf64_Nhdr head;
		char name[4];
		uint32_t entry;
	} other, pvh;
};

static void
test_make_elf(struct test_file *file)
{
	struct test_elf elf = {
		.head = {
			.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_phoff = offsetof(struct test_elf, headers),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 2,
		},
		.headers = {
			{ .p_type = PT_LOAD, .p_offset = CODE_OFFSET, .p_paddr = KERNEL_GPA,
			  .p_filesz = CODE_BYTES, .p_memsz = CODE_BYTES + 8192 },
			{ .p_type = PT_NOTE, .p_offset = offsetof(struct test_elf, other),
			  .p_filesz = 2 * sizeof(elf.pvh) },
		},
		.other = { { 4, 4, 17 }, "Xen", 0x1234 },
		.pvh = { { 4, 4, 18 }, "Xen", KERNEL_GPA + 0x40 },
	};

	file->bytes = CODE_OFFSET + CODE_BYTES;
	memset(file->data, 0, sizeof(file->data));
	memcpy(file->data, &elf, sizeof(elf));
	test_mark_code(file->data + CODE_OFFSET);
	test_write(file);
}

static int
test_set_up(void **state)
{
	static struct test_stage stage;

	stage.kernel.fd = test_open(0);
	stage.initrd_fd = test_open(5 * 4096 + 1);
	stage.memory_fd = test_open(RAM_BYTES);
	assert_int_equal(pwrite(stage.initrd_fd, "first", 5, 0), 5);
	assert_int_equal(pwrite(stage.initrd_fd, "L", 1, 5 * 4096), 1);
	assert_int_equal(guest_memory_new(stage.memory_fd, RAM_BYTES, false, &stage.memory), 0);
	*state = &stage;
	return 0;
}

static int
test_tear_down(void **state)
{
	struct test_stage *stage = *state;

	guest_memory_free(stage->memory);
	close(stage->memory_fd);
	close(stage->initrd_fd);
	close(stage->kernel.fd);
	return 0;
}

static void
test_load(struct test_stage *stage, int initrd_fd, const char *line, struct vcpu_entry *entry)
{
	struct boot_source source = { stage->kernel.fd, initrd_fd, line, false };
	struct boot_problem problem = { "" };

	if (boot_load(stage->memory, &source, entry, &problem) != 0)
		fail_msg("%s", problem.text);
}

static void
test_assert_initrd(const struct guest_memory *memory, uint64_t gpa)
{
	char text[6] = "";

	assert_int_equal(guest_memory_read(memory, gpa, text, 5), 0);
	assert_string_equal(text, "first");
	assert_int_equal(guest_memory_read(memory, gpa + 5 * 4096, text, 1), 0);
	assert_int_equal(text[0], 'L');
}

static void
test_boot__enters_a_bzimage_in_long_mode(void **state)
{
	struct test_stage *stage = *state;
	struct vcpu_entry entry;
	struct boot_params params;
	char line[16] = "";
	uint64_t table[2];

	test_make_bzimage(&stage->kernel);
	test_load(stage, stage->initrd_fd, "console=ttyS0", &entry);
	assert_int_equal(entry.mode, VCPU_MODE_LONG);
	assert_int_equal(entry.rip, KERNEL_GPA + 0x200);
	assert_int_equal(entry.rsi, MEMORY_MAP_ZERO_PAGE);
	assert_int_equal(entry.page_table, MEMORY_MAP_PAGE_TABLES);
	test_assert_code(stage->memory, KERNEL_GPA);

	guest_memory_read(stage->memory, entry.rsi, &params, sizeof(params));
	assert_int_equal(params.hdr.header, 0x53726448);
	assert_int_equal(params.hdr.type_of_loader, 0xff);
	assert_int_equal(params.sentinel, 0);
	assert_int_equal(params.acpi_rsdp_addr, MEMORY_MAP_RSDP);
	guest_memory_read(stage->memory, params.hdr.cmd_line_ptr, line, sizeof(line));
	assert_string_equal(line, "console=ttyS0");
	assert_int_equal(params.hdr.ramdisk_size, 5 * 4096 + 1);
	assert_int_equal(params.hdr.ramdisk_image, RAM_BYTES - 6 * 4096);
	test_assert_initrd(stage->memory, params.hdr.ramdisk_image);

	/* its descriptor for selector 0x10 is 64-bit code; 4 GiB are mapped one to one */
	guest_memory_read(stage->memory, entry.gdt + 0x10, table, 8);
	assert_true(table[0] == UINT64_C(0x00af9b000000ffff));
	assert_true(entry.gdt_limit >= 0x2f);
	guest_memory_read(stage->memory, entry.page_table, table, 16);
	assert_int_equal(table[0], (MEMORY_MAP_PAGE_TABLES + 4096) | 3);
	assert_int_equal(table[1], 0);
	guest_memory_read(stage->memory, MEMORY_MAP_PAGE_TABLES + 4096 + 24, table, 16);
	assert_int_equal(table[0], (MEMORY_MAP_PAGE_TABLES + 5 * 4096) | 3);
	assert_int_equal(table[1], 0);
	guest_memory_read(stage->memory, MEMORY_MAP_PAGE_TABLES + 6 * 4096 - 8, table, 8);
	assert_int_equal(table[0], UINT64_C(0xffe00000) | 0x83);
}

/* As the kernel sees it; in order and apart. */
static void
test_boot__tells_the_kernel_of_its_memory(void **state)
{
	static const struct boot_e820_entry expected[] = {
		{ 0, MEMORY_MAP_LOW_END, 1 },	      { MEMORY_MAP_LOW_END, 0x400, 2 },
		{ MEMORY_MAP_RESERVED, 0x20000, 2 },  { MIB, GUEST_MEMORY_HOLE - MIB, 1 },
		{ PCI_ECAM_BASE, PCI_ECAM_BYTES, 2 }, { MEMORY_MAP_IDENTITY_PAGE, 0x4000, 2 },
		{ GUEST_MEMORY_HIGH, 2048 * MIB, 1 },
	};
	struct test_stage stage = *(struct test_stage *)*state;
	CLEANUP_CLOSE int fd = test_open(5120 * MIB);
	struct vcpu_entry entry;
	struct boot_params params;

	assert_int_equal(guest_memory_new(fd, 5120 * MIB, false, &stage.memory), 0);
	test_make_bzimage(&stage.kernel);
	test_load(&stage, stage.initrd_fd, "", &entry);
	guest_memory_read(stage.memory, MEMORY_MAP_ZERO_PAGE, &params, sizeof(params));
	assert_int_equal(params.e820_entries, sizeof(expected) / sizeof(expected[0]));
	assert_memory_equal(params.e820_table, expected, sizeof(expected));
	assert_int_equal(params.hdr.ramdisk_image, 0x80000000 - 6 * 4096); /* initrd_addr_max */
	guest_memory_free(stage.memory);
}

static void
test_boot__enters_an_elf_file_by_its_note(void **state)
{
	struct test_stage *stage = *state;
	struct vcpu_entry entry;
	uint64_t info[7], initrd[4], range[3];
	uint8_t rest[8192];

	test_make_elf(&stage->kernel);
	memset(guest_memory_find(stage->memory, KERNEL_GPA, CODE_BYTES + 8192), 0x55,
	       CODE_BYTES + 8192); /* what the guest left there */
	test_load(stage, stage->initrd_fd, "", &entry);
	assert_int_equal(entry.mode, VCPU_MODE_PROTECTED);
	assert_int_equal(entry.rip, KERNEL_GPA + 0x40);
	assert_int_equal(entry.rbx, MEMORY_MAP_PVH);
	test_assert_code(stage->memory, KERNEL_GPA);
	guest_memory_read(stage->memory, KERNEL_GPA + CODE_BYTES, rest, sizeof(rest));
	for (size_t i = 0; i < sizeof(rest); i++)
		assert_int_equal(rest[i], 0);

	/* struct hvm_start_info */
	guest_memory_read(stage->memory, entry.rbx, info, sizeof(info));
	assert_true(info[0] == (UINT64_C(1) << 32 | 0x336ec578));
	assert_true(info[1] == UINT64_C(1) << 32); /* flags, modules */
	assert_int_equal(info[3], MEMORY_MAP_COMMAND_LINE);
	assert_int_equal(info[4], MEMORY_MAP_RSDP);
	assert_int_equal(info[6], 6); /* no RAM above 4 GiB */
	guest_memory_read(stage->memory, info[2], initrd, sizeof(initrd));
	assert_int_equal(initrd[0], RAM_BYTES - 6 * 4096);
	assert_int_equal(initrd[1], 5 * 4096 + 1);
	test_assert_initrd(stage->memory, initrd[0]);
	guest_memory_read(stage->memory, info[5] + 3 * sizeof(range), range, sizeof(range));
	assert_int_equal(range[0], MIB);
	assert_int_equal(range[1], RAM_BYTES - MIB);
	assert_int_equal(range[2], 1);

	test_load(stage, -1, "", &entry);
	guest_memory_read(stage->memory, entry.rbx, info, sizeof(info));
	assert_int_equal(info[1], 0);
}

/* What the file has no data for is not written, and only then. */
static void
test_boot__leaves_empty_memory_alone(void **state)
{
	struct test_stage *stage = *state;
	struct vcpu_entry entry;
	uint8_t *code = guest_memory_find(stage->memory, KERNEL_GPA, CODE_BYTES + 8192);
	size_t hole = (CODE_OFFSET + 8191) / 4096 * 4096; /* a whole page of the file */
	uint8_t *inside = code + (hole - CODE_OFFSET);

	for (int empty = 0; empty < 2; empty++) {
		struct boot_source source = { stage->kernel.fd, -1, "", empty };
		struct boot_problem problem = { "" };

		test_make_elf(&stage->kernel);
		assert_int_equal(fallocate(stage->kernel.fd,
					   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)hole,
					   4096),
				 0);
		memset(code, 0x55, CODE_BYTES + 8192);
		if (boot_load(stage->memory, &source, &entry, &problem) != 0)
			fail_msg("%s", problem.text);
		assert_int_equal(inside[-1], stage->kernel.data[hole - 1]);
		assert_int_equal(inside[0], empty ? 0x55 : 0);
		assert_int_equal(inside[4095], empty ? 0x55 : 0);
		assert_int_equal(inside[4096], stage->kernel.data[hole + 4096]);
		assert_int_equal(code[CODE_BYTES - 1], 0);
		assert_int_equal(code[CODE_BYTES], empty ? 0x55 : 0);
	}
}

static void
test_boot__writes_everything_again(void **state)
{
	struct test_stage *stage = *state;
	struct vcpu_entry first = { 0 }, second = { 0 };
	static uint8_t before[RAM_BYTES];
	uint8_t *ram = guest_memory_find(stage->memory, 0, RAM_BYTES);

	test_make_bzimage(&stage->kernel);
	memset(ram, 0, RAM_BYTES);
	test_load(stage, stage->initrd_fd, "quiet", &first);
	memcpy(before, ram, RAM_BYTES);
	for (size_t at = 0; at < RAM_BYTES; at++) /* what is 0 need not be written again */
		if (before[at])
			ram[at] = 0xee;
	test_load(stage, stage->initrd_fd, "quiet", &second);
	assert_memory_equal(&first, &second, sizeof(first));
	assert_memory_equal(before, ram, RAM_BYTES);
}

/* One field of a good file is changed. */
struct test_change {
	size_t offset;
	size_t bytes; /* 0: the file ends at the offset */
	uint64_t value;
	const char *problem;
};

static void
test_check_changes(struct test_stage *stage, void (*make)(struct test_file *file),
		   const struct test_change *changes, size_t n_changes)
{
	for (size_t i = 0; i < n_changes; i++) {
		const struct test_change *change = &changes[i];
		struct boot_source source = { stage->kernel.fd, stage->initrd_fd, "quiet", false };
		struct boot_problem problem = { "" };
		struct vcpu_entry entry = { .rip = 1 };
		int result;

		make(&stage->kernel);
		if (change->bytes == 0)
			stage->kernel.bytes = change->offset;
		memcpy(stage->kernel.data + change->offset, &change->value, change->bytes);
		test_write(&stage->kernel);
		result = boot_load(stage->memory, &source, &entry, &problem);
		if (result != -EINVAL || !strstr(problem.text, change->problem))
			fail_msg("change %zu: result %d, '%s', not '%s'", i, result, problem.text,
				 change->problem);
		assert_int_equal(entry.rip, 1);
	}
}

#define HEADER(field) (0x1f1 + offsetof(struct setup_header, field))

static void
test_boot__refuses_bad_bzimages(void **state)
{
	static const struct test_change table[] = {
		{ 0, 0, 0, "truncated: 0 bytes" },
		{ 0x200, 0, 0, "truncated: 512 bytes" },
		{ CODE_OFFSET, 0, 0, "truncated: 2560 bytes, its header says 68096" },
		{ CODE_OFFSET + CODE_BYTES - 16, 0, 0, "truncated" },
		{ HEADER(boot_flag), 2, 0, "neither a bzImage nor an ELF" },
		{ HEADER(header), 4, 0, "neither a bzImage nor an ELF" },
		{ HEADER(version), 2, 0x020b, "older than 2.12" },
		{ HEADER(xloadflags), 2, 0, "no 64-bit entry" },
		{ HEADER(loadflags), 1, 0, "no 64-bit entry" },
		{ HEADER(init_size), 4, 0, "makes no sense" },
		{ HEADER(jump), 2, 0x02eb, "neither a bzImage" }, /* a header that ends too soon */
		{ HEADER(pref_address), 8, KERNEL_GPA + 1, "makes no sense" },
		{ HEADER(syssize), 4, 0, "truncated" },
		{ HEADER(syssize), 4, 0x20, "truncated" },
		{ HEADER(syssize), 4, UINT32_MAX, "truncated" },
		{ HEADER(setup_sects), 1, 0xff, "truncated" },
		{ HEADER(init_size), 4, 17 * MIB, "the kernel does not fit: it needs 17825792" },
		{ HEADER(init_size), 4, UINT32_MAX, "the kernel does not fit" },
		{ HEADER(init_size), 4, 16 * MIB, "the initrd does not fit" },
		{ HEADER(pref_address), 8, 0x1000, "the kernel does not fit" },
		{ HEADER(pref_address), 8, UINT64_MAX - 15, "the kernel does not fit" },
		{ HEADER(pref_address), 8, GUEST_MEMORY_HIGH, "the kernel does not fit" },
		{ HEADER(initrd_addr_max), 4, KERNEL_GPA, "the initrd does not fit" },
		{ HEADER(initrd_addr_max), 4, 4096, "the initrd does not fit" },
		{ HEADER(cmdline_size), 4, 4, "longer than the 4 bytes" },
	};

	test_check_changes(*state, test_make_bzimage, table, sizeof(table) / sizeof(table[0]));
}

#define ELF_HEAD(field)	   offsetof(struct test_elf, head.field)
#define ELF_SEGMENT(field) offsetof(struct test_elf, headers[0].field)
#define ELF_NOTE(field)	   offsetof(struct test_elf, headers[1].field)
#define ELF_PVH(field)	   offsetof(struct test_elf, pvh.field)

static void
test_boot__refuses_bad_elf_files(void **state)
{
	static const struct test_change table[] = {
		{ 20, 0, 0, "truncated" },
		{ 100, 0, 0, "truncated" },
		{ CODE_OFFSET + 100, 0, 0, "truncated" },
		{ EI_CLASS, 1, ELFCLASS32, "not for x86-64" },
		{ ELF_HEAD(e_machine), 2, EM_AARCH64, "not for x86-64" },
		{ ELF_HEAD(e_type), 2, ET_REL, "not a whole program" },
		{ ELF_HEAD(e_phnum), 2, 0, "program headers" },
		{ ELF_HEAD(e_phnum), 2, 17, "program headers" },
		{ ELF_HEAD(e_phentsize), 2, 55, "program headers" },
		{ ELF_HEAD(e_phoff), 8, UINT64_MAX, "truncated" },
		{ ELF_NOTE(p_type), 4, PT_NULL, "no PVH note" },
		{ ELF_NOTE(p_filesz), 8, 5000, "no PVH note" },
		{ ELF_NOTE(p_filesz), 8, 8, "no PVH note" },
		{ ELF_NOTE(p_filesz), 8, sizeof(((struct test_elf *)NULL)->pvh) + 19,
		  "no PVH note" },
		{ ELF_NOTE(p_offset), 8, UINT64_MAX - 8, "truncated" },
		{ ELF_PVH(head.n_type), 4, 19, "no PVH note" },
		{ ELF_PVH(head.n_namesz), 4, UINT32_MAX, "no PVH note" },
		{ ELF_PVH(head.n_descsz), 4, UINT32_MAX - 2, "no PVH note" },
		{ ELF_PVH(name), 1, 'x', "no PVH note" },
		{ ELF_PVH(entry), 4, KERNEL_GPA + CODE_BYTES, "in no segment" },
		{ ELF_PVH(entry), 4, KERNEL_GPA - 1, "in no segment" },
		{ ELF_SEGMENT(p_paddr), 8, 0x10000, "does not fit" },
		{ ELF_SEGMENT(p_paddr), 8, RAM_BYTES - 4096, "does not fit" },
		{ ELF_SEGMENT(p_paddr), 8, UINT64_MAX, "does not fit" },
		{ ELF_SEGMENT(p_memsz), 8, UINT64_MAX, "does not fit" },
		{ ELF_SEGMENT(p_memsz), 8, 16 * MIB, "the initrd does not fit" },
		{ ELF_SEGMENT(p_memsz), 8, CODE_BYTES - 1, "larger in the file" },
		{ ELF_SEGMENT(p_offset), 8, UINT64_MAX, "truncated" },
	};

	test_check_changes(*state, test_make_elf, table, sizeof(table) / sizeof(table[0]));
}

static void
test_boot__refuses_segments_that_overlap(void **state)
{
	struct test_stage *stage = *state;
	struct boot_source source = { stage->kernel.fd, -1, "", false };
	struct boot_problem problem = { "" };
	struct vcpu_entry entry;
	struct test_elf elf;

	test_make_elf(&stage->kernel);
	memcpy(&elf, stage->kernel.data, sizeof(elf));
	elf.head.e_phnum = 3;
	elf.head.e_phoff = 1024;
	memcpy(stage->kernel.data, &elf, sizeof(elf));
	memcpy(stage->kernel.data + 1024, elf.headers, sizeof(elf.headers));
	elf.headers[0].p_paddr += CODE_BYTES + 8192;
	memcpy(stage->kernel.data + 1024 + sizeof(elf.headers), elf.headers,
	       sizeof(elf.headers[0]));
	test_write(&stage->kernel);
	assert_int_equal(boot_load(stage->memory, &source, &entry, &problem), 0);
	test_assert_code(stage->memory, KERNEL_GPA + CODE_BYTES + 8192);

	elf.headers[0].p_paddr--;
	memcpy(stage->kernel.data + 1024 + sizeof(elf.headers), elf.headers,
	       sizeof(elf.headers[0]));
	test_write(&stage->kernel);
	assert_int_equal(boot_load(stage->memory, &source, &entry, &problem), -EINVAL);
	assert_non_null(strstr(problem.text, "overlap"));
}

static void
test_boot__refuses_other_bad_input(void **state)
{
	struct test_stage *stage = *state;
	static char line[5000];
	CLEANUP_CLOSE int empty_fd = test_open(0);
	CLEANUP_CLOSE int large_fd = test_open(RAM_BYTES + 4096);
	const struct {
		struct boot_source source;
		int result;
		const char *problem;
	} table[] = {
		{ { 999, -1, "", false }, -EBADF, "the kernel's file cannot be read: Bad file" },
		{ { stage->kernel.fd, 999, "", false }, -EBADF, "the initrd cannot be read: Bad file" },
		{ { stage->kernel.fd, empty_fd, "", false }, -EINVAL, "the initrd is empty" },
		{ { stage->kernel.fd, large_fd, "", false }, -EINVAL, "the initrd does not fit" },
		{ { stage->kernel.fd, -1, line, false }, -EINVAL, "the command line has 4999 bytes" },
	};

	test_make_bzimage(&stage->kernel);
	memset(line, 'x', sizeof(line) - 1);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct boot_problem problem = { "" };
		struct vcpu_entry entry;

		assert_int_equal(boot_load(stage->memory, &table[i].source, &entry, &problem),
				 table[i].result);
		if (!strstr(problem.text, table[i].problem))
			fail_msg("'%s', not '%s'", problem.text, table[i].problem);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boot__enters_a_bzimage_in_long_mode),
		cmocka_unit_test(test_boot__tells_the_kernel_of_its_memory),
		cmocka_unit_test(test_boot__enters_an_elf_file_by_its_note),
		cmocka_unit_test(test_boot__writes_everything_again),
		cmocka_unit_test(test_boot__leaves_empty_memory_alone),
		cmocka_unit_test(test_boot__refuses_bad_bzimages),
		cmocka_unit_test(test_boot__refuses_bad_elf_files),
		cmocka_unit_test(test_boot__refuses_segments_that_overlap),
		cmocka_unit_test(test_boot__refuses_other_bad_input),
	};

	return cmocka_run_group_tests(tests, test_set_up, test_tear_down);
}
