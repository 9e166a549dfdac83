/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * id.c - random identifiers and secrets, in lower-case base32 (all processes)
 */
#include "base/id.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define ID_TEXT_LENGTH	20
#define ID_RANDOM_BYTES 13

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
static const char kind_letters[] = { 'd', 's', 'j', 'l' };
static_assert(sizeof(kind_letters) == ID_KIND_COUNT, "a letter a kind");

static int
id_fill_random(uint8_t *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = getrandom(bytes, size, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EIO;
		bytes += n;
		size -= (size_t)n;
	}
	return 0;
}

void
id_encode_base32(const uint8_t *bytes, size_t size, char *ret_text)
{
	unsigned int bits = 0;
	uint32_t pool = 0;

	for (size_t i = 0; i < size; i++) {
		pool = pool << 8 | bytes[i];
		bits += 8;
		while (bits >= 5) {
			bits -= 5;
			*ret_text++ = alphabet[(pool >> bits) & 31];
		}
	}
	if (bits > 0)
		*ret_text++ = alphabet[(pool << (5 - bits)) & 31];
	*ret_text = '\0';
}

int
id_new(enum id_kind kind, char ret_id[ID_SIZE])
{
	uint8_t bytes[ID_RANDOM_BYTES];
	char text[ID_RANDOM_BYTES * 2];
	int error = id_fill_random(bytes, sizeof(bytes));

	if (error < 0)
		return error;
	id_encode_base32(bytes, sizeof(bytes), text);
	ret_id[0] = kind_letters[kind];
	ret_id[1] = '-';
	memcpy(ret_id + 2, text, ID_TEXT_LENGTH);
	ret_id[2 + ID_TEXT_LENGTH] = '\0';
	return 0;
}

bool
id_valid(enum id_kind kind, const char *id)
{
	return id && id[0] == kind_letters[kind] && id[1] == '-' &&
	       strlen(id + 2) == ID_TEXT_LENGTH && strspn(id + 2, alphabet) == ID_TEXT_LENGTH;
}

int
id_new_secret(char ret_secret[ID_SECRET_SIZE])
{
	uint8_t bytes[ID_SECRET_BYTES];
	int error = id_fill_random(bytes, sizeof(bytes));

	if (error < 0)
		return error;
	id_encode_base32(bytes, sizeof(bytes), ret_secret);
	explicit_bzero(bytes, sizeof(bytes));
	return 0;
}

bool
id_secret_valid(const char *secret)
{
	return secret && strlen(secret) == ID_SECRET_SIZE - 1 &&
	       strspn(secret, alphabet) == ID_SECRET_SIZE - 1;
}
