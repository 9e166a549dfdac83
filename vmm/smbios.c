/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * smbios.c - SMBIOS tables (carrel-vmm, while it starts)
 *
 * How it works: one function a structure, each appended by smbios_add() to a copy of the area: the
 * fixed part, whose length is in its head, then its strings, which its fields name by number. The
 * entry point goes first and the copy into guest memory.
 */
#include "vmm/smbios.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "vmm/guest_memory.h"
#include "vmm/memory_map.h"
#include "vmm/smbios_layout.h"
#include "vmm/smbios_memory_layout.h"

#define SMBIOS_MAKER	 "Carrel"
#define SMBIOS_NO_HANDLE 0xffff
#define SMBIOS_NO_ERRORS 0xfffe
#define SMBIOS_UNKNOWN	 0xffff

enum smbios_type {
	SMBIOS_FIRMWARE = 0,
	SMBIOS_SYSTEM = 1,
	SMBIOS_CHASSIS = 3,
	SMBIOS_PROCESSOR = 4,
	SMBIOS_MEMORY_ARRAY = 16,
	SMBIOS_MEMORY_DEVICE = 17,
	SMBIOS_MEMORY_RANGE = 19,
	SMBIOS_BOOT = 32,
	SMBIOS_END = 127,
};

/* The copy of the area; the handle of a structure is its number. */
struct smbios_area {
	uint8_t bytes[MEMORY_MAP_SMBIOS_BYTES];
	size_t size;
	uint16_t n_structures;
	bool full;
};

static void
smbios_append(struct smbios_area *area, const void *bytes, size_t n_bytes)
{
	if (area->full || n_bytes > sizeof(area->bytes) - area->size) {
		area->full = true;
		return;
	}
	memcpy(area->bytes + area->size, bytes, n_bytes);
	area->size += n_bytes;
}

/*
 * "structure" begins with its head; "strings" ends with NULL, and none of them may be empty.
 * Returns its handle.
 */
static uint16_t
smbios_add(struct smbios_area *area, enum smbios_type type, void *structure, size_t n_bytes,
	   const char *const *strings)
{
	const struct smbios_head head = { (uint8_t)type, (uint8_t)n_bytes, area->n_structures };

	memcpy(structure, &head, sizeof(head));
	smbios_append(area, structure, n_bytes);
	if (!strings[0])
		smbios_append(area, "", 1);
	for (size_t i = 0; strings[i]; i++)
		smbios_append(area, strings[i], strlen(strings[i]) + 1);
	smbios_append(area, "", 1);
	return area->n_structures++;
}

static void
smbios_add_firmware(struct smbios_area *area, const struct smbios_options *options)
{
	const char *const strings[] = { SMBIOS_MAKER, options->machine, "01/01/2026", NULL };
	struct smbios_firmware firmware = {
		.vendor = 1,
		.version = 2,
		.segment = MEMORY_MAP_SMBIOS >> 4,
		.date = 3,
		.characteristics = 1 << 3,	/* there are none to tell */
		.extensions = { 0x01, 1 << 4 }, /* ACPI; a virtual machine */
		.controller_major = UINT8_MAX,
		.controller_minor = UINT8_MAX,
	};

	smbios_add(area, SMBIOS_FIRMWARE, &firmware, sizeof(firmware), strings);
}

/* The first three fields of a UUID are little-endian, section 7.2.1. */
static void
smbios_put_uuid(uint8_t target[16], const uint8_t uuid[16])
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

	for (size_t i = 0; i < sizeof(order); i++)
		target[i] = uuid[order[i]];
}

static void
smbios_add_system(struct smbios_area *area, const struct smbios_options *options)
{
	const char *const strings[] = { SMBIOS_MAKER, options->machine, options->serial, NULL };
	struct smbios_system system = {
		.maker = 1, .product = 2, .serial = 3, .wake_up = 6, /* power switch */
	};

	smbios_put_uuid(system.uuid, options->uuid);
	smbios_add(area, SMBIOS_SYSTEM, &system, sizeof(system), strings);
}

static void
smbios_add_chassis(struct smbios_area *area)
{
	const char *const strings[] = { SMBIOS_MAKER, NULL };
	struct smbios_chassis chassis = {
		.maker = 1,
		.type = 1,	       /* other */
		.states = { 3, 3, 3 }, /* safe */
		.security = 2,	       /* unknown */
	};

	smbios_add(area, SMBIOS_CHASSIS, &chassis, sizeof(chassis), strings);
}

static void
smbios_add_processor(struct smbios_area *area, uint32_t cpus)
{
	const char *const strings[] = { "CPU 0", SMBIOS_MAKER, NULL };
	uint8_t few =
		cpus < UINT8_MAX ? (uint8_t)cpus : UINT8_MAX; /* then the other fields say it */
	struct smbios_processor processor = {
		.socket = 1,
		.type = 3,   /* central processor */
		.family = 1, /* other */
		.maker = 2,
		.status = 0x41, /* there, and enabled */
		.upgrade = 1,	/* other */
		.caches = { SMBIOS_NO_HANDLE, SMBIOS_NO_HANDLE, SMBIOS_NO_HANDLE },
		.cores = few,
		.cores_enabled = few,
		.threads = few,
		.family2 = 1,
		.cores2 = (uint16_t)cpus,
		.cores_enabled2 = (uint16_t)cpus,
		.threads2 = (uint16_t)cpus,
	};

	smbios_add(area, SMBIOS_PROCESSOR, &processor, sizeof(processor), strings);
}

static uint16_t
smbios_add_memory_array(struct smbios_area *area, uint64_t ram_bytes)
{
	const char *const strings[] = { NULL };
	struct smbios_memory_array array = {
		.location = 1,	       /* other */
		.use = 3,	       /* system memory */
		.error_correction = 3, /* none */
		.max_kib = (uint32_t)(ram_bytes >> 10),
		.error_handle = SMBIOS_NO_ERRORS,
		.n_devices = 1,
	};

	return smbios_add(area, SMBIOS_MEMORY_ARRAY, &array, sizeof(array), strings);
}

static void
smbios_add_memory_device(struct smbios_area *area, uint16_t array, uint64_t ram_bytes)
{
	const char *const strings[] = { "RAM 0", SMBIOS_MAKER, NULL };
	uint32_t mib = (uint32_t)(ram_bytes >> 20);
	struct smbios_memory_device device = {
		.array = array,
		.error_handle = SMBIOS_NO_ERRORS,
		.total_width = SMBIOS_UNKNOWN,
		.data_width = SMBIOS_UNKNOWN,
		.size = mib < INT16_MAX ? (uint16_t)mib : INT16_MAX, /* then size_mib says it */
		.form = 1,					     /* other */
		.locator = 1,
		.type = 7,	  /* RAM */
		.detail = 1 << 1, /* other */
		.maker = 2,
		.size_mib = mib < INT16_MAX ? 0 : mib,
	};

	smbios_add(area, SMBIOS_MEMORY_DEVICE, &device, sizeof(device), strings);
}

static void
smbios_add_memory_range(struct smbios_area *area, uint16_t array,
			const struct guest_memory_part *part)
{
	const char *const strings[] = { NULL };
	struct smbios_memory_range range = {
		.first_kib = (uint32_t)(part->gpa >> 10),
		.last_kib = (uint32_t)((part->gpa + part->bytes - 1) >> 10),
		.array = array,
		.partition_width = 1,
	};

	smbios_add(area, SMBIOS_MEMORY_RANGE, &range, sizeof(range), strings);
}

static void
smbios_add_memory(struct smbios_area *area, const struct guest_memory *memory)
{
	struct guest_memory_part parts[GUEST_MEMORY_MAX_PARTS];
	size_t n_parts = guest_memory_list_parts(memory, parts);
	uint64_t ram_bytes = guest_memory_get_bytes(memory);
	uint16_t array = smbios_add_memory_array(area, ram_bytes);

	smbios_add_memory_device(area, array, ram_bytes);
	for (size_t i = 0; i < n_parts; i++)
		smbios_add_memory_range(area, array, &parts[i]);
}

static void
smbios_add_end(struct smbios_area *area)
{
	const char *const strings[] = { NULL };
	struct smbios_boot boot = { .status = 0 }; /* no errors detected */
	struct smbios_head end;

	smbios_add(area, SMBIOS_BOOT, &boot, sizeof(boot), strings);
	smbios_add(area, SMBIOS_END, &end, sizeof(end), strings);
}

static void
smbios_put_entry(struct smbios_area *area)
{
	struct smbios_entry entry = {
		.anchor = "_SM3_",
		.length = sizeof(entry),
		.major = 3,
		.minor = 2,
		.revision = 1,
		.max_bytes = (uint32_t)(area->size - sizeof(entry)),
		.address = MEMORY_MAP_SMBIOS + sizeof(entry),
	};
	const uint8_t *bytes = (const uint8_t *)&entry;
	uint8_t sum = 0;

	for (size_t i = 0; i < sizeof(entry); i++)
		sum = (uint8_t)(sum + bytes[i]);
	entry.checksum = (uint8_t)-sum;
	memcpy(area->bytes, &entry, sizeof(entry));
}

/* FNV-1a of 64 bits, from a basis of the caller's. */
static uint64_t
smbios_hash(const char *text, uint64_t hash)
{
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return hash;
}

void
smbios_make_uuid(const char *id, uint8_t ret_uuid[16])
{
	uint64_t first = smbios_hash(id, UINT64_C(0xcbf29ce484222325));
	uint64_t second = smbios_hash(id, first);

	for (size_t i = 0; i < 8; i++) {
		ret_uuid[i] = (uint8_t)(first >> 8 * i);
		ret_uuid[8 + i] = (uint8_t)(second >> 8 * i);
	}
	ret_uuid[6] = 0x80 | (ret_uuid[6] & 0x0f); /* version */
	ret_uuid[8] = 0x80 | (ret_uuid[8] & 0x3f); /* variant */
}

int
smbios_write_tables(const struct guest_memory *memory, const struct smbios_options *options)
{
	CLEANUP_FREE struct smbios_area *area = calloc(1, sizeof(*area));

	if (!area)
		return -ENOMEM;
	area->size = sizeof(struct smbios_entry);
	smbios_add_firmware(area, options);
	smbios_add_system(area, options);
	smbios_add_chassis(area);
	smbios_add_processor(area, options->cpus);
	smbios_add_memory(area, memory);
	smbios_add_end(area);
	if (area->full)
		return -ENOSPC;
	smbios_put_entry(area);
	return guest_memory_write(memory, MEMORY_MAP_SMBIOS, area->bytes, area->size);
}
