/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gpu_state.h - what the card's driver has made, in a machine's state
 */
#ifndef VMM_GPU_STATE_H
#define VMM_GPU_STATE_H

struct gpu;
struct state_reader;
struct state_writer;

#define GPU_STATE_VERSION 1

/* As in struct virtio_ops; loading wants a card that was reset. */
void gpu_state_save(const struct gpu *gpu, struct state_writer *writer);
int gpu_state_load(struct gpu *gpu, struct state_reader *reader);

#endif
