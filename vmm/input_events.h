/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * input_events.h - what happened at a keyboard or a tablet and has not reached the guest yet
 */
#ifndef VMM_INPUT_EVENTS_H
#define VMM_INPUT_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/input-event-codes.h>
#include <linux/virtio_input.h>

#define INPUT_EVENTS_MAX 512

struct state_reader;
struct state_writer;

/* Zero-initialised: nothing is pressed and nothing waits. All of it is state to be saved. */
struct input_events {
	uint8_t down[KEY_CNT / 8]; /* keys and buttons as they are */
	uint8_t told[KEY_CNT / 8]; /* and as the guest will have them after the events that wait */
	uint32_t lost;		   /* 1: some were dropped */
	uint32_t first;
	uint32_t count;
	struct virtio_input_event events[INPUT_EVENTS_MAX];
};

/* Keys go by their number in linux/input-event-codes.h. One that is so already makes no event. */
void input_events_set_key(struct input_events *events, uint16_t code, bool down);
void input_events_release_all(struct input_events *events);
/* A position that still waits is replaced when nothing came after it. */
void input_events_move(struct input_events *events, uint32_t x, uint32_t y);
void input_events_turn(struct input_events *events, int32_t steps);

/* False when there is none. */
bool input_events_peek(struct input_events *events, struct virtio_input_event *ret_event);
void input_events_pop(struct input_events *events);

/* Is it down, or does the guest have it for down? */
bool input_events_knows(const struct input_events *events, uint16_t code);
/* Into the section that is open, and out of it; first is 0 then. */
void input_events_save(const struct input_events *events, struct state_writer *writer);
void input_events_load(struct input_events *events, struct state_reader *reader);

#endif
