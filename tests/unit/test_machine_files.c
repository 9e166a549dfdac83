/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_machine_files.c - one file is one thing of a machine: its memory, a base, or what one disk is kept in
 *
 * Whole machines on /dev/kvm, which are made but not run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/guest_kernel.h"
#include "tests/unit/machine_stage.h"
#include "vmm/description.h"
#include "vmm/devices.h"
#include "vmm/machine.h"

#define EXIT_SKIP  77
#define DISK_BYTES 65536

GUEST(halt, "cli\n1: hlt\njmp 1b\n");

/* "image" is what the root is kept in, "other" free; each has a descriptor that only reads where one is needed. */
struct stage {
	struct description description;
	struct machine *machine;
	char problem[MACHINE_PROBLEM_BYTES];
	int image, image_read;
	int base, base_read;
	int memory, memory_read; /* the guest's */
	int other;
};

/* The same file, for reading only. */
static int
stage_reopen(int fd)
{
	char path[64];
	int copy;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	copy = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(copy >= 0);
	return copy;
}

static int
stage_make_file(off_t bytes)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, bytes), 0);
	return fd;
}

static int
stage_open(void **state)
{
	struct stage *stage = test_calloc(1, sizeof(*stage));

	assert_int_equal(machine_stage_describe(guest_kernel_make(guest_halt, guest_halt_end),
						&stage->description),
			 0);
	stage->image = stage_make_file(0);
	stage->base = stage_make_file(DISK_BYTES);
	stage->other = stage_make_file(DISK_BYTES);
	stage->memory = dup(stage->description.memory_fd);
	stage->image_read = stage_reopen(stage->image);
	stage->base_read = stage_reopen(stage->base);
	stage->memory_read = stage_reopen(stage->memory);
	*state = stage;
	return 0;
}

static int
stage_close(void **state)
{
	struct stage *stage = *state;

	machine_free(stage->machine);
	machine_stage_close(&stage->description);
	close(stage->memory_read);
	close(stage->base_read);
	close(stage->image_read);
	close(stage->memory);
	close(stage->other);
	close(stage->base);
	close(stage->image);
	test_free(stage);
	return 0;
}

/* A root that is kept in "image", and a home as it is given. */
static int
stage_make(struct stage *stage, int root_base, int home_base, int home)
{
	struct description_disk *disks = stage->description.disks;

	stage->description.n_disks = 2;
	disks[0] =
		(struct description_disk){ DESCRIPTION_SLOT_DISK, "root", root_base, stage->image };
	disks[1] = (struct description_disk){ DESCRIPTION_SLOT_HOME, "home", home_base, home };
	return machine_new(&stage->description, &stage->machine, stage->problem);
}

/* Also when it is opened once and has two descriptors, which the file's lock does not tell apart. */
static void
test_machine_files__one_file_is_of_one_disk(void **state)
{
	struct stage *stage = *state;
	struct devices *devices;
	int same = dup(stage->image);

	assert_int_equal(ftruncate(stage->image, DISK_BYTES), 0);
	assert_int_equal(stage_make(stage, -1, -1, same), -EAGAIN);
	assert_int_equal(stage_make(stage, -1, -1, -1), 0);
	devices = machine_get_devices(stage->machine);
	assert_int_equal(devices_attach_home(devices, -1, same), -EAGAIN);
	assert_int_equal(devices_attach_home(devices, stage->image_read, stage->other), -EAGAIN);
	assert_int_equal(devices_attach_home(devices, -1, stage->other), 0);
	assert_int_equal(devices_attach_home(devices, -1, same), -EAGAIN);
	assert_int_equal(devices_attach_home(devices, -1, stage->other), -EBUSY);
	close(same);
}

static void
test_machine_files__the_memory_is_no_disk(void **state)
{
	struct stage *stage = *state;
	struct devices *devices;

	assert_int_equal(stage_make(stage, stage->base_read, -1, stage->memory), -EINVAL);
	assert_int_equal(stage_make(stage, stage->memory_read, -1, -1), -EINVAL);
	assert_int_equal(stage_make(stage, stage->base_read, -1, -1), 0);
	devices = machine_get_devices(stage->machine);
	assert_int_equal(devices_attach_home(devices, -1, stage->memory), -EINVAL);
	assert_int_equal(ftruncate(stage->other, 0), 0);
	assert_int_equal(devices_attach_home(devices, stage->memory_read, stage->other), -EINVAL);
	assert_int_equal(devices_attach_home(devices, -1, stage->image), -EAGAIN);
}

static void
test_machine_files__a_base_is_shared_but_not_written(void **state)
{
	struct stage *stage = *state;
	struct devices *devices;

	assert_int_equal(ftruncate(stage->other, 0), 0);
	assert_int_equal(stage_make(stage, stage->base_read, -1, stage->base), -EINVAL);
	assert_int_equal(stage_make(stage, stage->base_read, -1, -1), 0);
	devices = machine_get_devices(stage->machine);
	assert_int_equal(devices_attach_home(devices, -1, stage->base), -EINVAL);
	assert_int_equal(devices_attach_home(devices, stage->base_read, stage->other), 0);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_machine_files__##name, stage_open, stage_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_file_is_of_one_disk),
		TEST(the_memory_is_no_disk),
		TEST(a_base_is_shared_but_not_written),
	};

	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		printf("/dev/kvm cannot be opened: %s\n", strerror(errno));
		return EXIT_SKIP;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
