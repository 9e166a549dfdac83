/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_template_touched.c - the note of touched pages from a template's folder
 */
#include <stdint.h>
#include <stdlib.h>

#include "host/template_touched.h"

#define MEMORY_PAGES 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever was taken can be read ahead as it is. */
static void
fuzz_check(const GArray *ranges)
{
	guint64 free_from = 0;

	for (guint i = 0; i < ranges->len; i++) {
		const struct template_touched_range *range =
			&g_array_index(ranges, struct template_touched_range, i);

		if (range->count == 0 || range->first < free_from || range->first >= MEMORY_PAGES ||
		    range->count > MEMORY_PAGES - range->first)
			abort();
		free_from = range->first + range->count + 1;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GArray) ranges =
		template_touched_parse((const char *)data, size,
				       (guint64)MEMORY_PAGES * TEMPLATE_TOUCHED_PAGE_BYTES, &error);

	if (ranges)
		fuzz_check(ranges);
	return 0;
}
