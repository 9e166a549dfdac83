/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_platform.c - a machine without KVM for tests and fuzzers of devices
 */
#include "tests/unit/fake_platform.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/bus.h"
#include "vmm/guest_memory.h"
#include "vmm/loop.h"

#define SETTLE_MAX_STEPS 10000
#define NS_PER_MS	 UINT64_C(1000000)

static void
fake_platform_set_irq(void *context, uint32_t gsi, bool level)
{
	struct fake_platform *fake = context;

	if (gsi >= FAKE_PLATFORM_MAX_GSIS)
		abort();
	if (level && !fake->irq_level[gsi])
		fake->irq_raised[gsi]++;
	fake->irq_level[gsi] = level;
}

static void
fake_platform_send_msi(void *context, uint64_t address, uint32_t data)
{
	struct fake_platform *fake = context;

	fake->n_msis++;
	fake->last_msi_address = address;
	fake->last_msi_data = data;
	if (data < FAKE_PLATFORM_MAX_MSI_DATA)
		fake->msi_counts[data]++;
}

static int
fake_platform_add_doorbell(void *context, uint64_t gpa, uint32_t bytes, int eventfd)
{
	struct fake_platform *fake = context;

	if (fake->n_doorbells == FAKE_PLATFORM_MAX_DOORBELLS)
		return -ENOSPC;
	for (size_t i = 0; i < fake->n_doorbells; i++)
		if (fake->doorbells[i].gpa == gpa && fake->doorbells[i].bytes == bytes)
			return -EEXIST;
	fake->doorbells[fake->n_doorbells++] =
		(struct fake_doorbell){ .gpa = gpa, .bytes = bytes, .fd = eventfd };
	return 0;
}

static void
fake_platform_remove_doorbell(void *context, uint64_t gpa, uint32_t bytes, int eventfd)
{
	struct fake_platform *fake = context;

	for (size_t i = 0; i < fake->n_doorbells; i++) {
		struct fake_doorbell *doorbell = &fake->doorbells[i];

		if (doorbell->gpa != gpa || doorbell->bytes != bytes || doorbell->fd != eventfd)
			continue;
		*doorbell = fake->doorbells[--fake->n_doorbells];
		return;
	}
	abort(); /* KVM would say ENOENT: the device has lost count of its doorbells */
}

static void
fake_platform_report(void *context, enum platform_event event)
{
	struct fake_platform *fake = context;

	fake->n_reports[event]++;
}

static const struct platform_ops fake_platform_ops = {
	.set_irq = fake_platform_set_irq,
	.send_msi = fake_platform_send_msi,
	.add_doorbell = fake_platform_add_doorbell,
	.remove_doorbell = fake_platform_remove_doorbell,
	.report = fake_platform_report,
};

int
fake_platform_new(uint64_t ram_bytes, struct fake_platform **ret_fake)
{
	struct fake_platform *fake = calloc(1, sizeof(*fake));
	struct platform *platform;
	int error;

	if (!fake)
		return -ENOMEM;
	platform = &fake->platform;
	pthread_mutex_init(&fake->lock, NULL);
	platform->ops = &fake_platform_ops;
	platform->context = fake;
	fake->next_gpa = FAKE_PLATFORM_FREE_GPA;
	fake->memory_fd = memfd_create("fake-ram", MFD_CLOEXEC);
	error = fake->memory_fd < 0 || ftruncate(fake->memory_fd, (off_t)ram_bytes) < 0 ? -errno
											: 0;
	if (!error)
		error = guest_memory_new(fake->memory_fd, ram_bytes, false, &platform->memory);
	if (!error)
		error = loop_new(&fake->lock, &platform->loop);
	if (!error)
		error = bus_new("pio", &platform->pio);
	if (!error)
		error = bus_new("mmio", &platform->mmio);
	if (error) {
		fake_platform_free(fake);
		return error;
	}
	*ret_fake = fake;
	return 0;
}

void
fake_platform_free(struct fake_platform *fake)
{
	if (!fake)
		return;
	bus_free(fake->platform.mmio);
	bus_free(fake->platform.pio);
	loop_free(fake->platform.loop);
	guest_memory_free(fake->platform.memory);
	if (fake->memory_fd >= 0)
		close(fake->memory_fd);
	pthread_mutex_destroy(&fake->lock);
	free(fake);
}

uint64_t
fake_platform_read(struct fake_platform *fake, uint64_t gpa, uint32_t bytes)
{
	return bus_read(fake->platform.mmio, gpa, bytes);
}

void
fake_platform_write(struct fake_platform *fake, uint64_t gpa, uint32_t bytes, uint64_t value)
{
	for (size_t i = 0; i < fake->n_doorbells; i++) {
		struct fake_doorbell *doorbell = &fake->doorbells[i];

		if (doorbell->gpa != gpa || (doorbell->bytes != 0 && doorbell->bytes != bytes))
			continue;
		if (eventfd_write(doorbell->fd, 1) < 0)
			abort();
		return;
	}
	bus_write(fake->platform.mmio, gpa, bytes, value);
}

uint32_t
fake_platform_in(struct fake_platform *fake, uint16_t port, uint32_t bytes)
{
	return (uint32_t)bus_read(fake->platform.pio, port, bytes);
}

void
fake_platform_out(struct fake_platform *fake, uint16_t port, uint32_t bytes, uint32_t value)
{
	bus_write(fake->platform.pio, port, bytes, value);
}

bool
fake_platform_settle(struct fake_platform *fake)
{
	for (int i = 0; i < SETTLE_MAX_STEPS; i++)
		if (loop_step(fake->platform.loop, 0) == 0)
			return true;
	return false;
}

bool
fake_platform_wait(struct fake_platform *fake, bool (*done)(void *context), void *context,
		   int timeout_ms)
{
	uint64_t deadline_ns = loop_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;

	while (!done(context)) {
		uint64_t now_ns = loop_now_ns();

		if (now_ns >= deadline_ns)
			return false;
		loop_step(fake->platform.loop, (int)((deadline_ns - now_ns) / NS_PER_MS) + 1);
	}
	return true;
}

uint64_t
fake_platform_alloc(struct fake_platform *fake, uint64_t bytes, uint64_t alignment)
{
	uint64_t gpa = (fake->next_gpa + alignment - 1) / alignment * alignment;
	void *host = fake_platform_map(fake, gpa, bytes);

	if (!host)
		return 0;
	memset(host, 0, bytes);
	fake->next_gpa = gpa + bytes;
	return gpa;
}

void *
fake_platform_map(struct fake_platform *fake, uint64_t gpa, uint64_t bytes)
{
	return guest_memory_find(fake->platform.memory, gpa, bytes);
}

void
fake_platform_forget(struct fake_platform *fake)
{
	memset(fake->irq_raised, 0, sizeof(fake->irq_raised));
	memset(fake->n_reports, 0, sizeof(fake->n_reports));
	memset(fake->msi_counts, 0, sizeof(fake->msi_counts));
	fake->n_msis = 0;
}
