/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stderr_capture.h - what is written to standard error meanwhile, with cmocka's assertions
 */
#ifndef TESTS_UNIT_STDERR_CAPTURE_H
#define TESTS_UNIT_STDERR_CAPTURE_H

struct stderr_capture {
	int kept; /* where standard error went before */
	int file;
};

void stderr_capture_begin(struct stderr_capture *capture);
/* Standard error goes where it went before. The text, for free(). */
char *stderr_capture_end(struct stderr_capture *capture);

#endif
