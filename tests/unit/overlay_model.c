// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * overlay_model.c - random work on an overlay with many requests in flight, compared with what the disk has to hold
 */
#include "tests/unit/overlay_model.h"

#include <string.h>

#include "tests/unit/disk_stage.h"

static const char overlay_model_zeros[512];

static uint64_t
overlay_model_first(const struct overlay_model_slot *slot)
{
	return slot->request.offset / 512;
}

static uint64_t
overlay_model_end(const struct overlay_model_slot *slot)
{
	return (slot->request.offset + slot->request.bytes) / 512;
}

static void
overlay_model_compare(struct overlay_model_slot *slot)
{
	struct overlay_model *model = slot->model;

	for (uint64_t at = overlay_model_first(slot); at < overlay_model_end(slot); at++) {
		const char *read = slot->data + (at - overlay_model_first(slot)) * 512;

		if (memcmp(read, model->content + at * 512, 512) == 0 ||
		    (model->discarded[at] && memcmp(read, overlay_model_zeros, 512) == 0))
			continue;
		if (!model->problem)
			model->problem_sector = at;
		model->problem = "a sector is not what it has to be";
	}
}

static void
overlay_model_handle_done(struct overlay_request *request, int result)
{
	struct overlay_model_slot *slot = (struct overlay_model_slot *)request;
	struct overlay_model *model = slot->model;

	slot->busy = false;
	model->n_requests++;
	model->n_done[request->kind]++;
	if (result < 0 && model->result == 0)
		model->result = result;
	if (request->kind == OVERLAY_READ && result == 0)
		overlay_model_compare(slot);
}

/* May this request be in flight together with what is? */
static bool
overlay_model_may_run(const struct overlay_model *model, const struct overlay_model_slot *slot)
{
	for (size_t i = 0; i < OVERLAY_MODEL_DEPTH; i++) {
		const struct overlay_model_slot *other = &model->slots[i];

		if (other->busy && other->request.kind != OVERLAY_FLUSH &&
		    (other->request.kind != OVERLAY_READ || slot->request.kind != OVERLAY_READ) &&
		    overlay_model_first(slot) < overlay_model_end(other) &&
		    overlay_model_first(other) < overlay_model_end(slot))
			return false;
	}
	return true;
}

/* Puts down what the disk has to hold afterwards. */
static void
overlay_model_note(struct overlay_model_slot *slot)
{
	struct overlay_model *model = slot->model;

	for (uint64_t at = overlay_model_first(slot); at < overlay_model_end(slot); at++) {
		char *content = model->content + at * 512;

		if (slot->request.kind == OVERLAY_WRITE)
			memcpy(content, slot->data + (at - overlay_model_first(slot)) * 512, 512);
		else if (slot->request.kind == OVERLAY_ZERO)
			memset(content, 0, 512);
		model->discarded[at] = slot->request.kind == OVERLAY_DISCARD ||
				       (slot->request.kind == OVERLAY_READ && model->discarded[at]);
	}
}

/* Cuts the data into a few segments of odd sizes, as a guest may. */
static void
overlay_model_cut(struct overlay_model_slot *slot)
{
	struct overlay_request *request = &slot->request;
	uint64_t at = 0;

	request->n_segments = 1 + disk_stage_random(&slot->model->seed) % OVERLAY_MODEL_SEGMENTS;
	for (uint32_t i = 0; i < request->n_segments; i++) {
		uint64_t left = request->bytes - at;
		uint64_t part = disk_stage_random(&slot->model->seed) % (left + 1);

		if (i == request->n_segments - 1)
			part = left;
		request->segments[1 + i] = (struct iovec){ slot->data + at, part };
		at += part;
	}
}

static enum overlay_kind
overlay_model_pick_kind(struct overlay_model *model)
{
	uint32_t dice = disk_stage_random(&model->seed) % 100;

	if (dice < 45)
		return OVERLAY_WRITE;
	if (dice < 80)
		return OVERLAY_READ;
	if (dice < 88)
		return OVERLAY_ZERO;
	return dice < 95 ? OVERLAY_DISCARD : OVERLAY_FLUSH;
}

static void
overlay_model_pick(struct overlay_model_slot *slot)
{
	struct overlay_model *model = slot->model;
	uint64_t left, sectors;

	slot->request.kind = overlay_model_pick_kind(model);
	slot->request.offset = disk_stage_random(&model->seed) % model->n_sectors * 512;
	left = model->n_sectors - slot->request.offset / 512;
	sectors = disk_stage_random(&model->seed) % 3 ? 16 : OVERLAY_MODEL_MAX_SECTORS;
	sectors = 1 + disk_stage_random(&model->seed) % sectors;
	slot->request.bytes = (sectors < left ? sectors : left) * 512;
	slot->request.done = overlay_model_handle_done;
	disk_stage_fill(slot->data, slot->request.bytes, disk_stage_random(&model->seed));
	overlay_model_cut(slot);
}

void
overlay_model_step(struct overlay_model *model)
{
	for (size_t i = 0; i < OVERLAY_MODEL_DEPTH; i++) {
		struct overlay_model_slot *slot = &model->slots[i];

		if (slot->busy)
			continue;
		slot->model = model;
		overlay_model_pick(slot);
		if (slot->request.kind == OVERLAY_FLUSH) {
			slot->busy = true;
			overlay_submit(model->overlay, &slot->request);
		} else if (overlay_model_may_run(model, slot)) {
			slot->busy = true;
			overlay_model_note(slot);
			overlay_submit(model->overlay, &slot->request);
		}
		return;
	}
}

void
overlay_model_check_all(struct overlay_model *model)
{
	struct overlay_model_slot *slot = &model->slots[0];

	slot->model = model;
	for (uint64_t at = 0; at < model->n_sectors; at += OVERLAY_MODEL_MAX_SECTORS) {
		uint64_t left = model->n_sectors - at;

		slot->request.kind = OVERLAY_READ;
		slot->request.offset = at * 512;
		slot->request.bytes =
			(left < OVERLAY_MODEL_MAX_SECTORS ? left : OVERLAY_MODEL_MAX_SECTORS) * 512;
		slot->request.done = overlay_model_handle_done;
		overlay_model_cut(slot);
		slot->busy = true;
		overlay_submit(model->overlay, &slot->request);
		disk_io_drain(model->io);
	}
}
