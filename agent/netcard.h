/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * netcard.h - the guest's network card: its address, and whether it is used
 */
#ifndef AGENT_NETCARD_H
#define AGENT_NETCARD_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

/* The first network card; a desktop has one at most. 0 or -ENODEV. */
int netcard_find(char ret_name[IF_NAMESIZE]);

/* The card of that name goes down and gets that address. 0 or a negative errno. */
int netcard_set_address(const char *name, const uint8_t mac[6]);

/* 0 or a negative errno. */
int netcard_set_up(const char *name, bool up);

#endif
