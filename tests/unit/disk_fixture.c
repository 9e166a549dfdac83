/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * disk_fixture.c - a disk on a machine without KVM, with its two files, and what its ring has told
 */
#include "tests/unit/disk_fixture.h"

#include <unistd.h>

#include "base/cleanup.h"
#include "tests/unit/disk_stage.h"

static void
disk_fixture_handle_batch(void *context)
{
	struct disk_fixture *f = context;

	f->n_batches++;
}

static void
disk_fixture_handle_space(void *context, bool lacks)
{
	struct disk_fixture *f = context;

	f->lacks_space = lacks;
	if (lacks)
		f->n_lacks++;
	else
		f->n_has++;
}

int
disk_fixture_make_io(struct disk_fixture *f)
{
	struct disk_io_events events = { disk_fixture_handle_batch, disk_fixture_handle_space, f };
	int error = fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &f->fake);

	if (error < 0)
		return error;
	return disk_io_new(f->fake->platform.loop, "test", &events, &f->io);
}

int
disk_fixture_open(struct disk_fixture *f, uint64_t base_bytes, uint32_t seed)
{
	CLEANUP_CLOSE int base = disk_stage_make_file(base_bytes, seed);

	*f = (struct disk_fixture){ .base_fd = -1, .overlay_fd = -1 };
	if (base < 0)
		return base;
	f->base_fd = disk_stage_reopen_read_only(base);
	if (f->base_fd < 0)
		return f->base_fd;
	f->overlay_fd = disk_stage_make_file(0, 0);
	if (f->overlay_fd < 0)
		return f->overlay_fd;
	return disk_fixture_make_io(f);
}

int
disk_fixture_open_disk(struct disk_fixture *f)
{
	return disk_open("test", f->io, f->base_fd, f->overlay_fd, &f->disk);
}

void
disk_fixture_close_disk(struct disk_fixture *f)
{
	disk_close(f->disk);
	f->disk = NULL;
}

void
disk_fixture_close(struct disk_fixture *f)
{
	disk_fixture_close_disk(f);
	disk_io_free(f->io);
	fake_platform_free(f->fake);
	if (f->base_fd >= 0)
		close(f->base_fd);
	if (f->overlay_fd >= 0)
		close(f->overlay_fd);
}
