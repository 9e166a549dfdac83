/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * overlay_file.c - what a desktop has changed of its template's disk: the file's format, and
 * opening it
 *
 * In carrel-vmm, at the start and when a disk is attached.
 */
#include "vmm/overlay_file.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "vmm/fd_kind.h"

/* Two seconds in all; 66 ms were seen on a busy host. */
#define OVERLAY_AWAIT_STEP_NS 10000000
#define OVERLAY_AWAIT_STEPS   200

static_assert(sizeof(struct overlay_header) == 40, "the format on disk");

static const char overlay_file_magic[8] = { 'C', 'A', 'R', 'R', 'E', 'L', 'O', 'V' };

static uint64_t
overlay_file_hash(uint64_t hash, const void *data, size_t bytes)
{
	const uint8_t *at = data;

	for (size_t i = 0; i < bytes; i++)
		hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static uint64_t
overlay_file_check(const struct overlay_header *header)
{
	return overlay_file_hash(UINT64_C(0xcbf29ce484222325), header,
				 offsetof(struct overlay_header, check));
}

static int
overlay_file_failed(const char *name, const char *what, int error)
{
	log_error("disk '%s': %s: %s", name, what, strerror(error));
	return -error;
}

static int
overlay_file_read(int fd, void *data, size_t bytes, uint64_t offset)
{
	for (char *at = data; bytes > 0;) {
		ssize_t n = pread(fd, at, bytes, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += n;
		offset += (uint64_t)n;
		bytes -= (size_t)n;
	}
	return 0;
}

int
overlay_file_fingerprint(int base_fd, uint64_t bytes, uint64_t *ret_fingerprint)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	uint8_t block[4096];

	for (uint64_t offset = 0; offset < bytes; offset = offset ? offset * 2 : sizeof(block)) {
		size_t part = bytes - offset < sizeof(block) ? bytes - offset : sizeof(block);
		int result = overlay_file_read(base_fd, block, part, offset);

		if (result < 0)
			return result;
		hash = overlay_file_hash(hash, block, part);
	}
	*ret_fingerprint = hash;
	return 0;
}

/* Where things are follows from the disk's size alone, so a file cannot say anything else. */
static void
overlay_file_lay_out(struct overlay_file *file, uint64_t virtual_bytes, bool has_overlay)
{
	uint64_t block_bits = OVERLAY_BLOCK_BYTES * 8;
	uint64_t end;

	*file = (struct overlay_file){ .virtual_bytes = virtual_bytes, .lock_fd = -1 };
	file->n_clusters = (virtual_bytes + OVERLAY_CLUSTER_BYTES - 1) / OVERLAY_CLUSTER_BYTES;
	if (!has_overlay)
		return;
	file->table_bytes = (file->n_clusters + block_bits - 1) / block_bits * OVERLAY_BLOCK_BYTES;
	end = OVERLAY_BLOCK_BYTES + file->table_bytes;
	file->data_offset =
		(end + OVERLAY_CLUSTER_BYTES - 1) / OVERLAY_CLUSTER_BYTES * OVERLAY_CLUSTER_BYTES;
}

static int
overlay_file_check_size(const char *name, const char *what, off_t bytes)
{
	if (bytes > 0 && (uint64_t)bytes % OVERLAY_SECTOR_BYTES == 0 &&
	    (uint64_t)bytes <= OVERLAY_MAX_BYTES)
		return 0;
	log_error("disk '%s': its %s has %jd bytes; a disk has whole sectors of 512 bytes, at most "
		  "%" PRIu64 " bytes",
		  name, what, (intmax_t)bytes, OVERLAY_MAX_BYTES);
	return -EINVAL;
}

static int
overlay_file_measure_base(const char *name, int base_fd, struct stat *ret_status,
			  uint64_t *ret_bytes)
{
	off_t end;

	if (fstat(base_fd, ret_status) < 0)
		return overlay_file_failed(name, "cannot look at its base", errno);
	end = lseek(base_fd, 0, SEEK_END);
	if ((!S_ISREG(ret_status->st_mode) && !S_ISBLK(ret_status->st_mode)) || end < 0 ||
	    (fcntl(base_fd, F_GETFL) & O_ACCMODE) == O_WRONLY) {
		log_error("disk '%s': its base is not a readable file or block device", name);
		return -EINVAL;
	}
	*ret_bytes = (uint64_t)end;
	return overlay_file_check_size(name, "base", end);
}

/* Is this a file that can be worked with at all? */
static int
overlay_file_check_kind(const char *name, const char *what, int fd, struct stat *ret_status)
{
	if (fstat(fd, ret_status) < 0)
		return overlay_file_failed(name, "cannot look at what it is kept in", errno);
	if (S_ISREG(ret_status->st_mode) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR)
		return 0;
	log_error("disk '%s': its %s is not a file that can be read and written", name, what);
	return -EINVAL;
}

static int
overlay_file_check_overlay(const char *name, const struct stat *base, int overlay_fd)
{
	struct stat status;
	int result = overlay_file_check_kind(name, "overlay", overlay_fd, &status);

	if (result < 0)
		return result;
	if (status.st_dev == base->st_dev && status.st_ino == base->st_ino) {
		log_error("disk '%s': its overlay and its base are one and the same file", name);
		return -EINVAL;
	}
	return 0;
}

/* "offset": a byte that means nothing. */
static int
overlay_file_try_hole(const char *name, int fd, uint64_t offset)
{
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, 1) == 0)
		return 0;
	int error = errno;

	log_error("disk '%s': its file system makes no holes (%s); ext4, xfs, btrfs and tmpfs do",
		  name, strerror(error));
	return -error;
}

static int
overlay_file_check_header(const char *name, const struct overlay_header *header,
			  const struct overlay_file *file, uint64_t fingerprint)
{
	const char *problem = NULL;

	if (memcmp(header->magic, overlay_file_magic, sizeof(header->magic)) != 0)
		problem = "it is not an overlay";
	else if (le64toh(header->check) != overlay_file_check(header))
		problem = "its header is damaged";
	else if (le32toh(header->version) != OVERLAY_VERSION ||
		 le32toh(header->cluster_bytes) != OVERLAY_CLUSTER_BYTES)
		problem = "it is of another version";
	if (problem) {
		log_error("disk '%s': the overlay cannot be used: %s", name, problem);
		return -EINVAL;
	}
	if (le64toh(header->virtual_bytes) != file->virtual_bytes) {
		log_error("disk '%s': the base has %" PRIu64
			  " bytes, but its overlay was made over one of %" PRIu64 " bytes",
			  name, file->virtual_bytes, le64toh(header->virtual_bytes));
		return -EINVAL;
	}
	if (le64toh(header->base_fingerprint) != fingerprint) {
		log_error("disk '%s': the overlay was made over another base of the same size",
			  name);
		return -EINVAL;
	}
	return 0;
}

/* The file gets its full length, so that no read in it ends early, and the table gets its room. */
static int
overlay_file_format(const char *name, int overlay_fd, const struct overlay_file *file,
		    uint64_t fingerprint)
{
	struct overlay_header header = {
		.version = htole32(OVERLAY_VERSION),
		.cluster_bytes = htole32((uint32_t)OVERLAY_CLUSTER_BYTES),
		.virtual_bytes = htole64(file->virtual_bytes),
		.base_fingerprint = htole64(fingerprint),
	};
	ssize_t n;

	memcpy(header.magic, overlay_file_magic, sizeof(header.magic));
	header.check = htole64(overlay_file_check(&header));
	if (ftruncate(overlay_fd, (off_t)(file->data_offset + file->virtual_bytes)) < 0 ||
	    fallocate(overlay_fd, 0, 0, (off_t)(OVERLAY_BLOCK_BYTES + file->table_bytes)) < 0)
		return overlay_file_failed(name, "cannot make its overlay", errno);
	n = pwrite(overlay_fd, &header, sizeof(header), 0);
	if (n != sizeof(header))
		return overlay_file_failed(name, "cannot make its overlay", n < 0 ? errno : ENOSPC);
	return 0;
}

static bool
overlay_file_is_zero(const void *data, uint64_t bytes)
{
	const uint8_t *at = data;

	return bytes == 0 || (at[0] == 0 && memcmp(at, at + 1, bytes - 1) == 0);
}

/* Bits behind the last cluster would be harmless; they are a sign that somebody else wrote here. */
static bool
overlay_file_table_fits(const struct overlay_file *file)
{
	uint64_t whole = file->n_clusters / 8;
	unsigned int rest = file->n_clusters % 8;

	if (rest > 0 && file->table[whole] >> rest != 0)
		return false;
	whole += rest > 0;
	return overlay_file_is_zero(file->table + whole, file->table_bytes - whole);
}

static int
overlay_file_load(const char *name, int overlay_fd, struct overlay_file *file, uint64_t fingerprint)
{
	struct overlay_header header = { 0 };
	bool is_new, cut_short;
	struct stat status;
	int result = 0;

	if (fstat(overlay_fd, &status) < 0)
		return overlay_file_failed(name, "cannot look at its overlay", errno);
	if (status.st_size == 0)
		return overlay_file_format(name, overlay_fd, file, fingerprint);
	cut_short = (uint64_t)status.st_size < file->data_offset + file->virtual_bytes;
	if ((size_t)status.st_size >= sizeof(header))
		result = overlay_file_read(overlay_fd, &header, sizeof(header), 0);
	if (result == 0 && !cut_short)
		result = overlay_file_read(overlay_fd, file->table, file->table_bytes,
					   OVERLAY_BLOCK_BYTES);
	if (result < 0)
		return overlay_file_failed(name, "cannot read its overlay", -result);
	/* its making was interrupted before the header was there */
	is_new = !cut_short && overlay_file_is_zero(&header, sizeof(header)) &&
		 overlay_file_is_zero(file->table, file->table_bytes);
	if (is_new)
		return overlay_file_format(name, overlay_fd, file, fingerprint);
	result = overlay_file_check_header(name, &header, file, fingerprint);
	if (result < 0)
		return result;
	if (cut_short || !overlay_file_table_fits(file)) {
		log_error("disk '%s': the overlay cannot be used: %s", name,
			  cut_short ? "it has been cut short" : "its table is damaged");
		return -EINVAL;
	}
	return 0;
}

/*
 * Two that write one file would tear it apart. carrel-hostd gives it to one machine at a time; this
 * holds when it errs, too. Whatever refers to the same opened file has the same lock, so it is
 * given up by name in overlay_file_close(): io_uring keeps files for a while.
 */
static int
overlay_file_lock(const char *name, int fd, struct overlay_file *file)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	file->lock_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (file->lock_fd >= 0 && fcntl(file->lock_fd, F_OFD_SETLK, &whole) == 0)
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return overlay_file_failed(name, "cannot lock what it is kept in", errno);
	log_error("disk '%s': what it is kept in is in use by another machine or another disk",
		  name);
	return -EAGAIN;
}

void
overlay_file_await(int fd)
{
	const struct timespec pause = { .tv_nsec = OVERLAY_AWAIT_STEP_NS };

	for (int i = 0; i < OVERLAY_AWAIT_STEPS; i++) {
		struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

		if (fcntl(fd, F_OFD_GETLK, &whole) < 0 || whole.l_type == F_UNLCK)
			return;
		nanosleep(&pause, NULL);
	}
}

bool
overlay_file_is_kept_in(const struct overlay_file *file, int fd)
{
	return file->lock_fd >= 0 && fd_is_same_file(file->lock_fd, fd);
}

bool
overlay_file_is_over(const struct overlay_file *file, int fd)
{
	struct stat other;

	return file->has_base && fstat(fd, &other) == 0 && file->base_device == other.st_dev &&
	       file->base_inode == other.st_ino;
}

void
overlay_file_close(struct overlay_file *file)
{
	struct flock whole = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	if (file->lock_fd >= 0) {
		fcntl(file->lock_fd, F_OFD_SETLK, &whole);
		close(take_fd(&file->lock_fd));
	}
	free(file->table);
}

static int
overlay_file_open_raw(const char *name, int fd, struct overlay_file *file)
{
	struct stat status;
	int result = overlay_file_check_kind(name, "image", fd, &status);

	if (result == 0)
		result = overlay_file_check_size(name, "image", status.st_size);
	if (result < 0)
		return result;
	overlay_file_lay_out(file, (uint64_t)status.st_size, false);
	file->is_raw = true;
	result = overlay_file_lock(name, fd, file);
	if (result == 0) /* behind the end */
		result = overlay_file_try_hole(name, fd, (uint64_t)status.st_size);
	return result;
}

static int
overlay_file_open_base(const char *name, int base_fd, int overlay_fd, struct overlay_file *file)
{
	struct stat base;
	uint64_t bytes = 0, fingerprint = 0;
	int result = overlay_file_measure_base(name, base_fd, &base, &bytes);

	if (result < 0)
		return result;
	overlay_file_lay_out(file, bytes, overlay_fd >= 0);
	file->has_base = true;
	file->base_device = base.st_dev;
	file->base_inode = base.st_ino;
	if (overlay_fd < 0)
		return 0;
	file->table = calloc(1, file->table_bytes);
	if (!file->table)
		return -ENOMEM;
	result = overlay_file_check_overlay(name, &base, overlay_fd);
	if (result == 0)
		result = overlay_file_lock(name, overlay_fd, file);
	if (result == 0)
		result = overlay_file_fingerprint(base_fd, bytes, &fingerprint);
	if (result == 0)
		result = overlay_file_load(name, overlay_fd, file, fingerprint);
	if (result == 0) /* it is ours: between header and table nothing is lost */
		result = overlay_file_try_hole(name, overlay_fd, sizeof(struct overlay_header));
	return result;
}

int
overlay_file_open(const char *name, int base_fd, int overlay_fd, struct overlay_file *ret_file)
{
	struct overlay_file file = { .lock_fd = -1 };
	int result = base_fd < 0 ? overlay_file_open_raw(name, overlay_fd, &file)
				 : overlay_file_open_base(name, base_fd, overlay_fd, &file);

	if (result < 0) {
		overlay_file_close(&file);
		return result;
	}
	*ret_file = file;
	return 0;
}
