/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vnc_keys.c - which key a VNC client means when it names a character (carrel-display)
 *
 * How it works: a client that knows QEMU's extended key event says which key was pressed, and nobody asks here (sink_vnc.c).
 * For the others the guest's keyboard must be a US one. A qnum is a PC/XT scan code, with 0x80 for those behind 0xe0.
 */
#include "display/vnc_keys.h"

#include <stddef.h>
#include <string.h>

/* Rows of keys whose qnums follow each other. */
static const struct {
	uint32_t first;
	const char *plain;
	const char *shifted;
} row_table[] = {
	{ 0x02, "1234567890-=", "!@#$%^&*()_+" },
	{ 0x10, "qwertyuiop[]", "QWERTYUIOP{}" },
	{ 0x1e, "asdfghjkl;'`", "ASDFGHJKL:\"~" },
	{ 0x2b, "\\zxcvbnm,./", "|ZXCVBNM<>?" },
	{ 0x39, " ", " " },
};

static const struct {
	uint32_t keysym;
	uint32_t qnum;
} key_table[] = {
	/* ISO_Level3_Shift, ISO_Left_Tab; BackSpace, Tab, Return, Pause, Scroll_Lock, Escape */
	{ 0xfe03, 0xb8 },
	{ 0xfe20, 0x0f },
	{ 0xff08, 0x0e },
	{ 0xff09, 0x0f },
	{ 0xff0d, 0x1c },
	{ 0xff13, 0xc6 },
	{ 0xff14, 0x46 },
	{ 0xff1b, 0x01 },
	/* Home, Left, Up, Right, Down, Page_Up, Page_Down, End; Print, Insert, Menu, Num_Lock */
	{ 0xff50, 0xc7 },
	{ 0xff51, 0xcb },
	{ 0xff52, 0xc8 },
	{ 0xff53, 0xcd },
	{ 0xff54, 0xd0 },
	{ 0xff55, 0xc9 },
	{ 0xff56, 0xd1 },
	{ 0xff57, 0xcf },
	{ 0xff61, 0xb7 },
	{ 0xff63, 0xd2 },
	{ 0xff67, 0xdd },
	{ 0xff7f, 0x45 },
	/* the keypad: Enter, Home, Left, Up, Right, Down, Page_Up, Page_Down, End, Begin, Insert, Delete */
	{ 0xff8d, 0x9c },
	{ 0xff95, 0x47 },
	{ 0xff96, 0x4b },
	{ 0xff97, 0x48 },
	{ 0xff98, 0x4d },
	{ 0xff99, 0x50 },
	{ 0xff9a, 0x49 },
	{ 0xff9b, 0x51 },
	{ 0xff9c, 0x4f },
	{ 0xff9d, 0x4c },
	{ 0xff9e, 0x52 },
	{ 0xff9f, 0x53 },
	/* Multiply, Add, Subtract, Decimal, Divide, 0 to 9 */
	{ 0xffaa, 0x37 },
	{ 0xffab, 0x4e },
	{ 0xffad, 0x4a },
	{ 0xffae, 0x53 },
	{ 0xffaf, 0xb5 },
	{ 0xffb0, 0x52 },
	{ 0xffb1, 0x4f },
	{ 0xffb2, 0x50 },
	{ 0xffb3, 0x51 },
	{ 0xffb4, 0x4b },
	{ 0xffb5, 0x4c },
	{ 0xffb6, 0x4d },
	{ 0xffb7, 0x47 },
	{ 0xffb8, 0x48 },
	{ 0xffb9, 0x49 },
	/* F1 to F12 */
	{ 0xffbe, 0x3b },
	{ 0xffbf, 0x3c },
	{ 0xffc0, 0x3d },
	{ 0xffc1, 0x3e },
	{ 0xffc2, 0x3f },
	{ 0xffc3, 0x40 },
	{ 0xffc4, 0x41 },
	{ 0xffc5, 0x42 },
	{ 0xffc6, 0x43 },
	{ 0xffc7, 0x44 },
	{ 0xffc8, 0x57 },
	{ 0xffc9, 0x58 },
	/* Shift_L and _R, Control_L and _R, Caps_Lock, Meta_L and _R, Alt_L and _R, Super_L and _R; Delete */
	{ 0xffe1, 0x2a },
	{ 0xffe2, 0x36 },
	{ 0xffe3, 0x1d },
	{ 0xffe4, 0x9d },
	{ 0xffe5, 0x3a },
	{ 0xffe7, 0x38 },
	{ 0xffe8, 0xb8 },
	{ 0xffe9, 0x38 },
	{ 0xffea, 0xb8 },
	{ 0xffeb, 0xdb },
	{ 0xffec, 0xdc },
	{ 0xffff, 0xd3 },
};

static uint32_t
vnc_keys_find_character(char character)
{
	for (size_t i = 0; i < sizeof(row_table) / sizeof(row_table[0]); i++) {
		const char *plain = strchr(row_table[i].plain, character);
		const char *shifted = strchr(row_table[i].shifted, character);

		if (plain)
			return row_table[i].first + (uint32_t)(plain - row_table[i].plain);
		if (shifted)
			return row_table[i].first + (uint32_t)(shifted - row_table[i].shifted);
	}
	return 0;
}

uint32_t
vnc_keys_find(uint32_t keysym)
{
	if (keysym >= ' ' && keysym <= '~')
		return vnc_keys_find_character((char)keysym);
	for (size_t i = 0; i < sizeof(key_table) / sizeof(key_table[0]); i++)
		if (key_table[i].keysym == keysym)
			return key_table[i].qnum;
	return 0;
}
