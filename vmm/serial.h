/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * serial.h - COM1: a 16550A UART that hands over what the guest prints line by line
 *
 * National Semiconductor PC16550D, chapter 8 (registers). Speed and parity are stored and mean
 * nothing.
 */
#ifndef VMM_SERIAL_H
#define VMM_SERIAL_H

#include <stddef.h>
#include <stdint.h>

struct platform;
struct serial;
struct state_reader;
struct state_writer;

#define SERIAL_PORT	       0x3f8
#define SERIAL_PORTS	       8
#define SERIAL_MAX_LINE_BYTES  512  /* a longer line comes in pieces */
#define SERIAL_MAX_INPUT_BYTES 1024 /* fed and not yet read by the guest */

/*
 * One line without its end; its bytes are the guest's, of any kind. Called under the machine's
 * lock; it must not block.
 */
typedef void (*serial_line_handler)(void *context, const char *line, size_t length);

int serial_new(struct platform *platform, serial_line_handler handle_line, void *context,
	       struct serial **ret_serial);
void serial_free(struct serial *serial);
/* Hands over a line that has begun, then everything is as after power-on. */
void serial_reset(struct serial *serial);

/* Input for the guest. Returns how many of the bytes there was room for. */
size_t serial_feed(struct serial *serial, const uint8_t *bytes, size_t n_bytes);

/*
 * The section "serial" (vmm/state_file.h): registers, and input that the guest has not read. A line
 * that has begun is not in it: its rest is logged without what came before. Loading wants a device
 * that was reset, and sets its interrupt's line. 0 or the reader's error; then nothing has changed.
 */
void serial_save(const struct serial *serial, struct state_writer *writer);
int serial_load(struct serial *serial, struct state_reader *reader);

#endif
