/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_overlay.c - an overlay file of any contents, opened over a small base and worked with
 *
 * The first byte's bit 0: the header's hash is made right, so that its fields are looked at. Bit 1: the file is as short
 * as the input, else it has its full length. The rest is the file's beginning: header, and the table at 4096.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/disk_stage.h"
#include "tests/unit/fake_platform.h"
#include "vmm/disk.h"
#include "vmm/overlay_file.h"

#define OPTION_RIGHT_HASH 1
#define OPTION_SHORT	  2
#define BASE_BYTES	  (20 * 65536 + 512)
#define FILE_BYTES	  (65536 + BASE_BYTES)
#define MAX_BYTES	  (64 * 1024)

struct stage {
	struct fake_platform *fake;
	struct disk_io *io;
	int base_fd;
	uint64_t fingerprint;
	char data[70 * 1024];
	struct disk_request request;
	int done;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
handle_batch(void *context)
{
	(void)context;
}

static void
handle_space(void *context, bool lacks)
{
	(void)context;
	(void)lacks;
}

static void
open_stage(struct stage *stage)
{
	struct disk_io_events events = { handle_batch, handle_space, stage };

	stage->base_fd = disk_stage_make_file(BASE_BYTES, 1);
	if (stage->base_fd < 0 || fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &stage->fake) < 0 ||
	    disk_io_new(stage->fake->platform.loop, "fuzz", &events, &stage->io) < 0 ||
	    overlay_file_fingerprint(stage->base_fd, BASE_BYTES, &stage->fingerprint) < 0)
		abort();
}

static void
correct_header(const struct stage *stage, char *file)
{
	struct overlay_header header;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	memcpy(&header, file, sizeof(header));
	header.base_fingerprint ^= stage->fingerprint;
	for (size_t i = 0; i < offsetof(struct overlay_header, check); i++)
		hash = (hash ^ ((const uint8_t *)&header)[i]) * UINT64_C(0x100000001b3);
	header.check = hash;
	memcpy(file, &header, sizeof(header));
}

static int
make_overlay(const struct stage *stage, uint8_t options, const uint8_t *data, size_t size)
{
	char file[MAX_BYTES] = { 0 };
	int fd = memfd_create("overlay", MFD_CLOEXEC);

	size = size < sizeof(file) ? size : sizeof(file);
	memcpy(file, data, size);
	if (options & OPTION_RIGHT_HASH && size >= sizeof(struct overlay_header))
		correct_header(stage, file);
	if (fd < 0 || pwrite(fd, file, size, 0) != (ssize_t)size ||
	    (!(options & OPTION_SHORT) && ftruncate(fd, FILE_BYTES) < 0))
		abort();
	return fd;
}

static void
handle_done(struct disk_request *request, int result)
{
	struct stage *stage = (struct stage *)((char *)request - offsetof(struct stage, request));

	/* the base and the overlay are whole: nothing may fail */
	if (result != 0)
		abort();
	stage->done++;
}

static void
work(struct stage *stage, struct disk *disk)
{
	static const enum disk_kind kinds[] = { DISK_READ,  DISK_WRITE,	  DISK_READ, DISK_ZERO,
						DISK_FLUSH, DISK_DISCARD, DISK_READ };

	for (uint64_t at = 512; at + sizeof(stage->data) < BASE_BYTES; at += 3 * 65536) {
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
			stage->request.kind = kinds[i];
			stage->request.offset = at;
			stage->request.bytes = sizeof(stage->data);
			stage->request.n_segments = 1;
			stage->request.segments[1] =
				(struct iovec){ stage->data, sizeof(stage->data) };
			stage->request.done = handle_done;
			stage->done = 0;
			disk_submit(disk, &stage->request);
			disk_io_drain(stage->io);
			if (stage->done != 1)
				abort();
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stage stage;
	struct disk *disk;
	int overlay_fd;

	if (!stage.fake)
		open_stage(&stage);
	if (size < 1)
		return 0;
	overlay_fd = make_overlay(&stage, data[0], data + 1, size - 1);
	if (disk_open("fuzz", stage.io, stage.base_fd, overlay_fd, &disk) == 0) {
		work(&stage, disk);
		if (disk_sync(disk) < 0)
			abort();
		disk_close(disk);
		/* what was opened once opens again */
		if (disk_open("fuzz", stage.io, stage.base_fd, overlay_fd, &disk) < 0)
			abort();
		disk_close(disk);
	}
	close(overlay_fd);
	return 0;
}
