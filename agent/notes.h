/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * notes.h - short texts that a session leaves for the host (docs/PROTOCOL.md, "Agent frames")
 */
#ifndef AGENT_NOTES_H
#define AGENT_NOTES_H

#include "base/json.h"

#define NOTES_FOLDER	"/run/carrel/notes"
#define NOTES_MAX	8
#define NOTES_MAX_BYTES 256

/* Makes the folder, in which every user of the guest may write files of their own. 0 or a negative errno. */
int notes_prepare(const char *folder);

/* {name: text} of the valid notes, at most NOTES_MAX. A new reference; NULL only without memory. */
json_t *notes_read(const char *folder);

#endif
