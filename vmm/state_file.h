/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * state_file.h - what a machine is besides its memory, in a file: named sections, each with a
 * version and a checksum
 *
 * A file is struct state_file_head, then for each section struct state_file_section and its bytes.
 * All numbers are little-endian; each value in a section is as long as its function's name says,
 * with nothing between two of them. What may be wrong with a file (it is cut off, changed, of
 * another kind or of a later version, a section is missing, unknown or too long, a value makes no
 * sense) is an error that names the section, never a crash: whatever reads a value checks it before
 * it is used.
 *
 * Writing: a section is begun, its values are put, it is ended; state_writer_finish() writes all of
 * it. Reading goes the other way: a section is opened, the same values are taken in the same order,
 * it is closed. Both keep the first error (an end of memory, a file that is wrong), do nothing from
 * then on (a reader gives zeros), and say it at the end: so callers need not look after each value,
 * but must ask before they act on any.
 */
#ifndef VMM_STATE_FILE_H
#define VMM_STATE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATE_FILE_MAGIC	UINT64_C(0x3174735f6c657263) /* "crel_st1" */
#define STATE_FILE_VERSION	1
#define STATE_FILE_MAX_BYTES	(UINT64_C(64) << 20)
#define STATE_FILE_MAX_SECTIONS 512
#define STATE_FILE_NAME_BYTES	32 /* of a section, with the final zero */
#define STATE_PROBLEM_BYTES	200

struct state_file_head {
	uint64_t magic;
	uint32_t version;
	uint32_t n_sections;
	uint64_t bytes; /* of the whole file */
	uint32_t reserved;
	uint32_t checksum; /* CRC-32 of what stands before it */
};

struct state_file_section {
	char name[STATE_FILE_NAME_BYTES]; /* each once; zeros behind the name */
	uint32_t version;
	uint32_t bytes;	   /* without this head; the next section follows at once */
	uint32_t checksum; /* CRC-32 of this head with 0 here, then of the bytes */
};

struct state_reader;
struct state_writer;

int state_writer_new(struct state_writer **ret_writer);
void state_writer_free(struct state_writer *writer);

/* The name is printf's; no section may be open. */
void state_writer_begin(struct state_writer *writer, uint32_t version, const char *name, ...)
	__attribute__((format(printf, 3, 4)));
void state_writer_end(struct state_writer *writer);

void state_put_bytes(struct state_writer *writer, const void *bytes, size_t size);
void state_put_u8(struct state_writer *writer, uint8_t value);
void state_put_u16(struct state_writer *writer, uint16_t value);
void state_put_u32(struct state_writer *writer, uint32_t value);
void state_put_u64(struct state_writer *writer, uint64_t value);
void state_put_bool(struct state_writer *writer, bool value); /* one byte, 0 or 1 */

/* The caller cannot save its part: this errno is what state_writer_finish() says. */
void state_writer_fail(struct state_writer *writer, int error);

/* Writes the file from its beginning, whatever was in it. 0 or -errno. */
int state_writer_finish(struct state_writer *writer, int fd);

/*
 * Reads the whole file and checks all but the values. 0; -EBADMSG and what is wrong with the file;
 * -ENOTSUP: it is of a later version; another -errno. The descriptor stays the caller's.
 */
int state_reader_new(int fd, struct state_reader **ret_reader,
		     char ret_problem[STATE_PROBLEM_BYTES]);
void state_reader_free(struct state_reader *reader);

/*
 * The section that the writer began with this name. An older version of it is refused like a newer
 * one, with -ENOTSUP.
 */
void state_reader_open(struct state_reader *reader, uint32_t version, const char *name, ...)
	__attribute__((format(printf, 3, 4)));

void state_take_bytes(struct state_reader *reader, void *target, size_t size);
uint8_t state_take_u8(struct state_reader *reader);
uint16_t state_take_u16(struct state_reader *reader);
uint32_t state_take_u32(struct state_reader *reader);
uint64_t state_take_u64(struct state_reader *reader);
bool state_take_bool(struct state_reader *reader);

/* A number that counts what follows: more than "max" is an error, and then it is 0. */
uint32_t state_take_count(struct state_reader *reader, uint32_t max);

/*
 * A value makes no sense: -EBADMSG, and the problem is "section '...': " with this text, unless
 * there is an error already. Always returns the reader's error.
 */
int state_reader_refuse(struct state_reader *reader, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The same with -ENOTSUP: it was saved on a host, or by a machine, that this one is not like. */
int state_reader_refuse_foreign(struct state_reader *reader, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* state_reader_refuse() with this text when the condition does not hold. */
void state_reader_want(struct state_reader *reader, bool holds, const char *text);

/* 0 so far, or the error; between open and close. */
int state_reader_check(const struct state_reader *reader);
/* The section is to have been taken whole. 0 or the reader's error. */
int state_reader_close(struct state_reader *reader);

/* Have all sections been opened? -EBADMSG and the name of one that nobody knows. */
int state_reader_finish(struct state_reader *reader);
/* "" while there is no error. */
const char *state_reader_get_problem(const struct state_reader *reader);

#endif
