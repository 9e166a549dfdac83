/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * devices.h - the devices of a machine: made, reset, paused, saved and taken apart together
 *
 * All with the machine's lock held (vmm/platform.h), but devices_free(): no other thread is left by
 * then.
 */
#ifndef VMM_DEVICES_H
#define VMM_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/proto_vmm.h"

struct description;
struct devices;
struct platform;
struct seat;
struct state_reader;
struct state_writer;
struct vmm_statistics;

/*
 * VMM_EVENT_AGENT_PORT and VMM_EVENT_VDAGENT_PORT: the guest has opened (value 1) or closed (0) the
 * port.
 */
typedef void (*devices_watcher)(void *context, const struct vmm_event *event);

/* What the description asks for. 0 or -errno, and the log says which device it was. */
int devices_new(struct platform *platform, const struct description *description,
		struct devices **ret_devices);
void devices_free(struct devices *devices);

/* NULL: the description has none. */
struct seat *devices_get_seat(struct devices *devices);

void devices_set_watcher(struct devices *devices, devices_watcher watcher, void *context);
/* Has the guest opened the port that this kind of event is about? */
bool devices_is_port_open(const struct devices *devices, enum vmm_event_kind kind);

/* How much the guest should give back of its memory. -EINVAL: more than it has. */
int devices_set_balloon(struct devices *devices, uint64_t target_bytes);
/*
 * virtio_net_set_link(); takes over the descriptor, also when it refuses. -EOPNOTSUPP: there is no
 * card.
 */
int devices_set_link(struct devices *devices, bool up, int fd);
/*
 * virtio_blk_attach() and virtio_blk_detach() of the disk in the slot for a home; -ENODEV: there is
 * no such slot.
 */
int devices_attach_home(struct devices *devices, int base_fd, int overlay_fd);
int devices_detach_home(struct devices *devices);
bool devices_has_home(const struct devices *devices);
bool devices_has_link(const struct devices *devices);
/* Is it the guest's memory, or a file of a disk? */
bool devices_use_file(const struct devices *devices, int fd);

/*
 * Before the guest's first instruction, at the start and after a reset: as after power-on, tables
 * in guest memory.
 */
int devices_prepare(struct devices *devices);
/*
 * The vCPUs stand: clocks stop, I/O that is in flight is waited for, what lacks room on the host is
 * left alone.
 */
void devices_pause(struct devices *devices);
void devices_resume(struct devices *devices);

/*
 * All of them (vmm/state_file.h, devices_state.c), while the machine is paused. What the guest was
 * told is written is made durable first; that it is not, or that a disk keeps requests for lack of
 * space, is the writer's error.
 */
void devices_save(struct devices *devices, struct state_writer *writer);
/*
 * In the place of devices_prepare(): into guest memory that is loaded already, tables included. The
 * interrupt controllers are to be loaded too, since lines are set. Afterwards all is paused. 0, or
 * the reader's error: that it is another machine's state changes nothing, any other leaves devices
 * of which the guest may not go on.
 */
int devices_load(struct devices *devices, struct state_reader *reader);
/*
 * What was loaded is another machine from here on if the description has another VM generation id:
 * then the guest is told. After all else is loaded, or that would take the interrupt back.
 */
void devices_change_identity(struct devices *devices);

/*
 * Does a disk keep requests for which the host has no room? Each change is a PLATFORM_EVENT_SPACE.
 */
bool devices_lack_space(const struct devices *devices);
/*
 * Tries these again, from now on every few seconds (await: not before that), until devices_pause().
 */
void devices_retry_space(struct devices *devices);
void devices_await_space(struct devices *devices);
/*
 * Is no disk in the middle of something? Then nobody but vCPUs and the callers of devices changes
 * the guest's memory.
 */
bool devices_are_idle(const struct devices *devices);
/* Gives the host what memory they keep to be fast, until they need it again. */
void devices_rest(struct devices *devices);
/* Waits for what is in flight. The vCPUs stand. */
void devices_drain(struct devices *devices);

/*
 * The machine's end: what the guest was told is written is durable, flushed or not. 0 or -EIO,
 * which the log explains.
 */
int devices_finish(struct devices *devices);

void devices_press_power_button(struct devices *devices);
/* Adds what the devices have counted. */
void devices_get_statistics(const struct devices *devices, struct vmm_statistics *statistics);

#endif
