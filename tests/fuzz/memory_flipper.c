/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * memory_flipper.c - a thread that changes guest memory while a device looks at it
 */
#include "tests/fuzz/memory_flipper.h"

#include <sched.h>
#include <stdlib.h>

#define FLIPS_AT_ONCE 64

static uint64_t
memory_flipper_next(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

static void *
memory_flipper_main(void *context)
{
	struct memory_flipper *flipper = context;
	uint64_t random = UINT64_C(0x9e3779b97f4a7c15);

	for (;;) {
		while (sem_wait(&flipper->wake) < 0)
			;
		for (uint32_t n = 0; atomic_load(&flipper->on); n++) {
			uint64_t value = memory_flipper_next(&random);
			volatile uint8_t *byte = &flipper->host[value % flipper->bytes];

			/* mostly one bit, by which an index or a flag becomes another one that is possible */
			if (value >> 60)
				*byte ^= (uint8_t)(1 << (value >> 56 & 7));
			else
				*byte = (uint8_t)(value >> 48);
			if (n % FLIPS_AT_ONCE == 0) /* there may be one processor for both */
				sched_yield();
		}
		atomic_store(&flipper->idle, true);
	}
	return NULL;
}

void
memory_flipper_start(struct memory_flipper *flipper, void *host, size_t bytes)
{
	flipper->host = host;
	flipper->bytes = bytes;
	flipper->idle = true;
	if (sem_init(&flipper->wake, 0, 0) < 0 ||
	    pthread_create(&flipper->thread, NULL, memory_flipper_main, flipper) != 0)
		abort();
}

void
memory_flipper_switch(struct memory_flipper *flipper, bool on)
{
	if (on) {
		atomic_store(&flipper->idle, false);
		atomic_store(&flipper->on, true);
		sem_post(&flipper->wake);
		return;
	}
	atomic_store(&flipper->on, false);
	if (sem_trywait(&flipper->wake) == 0) /* it has not even begun */
		atomic_store(&flipper->idle, true);
	while (!atomic_load(&flipper->idle))
		sched_yield();
}
