/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * boot_image.h - what boot.c and the loaders of each kind of kernel share
 */
#ifndef VMM_BOOT_IMAGE_H
#define VMM_BOOT_IMAGE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "vmm/boot.h"
#include "vmm/vcpu_state.h"

#define BOOT_MAX_RANGES 8

#define BOOT_PROBLEM(image, ...) \
	snprintf((image)->problem->text, sizeof((image)->problem->text), __VA_ARGS__)

/* As in the e820 table, virtio and PVH alike */
enum boot_range_type {
	BOOT_RANGE_RAM = 1,
	BOOT_RANGE_RESERVED = 2,
};

struct boot_range {
	uint64_t start;
	uint64_t bytes;
	enum boot_range_type type;
};

/* One attempt to load. Addresses are the guest's. */
struct boot_image {
	const struct guest_memory *memory;
	const struct boot_source *source;
	struct boot_problem *problem;
	uint64_t kernel_bytes; /* of the file */
	uint64_t initrd_bytes; /* 0: none */
	uint64_t initrd_gpa;
	uint64_t low_end; /* of the RAM below the hole */
};

/* Reads all of it from the kernel's file, or -EINVAL and the problem: truncated. */
int boot_image_read(struct boot_image *image, uint64_t offset, void *target, size_t bytes);

/* The same, into memory that is empty: what the file has no data for is left alone. */
int boot_image_read_data(struct boot_image *image, uint64_t offset, uint8_t *target, size_t bytes);

/* Room for a part of the kernel: RAM from 1 MiB to the hole. NULL and the problem when it is not. */
void *boot_image_find_room(struct boot_image *image, uint64_t gpa, uint64_t bytes);

/*
 * Loads the initrd, if there is one, as high as may be: it ends at or below "limit" and the RAM, and does not begin before
 * kernel_end. Sets initrd_gpa.
 */
int boot_image_load_initrd(struct boot_image *image, uint64_t kernel_end, uint64_t limit);

/* What the guest is told of its memory, in order. Returns how many. */
size_t boot_image_list_ranges(const struct boot_image *image,
			      struct boot_range ret_ranges[BOOT_MAX_RANGES]);

/* Each loads the kernel and the initrd, writes what the kernel reads about itself, and says how it is entered. */
int boot_bzimage_load(struct boot_image *image, struct vcpu_entry *entry);
int boot_elf_load(struct boot_image *image, struct vcpu_entry *entry);

#endif
