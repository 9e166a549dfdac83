/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_sync_answer.c - what a broker answers a host
 */
#include "host/sync_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_problem problem;
	json_t *answer = json_parse_strict((const char *)data, size, 65536, &problem);

	if (answer)
		sync_answer_check(answer, &problem);
	json_decref(answer);
	return 0;
}
