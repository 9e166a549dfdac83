/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * net_tap.h - the guest's network over a tap device, made with IFF_TAP, IFF_NO_PI and IFF_VNET_HDR
 */
#ifndef VMM_NET_TAP_H
#define VMM_NET_TAP_H

#include "vmm/net_peer.h"

extern const struct net_peer_kind net_tap_kind;

#endif
