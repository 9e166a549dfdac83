/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * overlay_file.h - what a desktop has changed of its template's disk: the file's format, and
 * opening it
 *
 * The base is a raw image that many desktops share and nobody writes. Each desktop has one overlay
 * file of its own:
 *
 *   0                  struct overlay_header, in a block of 4096 bytes
 *   4096               the table: one bit a cluster of 64 KiB, the first in the lowest bit of the
 *                      first byte; 1: the cluster is in this file, 0: in the base. In whole
 *                      blocks of 4096 bytes
 *   data               the next multiple of 64 KiB: cluster n at data + n * 64 KiB
 *
 * The file is sparse, and its file system is what finds room for clusters: no allocator here, so
 * nothing that can leak or be pointed twice at one place. What is discarded or zeroed is a hole. A
 * cluster never goes back to the base: bits are only ever set.
 *
 * Killed at any time: a cluster whose bit is 0 may have anything in this file, nobody reads it. A
 * bit is written here only after the whole cluster is durable (fdatasync), and made durable before
 * the guest's flush is answered. So every bit stands for itself, and a table of which any part is
 * old is right up to the last flush.
 *
 * An empty file becomes a new overlay; so does one whose making was interrupted. Numbers are
 * little-endian.
 */
#ifndef VMM_OVERLAY_FILE_H
#define VMM_OVERLAY_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define OVERLAY_VERSION	      1
#define OVERLAY_CLUSTER_BYTES UINT64_C(65536)
#define OVERLAY_BLOCK_BYTES   UINT64_C(4096) /* of the table; what a flush writes at the least */
#define OVERLAY_SECTOR_BYTES  UINT64_C(512)
#define OVERLAY_MAX_BYTES     (UINT64_C(8) << 40) /* of a disk */

struct overlay_header {
	char magic[8]; /* "CARRELOV" */
	uint32_t version;
	uint32_t cluster_bytes;
	uint64_t virtual_bytes;	   /* of the disk, and so of its base */
	uint64_t base_fingerprint; /* overlay_file_fingerprint() */
	uint64_t check;		   /* FNV-1a of all before */
};

/* An open disk: its size, and which of its clusters are in the overlay. */
struct overlay_file {
	uint64_t virtual_bytes;
	uint64_t n_clusters;
	uint64_t data_offset;
	uint64_t table_bytes; /* whole blocks; 0: there is no overlay, or no base */
	/* No base and no table: the whole disk is in the writable file, from its beginning. */
	bool is_raw;
	int lock_fd;	/* what holds the overlay's or image's lock; -1: a disk that is only read */
	uint8_t *table; /* as read from the file */
	bool has_base;
	dev_t base_device;
	ino_t base_inode;
};

/*
 * Opens a base (readable, a file or block device of whole sectors) under an overlay (a file,
 * readable and writable; -1: a disk that is only read). Without a base (-1) the second is a raw
 * image, a file of whole sectors. The descriptors stay the caller's. Until overlay_file_close()
 * nobody else gets the second. Logs what is wrong, with the disk's name: -EINVAL (another base, not
 * an overlay, a size out of bounds, damaged), -EAGAIN (somebody else has it), -EOPNOTSUPP (the file
 * system makes no holes), or what the kernel says.
 */
int overlay_file_open(const char *name, int base_fd, int overlay_fd, struct overlay_file *ret_file);
/*
 * For a start, before the guest runs: waits a little while somebody else has the file. The lock of
 * a machine that was killed outlives its process, since io_uring lets go of its files later.
 */
void overlay_file_await(int fd);
/* Is this descriptor of the same file? The lock does not tell that of one that was duplicated. */
bool overlay_file_is_kept_in(const struct overlay_file *file, int fd);
/* The same of its base, which other disks may have, too. */
bool overlay_file_is_over(const struct overlay_file *file, int fd);
/* Frees the table and gives up the lock. */
void overlay_file_close(struct overlay_file *file);

static inline bool
overlay_file_is_read_only(const struct overlay_file *file)
{
	return file->table_bytes == 0 && !file->is_raw;
}

/*
 * Tells one base from another, against mistakes and not against malice: a hash of the 4 KiB at 0
 * and at each power of two from there on, among which are the places where file systems keep their
 * ids and times.
 */
int overlay_file_fingerprint(int base_fd, uint64_t bytes, uint64_t *ret_fingerprint);

#endif
