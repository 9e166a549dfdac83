/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * memory_flipper.h - a thread that changes guest memory while a device looks at it, as another vCPU can
 */
#ifndef TESTS_FUZZ_MEMORY_FLIPPER_H
#define TESTS_FUZZ_MEMORY_FLIPPER_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_flipper {
	uint8_t *host;
	size_t bytes;
	pthread_t thread;
	sem_t wake;
	atomic_bool on;
	atomic_bool idle;
};

/* For the life of the process; off at first. */
void memory_flipper_start(struct memory_flipper *flipper, void *host, size_t bytes);
void memory_flipper_switch(struct memory_flipper *flipper, bool on);

#endif
