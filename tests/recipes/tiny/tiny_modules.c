/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tiny_modules.c - loads the kernel modules of a guest of tests that has no other programs
 */
#include "tests/recipes/tiny/tiny_modules.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MODULES "/modules"

void
tiny_modules_load(void (*stop)(const char *what))
{
	struct dirent **names;
	int n = scandir(MODULES, &names, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		char path[512];
		int fd;

		if (names[i]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), MODULES "/%s", names[i]->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
			stop(path);
		close(fd);
	}
}
