/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stderr_capture.c - what is written to standard error meanwhile, with cmocka's assertions
 */
#include "tests/unit/stderr_capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void
stderr_capture_begin(struct stderr_capture *capture)
{
	capture->kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	capture->file = memfd_create("stderr", MFD_CLOEXEC);
	assert_true(capture->kept >= 0 && capture->file >= 0);
	assert_int_equal(dup2(capture->file, STDERR_FILENO), STDERR_FILENO);
}

char *
stderr_capture_end(struct stderr_capture *capture)
{
	struct stat status;
	char *text;

	assert_int_equal(dup2(capture->kept, STDERR_FILENO), STDERR_FILENO);
	assert_int_equal(fstat(capture->file, &status), 0);
	text = calloc(1, (size_t)status.st_size + 1);
	assert_non_null(text);
	assert_int_equal(pread(capture->file, text, (size_t)status.st_size, 0), status.st_size);
	close(capture->kept);
	close(capture->file);
	return text;
}
