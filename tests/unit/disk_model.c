/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * disk_model.c - random work on an overlay with many requests in flight, compared with what the disk has to hold
 */
#include "tests/unit/disk_model.h"

#include <string.h>

#include "tests/unit/disk_stage.h"

static const char disk_model_zeros[512];

static uint64_t
disk_model_first(const struct disk_model_slot *slot)
{
	return slot->request.offset / 512;
}

static uint64_t
disk_model_end(const struct disk_model_slot *slot)
{
	return (slot->request.offset + slot->request.bytes) / 512;
}

static void
disk_model_compare(struct disk_model_slot *slot)
{
	struct disk_model *model = slot->model;

	for (uint64_t at = disk_model_first(slot); at < disk_model_end(slot); at++) {
		const char *read = slot->data + (at - disk_model_first(slot)) * 512;

		if (memcmp(read, model->content + at * 512, 512) == 0 ||
		    (model->discarded[at] && memcmp(read, disk_model_zeros, 512) == 0))
			continue;
		if (!model->problem)
			model->problem_sector = at;
		model->problem = "a sector is not what it has to be";
	}
}

static void
disk_model_handle_done(struct disk_request *request, int result)
{
	struct disk_model_slot *slot = (struct disk_model_slot *)request;
	struct disk_model *model = slot->model;

	slot->busy = false;
	model->n_requests++;
	model->n_done[request->kind]++;
	if (result < 0 && model->result == 0)
		model->result = result;
	if (request->kind == DISK_READ && result == 0)
		disk_model_compare(slot);
}

/* May this request be in flight together with what is? */
static bool
disk_model_may_run(const struct disk_model *model, const struct disk_model_slot *slot)
{
	for (size_t i = 0; i < DISK_MODEL_DEPTH; i++) {
		const struct disk_model_slot *other = &model->slots[i];

		if (other->busy && other->request.kind != DISK_FLUSH &&
		    (other->request.kind != DISK_READ || slot->request.kind != DISK_READ) &&
		    disk_model_first(slot) < disk_model_end(other) &&
		    disk_model_first(other) < disk_model_end(slot))
			return false;
	}
	return true;
}

/* Puts down what the disk has to hold afterwards. */
static void
disk_model_note(struct disk_model_slot *slot)
{
	struct disk_model *model = slot->model;

	for (uint64_t at = disk_model_first(slot); at < disk_model_end(slot); at++) {
		char *content = model->content + at * 512;

		if (slot->request.kind == DISK_WRITE)
			memcpy(content, slot->data + (at - disk_model_first(slot)) * 512, 512);
		else if (slot->request.kind == DISK_ZERO)
			memset(content, 0, 512);
		model->discarded[at] = slot->request.kind == DISK_DISCARD ||
				       (slot->request.kind == DISK_READ && model->discarded[at]);
	}
}

/* Cuts the data into a few segments of odd sizes, as a guest may. */
static void
disk_model_cut(struct disk_model_slot *slot)
{
	struct disk_request *request = &slot->request;
	uint64_t at = 0;

	request->n_segments = 1 + disk_stage_random(&slot->model->seed) % DISK_MODEL_SEGMENTS;
	for (uint32_t i = 0; i < request->n_segments; i++) {
		uint64_t left = request->bytes - at;
		uint64_t part = disk_stage_random(&slot->model->seed) % (left + 1);

		if (i == request->n_segments - 1)
			part = left;
		request->segments[1 + i] = (struct iovec){ slot->data + at, part };
		at += part;
	}
}

static enum disk_kind
disk_model_pick_kind(struct disk_model *model)
{
	uint32_t dice = disk_stage_random(&model->seed) % 100;

	if (dice < 45)
		return DISK_WRITE;
	if (dice < 80)
		return DISK_READ;
	if (dice < 88)
		return DISK_ZERO;
	return dice < 95 ? DISK_DISCARD : DISK_FLUSH;
}

static void
disk_model_pick(struct disk_model_slot *slot)
{
	struct disk_model *model = slot->model;
	uint64_t left, sectors;

	slot->request.kind = disk_model_pick_kind(model);
	slot->request.offset = disk_stage_random(&model->seed) % model->n_sectors * 512;
	left = model->n_sectors - slot->request.offset / 512;
	sectors = disk_stage_random(&model->seed) % 3 ? 16 : DISK_MODEL_MAX_SECTORS;
	sectors = 1 + disk_stage_random(&model->seed) % sectors;
	slot->request.bytes = (sectors < left ? sectors : left) * 512;
	slot->request.done = disk_model_handle_done;
	disk_stage_fill(slot->data, slot->request.bytes, disk_stage_random(&model->seed));
	disk_model_cut(slot);
}

void
disk_model_step(struct disk_model *model)
{
	for (size_t i = 0; i < DISK_MODEL_DEPTH; i++) {
		struct disk_model_slot *slot = &model->slots[i];

		if (slot->busy)
			continue;
		slot->model = model;
		disk_model_pick(slot);
		if (slot->request.kind == DISK_FLUSH) {
			slot->busy = true;
			disk_submit(model->disk, &slot->request);
		} else if (disk_model_may_run(model, slot)) {
			slot->busy = true;
			disk_model_note(slot);
			disk_submit(model->disk, &slot->request);
		}
		return;
	}
}

void
disk_model_check_all(struct disk_model *model)
{
	struct disk_model_slot *slot = &model->slots[0];

	slot->model = model;
	for (uint64_t at = 0; at < model->n_sectors; at += DISK_MODEL_MAX_SECTORS) {
		uint64_t left = model->n_sectors - at;

		slot->request.kind = DISK_READ;
		slot->request.offset = at * 512;
		slot->request.bytes =
			(left < DISK_MODEL_MAX_SECTORS ? left : DISK_MODEL_MAX_SECTORS) * 512;
		slot->request.done = disk_model_handle_done;
		disk_model_cut(slot);
		slot->busy = true;
		disk_submit(model->disk, &slot->request);
		disk_io_drain(model->io);
	}
}
