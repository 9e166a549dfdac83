/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * picture_file.c - a picture in shared memory (carrel-vmm)
 */
#include "vmm/picture_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"

int
picture_file_map(int fd, uint32_t width, uint32_t height, struct picture_file *ret_file)
{
	size_t bytes = (size_t)width * height * PICTURE_PIXEL_BYTES;
	void *pixels;

	if (bytes == 0)
		return -EINVAL;
	if (ftruncate(fd, (off_t)bytes) < 0)
		return -errno;
	pixels = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (pixels == MAP_FAILED)
		return -errno;
	*ret_file = (struct picture_file){
		.fd = -1,
		.pixels = pixels,
		.bytes = bytes,
		.stride = width * PICTURE_PIXEL_BYTES,
	};
	return 0;
}

int
picture_file_new(uint32_t width, uint32_t height, struct picture_file *ret_file)
{
	CLEANUP_CLOSE int fd = memfd_create("picture", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct picture_file file;
	int error;

	if (fd < 0)
		return -errno;
	error = picture_file_map(fd, width, height, &file);
	if (error < 0)
		return error;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		error = -errno;
		picture_file_close(&file);
		return error;
	}
	file.fd = take_fd(&fd);
	*ret_file = file;
	return 0;
}

void
picture_file_close(struct picture_file *file)
{
	if (!file->pixels)
		return;
	munmap(file->pixels, file->bytes);
	if (file->fd >= 0)
		close(file->fd);
	*file = (struct picture_file){ .fd = -1 };
}
