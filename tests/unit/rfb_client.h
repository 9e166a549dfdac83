/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rfb_client.h - a VNC client, byte by byte (RFC 6143)
 */
#ifndef TESTS_UNIT_RFB_CLIENT_H
#define TESTS_UNIT_RFB_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#define RFB_CLIENT_MAX_ENCODINGS 8

void rfb_client_read(int fd, void *data, size_t size);
void rfb_client_write(int fd, const void *data, size_t size);
void rfb_client_skip(int fd, size_t size);

/* Up to ServerInit (section 7.3.2), and what encodings it knows; the size in ret_size. */
void rfb_client_greet(int fd, const int32_t *encodings, size_t n_encodings, uint16_t ret_size[2]);

#endif
