/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * net_stream.h - the guest's network over a unix stream socket: 32 bits of length, big-endian,
 * before each frame (passt, QEMU)
 */
#ifndef VMM_NET_STREAM_H
#define VMM_NET_STREAM_H

#include "vmm/net_peer.h"

extern const struct net_peer_kind net_stream_kind;

#endif
