/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tls_client.h - a client of a display, as far as TLS and the first words of a link
 */
#ifndef TESTS_UNIT_TLS_CLIENT_H
#define TESTS_UNIT_TLS_CLIENT_H

#include <gio/gio.h>
#include <stddef.h>
#include <stdint.h>

/* A certificate for "name" and its key, to be freed with g_free(). */
char *tls_client_make_pem(const char *name);

/* Says the first words of a link over "fd", which the stream then owns; it keeps the connection open. */
GIOStream *tls_client_link(int fd, const void *words, size_t size);

/* Sends a link message for a channel. */
GIOStream *tls_client_link_channel(int fd, uint8_t type, uint32_t connection_id);

#endif
