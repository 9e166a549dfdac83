/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_disk_rest.c - a disk that rests has given back its buffers, and goes on with new ones
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/disk_fixture.h"
#include "tests/unit/disk_stage.h"
#include "vmm/overlay_file.h"

#define N_WRITES   8
#define PAGE_BYTES 4096
#define TEST_SEED  11

struct stage {
	struct disk_fixture f;
	struct disk_request writes[N_WRITES];
	uint32_t n_done;
	char data[PAGE_BYTES];
};

static char *given; /* by madvise() */
static size_t given_bytes;

int __real_madvise(void *address, size_t bytes, int advice);
int __wrap_madvise(void *address, size_t bytes, int advice);

int
__wrap_madvise(void *address, size_t bytes, int advice)
{
	if (advice == MADV_DONTNEED) {
		given = address;
		given_bytes = bytes;
	}
	return __real_madvise(address, bytes, advice);
}

static int
stage_open(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	if (!stage ||
	    disk_fixture_open(&stage->f, 3 * N_WRITES * OVERLAY_CLUSTER_BYTES, TEST_SEED) < 0)
		return -1;
	disk_stage_fill(stage->data, sizeof(stage->data), TEST_SEED + 1);
	*state = stage;
	given = NULL;
	return disk_fixture_open_disk(&stage->f);
}

static int
stage_close(void **state)
{
	struct stage *stage = *state;

	disk_fixture_close(&stage->f);
	free(stage);
	return 0;
}

static struct stage *the_stage; /* of the requests, which have no context */

static void
handle_done(struct disk_request *request, int result)
{
	(void)request;
	assert_int_equal(result, 0);
	the_stage->n_done++;
}

/* One into each of so many clusters that are the base's: each has something to bring along. */
static void
stage_write(struct stage *stage, uint64_t first_cluster)
{
	the_stage = stage;
	stage->n_done = 0;
	for (uint32_t i = 0; i < N_WRITES; i++) {
		struct disk_request *write = &stage->writes[i];

		write->kind = DISK_WRITE;
		write->offset = (first_cluster + i) * OVERLAY_CLUSTER_BYTES + PAGE_BYTES;
		write->bytes = sizeof(stage->data);
		write->n_segments = 1;
		write->segments[1] = (struct iovec){ stage->data, sizeof(stage->data) };
		write->done = handle_done;
		disk_submit(stage->f.disk, write);
	}
}

/* What was written, and before and behind it what was in the base. */
static void
stage_check(struct stage *stage)
{
	static char base[3 * N_WRITES * OVERLAY_CLUSTER_BYTES], cluster[OVERLAY_CLUSTER_BYTES];

	disk_stage_fill(base, sizeof(base), TEST_SEED);
	for (uint32_t i = 0; i < N_WRITES; i++) {
		uint64_t offset = stage->writes[i].offset - PAGE_BYTES;
		struct disk_request read = {
			.kind = DISK_READ,
			.offset = offset,
			.bytes = sizeof(cluster),
			.n_segments = 1,
			.segments[1] = { cluster, sizeof(cluster) },
			.done = handle_done,
		};

		memcpy(base + offset + PAGE_BYTES, stage->data, sizeof(stage->data));
		disk_submit(stage->f.disk, &read);
		assert_int_equal(disk_io_drain(stage->f.io), 0);
		assert_memory_equal(cluster, base + offset, sizeof(cluster));
	}
}

static void
test_disk_rest__gives_back_what_no_request_uses(void **state)
{
	struct stage *stage = *state;
	unsigned char resident[N_WRITES * OVERLAY_CLUSTER_BYTES / PAGE_BYTES];

	stage_write(stage, 0);
	disk_rest(stage->f.disk);
	assert_null(given);
	assert_int_equal(disk_io_drain(stage->f.io), 0);
	assert_int_equal(stage->n_done, N_WRITES);
	disk_rest(stage->f.disk);
	assert_int_equal(given_bytes, sizeof(resident) * PAGE_BYTES);
	assert_int_equal(mincore(given, given_bytes, resident), 0);
	for (size_t i = 0; i < sizeof(resident); i++)
		assert_int_equal(resident[i] & 1, 0);
	stage_check(stage);
	stage_write(stage, N_WRITES);
	assert_int_equal(disk_io_drain(stage->f.io), 0);
	assert_int_equal(stage->n_done, N_WRITES);
	stage_check(stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_disk_rest__gives_back_what_no_request_uses,
						stage_open, stage_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
