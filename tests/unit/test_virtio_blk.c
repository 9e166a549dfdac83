/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_virtio_blk.c - a disk as a guest's driver sees it (virtio 1.2 section 5.2)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>

#include "base/cleanup.h"
#include "tests/unit/disk_stage.h"
#include "tests/unit/fake_platform.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/loop.h"
#include "vmm/pci.h"
#include "vmm/slots.h"
#include "vmm/virtio.h"
#include "vmm/virtio_blk.h"

#define TEST_SECTORS	 4000
#define TEST_BYTES	 (TEST_SECTORS * 512)
#define TEST_SEED	 3
#define TEST_DEPTH	 24
#define TEST_MAX_SECTORS 160

#define CONFIG(field) \
	offsetof(struct virtio_blk_config, field), sizeof(((struct virtio_blk_config *)0)->field)
#define FEATURE(name) (UINT64_C(1) << VIRTIO_BLK_F_##name)

struct stage {
	struct fake_platform *fake;
	struct pci_root *root;
	struct virtio_device *device;
	struct virtio_driver driver;
	int base_fd;
	int overlay_fd;
	bool lacks_space;
	int n_lacks;
	char content[TEST_BYTES];
};

static void
stage_handle_space(void *context, bool lacks)
{
	struct stage *stage = context;

	stage->lacks_space = lacks;
	stage->n_lacks += lacks;
}

static void
stage_plug(struct stage *stage, int base_fd, int overlay_fd)
{
	struct virtio_blk_options options = {
		.name = "test",
		.serial = "carrel-disk-1",
		.base_fd = base_fd,
		.overlay_fd = overlay_fd,
		.n_queues = 2,
		.lacks_space = stage_handle_space,
		.context = stage,
	};

	assert_int_equal(pci_root_new(&stage->fake->platform, &stage->root), 0);
	assert_int_equal(virtio_blk_new(&stage->fake->platform, &options, &stage->device), 0);
	assert_int_equal(
		virtio_pci_new(stage->root, SLOT_DISK, VIRTIO_BLK_CLASS_CODE, stage->device), 0);
	pci_root_reset(stage->root);
	assert_int_equal(virtio_driver_open(&stage->driver, stage->fake, SLOT_DISK), 0);
	assert_int_equal(virtio_driver_start(&stage->driver, VIRTIO_DRIVER_ALL_FEATURES), 0);
}

static void
stage_unplug(struct stage *stage)
{
	if (!stage->root)
		return;
	virtio_driver_close(&stage->driver);
	pci_root_free(stage->root);
	stage->root = NULL;
}

static int
stage_open_empty(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));
	CLEANUP_CLOSE int base = disk_stage_make_file(TEST_BYTES, TEST_SEED);

	if (!stage || base < 0)
		return -1;
	stage->base_fd = disk_stage_reopen_read_only(base);
	stage->overlay_fd = disk_stage_make_file(0, 0);
	disk_stage_fill(stage->content, TEST_BYTES, TEST_SEED);
	*state = stage;
	return fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &stage->fake);
}

static int
stage_open(void **state)
{
	struct stage *stage;

	if (stage_open_empty(state) < 0)
		return -1;
	stage = *state;
	stage_plug(stage, stage->base_fd, stage->overlay_fd);
	return 0;
}

static int
stage_close(void **state)
{
	struct stage *stage = *state;

	stage_unplug(stage);
	fake_platform_free(stage->fake);
	close(stage->base_fd);
	close(stage->overlay_fd);
	free(stage);
	return 0;
}

/* One request, with data for it or room for its answer. Its status; -errno when it never came back. */
static int
stage_ask(struct stage *stage, uint32_t type, uint64_t sector, const void *out, size_t out_bytes,
	  void *in, size_t in_bytes)
{
	static char request[16 + 65536], answer[65536 + 1];
	struct virtio_blk_outhdr header = { .type = htole32(type), .sector = htole64(sector) };
	int written;

	memcpy(request, &header, sizeof(header));
	if (out_bytes > 0)
		memcpy(request + sizeof(header), out, out_bytes);
	written = virtio_driver_transfer(&stage->driver, 0, request, sizeof(header) + out_bytes,
					 answer, in_bytes + 1);
	if (written < 0)
		return written;
	if (answer[in_bytes] == VIRTIO_BLK_S_OK)
		assert_int_equal(written, in_bytes + 1);
	if (in_bytes > 0)
		memcpy(in, answer, in_bytes);
	return answer[in_bytes];
}

static void
test_virtio_blk__says_what_it_is(void **state)
{
	static const struct {
		size_t offset;
		size_t bytes;
		uint64_t value;
	} fields[] = {
		{ CONFIG(capacity), TEST_SECTORS },
		{ CONFIG(seg_max), 254 },
		{ CONFIG(blk_size), 512 },
		{ CONFIG(physical_block_exp), 3 },
		{ CONFIG(wce), 1 },
		{ CONFIG(num_queues), 2 },
		{ CONFIG(max_discard_sectors), 524288 },
		{ CONFIG(max_discard_seg), 1 },
		{ CONFIG(max_write_zeroes_seg), 1 },
		{ CONFIG(write_zeroes_may_unmap), 1 },
	};
	struct stage *stage = *state;
	uint64_t wanted = FEATURE(SEG_MAX) | FEATURE(SIZE_MAX) | FEATURE(BLK_SIZE) |
			  FEATURE(FLUSH) | FEATURE(TOPOLOGY) | FEATURE(CONFIG_WCE) |
			  FEATURE(DISCARD) | FEATURE(WRITE_ZEROES) | FEATURE(MQ);

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		assert_int_equal(virtio_driver_get_config(&stage->driver,
							  (uint32_t)fields[i].offset,
							  (uint32_t)fields[i].bytes),
				 fields[i].value);
	assert_int_equal(stage->driver.features & 0xffffff, wanted);
}

static void
test_virtio_blk__reads_writes_and_names_itself(void **state)
{
	struct stage *stage = *state;
	struct virtio_blk_statistics statistics;
	char data[4096], again[4096], id[20];

	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_IN, 100, NULL, 0, again, sizeof(again)), 0);
	assert_memory_equal(again, stage->content + 51200, sizeof(again));
	disk_stage_fill(data, sizeof(data), 77);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_OUT, 101, data, sizeof(data), NULL, 0), 0);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_FLUSH, 0, NULL, 0, NULL, 0), 0);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_IN, 101, NULL, 0, again, sizeof(again)), 0);
	assert_memory_equal(again, data, sizeof(data));
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_GET_ID, 0, NULL, 0, id, sizeof(id)), 0);
	assert_memory_equal(id, "carrel-disk-1\0\0\0\0\0\0", sizeof(id));
	virtio_blk_get_statistics(stage->device, &statistics);
	assert_int_equal(statistics.reads, 2);
	assert_int_equal(statistics.read_bytes, 8192);
	assert_int_equal(statistics.written_bytes, 4096);
	assert_int_equal(statistics.flushes, 1);
	assert_true(virtio_driver_count_interrupts(&stage->driver, 0) > 0);
}

static int
stage_ask_hole(struct stage *stage, uint32_t type, uint64_t sector, uint32_t n, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes range = { .sector = htole64(sector),
							 .num_sectors = htole32(n),
							 .flags = htole32(flags) };

	return stage_ask(stage, type, 0, &range, sizeof(range), NULL, 0);
}

static void
test_virtio_blk__zeroes_and_discards(void **state)
{
	struct stage *stage = *state;
	char data[1024], zeros[1024] = { 0 };

	assert_int_equal(stage_ask_hole(stage, VIRTIO_BLK_T_WRITE_ZEROES, 10, 2, 0), 0);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_IN, 10, NULL, 0, data, sizeof(data)), 0);
	assert_memory_equal(data, zeros, sizeof(data));
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_IN, 12, NULL, 0, data, sizeof(data)), 0);
	assert_memory_equal(data, stage->content + 12 * 512, sizeof(data));
	assert_int_equal(stage_ask_hole(stage, VIRTIO_BLK_T_WRITE_ZEROES, 128, 200,
					VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP),
			 0);
	assert_int_equal(stage_ask_hole(stage, VIRTIO_BLK_T_DISCARD, 256, 128, 0), 0);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_IN, 380, NULL, 0, data, sizeof(data)), 0);
	assert_memory_equal(data, zeros, sizeof(data));
	assert_int_equal(stage_ask_hole(stage, VIRTIO_BLK_T_DISCARD, 5, 0, 0), 0);
}

static void
test_virtio_blk__wrong_requests_get_their_status(void **state)
{
	struct stage *stage = *state;
	char data[1024];

	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_IN, TEST_SECTORS, NULL, 0, data, 512),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_OUT, TEST_SECTORS - 1, data, 1024, NULL, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_IN, UINT64_MAX, NULL, 0, data, 512),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_IN, 0, NULL, 0, data, 511),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_OUT, 0, data, 513, NULL, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_GET_ID, 0, NULL, 0, data, 19),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_SCSI_CMD, 0, NULL, 0, data, 512),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_DISCARD, 0, data, 8, NULL, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(stage_ask_hole(stage, VIRTIO_BLK_T_DISCARD, 0, 8, 1), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(stage_ask_hole(stage, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 2),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(stage_ask_hole(stage, VIRTIO_BLK_T_WRITE_ZEROES, 0, UINT32_MAX, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(stage_ask_hole(stage, VIRTIO_BLK_T_DISCARD, TEST_SECTORS - 1, 2, 0),
			 VIRTIO_BLK_S_IOERR);
	/* and it goes on */
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_IN, 0, NULL, 0, data, 512), 0);
	assert_false(virtio_driver_get_status(&stage->driver) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void
test_virtio_blk__without_header_or_status_it_needs_reset(void **state)
{
	struct stage *stage = *state;
	char data[512];
	const struct driver_buffer cases[] = {
		{ fake_platform_alloc(stage->fake, 4096, 4096), 15, false },
		{ fake_platform_alloc(stage->fake, 4096, 4096), 512, true },
		{ fake_platform_alloc(stage->fake, 4096, 4096), 512, false },
	};

	for (int i = 0; i < 3; i++) {
		assert_true(driver_ring_add(stage->driver.rings[1], &cases[i], 1) >= 0);
		virtio_driver_kick(&stage->driver, 1);
		assert_true(virtio_driver_get_status(&stage->driver) & VIRTIO_CONFIG_S_NEEDS_RESET);
		assert_int_equal(virtio_driver_start(&stage->driver, VIRTIO_DRIVER_ALL_FEATURES),
				 0);
		assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_IN, 0, NULL, 0, data, 512), 0);
	}
}

/* A request of the random test, in guest memory: header and status in one page, data behind it */
struct flight {
	bool busy;
	uint32_t type;
	uint32_t queue;
	uint64_t sector;
	uint32_t n;
	uint64_t gpa;
	char *host;
	int head;
};

static bool
flight_may_start(const struct flight *flights, uint64_t sector, uint32_t n)
{
	for (int i = 0; i < TEST_DEPTH; i++) {
		if (flights[i].busy && sector < flights[i].sector + flights[i].n &&
		    flights[i].sector < sector + n)
			return false;
	}
	return true;
}

static void
flight_start(struct stage *stage, struct flight *flight, uint32_t *seed)
{
	uint32_t data = flight->n * 512;
	uint32_t cut = disk_stage_random(seed) % (data - 1);
	bool in = flight->type == VIRTIO_BLK_T_IN;
	struct virtio_blk_outhdr header = { .type = htole32(flight->type),
					    .sector = htole64(flight->sector) };
	const struct driver_buffer buffers[] = {
		{ flight->gpa, 7, false },
		{ flight->gpa + 7, sizeof(header) - 7, false },
		{ flight->gpa + 4096, cut + 1, in },
		{ flight->gpa + 4096 + cut + 1, data - cut - 1, in },
		{ flight->gpa + 512, 1, true },
	};
	struct driver_ring *ring = stage->driver.rings[flight->queue];

	memcpy(flight->host, &header, sizeof(header));
	flight->host[512] = 99;
	if (!in) {
		disk_stage_fill(flight->host + 4096, data, disk_stage_random(seed));
		memcpy(stage->content + flight->sector * 512, flight->host + 4096, data);
	}
	flight->busy = true;
	if (disk_stage_random(seed) % 2)
		flight->head = driver_ring_add(ring, buffers, 5);
	else
		flight->head = driver_ring_add_indirect(ring, buffers, 5);
	assert_true(flight->head >= 0);
	virtio_driver_kick(&stage->driver, flight->queue);
}

static void
flight_land(struct stage *stage, struct flight *flights, uint32_t queue)
{
	uint32_t written;
	uint16_t head;

	while (driver_ring_get_used(stage->driver.rings[queue], &head, &written)) {
		struct flight *flight = flights;

		while (!flight->busy || flight->queue != queue || flight->head != head)
			assert_true(++flight < flights + TEST_DEPTH);
		assert_int_equal(flight->host[512], VIRTIO_BLK_S_OK);
		if (flight->type == VIRTIO_BLK_T_IN) {
			assert_int_equal(written, flight->n * 512 + 1);
			assert_memory_equal(flight->host + 4096,
					    stage->content + flight->sector * 512, flight->n * 512);
		}
		flight->busy = false;
	}
}

static void
flights_init(struct stage *stage, struct flight flights[TEST_DEPTH])
{
	for (int i = 0; i < TEST_DEPTH; i++) {
		uint64_t bytes = 4096 + TEST_MAX_SECTORS * 512;

		flights[i] =
			(struct flight){ .gpa = fake_platform_alloc(stage->fake, bytes, 4096) };
		flights[i].host = fake_platform_map(stage->fake, flights[i].gpa, bytes);
		assert_non_null(flights[i].host);
	}
}

static void
flight_try(struct stage *stage, struct flight *flights, struct flight *flight, uint32_t *seed)
{
	uint64_t sector = disk_stage_random(seed) % (TEST_SECTORS - TEST_MAX_SECTORS);
	uint32_t n = 1 + disk_stage_random(seed) % TEST_MAX_SECTORS;

	if (flight->busy || !flight_may_start(flights, sector, n))
		return;
	flight->type = disk_stage_random(seed) % 2 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT;
	flight->queue = disk_stage_random(seed) % 2;
	flight->sector = sector;
	flight->n = n;
	flight_start(stage, flight, seed);
}

static void
test_virtio_blk__random_work_of_many_requests(void **state)
{
	struct stage *stage = *state;
	struct flight flights[TEST_DEPTH];
	struct virtio_blk_statistics statistics = { 0 };
	uint32_t seed = 20261122;

	flights_init(stage, flights);
	while (statistics.reads + statistics.writes < 6000) {
		for (int i = 0; i < TEST_DEPTH; i++)
			flight_try(stage, flights, &flights[i], &seed);
		loop_step(stage->fake->platform.loop, 1);
		flight_land(stage, flights, 0);
		flight_land(stage, flights, 1);
		virtio_blk_get_statistics(stage->device, &statistics);
	}
	assert_int_equal(statistics.failed, 0);
	assert_int_equal(virtio_blk_sync(stage->device), 0);
	flight_land(stage, flights, 0);
	flight_land(stage, flights, 1);
	stage_unplug(stage);
	stage_plug(stage, stage->base_fd, stage->overlay_fd);
	for (uint64_t i = 0; i < TEST_SECTORS; i += 100) {
		char data[100 * 512];

		assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_IN, i, NULL, 0, data, sizeof(data)),
				 0);
		assert_memory_equal(data, stage->content + i * 512, sizeof(data));
	}
}

/* A base on a real disk, not in the page cache, so that its reads take their time. */
static int
make_cold_base(void)
{
	static char data[TEST_BYTES];
	char path[] = "/var/tmp/carrel-test-blk-XXXXXX";
	CLEANUP_CLOSE int fd = mkstemp(path);
	CLEANUP_CLOSE int base = open(path, O_RDONLY | O_CLOEXEC);

	unlink(path);
	disk_stage_fill(data, sizeof(data), TEST_SEED);
	if (base < 0 || write(fd, data, sizeof(data)) != (ssize_t)sizeof(data) || fsync(fd) < 0 ||
	    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
		return -1;
	return take_fd(&base);
}

static void
test_virtio_blk__reset_leaves_nothing_in_flight(void **state)
{
	struct stage *stage = *state;
	CLEANUP_CLOSE int base = make_cold_base();
	struct flight flights[TEST_DEPTH];
	static char silence[TEST_MAX_SECTORS * 512];
	uint32_t seed = 5;
	char data[512];

	assert_true(base >= 0);
	stage_plug(stage, base, stage->overlay_fd);
	flights_init(stage, flights);
	memset(silence, 0x5a, sizeof(silence));
	for (int round = 0; round < 20; round++) {
		posix_fadvise(base, 0, 0, POSIX_FADV_DONTNEED);
		for (int i = 0; i < TEST_DEPTH; i++)
			flight_try(stage, flights, &flights[i], &seed);
		virtio_driver_reset(&stage->driver);
		for (int i = 0; i < TEST_DEPTH; i++) {
			memset(flights[i].host, 0x5a, sizeof(silence));
			flights[i].busy = false;
		}
		assert_true(fake_platform_settle(stage->fake));
		usleep(2000);
		for (int i = 0; i < TEST_DEPTH; i++)
			assert_memory_equal(flights[i].host, silence, sizeof(silence));
		assert_int_equal(virtio_driver_start(&stage->driver, VIRTIO_DRIVER_ALL_FEATURES),
				 0);
	}
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_IN, 0, NULL, 0, data, 512), 0);
}

/* More at once than there are requests for. */
static void
test_virtio_blk__a_full_queue_is_worked_off(void **state)
{
	struct stage *stage = *state;
	uint64_t gpa = fake_platform_alloc(stage->fake, 4096, 4096);
	struct virtio_blk_outhdr header = { .type = htole32(VIRTIO_BLK_T_FLUSH) };
	const struct driver_buffer buffers[] = {
		{ gpa, sizeof(header), false },
		{ gpa + 512, 1, true },
	};
	struct driver_ring *ring = stage->driver.rings[0];
	uint32_t written, n = 0;
	uint16_t head;

	memcpy(fake_platform_map(stage->fake, gpa, 512), &header, sizeof(header));
	for (int i = 0; i < 200; i++)
		assert_true(driver_ring_add_indirect(ring, buffers, 2) >= 0);
	virtio_driver_kick(&stage->driver, 0);
	for (int i = 0; i < 1000 && n < 200; i++) {
		loop_step(stage->fake->platform.loop, 10);
		while (driver_ring_get_used(ring, &head, &written))
			n++;
	}
	assert_int_equal(n, 200);
}

static void
test_virtio_blk__medium_comes_and_goes(void **state)
{
	struct stage *stage = *state;
	char data[512];

	stage_plug(stage, -1, -1);
	assert_int_equal(virtio_driver_get_config(&stage->driver, 0, 8), 0);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_IN, 0, NULL, 0, data, 512),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_FLUSH, 0, NULL, 0, NULL, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(virtio_blk_detach(stage->device), -ENOENT);
	fake_platform_forget(stage->fake);
	assert_int_equal(virtio_blk_attach(stage->device, stage->base_fd, stage->overlay_fd), 0);
	assert_int_equal(virtio_driver_count_config_interrupts(&stage->driver), 1);
	assert_int_equal(virtio_driver_get_config(&stage->driver, 0, 8), TEST_SECTORS);
	assert_int_equal(virtio_blk_attach(stage->device, stage->base_fd, -1), -EBUSY);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_OUT, 1, data, 512, NULL, 0), 0);
	assert_int_equal(virtio_blk_detach(stage->device), 0);
	assert_int_equal(virtio_driver_count_config_interrupts(&stage->driver), 2);
	assert_int_equal(virtio_driver_get_config(&stage->driver, 0, 8), 0);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_OUT, 1, data, 512, NULL, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(virtio_blk_attach(stage->device, stage->base_fd, stage->overlay_fd), 0);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_IN, 1, NULL, 0, stage->content, 512), 0);
	assert_memory_equal(stage->content, data, 512);
}

/* A raw image in the slot is written itself. */
static void
test_virtio_blk__raw_medium(void **state)
{
	struct stage *stage = *state;
	CLEANUP_CLOSE int image = disk_stage_make_file(TEST_BYTES / 2, TEST_SEED);
	char data[512], again[512];

	stage_plug(stage, -1, -1);
	assert_false(virtio_blk_has_medium(stage->device));
	assert_int_equal(virtio_blk_attach(stage->device, -1, image), 0);
	assert_true(virtio_blk_has_medium(stage->device));
	assert_int_equal(virtio_driver_get_config(&stage->driver, 0, 8), TEST_SECTORS / 2);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_IN, 5, NULL, 0, data, 512), 0);
	assert_memory_equal(data, stage->content + 5 * 512, 512);
	disk_stage_fill(data, sizeof(data), 77);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_OUT, 5, data, 512, NULL, 0), 0);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_FLUSH, 0, NULL, 0, NULL, 0), 0);
	assert_int_equal(virtio_blk_detach(stage->device), 0);
	assert_int_equal(pread(image, again, 512, 5 * 512), 512);
	assert_memory_equal(again, data, 512);
}

/* The guest has requests in the kernel's hands when its medium goes: all of them are done before. */
static void
test_virtio_blk__detach_drains(void **state)
{
	struct stage *stage = *state;
	CLEANUP_CLOSE int base = make_cold_base();
	struct flight flights[TEST_DEPTH];
	uint32_t seed = 6;

	assert_true(base >= 0);
	stage_plug(stage, base, stage->overlay_fd);
	flights_init(stage, flights);
	for (int i = 0; i < TEST_DEPTH; i++)
		flight_try(stage, flights, &flights[i], &seed);
	while (loop_step(stage->fake->platform.loop, 0) > 0)
		;
	assert_int_equal(virtio_blk_detach(stage->device), 0);
	flight_land(stage, flights, 0);
	flight_land(stage, flights, 1);
	for (int i = 0; i < TEST_DEPTH; i++)
		assert_false(flights[i].busy);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_IN, 0, NULL, 0, flights[0].host, 512),
			 VIRTIO_BLK_S_IOERR);
	/* what was written then is there when it comes again */
	assert_int_equal(virtio_blk_attach(stage->device, base, stage->overlay_fd), 0);
	for (uint64_t i = 0; i < TEST_SECTORS; i += 100) {
		char data[100 * 512];

		assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_IN, i, NULL, 0, data, sizeof(data)),
				 0);
		assert_memory_equal(data, stage->content + i * 512, sizeof(data));
	}
}

static void
test_virtio_blk__read_only(void **state)
{
	struct stage *stage = *state;
	char data[512];

	stage_plug(stage, stage->base_fd, -1);
	assert_true(stage->driver.features & FEATURE(RO));
	assert_false(stage->driver.features & (FEATURE(DISCARD) | FEATURE(WRITE_ZEROES)));
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_OUT, 1, data, 512, NULL, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(stage_ask_hole(stage, VIRTIO_BLK_T_DISCARD, 0, 128, 0),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_IN, 1, NULL, 0, data, 512), 0);
	assert_memory_equal(data, stage->content + 512, 512);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_FLUSH, 0, NULL, 0, NULL, 0), 0);
}

/* The table in the file says whether the first cluster was written down. */
static bool
stage_is_written_down(const struct stage *stage)
{
	char bits;

	assert_int_equal(pread(stage->overlay_fd, &bits, 1, 4096), 1);
	return bits & 1;
}

static void
test_virtio_blk__write_cache_is_the_drivers_choice(void **state)
{
	struct stage *stage = *state;
	char data[512] = { 1 };

	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_OUT, 1, data, 512, NULL, 0), 0);
	assert_false(stage_is_written_down(stage));
	virtio_driver_set_config(&stage->driver, CONFIG(wce), 0);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_OUT, 2, data, 512, NULL, 0), 0);
	assert_true(stage_is_written_down(stage));
	/* a driver that cannot flush */
	stage_unplug(stage);
	assert_int_equal(ftruncate(stage->overlay_fd, 0), 0);
	stage_plug(stage, stage->base_fd, stage->overlay_fd);
	assert_int_equal(
		virtio_driver_start(&stage->driver, ~(FEATURE(FLUSH) | FEATURE(CONFIG_WCE))), 0);
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_OUT, 1, data, 512, NULL, 0), 0);
	assert_true(stage_is_written_down(stage));
	assert_int_equal(stage_ask(stage, VIRTIO_BLK_T_FLUSH, 0, NULL, 0, NULL, 0),
			 VIRTIO_BLK_S_UNSUPP);
}

static void
test_virtio_blk__full_host(void **state)
{
	struct stage *stage = *state;
	struct flight flight = { .type = VIRTIO_BLK_T_OUT, .n = TEST_MAX_SECTORS };
	CLEANUP_CLOSE int filler = -1;
	uint32_t written, seed = 1;
	uint16_t head;

	if (geteuid() != 0)
		skip();
	close(stage->overlay_fd);
	assert_int_equal(disk_stage_make_tight(4 << 20, 32768, &stage->overlay_fd, &filler), 0);
	stage_plug(stage, stage->base_fd, stage->overlay_fd);
	flight.gpa = fake_platform_alloc(stage->fake, 4096 + TEST_MAX_SECTORS * 512, 4096);
	flight.host = fake_platform_map(stage->fake, flight.gpa, 4096 + TEST_MAX_SECTORS * 512);
	flight_start(stage, &flight, &seed);
	assert_int_equal(virtio_blk_drain(stage->device), -ENOSPC);
	assert_true(stage->lacks_space);
	assert_int_equal(virtio_blk_sync(stage->device), -ENOSPC);
	assert_int_equal(virtio_blk_detach(stage->device), -ENOSPC);
	assert_true(virtio_blk_has_medium(stage->device));
	assert_false(driver_ring_get_used(stage->driver.rings[0], &head, &written));
	assert_int_equal(ftruncate(filler, 0), 0);
	virtio_blk_retry(stage->device);
	assert_int_equal(virtio_blk_drain(stage->device), 0);
	assert_false(stage->lacks_space);
	flight_land(stage, &flight, 0);
	assert_false(flight.busy);
	/* and once more, but now the guest resets instead of waiting */
	assert_int_equal(fallocate(filler, 0, 0, 3 << 20), 0);
	flight.sector = 2000;
	while (!stage->lacks_space) {
		flight_start(stage, &flight, &seed);
		virtio_blk_drain(stage->device);
		if (!stage->lacks_space)
			flight_land(stage, &flight, 0);
		flight.sector += TEST_MAX_SECTORS;
	}
	virtio_driver_reset(&stage->driver);
	assert_false(stage->lacks_space);
	assert_int_equal(stage->n_lacks, 2);
	assert_int_equal(virtio_blk_drain(stage->device), 0);
}

#define TEST(name)	 cmocka_unit_test_setup_teardown(name, stage_open, stage_close)
#define TEST_EMPTY(name) cmocka_unit_test_setup_teardown(name, stage_open_empty, stage_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_virtio_blk__says_what_it_is),
		TEST(test_virtio_blk__reads_writes_and_names_itself),
		TEST(test_virtio_blk__zeroes_and_discards),
		TEST(test_virtio_blk__wrong_requests_get_their_status),
		TEST(test_virtio_blk__without_header_or_status_it_needs_reset),
		TEST(test_virtio_blk__random_work_of_many_requests),
		TEST_EMPTY(test_virtio_blk__reset_leaves_nothing_in_flight),
		TEST(test_virtio_blk__a_full_queue_is_worked_off),
		TEST_EMPTY(test_virtio_blk__medium_comes_and_goes),
		TEST_EMPTY(test_virtio_blk__raw_medium),
		TEST_EMPTY(test_virtio_blk__detach_drains),
		TEST_EMPTY(test_virtio_blk__read_only),
		TEST(test_virtio_blk__write_cache_is_the_drivers_choice),
		TEST_EMPTY(test_virtio_blk__full_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
