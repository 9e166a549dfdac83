/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * id.h - random identifiers and secrets, in lower-case base32
 *
 * The alphabet is RFC 4648 section 6 in lower case without padding: SPICE clients lower-case a host name, and a
 * ticket travels as one (docs/PROTOCOL.md, "CONNECT").
 */
#ifndef BASE_ID_H
#define BASE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_SIZE		 24 /* "d-" and 20 characters (100 bits), NUL, rounded up */
#define ID_SECRET_BYTES	 32 /* 256 bits */
#define ID_SECRET_SIZE	 53 /* 52 characters and NUL */
#define ID_PASSWORD_SIZE 53 /* SPICE allows 60 characters, 59 are safe */

enum id_kind {
	ID_KIND_DESKTOP, /* d-... */
	ID_KIND_SESSION, /* s-... */
	ID_KIND_JOB,	 /* j-... */
	ID_KIND_LOGIN,	 /* l-... */
	ID_KIND_COUNT,
};

/* 0, or -EIO when the kernel gives no random numbers: then nothing may go on. */
int id_new(enum id_kind kind, char ret_id[ID_SIZE]);
bool id_valid(enum id_kind kind, const char *id);

/* 256 random bits as text: tickets, passwords, tokens. The caller wipes it (explicit_bzero(3)) when it is done. */
int id_new_secret(char ret_secret[ID_SECRET_SIZE]);
bool id_secret_valid(const char *secret);

/* Writes the base32 text of "size" bytes and a NUL; the target holds (size * 8 + 4) / 5 + 1 bytes. */
void id_encode_base32(const uint8_t *bytes, size_t size, char *ret_text);

#endif
