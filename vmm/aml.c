/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * aml.c - writes ACPI Machine Language (carrel-vmm, while it starts)
 *
 * How it works: the length of a block stands before its contents and takes as few bytes as it
 * needs, so it is known only at the end. aml_open_...() writes what comes before the length and
 * returns where it will be; aml_close() moves the contents up and puts it there. Blocks are closed
 * in the reverse order, so the places of outer ones stay right.
 */
#include "vmm/aml.h"

#include <stdlib.h>
#include <string.h>

#define AML_NAME_OP	  0x08
#define AML_BYTE_PREFIX	  0x0a
#define AML_WORD_PREFIX	  0x0b
#define AML_DWORD_PREFIX  0x0c
#define AML_STRING_PREFIX 0x0d
#define AML_QWORD_PREFIX  0x0e
#define AML_SCOPE_OP	  0x10
#define AML_BUFFER_OP	  0x11
#define AML_PACKAGE_OP	  0x12
#define AML_METHOD_OP	  0x14
#define AML_DUAL_PREFIX	  0x2e
#define AML_MULTI_PREFIX  0x2f
#define AML_EXTENSION	  0x5b
#define AML_DEVICE_OP	  0x82 /* after AML_EXTENSION */
#define AML_NOTIFY_OP	  0x86

#define AML_SEGMENT_BYTES 4

/* The head of each resource descriptor; the large ones have their length in two more bytes. */
#define AML_RESOURCE_IRQ	 0x22
#define AML_RESOURCE_PORTS	 0x47
#define AML_RESOURCE_END	 0x79
#define AML_RESOURCE_MEMORY	 0x86
#define AML_RESOURCE_DWORD_SPACE 0x87
#define AML_RESOURCE_WORD_SPACE	 0x88

#define AML_SPACE_MEMORY      0
#define AML_SPACE_BUS_NUMBERS 2
#define AML_SPACE_FIXED	      0x0c /* its first and its last address */
#define AML_MEMORY_WRITABLE   0x01

static void
aml_insert(struct aml *aml, size_t at, const void *bytes, size_t n_bytes)
{
	if (aml->full || n_bytes > aml->capacity - aml->size) {
		aml->full = true;
		return;
	}
	memmove(aml->bytes + at + n_bytes, aml->bytes + at, aml->size - at);
	memcpy(aml->bytes + at, bytes, n_bytes);
	aml->size += n_bytes;
}

/* Little-endian, as everything in AML. */
static void
aml_append(struct aml *aml, uint64_t value, size_t n_bytes)
{
	uint8_t bytes[sizeof(value)];

	for (size_t i = 0; i < n_bytes; i++)
		bytes[i] = (uint8_t)(value >> 8 * i);
	aml_insert(aml, aml->size, bytes, n_bytes);
}

static void
aml_append_path(struct aml *aml, const char *path)
{
	size_t n_segments = 1;

	if (*path == '\\')
		aml_append(aml, (uint8_t)*path++, 1);
	for (const char *at = path; *at; at++)
		n_segments += *at == '.';
	if (n_segments == 2) {
		aml_append(aml, AML_DUAL_PREFIX, 1);
	} else if (n_segments > 2) {
		aml_append(aml, AML_MULTI_PREFIX, 1);
		aml_append(aml, n_segments, 1);
	}
	for (size_t i = 0; i < n_segments; i++) {
		size_t length = strcspn(path, ".");

		aml_insert(aml, aml->size, path, length);
		aml_insert(aml, aml->size, "____", AML_SEGMENT_BYTES - length);
		path += length + (path[length] == '.');
	}
}

size_t
aml_open_scope(struct aml *aml, const char *path)
{
	size_t block;

	aml_append(aml, AML_SCOPE_OP, 1);
	block = aml->size;
	aml_append_path(aml, path);
	return block;
}

size_t
aml_open_device(struct aml *aml, const char *name)
{
	size_t block;

	aml_append(aml, AML_EXTENSION, 1);
	aml_append(aml, AML_DEVICE_OP, 1);
	block = aml->size;
	aml_append_path(aml, name);
	return block;
}

size_t
aml_open_method(struct aml *aml, const char *name)
{
	size_t block;

	aml_append(aml, AML_METHOD_OP, 1);
	block = aml->size;
	aml_append_path(aml, name);
	aml_append(aml, 0, 1);
	return block;
}

size_t
aml_open_package(struct aml *aml, uint8_t n_elements)
{
	size_t block;

	aml_append(aml, AML_PACKAGE_OP, 1);
	block = aml->size;
	aml_append(aml, n_elements, 1);
	return block;
}

/*
 * Section 20.2.4: the length counts itself; one byte holds 6 bits of it, the first of two 4 bits
 * and the next 8.
 */
void
aml_close(struct aml *aml, size_t block)
{
	size_t length;
	uint8_t bytes[2];

	if (aml->full)
		return;
	length = aml->size - block;
	if (length + 1 < 1 << 6) {
		bytes[0] = (uint8_t)(length + 1);
		aml_insert(aml, block, bytes, 1);
	} else if (length + 2 < 1 << 12) {
		bytes[0] = (uint8_t)(1 << 6 | ((length + 2) & 0x0f));
		bytes[1] = (uint8_t)((length + 2) >> 4);
		aml_insert(aml, block, bytes, 2);
	} else {
		aml->full = true; /* nothing here is as long */
	}
}

void
aml_integer(struct aml *aml, uint64_t value)
{
	static const struct {
		uint64_t max;
		uint8_t prefix;
		uint8_t bytes;
	} forms[] = {
		{ UINT8_MAX, AML_BYTE_PREFIX, 1 },
		{ UINT16_MAX, AML_WORD_PREFIX, 2 },
		{ UINT32_MAX, AML_DWORD_PREFIX, 4 },
		{ UINT64_MAX, AML_QWORD_PREFIX, 8 },
	};
	size_t i = 0;

	if (value <= 1) { /* ZeroOp, OneOp */
		aml_append(aml, value, 1);
		return;
	}
	while (value > forms[i].max)
		i++;
	aml_append(aml, forms[i].prefix, 1);
	aml_append(aml, value, forms[i].bytes);
}

void
aml_name(struct aml *aml, const char *name)
{
	aml_append(aml, AML_NAME_OP, 1);
	aml_append_path(aml, name);
}

void
aml_name_integer(struct aml *aml, const char *name, uint64_t value)
{
	aml_name(aml, name);
	aml_integer(aml, value);
}

void
aml_name_string(struct aml *aml, const char *name, const char *text)
{
	aml_name(aml, name);
	aml_append(aml, AML_STRING_PREFIX, 1);
	aml_insert(aml, aml->size, text, strlen(text) + 1);
}

/* Section 19.3.4: three letters of 5 bits and four hexadecimal digits, big-endian. */
void
aml_name_eisa_id(struct aml *aml, const char *name, const char *id)
{
	uint32_t value = (uint32_t)strtoul(id + 3, NULL, 16);

	for (unsigned int i = 0; i < 3; i++)
		value |= (uint32_t)(id[i] - '@') << (26 - 5 * i);
	aml_name(aml, name);
	aml_integer(aml, __builtin_bswap32(value));
}

void
aml_notify(struct aml *aml, const char *path, uint8_t value)
{
	aml_append(aml, AML_NOTIFY_OP, 1);
	aml_append_path(aml, path);
	aml_integer(aml, value);
}

size_t
aml_open_resources(struct aml *aml)
{
	aml_append(aml, AML_BUFFER_OP, 1);
	return aml->size;
}

void
aml_resource_irq(struct aml *aml, unsigned int line)
{
	aml_append(aml, AML_RESOURCE_IRQ, 1);
	aml_append(aml, UINT64_C(1) << line, 2);
}

void
aml_resource_ports(struct aml *aml, uint16_t base, uint8_t count)
{
	aml_append(aml, AML_RESOURCE_PORTS, 1);
	aml_append(aml, 1, 1); /* all 16 address lines count */
	aml_append(aml, base, 2);
	aml_append(aml, base, 2);
	aml_append(aml, 1, 1); /* alignment */
	aml_append(aml, count, 1);
}

void
aml_resource_memory(struct aml *aml, uint32_t base, uint32_t bytes)
{
	aml_append(aml, AML_RESOURCE_MEMORY, 1);
	aml_append(aml, 9, 2);
	aml_append(aml, AML_MEMORY_WRITABLE, 1);
	aml_append(aml, base, 4);
	aml_append(aml, bytes, 4);
}

/* What both kinds of address space have in common; "width": bytes of each address. */
static void
aml_append_space(struct aml *aml, uint8_t kind, uint8_t flags, size_t width, uint32_t first,
		 uint32_t last)
{
	aml_append(aml, 3 + 5 * width, 2);
	aml_append(aml, kind, 1);
	aml_append(aml, AML_SPACE_FIXED, 1);
	aml_append(aml, flags, 1);
	aml_append(aml, 0, width); /* granularity */
	aml_append(aml, first, width);
	aml_append(aml, last, width);
	aml_append(aml, 0, width); /* translation */
	aml_append(aml, last - first + 1, width);
}

void
aml_resource_bus_numbers(struct aml *aml, uint16_t first, uint16_t last)
{
	aml_append(aml, AML_RESOURCE_WORD_SPACE, 1);
	aml_append_space(aml, AML_SPACE_BUS_NUMBERS, 0, 2, first, last);
}

void
aml_resource_memory_window(struct aml *aml, uint32_t base, uint32_t bytes)
{
	aml_append(aml, AML_RESOURCE_DWORD_SPACE, 1);
	aml_append_space(aml, AML_SPACE_MEMORY, AML_MEMORY_WRITABLE, 4, base, base + (bytes - 1));
}

/* The size of the buffer is an object of its own between the block's length and its bytes. */
void
aml_close_resources(struct aml *aml, size_t block)
{
	uint8_t bytes[9];
	struct aml size = { .bytes = bytes, .capacity = sizeof(bytes) };

	aml_append(aml, AML_RESOURCE_END, 1);
	aml_append(aml, 0, 1); /* "checksum not used" */
	if (aml->full)
		return;
	aml_integer(&size, aml->size - block);
	aml_insert(aml, block, bytes, size.size);
	aml_close(aml, block);
}
