/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_platform.h - a machine without KVM for tests and fuzzers of devices: memory, buses and a loop that are real, and
 * notes of what the devices did to the world
 *
 * No cmocka here: fuzzers use it too. A test holds the machine's lock never: it is one thread, and what it calls on a
 * device it calls between the loop's steps.
 */
#ifndef TESTS_UNIT_FAKE_PLATFORM_H
#define TESTS_UNIT_FAKE_PLATFORM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/platform.h"

#define FAKE_PLATFORM_RAM_BYTES	    (UINT64_C(16) << 20)
#define FAKE_PLATFORM_FREE_GPA	    (UINT64_C(1) << 20) /* fake_platform_alloc() begins here */
#define FAKE_PLATFORM_MAX_GSIS	    24
#define FAKE_PLATFORM_MAX_MSI_DATA  8192 /* counted apart up to this */
#define FAKE_PLATFORM_MAX_DOORBELLS 64

struct fake_doorbell {
	uint64_t gpa;
	uint32_t bytes; /* 0: a write of any width */
	int fd;
};

struct fake_platform {
	struct platform platform; /* what devices are given */
	pthread_mutex_t lock;
	int memory_fd;
	uint64_t next_gpa;

	bool irq_level[FAKE_PLATFORM_MAX_GSIS];
	uint32_t irq_raised[FAKE_PLATFORM_MAX_GSIS]; /* how often from low to high */
	uint32_t n_msis;
	uint64_t last_msi_address;
	uint32_t last_msi_data;
	uint32_t msi_counts[FAKE_PLATFORM_MAX_MSI_DATA];
	size_t n_doorbells;
	struct fake_doorbell doorbells[FAKE_PLATFORM_MAX_DOORBELLS];
	uint32_t n_reports[PLATFORM_EVENT_COUNT];
};

/* 0 or -errno. "ram_bytes": whole MiB. */
int fake_platform_new(uint64_t ram_bytes, struct fake_platform **ret_fake);
void fake_platform_free(struct fake_platform *fake);

/* What a vCPU does. A write to a doorbell makes its descriptor readable and does nothing else, as in KVM. */
uint64_t fake_platform_read(struct fake_platform *fake, uint64_t gpa, uint32_t bytes);
void fake_platform_write(struct fake_platform *fake, uint64_t gpa, uint32_t bytes, uint64_t value);
uint32_t fake_platform_in(struct fake_platform *fake, uint16_t port, uint32_t bytes);
void fake_platform_out(struct fake_platform *fake, uint16_t port, uint32_t bytes, uint32_t value);

/* Lets the loop handle events until there are none; false when it had not ended after many. */
bool fake_platform_settle(struct fake_platform *fake);
/* Lets it handle events until "done" says true or the time is over: for what threads and io_uring do. */
bool fake_platform_wait(struct fake_platform *fake, bool (*done)(void *context), void *context,
			int timeout_ms);

/* Guest memory that nobody else was given, zeroed; 0 when it is used up. */
uint64_t fake_platform_alloc(struct fake_platform *fake, uint64_t bytes, uint64_t alignment);
/* Where it is in this process; NULL when not RAM. */
void *fake_platform_map(struct fake_platform *fake, uint64_t gpa, uint64_t bytes);

/* Forgets how often lines were raised, MSIs sent and events reported. */
void fake_platform_forget(struct fake_platform *fake);

#endif
