/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vnc_cut_text.h - RFB's ClientCutText and ServerCutText
 *
 * RFC 6143 sections 7.5.6 and 7.6.4, which know Latin-1 only; and "Extended Clipboard Pseudo-Encoding" of the community's
 * description of RFB (rfbproto), UTF-8. A text here is UTF-8, its lines end with a line feed.
 */
#ifndef DISPLAY_VNC_CUT_TEXT_H
#define DISPLAY_VNC_CUT_TEXT_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VNC_CUT_TEXT_HEAD_BYTES 7 /* padding and the length, behind the message's type */
#define VNC_CUT_TEXT_MAX_BYTES	(1024 * 1024)

/* In the extended messages: which formats, and what to do. */
#define VNC_CUT_TEXT	UINT32_C(0x00000001)
#define VNC_CUT_CAPS	UINT32_C(0x01000000)
#define VNC_CUT_REQUEST UINT32_C(0x02000000)
#define VNC_CUT_PEEK	UINT32_C(0x04000000)
#define VNC_CUT_NOTIFY	UINT32_C(0x08000000)
#define VNC_CUT_PROVIDE UINT32_C(0x10000000)

/* What a client can take; before it has said so VNC_CUT_CAPS_BEFORE. */
struct vnc_cut_caps {
	uint32_t flags;
	uint32_t max_unasked_bytes; /* a longer text it wants to ask for */
};

#define VNC_CUT_CAPS_BEFORE                                                                        \
	((struct vnc_cut_caps){ VNC_CUT_TEXT | VNC_CUT_REQUEST | VNC_CUT_NOTIFY | VNC_CUT_PROVIDE, \
				20 * 1024 * 1024 })

/* The size of the body behind this head, and whether it is an extended message. */
uint32_t vnc_cut_text_read_head(const uint8_t head[VNC_CUT_TEXT_HEAD_BYTES], bool *ret_extended);

/* The text of a plain body of at most VNC_CUT_TEXT_MAX_BYTES; to be freed. */
char *vnc_cut_text_read_plain(const uint8_t *body, size_t size);

/*
 * An extended body: what it is (VNC_CUT_CAPS to VNC_CUT_PROVIDE; 0: nothing that matters) and, of VNC_CUT_CAPS, the client's,
 * of VNC_CUT_PROVIDE the text, which is to be freed; NULL when it holds none that is good.
 */
uint32_t vnc_cut_text_read_extended(const uint8_t *body, size_t size, struct vnc_cut_caps *ret_caps,
				    char **ret_text);

/* Whole messages. */
GByteArray *vnc_cut_text_make_plain(const char *text);
GByteArray *vnc_cut_text_make_provide(const char *text);
/* There is a text to be asked for, or none. */
GByteArray *vnc_cut_text_make_notify(bool has_text);

#endif
