/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * replay_main.c - the main function of a fuzzer that only runs the files it is given
 *
 * `make check` links fuzz_<module>.c with this, so that every input that ever mattered is tried on
 * every build and with every compiler; libFuzzer brings a main of its own.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The largest input worth keeping in a corpus */
#define REPLAY_MAX_BYTES (1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
replay_run_file(const char *path)
{
	uint8_t *data = NULL;
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file)
		goto fail;
	/* exactly as large as the input, so that the sanitizers see a read past its end */
	if (fseek(file, 0, SEEK_END) < 0)
		goto fail;
	long length = ftell(file);
	if (length < 0 || length > REPLAY_MAX_BYTES) {
		errno = EFBIG;
		goto fail;
	}
	rewind(file);
	data = malloc((size_t)length + !length);
	if (!data)
		goto fail;
	size = fread(data, 1, (size_t)length, file);
	if (size != (size_t)length) {
		errno = EIO;
		goto fail;
	}
	fclose(file);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
fail:
	fprintf(stderr, "cannot replay '%s': %s\n", path, strerror(errno));
	if (file)
		fclose(file);
	free(data);
	return -1;
}

int
main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		/* printed before it runs: after a crash the last line names the culprit */
		printf("%s\n", argv[i]);
		fflush(stdout);
		if (replay_run_file(argv[i]) < 0)
			failed = 1;
	}
	if (argc < 2) {
		fprintf(stderr, "nothing to replay: the corpus is empty\n");
		failed = 1;
	}
	return failed;
}
