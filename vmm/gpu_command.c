/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gpu_command.c - the commands of a virtio-gpu without 3D (carrel-vmm)
 *
 * How it works: a command is copied out of the guest's memory once, into union gpu_request, and
 * handled by its line of command_table before the next one is looked at. So all is done when it is
 * answered, and fences are answered in order.
 *
 * There is no copy of a resource on the host. TRANSFER_TO_HOST_2D is therefore only checked, and
 * RESOURCE_FLUSH tells the link which parts of the scanouts have changed; it reads them, from the
 * resource's backing, when the display asks.
 */
#include "vmm/gpu_command.h"

#include <errno.h>
#include <linux/virtio_gpu.h>
#include <string.h>

#include "vmm/seat_link.h"
#include "vmm/edid.h"
#include "vmm/virtqueue.h"

#define PIXEL_BYTES	  4
#define CURSOR_MAX_OFFSET (2 * GPU_MAX_SIDE) /* of its place, either way */

union gpu_request {
	struct virtio_gpu_ctrl_hdr header;
	struct virtio_gpu_cmd_get_edid get_edid;
	struct virtio_gpu_resource_create_2d create;
	struct virtio_gpu_resource_unref unref;
	struct virtio_gpu_set_scanout set_scanout;
	struct virtio_gpu_resource_flush flush;
	struct virtio_gpu_transfer_to_host_2d transfer;
	struct virtio_gpu_resource_attach_backing attach;
	struct virtio_gpu_resource_detach_backing detach;
	struct virtio_gpu_update_cursor cursor;
};

union gpu_answer {
	struct virtio_gpu_ctrl_hdr header;
	struct virtio_gpu_resp_display_info display_info;
	struct virtio_gpu_resp_edid edid;
};

/* Returns the answer's type. */
typedef uint32_t (*gpu_handler)(struct gpu *gpu, const union gpu_request *request,
				const struct virtqueue_chain *chain, union gpu_answer *answer);

static struct damage_rect
gpu_rect(const struct virtio_gpu_rect *rect)
{
	return (struct damage_rect){ rect->x, rect->y, rect->width, rect->height };
}

static uint32_t
gpu_handle_get_display_info(struct gpu *gpu, const union gpu_request *request,
			    const struct virtqueue_chain *chain, union gpu_answer *answer)
{
	uint32_t x = 0;

	(void)request;
	(void)chain;
	for (uint32_t i = 0; i < gpu->state.n_scanouts; i++) {
		const struct gpu_scanout_state *scanout = &gpu->state.scanouts[i];
		struct virtio_gpu_display_one *mode = &answer->display_info.pmodes[i];

		mode->enabled = scanout->wanted_width > 0;
		mode->r = (struct virtio_gpu_rect){ x, 0, scanout->wanted_width,
						    scanout->wanted_height };
		x += scanout->wanted_width;
	}
	return VIRTIO_GPU_RESP_OK_DISPLAY_INFO;
}

static uint32_t
gpu_handle_get_edid(struct gpu *gpu, const union gpu_request *request,
		    const struct virtqueue_chain *chain, union gpu_answer *answer)
{
	uint32_t i = request->get_edid.scanout;

	(void)chain;
	if (i >= gpu->state.n_scanouts)
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	if (gpu->state.scanouts[i].wanted_width > 0)
		answer->edid.size = (uint32_t)edid_make(gpu->state.scanouts[i].wanted_width,
							gpu->state.scanouts[i].wanted_height, i,
							answer->edid.edid);
	return VIRTIO_GPU_RESP_OK_EDID;
}

static uint32_t
gpu_handle_create(struct gpu *gpu, const union gpu_request *request,
		  const struct virtqueue_chain *chain, union gpu_answer *answer)
{
	const struct virtio_gpu_resource_create_2d *create = &request->create;

	(void)chain;
	(void)answer;
	return gpu_resource_create(&gpu->table, create->resource_id, create->format, create->width,
				   create->height);
}

static void
gpu_switch_off(struct gpu *gpu, uint32_t i)
{
	gpu->state.scanouts[i].resource_id = 0;
	memset(&gpu->state.scanouts[i].rect, 0, sizeof(gpu->state.scanouts[i].rect));
	seat_link_set_scanout(gpu->link, i, 0, 0);
}

static uint32_t
gpu_handle_unref(struct gpu *gpu, const union gpu_request *request,
		 const struct virtqueue_chain *chain, union gpu_answer *answer)
{
	uint32_t id = request->unref.resource_id;
	struct gpu_resource *resource = gpu_resource_find(&gpu->table, id);

	(void)chain;
	(void)answer;
	if (!resource)
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	for (uint32_t i = 0; i < gpu->state.n_scanouts; i++)
		if (gpu->state.scanouts[i].resource_id == id)
			gpu_switch_off(gpu, i);
	gpu_resource_remove(&gpu->table, resource);
	return 0;
}

static uint32_t
gpu_handle_set_scanout(struct gpu *gpu, const union gpu_request *request,
		       const struct virtqueue_chain *chain, union gpu_answer *answer)
{
	const struct virtio_gpu_set_scanout *set = &request->set_scanout;
	const struct gpu_resource *resource;
	struct damage_rect rect = gpu_rect(&set->r);

	(void)chain;
	(void)answer;
	if (set->scanout_id >= gpu->state.n_scanouts)
		return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
	if (set->resource_id == 0) {
		gpu_switch_off(gpu, set->scanout_id);
		return 0;
	}
	resource = gpu_resource_find(&gpu->table, set->resource_id);
	if (!resource)
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	if (!damage_rect_fits(&rect, resource->state.width, resource->state.height))
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	gpu->state.scanouts[set->scanout_id].resource_id = set->resource_id;
	gpu->state.scanouts[set->scanout_id].rect = rect;
	seat_link_set_scanout(gpu->link, set->scanout_id, rect.width, rect.height);
	return 0;
}

static uint32_t
gpu_max(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t
gpu_min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* The part of "rect" that the scanout shows, in its own coordinates; false when it shows none. */
static bool
gpu_clip(const struct damage_rect *shown, const struct damage_rect *rect,
	 struct damage_rect *ret_part)
{
	uint32_t left = gpu_max(rect->x, shown->x);
	uint32_t top = gpu_max(rect->y, shown->y);
	uint32_t right = gpu_min(rect->x + rect->width, shown->x + shown->width);
	uint32_t bottom = gpu_min(rect->y + rect->height, shown->y + shown->height);

	if (left >= right || top >= bottom)
		return false;
	*ret_part =
		(struct damage_rect){ left - shown->x, top - shown->y, right - left, bottom - top };
	return true;
}

static uint32_t
gpu_handle_flush(struct gpu *gpu, const union gpu_request *request,
		 const struct virtqueue_chain *chain, union gpu_answer *answer)
{
	uint32_t id = request->flush.resource_id;
	const struct gpu_resource *resource = gpu_resource_find(&gpu->table, id);
	struct damage_rect rect = gpu_rect(&request->flush.r);
	struct damage_rect part;

	(void)chain;
	(void)answer;
	if (!resource)
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	if (!damage_rect_fits(&rect, resource->state.width, resource->state.height))
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	for (uint32_t i = 0; i < gpu->state.n_scanouts; i++)
		if (gpu->state.scanouts[i].resource_id == id &&
		    gpu_clip(&gpu->state.scanouts[i].rect, &rect, &part))
			seat_link_add_damage(gpu->link, i, &part);
	return 0;
}

/*
 * The pixels must be where gpu_resource_copy() will look for them: drivers keep one layout for a
 * resource.
 */
static uint32_t
gpu_handle_transfer(struct gpu *gpu, const union gpu_request *request,
		    const struct virtqueue_chain *chain, union gpu_answer *answer)
{
	const struct virtio_gpu_transfer_to_host_2d *transfer = &request->transfer;
	const struct gpu_resource *resource = gpu_resource_find(&gpu->table, transfer->resource_id);
	struct damage_rect rect = gpu_rect(&transfer->r);
	uint64_t offset;

	(void)chain;
	(void)answer;
	if (!resource)
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	if (!resource->state.backed)
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	offset = ((uint64_t)rect.y * resource->state.width + rect.x) * PIXEL_BYTES;
	if (!damage_rect_fits(&rect, resource->state.width, resource->state.height) ||
	    transfer->offset != offset)
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	return 0;
}

static uint32_t
gpu_handle_attach(struct gpu *gpu, const union gpu_request *request,
		  const struct virtqueue_chain *chain, union gpu_answer *answer)
{
	struct gpu_resource *resource = gpu_resource_find(&gpu->table, request->attach.resource_id);

	(void)answer;
	if (!resource)
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	return gpu_resource_attach(&gpu->table, resource, gpu->memory, chain,
				   sizeof(request->attach), request->attach.nr_entries);
}

static uint32_t
gpu_handle_detach(struct gpu *gpu, const union gpu_request *request,
		  const struct virtqueue_chain *chain, union gpu_answer *answer)
{
	struct gpu_resource *resource = gpu_resource_find(&gpu->table, request->detach.resource_id);

	(void)chain;
	(void)answer;
	if (!resource)
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	if (!resource->state.backed)
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	gpu_resource_detach(&gpu->table, resource);
	return 0;
}

static int32_t
gpu_clamp_place(uint32_t place)
{
	int32_t value = (int32_t)place;

	if (value > CURSOR_MAX_OFFSET)
		return CURSOR_MAX_OFFSET;
	return value < -CURSOR_MAX_OFFSET ? -CURSOR_MAX_OFFSET : value;
}

static bool
gpu_is_cursor(const struct gpu_resource *resource)
{
	return resource->state.width <= SOURCE_MAX_CURSOR &&
	       resource->state.height <= SOURCE_MAX_CURSOR;
}

/* Tells the link what "scanout" has as its cursor now; "resource" NULL hides it. */
static void
gpu_show_cursor(struct gpu *gpu, uint32_t i, const struct gpu_resource *resource)
{
	const struct gpu_scanout_state *scanout = &gpu->state.scanouts[i];
	uint8_t argb[SOURCE_MAX_CURSOR * SOURCE_MAX_CURSOR * PIXEL_BYTES];
	struct source_cursor cursor = { .scanout = i,
					.x = scanout->cursor_x,
					.y = scanout->cursor_y };

	if (resource) {
		struct damage_rect all = { 0, 0, resource->state.width, resource->state.height };

		cursor.visible = 1;
		cursor.width = all.width;
		cursor.height = all.height;
		cursor.hot_x = gpu_min(scanout->cursor_hot_x, all.width - 1);
		cursor.hot_y = gpu_min(scanout->cursor_hot_y, all.height - 1);
		gpu_resource_copy(resource, gpu->memory, &all, argb,
				  (size_t)all.width * PIXEL_BYTES);
	}
	seat_link_set_cursor(gpu->link, &cursor, argb);
}

static uint32_t
gpu_handle_cursor(struct gpu *gpu, const union gpu_request *request,
		  const struct virtqueue_chain *chain, union gpu_answer *answer)
{
	const struct virtio_gpu_update_cursor *cursor = &request->cursor;
	const struct gpu_resource *resource = gpu_resource_find(&gpu->table, cursor->resource_id);
	uint32_t i = cursor->pos.scanout_id;
	struct gpu_scanout_state *scanout;

	(void)chain;
	(void)answer;
	if (i >= gpu->state.n_scanouts)
		return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
	scanout = &gpu->state.scanouts[i];
	if (cursor->hdr.type == VIRTIO_GPU_CMD_UPDATE_CURSOR) {
		if (cursor->resource_id != 0 && !resource)
			return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
		if (resource && !gpu_is_cursor(resource))
			return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
		scanout->cursor_id = cursor->resource_id;
		scanout->cursor_hot_x = cursor->hot_x;
		scanout->cursor_hot_y = cursor->hot_y;
	}
	scanout->cursor_x = gpu_clamp_place(cursor->pos.x);
	scanout->cursor_y = gpu_clamp_place(cursor->pos.y);
	if (cursor->hdr.type == VIRTIO_GPU_CMD_UPDATE_CURSOR)
		gpu_show_cursor(gpu, i, resource);
	else
		seat_link_move_cursor(gpu->link, i, scanout->cursor_x, scanout->cursor_y);
	return 0;
}

struct gpu_command {
	uint32_t type;
	uint32_t bytes; /* of the request */
	gpu_handler handle;
};

static const struct gpu_command control_table[] = {
	{ VIRTIO_GPU_CMD_GET_DISPLAY_INFO, sizeof(struct virtio_gpu_ctrl_hdr),
	  gpu_handle_get_display_info },
	{ VIRTIO_GPU_CMD_GET_EDID, sizeof(struct virtio_gpu_cmd_get_edid), gpu_handle_get_edid },
	{ VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, sizeof(struct virtio_gpu_resource_create_2d),
	  gpu_handle_create },
	{ VIRTIO_GPU_CMD_RESOURCE_UNREF, sizeof(struct virtio_gpu_resource_unref),
	  gpu_handle_unref },
	{ VIRTIO_GPU_CMD_SET_SCANOUT, sizeof(struct virtio_gpu_set_scanout),
	  gpu_handle_set_scanout },
	{ VIRTIO_GPU_CMD_RESOURCE_FLUSH, sizeof(struct virtio_gpu_resource_flush),
	  gpu_handle_flush },
	{ VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, sizeof(struct virtio_gpu_transfer_to_host_2d),
	  gpu_handle_transfer },
	{ VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, sizeof(struct virtio_gpu_resource_attach_backing),
	  gpu_handle_attach },
	{ VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, sizeof(struct virtio_gpu_resource_detach_backing),
	  gpu_handle_detach },
};

static const struct gpu_command cursor_table[] = {
	{ VIRTIO_GPU_CMD_UPDATE_CURSOR, sizeof(struct virtio_gpu_update_cursor),
	  gpu_handle_cursor },
	{ VIRTIO_GPU_CMD_MOVE_CURSOR, sizeof(struct virtio_gpu_update_cursor), gpu_handle_cursor },
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Handles "request", of which "bytes" are there; the answer's type. */
static uint32_t
gpu_dispatch(struct gpu *gpu, const struct gpu_command *table, size_t count,
	     const union gpu_request *request, size_t bytes, const struct virtqueue_chain *chain,
	     union gpu_answer *answer)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t result;

		if (table[i].type != request->header.type)
			continue;
		if (bytes < table[i].bytes)
			return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
		result = table[i].handle(gpu, request, chain, answer);
		return result == 0 ? VIRTIO_GPU_RESP_OK_NODATA : result;
	}
	return VIRTIO_GPU_RESP_ERR_UNSPEC;
}

static size_t
gpu_answer_bytes(uint32_t type)
{
	if (type == VIRTIO_GPU_RESP_OK_DISPLAY_INFO)
		return sizeof(struct virtio_gpu_resp_display_info);
	if (type == VIRTIO_GPU_RESP_OK_EDID)
		return sizeof(struct virtio_gpu_resp_edid);
	return sizeof(struct virtio_gpu_ctrl_hdr);
}

int
gpu_command_control(struct gpu *gpu, const struct virtqueue_chain *chain, uint32_t *ret_written)
{
	union gpu_request request;
	union gpu_answer answer;
	size_t bytes = virtqueue_chain_read(chain, 0, &request, sizeof(request));
	size_t written;

	if (bytes < sizeof(request.header))
		return -EBADMSG;
	memset(&answer, 0, sizeof(answer));
	answer.header.type = gpu_dispatch(gpu, control_table, COUNT(control_table), &request, bytes,
					  chain, &answer);
	if (request.header.flags & VIRTIO_GPU_FLAG_FENCE) {
		answer.header.flags = VIRTIO_GPU_FLAG_FENCE;
		answer.header.fence_id = request.header.fence_id;
		answer.header.ctx_id = request.header.ctx_id;
	}
	written = gpu_answer_bytes(answer.header.type);
	if (virtqueue_chain_write(chain, 0, &answer, written) != written)
		return -ENOSPC;
	*ret_written = (uint32_t)written;
	return 0;
}

/* Linux leaves no room for an answer here (section 5.7.6.10 asks for none). */
int
gpu_command_cursor(struct gpu *gpu, const struct virtqueue_chain *chain, uint32_t *ret_written)
{
	union gpu_request request;
	union gpu_answer answer = { 0 };
	size_t bytes = virtqueue_chain_read(chain, 0, &request, sizeof(request));

	if (bytes < sizeof(request.header))
		return -EBADMSG;
	answer.header.type = gpu_dispatch(gpu, cursor_table, COUNT(cursor_table), &request, bytes,
					  chain, &answer);
	*ret_written =
		(uint32_t)virtqueue_chain_write(chain, 0, &answer.header, sizeof(answer.header));
	return 0;
}

bool
gpu_command_is_place(int32_t x, int32_t y)
{
	return gpu_clamp_place((uint32_t)x) == x && gpu_clamp_place((uint32_t)y) == y;
}

void
gpu_command_show(struct gpu *gpu)
{
	for (uint32_t i = 0; i < gpu->state.n_scanouts; i++) {
		const struct gpu_scanout_state *scanout = &gpu->state.scanouts[i];
		const struct gpu_resource *cursor =
			gpu_resource_find(&gpu->table, scanout->cursor_id);

		seat_link_set_scanout(gpu->link, i, scanout->rect.width, scanout->rect.height);
		/* its number may be another picture's by now */
		gpu_show_cursor(gpu, i, cursor && gpu_is_cursor(cursor) ? cursor : NULL);
	}
}

void
gpu_command_reset(struct gpu *gpu)
{
	for (uint32_t i = 0; i < gpu->state.n_scanouts; i++) {
		struct gpu_scanout_state *scanout = &gpu->state.scanouts[i];

		gpu_switch_off(gpu, i);
		scanout->cursor_id = 0;
		scanout->cursor_hot_x = 0;
		scanout->cursor_hot_y = 0;
		gpu_show_cursor(gpu, i, NULL);
	}
	gpu_resource_clear(&gpu->table);
	gpu->state.events_read = 0;
}
