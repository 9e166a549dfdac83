/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * problem_words.h - the broker's problem codes (PROTOCOL.md "API") in the user's language
 */
#ifndef VIEWER_PROBLEM_WORDS_H
#define VIEWER_PROBLEM_WORDS_H

/* What a code means to the user and what to do; NULL for a code that is not in the table. */
const char *problem_words_find(const char *code);

#endif
