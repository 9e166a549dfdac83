/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * net_stage.h - a machine without KVM that has a network card, the guest's driver for it, and a socket's other end; with
 * cmocka's assertions
 */
#ifndef TESTS_UNIT_NET_STAGE_H
#define TESTS_UNIT_NET_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_net.h>

#include "tests/unit/fake_platform.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/net_peer.h"
#include "vmm/virtqueue.h"

#define NET_STAGE_RECEIVE   0 /* queues */
#define NET_STAGE_SEND	    1
#define NET_STAGE_HEADER    sizeof(struct virtio_net_hdr_v1)
#define NET_STAGE_FRAME	    1000 /* bytes of one as there are many */
#define NET_STAGE_LARGE	    32014
#define NET_STAGE_FLOOD	    60
#define NET_STAGE_MAX_BYTES 65553

struct pci_root;
struct virtio_device;

struct net_stage {
	struct fake_platform *fake;
	struct pci_root *root;
	struct virtio_device *device;
	struct virtio_driver driver;
	struct net_peer_kind kind; /* of the peers that come */
	int peer;		   /* the other end */
	uint64_t buffers[VIRTQUEUE_MAX_SIZE];
	uint8_t bytes[4 + NET_STAGE_MAX_BYTES + 1];
};

extern const uint8_t net_stage_mac[6];

/* cmocka's: *state is the stage, with its driver started. */
int net_stage_open(void **state);
int net_stage_close(void **state);
void net_stage_restart(struct net_stage *stage, uint64_t features);
/* A new peer; its end for the card, which takes it over. */
int net_stage_pair(struct net_stage *stage);

/* struct net_peer_kind's make, of peers that cannot do what the driver counts on. */
int net_stage_make_refusing_peer(struct loop *loop, const char *name, int fd,
				 const struct net_peer_events *events, void *context,
				 struct net_peer **ret_peer);

/* A frame's bytes are made of its number and of where they are. */
void net_stage_fill_frame(uint8_t *bytes, uint32_t number, size_t size);

/* The guest sends one, of a header and two segments; without a kick. */
void net_stage_send(struct net_stage *stage, uint32_t number, uint32_t size);
/* How many of those that the guest has sent came back since it was last asked. */
int net_stage_count_sent(struct net_stage *stage);
/* The guest sends NET_STAGE_FLOOD frames of NET_STAGE_LARGE bytes, more than the socket takes: how many came back. */
int net_stage_flood(struct net_stage *stage);
/* Reads exactly so many bytes at the other end, the loop running meanwhile. */
void net_stage_read(struct net_stage *stage, void *target, size_t size);
void net_stage_expect_sent(struct net_stage *stage, uint32_t number, uint32_t size);
void net_stage_expect_silence(struct net_stage *stage);

/* The other end sends one: of its length and itself, "bytes" bytes from "first" on. */
void net_stage_arrive(struct net_stage *stage, uint32_t number, uint32_t size, size_t first,
		      size_t bytes);
/* The guest gives so many buffers of this size. */
void net_stage_give(struct net_stage *stage, int count, uint32_t bytes);
/* The guest has received this frame in so many buffers; 0: in none. */
void net_stage_expect_received(struct net_stage *stage, uint32_t number, uint32_t size,
			       int n_buffers);

bool net_stage_sees_link(struct net_stage *stage);

#endif
