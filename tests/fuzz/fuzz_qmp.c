/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_qmp.c - what a QEMU that its guest has taken over may say, with two commands that wait
 */
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "host/qmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_qmp_handle_answer(GObject *source, GAsyncResult *result, gpointer data)
{
	(void)source, (void)data;
	json_decref(qmp_execute_finish(result, NULL));
}

static void
fuzz_qmp_handle_event(void *context, const char *name, const json_t *data)
{
	guint *events = context;

	(void)data;
	*events += name ? 1 : 0;
}

static void
fuzz_qmp_run_loop(void)
{
	while (g_main_context_iteration(NULL, FALSE))
		;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	guint events = 0;
	struct qmp *qmp;
	int ends[2];

	if (io_socketpair(SOCK_STREAM, ends) < 0)
		return 0;
	qmp = qmp_new(ends[1], fuzz_qmp_handle_event, &events);
	for (int i = 0; i < 2; i++)
		qmp_execute(qmp, "query-status", NULL, -1, 10000, NULL, fuzz_qmp_handle_answer,
			    NULL);
	while (size > 0) {
		ssize_t n = send(ends[0], data, size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n <= 0)
			break;
		data += n;
		size -= (size_t)n;
		fuzz_qmp_run_loop();
	}
	fuzz_qmp_run_loop();
	qmp_free(qmp);
	fuzz_qmp_run_loop();
	close(ends[0]);
	return 0;
}
