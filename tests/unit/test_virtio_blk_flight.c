/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_virtio_blk_flight.c - a disk with many requests on their way: random work, resets, a medium that goes, a full host
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_blk.h>

#include "base/cleanup.h"
#include "tests/unit/blk_stage.h"
#include "tests/unit/disk_stage.h"
#include "tests/unit/state_twin.h"
#include "vmm/loop.h"
#include "vmm/virtio.h"
#include "vmm/virtio_blk.h"

#define TEST_DEPTH	 24
#define TEST_MAX_SECTORS 160

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
flight_start(struct blk_stage *stage, struct flight *flight, uint32_t *seed)
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
flight_land(struct blk_stage *stage, struct flight *flights, uint32_t queue)
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
flights_init(struct blk_stage *stage, struct flight flights[TEST_DEPTH])
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
flight_try(struct blk_stage *stage, struct flight *flights, struct flight *flight, uint32_t *seed)
{
	uint64_t sector = disk_stage_random(seed) % (BLK_STAGE_SECTORS - TEST_MAX_SECTORS);
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
test_virtio_blk_flight__random_work_of_many_requests(void **state)
{
	struct blk_stage *stage = *state;
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
	blk_stage_unplug(stage);
	blk_stage_plug(stage, stage->base_fd, stage->overlay_fd);
	for (uint64_t i = 0; i < BLK_STAGE_SECTORS; i += 100) {
		char data[100 * 512];

		assert_int_equal(
			blk_stage_ask(stage, VIRTIO_BLK_T_IN, i, NULL, 0, data, sizeof(data)), 0);
		assert_memory_equal(data, stage->content + i * 512, sizeof(data));
	}
}

/* A base on a real disk, not in the page cache, so that its reads take their time. */
static int
make_cold_base(void)
{
	static char data[BLK_STAGE_BYTES];
	char path[] = "/var/tmp/carrel-test-blk-XXXXXX";
	CLEANUP_CLOSE int fd = mkstemp(path);
	CLEANUP_CLOSE int base = open(path, O_RDONLY | O_CLOEXEC);

	unlink(path);
	disk_stage_fill(data, sizeof(data), BLK_STAGE_SEED);
	if (base < 0 || write(fd, data, sizeof(data)) != (ssize_t)sizeof(data) || fsync(fd) < 0 ||
	    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
		return -1;
	return take_fd(&base);
}

static void
test_virtio_blk_flight__reset_leaves_nothing_in_flight(void **state)
{
	struct blk_stage *stage = *state;
	CLEANUP_CLOSE int base = make_cold_base();
	struct flight flights[TEST_DEPTH];
	static char silence[TEST_MAX_SECTORS * 512];
	uint32_t seed = 5;
	char data[512];

	assert_true(base >= 0);
	blk_stage_plug(stage, base, stage->overlay_fd);
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
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_IN, 0, NULL, 0, data, 512), 0);
}

/* The guest has requests in the kernel's hands when its medium goes: all of them are done before. */
static void
test_virtio_blk_flight__detach_drains(void **state)
{
	struct blk_stage *stage = *state;
	CLEANUP_CLOSE int base = make_cold_base();
	struct flight flights[TEST_DEPTH];
	uint32_t seed = 6;

	assert_true(base >= 0);
	blk_stage_plug(stage, base, stage->overlay_fd);
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
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_IN, 0, NULL, 0, flights[0].host, 512),
			 VIRTIO_BLK_S_IOERR);
	/* what was written then is there when it comes again */
	assert_int_equal(virtio_blk_attach(stage->device, base, stage->overlay_fd), 0);
	for (uint64_t i = 0; i < BLK_STAGE_SECTORS; i += 100) {
		char data[100 * 512];

		assert_int_equal(
			blk_stage_ask(stage, VIRTIO_BLK_T_IN, i, NULL, 0, data, sizeof(data)), 0);
		assert_memory_equal(data, stage->content + i * 512, sizeof(data));
	}
}

/* A write for which the host has no room, until ret_filler's file is cut. */
static void
flight_start_on_full_host(struct blk_stage *stage, struct flight *flight, uint32_t *seed,
			  int *ret_filler)
{
	if (geteuid() != 0)
		skip();
	close(stage->overlay_fd);
	assert_int_equal(disk_stage_make_tight(4 << 20, 32768, &stage->overlay_fd, ret_filler), 0);
	blk_stage_plug(stage, stage->base_fd, stage->overlay_fd);
	flight->gpa = fake_platform_alloc(stage->fake, 4096 + TEST_MAX_SECTORS * 512, 4096);
	flight->host = fake_platform_map(stage->fake, flight->gpa, 4096 + TEST_MAX_SECTORS * 512);
	flight_start(stage, flight, seed);
	assert_int_equal(virtio_blk_drain(stage->device), -ENOSPC);
}

static void
test_virtio_blk_flight__full_host(void **state)
{
	struct blk_stage *stage = *state;
	struct flight flight = { .type = VIRTIO_BLK_T_OUT, .n = TEST_MAX_SECTORS };
	CLEANUP_CLOSE int filler = -1;
	uint32_t written, seed = 1;
	uint16_t head;

	flight_start_on_full_host(stage, &flight, &seed, &filler);
	assert_true(stage->lacks_space);
	assert_int_equal(virtio_blk_sync(stage->device), -ENOSPC);
	assert_int_equal(virtio_blk_detach(stage->device), -ENOSPC);
	assert_true(virtio_blk_has_medium(stage->device));
	assert_int_equal(state_twin_save(stage->fake, stage->root), -EBUSY);
	stage->fake->platform.paused = false;
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

/* It has failed with a request for which there is no room, which nobody will try again. */
static void
test_virtio_blk_flight__a_failed_disk_gives_its_medium_away(void **state)
{
	struct blk_stage *stage = *state;
	struct flight flight = { .type = VIRTIO_BLK_T_OUT, .n = TEST_MAX_SECTORS };
	CLEANUP_CLOSE int filler = -1;
	uint32_t seed = 1;

	flight_start_on_full_host(stage, &flight, &seed, &filler);
	virtio_fail(stage->device, "the test says so");
	assert_int_equal(virtio_blk_detach(stage->device), 0);
	assert_false(virtio_blk_has_medium(stage->device));
	assert_false(stage->lacks_space);
	assert_int_equal(flight.host[512],
			 99); /* nothing is written to a driver that is not there */
}

#define TEST(name)                                                                      \
	cmocka_unit_test_setup_teardown(test_virtio_blk_flight__##name, blk_stage_open, \
					blk_stage_close)
#define TEST_EMPTY(name)                                                                      \
	cmocka_unit_test_setup_teardown(test_virtio_blk_flight__##name, blk_stage_open_empty, \
					blk_stage_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(random_work_of_many_requests),
		TEST_EMPTY(reset_leaves_nothing_in_flight),
		TEST_EMPTY(detach_drains),
		TEST_EMPTY(full_host),
		TEST_EMPTY(a_failed_disk_gives_its_medium_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
