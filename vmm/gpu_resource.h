/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gpu_resource.h - the pictures that a virtio-gpu's driver has made (virtio 1.2 section 5.7.6.8)
 *
 * A resource is a size, a format and a list of places in guest memory. There is no copy of its
 * pixels on the host: they are read from there when somebody wants to see them.
 */
#ifndef VMM_GPU_RESOURCE_H
#define VMM_GPU_RESOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct damage_rect;
struct guest_memory;
struct state_reader;
struct state_writer;
struct virtqueue_chain;

#define GPU_MAX_RESOURCES     256
#define GPU_MAX_SIDE	      8192		    /* pixels */
#define GPU_MAX_TOTAL_PIXELS  (UINT64_C(256) << 20) /* of all resources: four of the largest */
#define GPU_MAX_ENTRIES	      65536 /* of one resource: the largest in pages of 4 KiB */
#define GPU_MAX_TOTAL_EXTENTS (4 * GPU_MAX_ENTRIES) /* of all resources: 4 MiB of ours */
#define GPU_MAX_BACKING_BYTES (UINT64_C(512) << 20) /* of one resource */

/* What has no gap in guest memory. */
struct gpu_extent {
	uint64_t gpa;
	uint32_t offset; /* in the backing */
	uint32_t bytes;
};

struct gpu_resource_state {
	uint32_t id; /* 0: this place in the table is free */
	uint32_t format;
	uint32_t width;
	uint32_t height;
	uint32_t backed; /* 1: it has a backing */
	uint32_t n_extents;
};

struct gpu_resource {
	struct gpu_resource_state state;
	struct gpu_extent *extents; /* in order of their offsets */
};

/* Zero-initialised: none. */
struct gpu_resource_table {
	uint64_t total_pixels;
	uint32_t total_extents;
	struct gpu_resource resources[GPU_MAX_RESOURCES];
};

struct gpu_resource *gpu_resource_find(struct gpu_resource_table *table, uint32_t id);

/* Each returns 0 or, as section 5.7.6.7 has it, a VIRTIO_GPU_RESP_ERR_*. */
uint32_t gpu_resource_create(struct gpu_resource_table *table, uint32_t id, uint32_t format,
			     uint32_t width, uint32_t height);
/* "n_entries" of struct virtio_gpu_mem_entry stand at "offset" of the chain. */
uint32_t gpu_resource_attach(struct gpu_resource_table *table, struct gpu_resource *resource,
			     const struct guest_memory *memory, const struct virtqueue_chain *chain,
			     uint64_t offset, uint32_t n_entries);

void gpu_resource_detach(struct gpu_resource_table *table, struct gpu_resource *resource);
void gpu_resource_remove(struct gpu_resource_table *table, struct gpu_resource *resource);
void gpu_resource_clear(struct gpu_resource_table *table);

/* Into the section that is open, and one more out of it. 0 or the reader's error. */
void gpu_resource_save(const struct gpu_resource *resource, struct state_writer *writer);
int gpu_resource_load(struct gpu_resource_table *table, const struct guest_memory *memory,
		      struct state_reader *reader);

/*
 * Copies a rectangle that lies within the resource as bytes B, G, R, A, rows "stride" bytes apart;
 * A is 255 in formats without. What has no backing is black.
 */
void gpu_resource_copy(const struct gpu_resource *resource, const struct guest_memory *memory,
		       const struct damage_rect *rect, uint8_t *target, size_t stride);

#endif
