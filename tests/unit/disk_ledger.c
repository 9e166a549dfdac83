/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * disk_ledger.c - what a disk may hold after a crash: writers whose sectors say which write of which sector they are
 */
#include "tests/unit/disk_ledger.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/disk_stage.h"

static void
disk_ledger_write_sector(char *data, uint32_t sector, uint32_t number)
{
	for (int i = 0; i < 512; i += 8) {
		memcpy(data + i, &sector, sizeof(sector));
		memcpy(data + i + 4, &number, sizeof(number));
	}
}

static void
disk_ledger_handle_done(struct disk_request *request, int result)
{
	struct disk_ledger_writer *writer = (struct disk_ledger_writer *)request;
	struct disk_ledger *ledger = writer->ledger;

	if (result < 0)
		abort();
	writer->busy = false;
	if (request->kind == DISK_FLUSH) {
		for (uint32_t i = 0; i < ledger->n_sectors; i++)
			if (ledger->safe[i] < writer->at_flush[i])
				ledger->safe[i] = writer->at_flush[i];
		return;
	}
	for (uint64_t i = 0; i < request->bytes / 512; i++)
		ledger->done[request->offset / 512 + i] = writer->number;
}

static bool
disk_ledger_is_free(const struct disk_ledger_writer *writers, uint64_t offset, uint64_t bytes)
{
	for (int i = 0; i < DISK_LEDGER_WRITERS; i++) {
		const struct disk_request *other = &writers[i].request;

		if (writers[i].busy && other->kind == DISK_WRITE &&
		    offset < other->offset + other->bytes && other->offset < offset + bytes)
			return false;
	}
	return true;
}

/* False when it would meet another one. */
static bool
disk_ledger_pick(struct disk_ledger *ledger, const struct disk_ledger_writer *writers,
		 struct disk_ledger_writer *writer, uint32_t *seed)
{
	struct disk_request *request = &writer->request;
	uint32_t first = disk_stage_random(seed) % ledger->n_sectors;
	uint32_t n = 1 + disk_stage_random(seed) % DISK_LEDGER_AT_ONCE;

	if (disk_stage_random(seed) % 10 == 0) {
		request->kind = DISK_FLUSH;
		memcpy(writer->at_flush, ledger->done, sizeof(ledger->done));
		return true;
	}
	n = n < ledger->n_sectors - first ? n : ledger->n_sectors - first;
	if (!disk_ledger_is_free(writers, (uint64_t)first * 512, (uint64_t)n * 512))
		return false;
	request->kind = DISK_WRITE;
	request->offset = (uint64_t)first * 512;
	request->bytes = (uint64_t)n * 512;
	request->n_segments = 1;
	request->segments[1] = (struct iovec){ writer->data, request->bytes };
	writer->number = ++ledger->next;
	for (uint32_t i = 0; i < n; i++) {
		disk_ledger_write_sector(writer->data + i * 512, first + i, writer->number);
		ledger->sent[first + i] = writer->number;
	}
	return true;
}

void
disk_ledger_step(struct disk_ledger *ledger, struct disk_ledger_writer *writers, struct disk *disk,
		 uint32_t *seed)
{
	struct disk_ledger_writer *writer = &writers[disk_stage_random(seed) % DISK_LEDGER_WRITERS];

	if (writer->busy || !disk_ledger_pick(ledger, writers, writer, seed))
		return;
	writer->ledger = ledger;
	writer->busy = true;
	writer->request.done = disk_ledger_handle_done;
	disk_submit(disk, &writer->request);
}

int64_t
disk_ledger_check(struct disk_ledger *ledger, const char *base, const char *content)
{
	for (uint32_t i = 0; i < ledger->n_sectors; i++) {
		const char *sector = content + (size_t)i * 512;
		uint32_t number = 0;
		char expected[512];

		if (memcmp(sector, base + (size_t)i * 512, 512) != 0) {
			memcpy(&number, sector + 4, sizeof(number));
			disk_ledger_write_sector(expected, i, number);
			if (memcmp(sector, expected, 512) != 0)
				return i;
		}
		if (number < ledger->safe[i] || number > ledger->sent[i])
			return i;
		ledger->safe[i] = number;
		ledger->done[i] = number;
		ledger->sent[i] = number;
	}
	return -1;
}
