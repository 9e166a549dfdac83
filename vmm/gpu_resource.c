/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gpu_resource.c - the pictures that a virtio-gpu's driver has made (carrel-vmm)
 *
 * How it works: the list of a backing's pieces is read from the chain once, in parts, each piece
 * checked against RAM and joined with the one before where it can be. gpu_resource_copy() looks for
 * a row's first extent by halves and goes on from there; addresses are looked up again at each use,
 * so nothing here dangles.
 */
#include "vmm/gpu_resource.h"

#include <errno.h>
#include <linux/virtio_gpu.h>
#include <stdlib.h>
#include <string.h>

#include "base/damage.h"
#include "vmm/guest_memory.h"
#include "vmm/state_file.h"
#include "vmm/virtqueue.h"

#define PIXEL_BYTES	4
#define ENTRIES_AT_ONCE 64
#define ALPHA_NONE	-1

/* At which byte of a pixel in memory each colour stands. */
struct gpu_format {
	uint32_t format;
	int8_t blue;
	int8_t green;
	int8_t red;
	int8_t alpha;
};

static const struct gpu_format format_table[] = {
	{ VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 0, 1, 2, 3 },
	{ VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 0, 1, 2, ALPHA_NONE },
	{ VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM, 3, 2, 1, 0 },
	{ VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM, 3, 2, 1, ALPHA_NONE },
	{ VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM, 2, 1, 0, 3 },
	{ VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM, 2, 1, 0, ALPHA_NONE },
	{ VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM, 1, 2, 3, 0 },
	{ VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM, 1, 2, 3, ALPHA_NONE },
};

static const struct gpu_format *
gpu_format_find(uint32_t format)
{
	for (size_t i = 0; i < sizeof(format_table) / sizeof(format_table[0]); i++)
		if (format_table[i].format == format)
			return &format_table[i];
	return NULL;
}

static void
gpu_format_convert(const struct gpu_format *format, uint8_t *pixels, size_t count)
{
	if (format->format == VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM)
		return;
	for (size_t i = 0; i < count; i++, pixels += PIXEL_BYTES) {
		uint8_t source[PIXEL_BYTES];

		memcpy(source, pixels, PIXEL_BYTES);
		pixels[0] = source[format->blue];
		pixels[1] = source[format->green];
		pixels[2] = source[format->red];
		pixels[3] = format->alpha == ALPHA_NONE ? 255 : source[format->alpha];
	}
}

struct gpu_resource *
gpu_resource_find(struct gpu_resource_table *table, uint32_t id)
{
	for (size_t i = 0; id != 0 && i < GPU_MAX_RESOURCES; i++)
		if (table->resources[i].state.id == id)
			return &table->resources[i];
	return NULL;
}

static struct gpu_resource *
gpu_resource_find_free(struct gpu_resource_table *table)
{
	for (size_t i = 0; i < GPU_MAX_RESOURCES; i++)
		if (table->resources[i].state.id == 0)
			return &table->resources[i];
	return NULL;
}

uint32_t
gpu_resource_create(struct gpu_resource_table *table, uint32_t id, uint32_t format, uint32_t width,
		    uint32_t height)
{
	uint64_t pixels = (uint64_t)width * height;
	struct gpu_resource *resource;

	if (id == 0 || gpu_resource_find(table, id))
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	if (!gpu_format_find(format) || width == 0 || height == 0 || width > GPU_MAX_SIDE ||
	    height > GPU_MAX_SIDE)
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	resource = gpu_resource_find_free(table);
	if (!resource || table->total_pixels + pixels > GPU_MAX_TOTAL_PIXELS)
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	table->total_pixels += pixels;
	resource->state = (struct gpu_resource_state){
		.id = id, .format = format, .width = width, .height = height
	};
	return 0;
}

void
gpu_resource_detach(struct gpu_resource_table *table, struct gpu_resource *resource)
{
	table->total_extents -= resource->state.n_extents;
	resource->state.n_extents = 0;
	resource->state.backed = 0;
	free(resource->extents);
	resource->extents = NULL;
}

void
gpu_resource_remove(struct gpu_resource_table *table, struct gpu_resource *resource)
{
	gpu_resource_detach(table, resource);
	table->total_pixels -= (uint64_t)resource->state.width * resource->state.height;
	memset(&resource->state, 0, sizeof(resource->state));
}

void
gpu_resource_clear(struct gpu_resource_table *table)
{
	for (size_t i = 0; i < GPU_MAX_RESOURCES; i++)
		if (table->resources[i].state.id != 0)
			gpu_resource_remove(table, &table->resources[i]);
}

/* One piece more; false when it is not all RAM or too much. */
static bool
gpu_resource_add_extent(const struct guest_memory *memory, const struct virtio_gpu_mem_entry *entry,
			struct gpu_extent *extents, uint32_t *n_extents)
{
	struct gpu_extent *last = *n_extents > 0 ? &extents[*n_extents - 1] : NULL;
	uint64_t offset = last ? (uint64_t)last->offset + last->bytes : 0;

	if (!guest_memory_find(memory, entry->addr, entry->length) ||
	    offset + entry->length > GPU_MAX_BACKING_BYTES)
		return false;
	/* Joined, it must still be found in one piece. */
	if (last && last->gpa + last->bytes == entry->addr &&
	    guest_memory_find(memory, last->gpa, (uint64_t)last->bytes + entry->length)) {
		last->bytes += entry->length;
		return true;
	}
	extents[(*n_extents)++] = (struct gpu_extent){
		.gpa = entry->addr,
		.offset = (uint32_t)offset,
		.bytes = entry->length,
	};
	return true;
}

static bool
gpu_resource_read_entries(const struct guest_memory *memory, const struct virtqueue_chain *chain,
			  uint64_t offset, uint32_t n_entries, struct gpu_extent *extents,
			  uint32_t *n_extents)
{
	struct virtio_gpu_mem_entry part[ENTRIES_AT_ONCE];

	for (uint32_t done = 0; done < n_entries;) {
		uint32_t left = n_entries - done;
		uint32_t count = left < ENTRIES_AT_ONCE ? left : ENTRIES_AT_ONCE;
		size_t bytes = count * sizeof(part[0]);

		if (virtqueue_chain_read(chain, offset, part, bytes) != bytes)
			return false;
		for (uint32_t i = 0; i < count; i++)
			if (!gpu_resource_add_extent(memory, &part[i], extents, n_extents))
				return false;
		done += count;
		offset += bytes;
	}
	return true;
}

/* It has these from now on. */
static void
gpu_resource_back(struct gpu_resource_table *table, struct gpu_resource *resource,
		  struct gpu_extent *extents, uint32_t n_extents)
{
	struct gpu_extent *fitting = realloc(extents, n_extents * sizeof(*extents));

	resource->extents = fitting ? fitting : extents;
	resource->state.n_extents = n_extents;
	resource->state.backed = 1;
	table->total_extents += n_extents;
}

uint32_t
gpu_resource_attach(struct gpu_resource_table *table, struct gpu_resource *resource,
		    const struct guest_memory *memory, const struct virtqueue_chain *chain,
		    uint64_t offset, uint32_t n_entries)
{
	struct gpu_extent *extents;
	uint32_t n_extents = 0;

	if (resource->state.backed)
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	if (n_entries == 0 || n_entries > GPU_MAX_ENTRIES || chain->out_bytes < offset ||
	    (chain->out_bytes - offset) / sizeof(struct virtio_gpu_mem_entry) < n_entries)
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	if (table->total_extents + n_entries > GPU_MAX_TOTAL_EXTENTS)
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	extents = malloc(n_entries * sizeof(*extents));
	if (!extents)
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	if (!gpu_resource_read_entries(memory, chain, offset, n_entries, extents, &n_extents)) {
		free(extents);
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	gpu_resource_back(table, resource, extents, n_extents);
	return 0;
}

void
gpu_resource_save(const struct gpu_resource *resource, struct state_writer *writer)
{
	const struct gpu_resource_state *state = &resource->state;

	state_put_u32(writer, state->id);
	state_put_u32(writer, state->format);
	state_put_u32(writer, state->width);
	state_put_u32(writer, state->height);
	state_put_u32(writer, state->n_extents); /* 0: it has no backing */
	for (uint32_t i = 0; i < state->n_extents; i++) {
		state_put_u64(writer, resource->extents[i].gpa);
		state_put_u32(writer, resource->extents[i].bytes);
	}
}

/* Pieces are checked and joined as those that a driver attaches. */
static int
gpu_resource_load_backing(struct gpu_resource_table *table, struct gpu_resource *resource,
			  const struct guest_memory *memory, uint32_t n_entries,
			  struct state_reader *reader)
{
	struct gpu_extent *extents = malloc(n_entries * sizeof(*extents));
	uint32_t n_extents = 0;

	if (!extents)
		return state_reader_refuse(reader, "there is no memory for a picture's places");
	for (uint32_t i = 0; i < n_entries && state_reader_check(reader) == 0; i++) {
		struct virtio_gpu_mem_entry entry = { .addr = state_take_u64(reader) };

		entry.length = state_take_u32(reader);
		if (!gpu_resource_add_extent(memory, &entry, extents, &n_extents))
			state_reader_refuse(reader, "a picture that is not in RAM");
	}
	if (state_reader_check(reader) < 0) {
		free(extents);
		return state_reader_check(reader);
	}
	gpu_resource_back(table, resource, extents, n_extents);
	return 0;
}

int
gpu_resource_load(struct gpu_resource_table *table, const struct guest_memory *memory,
		  struct state_reader *reader)
{
	uint32_t id = state_take_u32(reader);
	uint32_t format = state_take_u32(reader);
	uint32_t width = state_take_u32(reader);
	uint32_t height = state_take_u32(reader);
	uint32_t n_entries = state_take_count(reader, GPU_MAX_ENTRIES);

	if (state_reader_check(reader) < 0)
		return state_reader_check(reader);
	if (gpu_resource_create(table, id, format, width, height) != 0)
		return state_reader_refuse(reader, "a picture that cannot be made");
	if (n_entries == 0)
		return 0;
	if (table->total_extents + n_entries > GPU_MAX_TOTAL_EXTENTS)
		return state_reader_refuse(reader, "pictures in too many places");
	return gpu_resource_load_backing(table, gpu_resource_find(table, id), memory, n_entries,
					 reader);
}

/* The first extent that ends behind "offset"; n_extents when there is none. */
static uint32_t
gpu_resource_find_extent(const struct gpu_resource *resource, uint64_t offset)
{
	uint32_t low = 0;
	uint32_t high = resource->state.n_extents;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct gpu_extent *extent = &resource->extents[middle];

		if ((uint64_t)extent->offset + extent->bytes <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
gpu_resource_read(const struct gpu_resource *resource, const struct guest_memory *memory,
		  uint64_t offset, uint8_t *target, size_t bytes)
{
	uint32_t i = gpu_resource_find_extent(resource, offset);

	for (; bytes > 0 && i < resource->state.n_extents; i++) {
		const struct gpu_extent *extent = &resource->extents[i];
		uint64_t skip = offset - extent->offset;
		size_t part = extent->bytes - skip < bytes ? extent->bytes - skip : bytes;

		if (guest_memory_read(memory, extent->gpa + skip, target, part) < 0)
			break;
		offset += part;
		target += part;
		bytes -= part;
	}
	memset(target, 0, bytes);
}

void
gpu_resource_copy(const struct gpu_resource *resource, const struct guest_memory *memory,
		  const struct damage_rect *rect, uint8_t *target, size_t stride)
{
	const struct gpu_format *format = gpu_format_find(resource->state.format);
	size_t row_bytes = (size_t)rect->width * PIXEL_BYTES;

	for (uint32_t row = 0; row < rect->height; row++, target += stride) {
		uint64_t first = (uint64_t)(rect->y + row) * resource->state.width + rect->x;

		gpu_resource_read(resource, memory, first * PIXEL_BYTES, target, row_bytes);
		gpu_format_convert(format, target, rect->width);
	}
}
