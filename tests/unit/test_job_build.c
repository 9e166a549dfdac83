/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_job_build.c - the lines of a build script, and the real worker with small recipes
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/seq.h"
#include "templates/image_file.h"
#include "templates/job_build.h"

#define JOB "j-aaaaaaaaaaaaaaaaaaaa"

static void
test_job_build__progress_table(void **state)
{
	static const struct {
		const char *line;
		gboolean good;
	} rows[] = {
		{ "progress 28 packages installing", TRUE },
		{ "progress 100 done", TRUE },
		{ "progress 101 done", FALSE },
		{ "progress x done", FALSE },
		{ "progress 5", FALSE },
		{ "progress 5 \377\376 x", FALSE },
		{ "progress 5 a\377 x", FALSE },
		{ "progress 5 Step x", FALSE },
		{ "I: progress 5 step", FALSE },
		{ "progress 5 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa x", FALSE },
		{ "", FALSE },
	};
	char step[32];
	guint percent;

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
		assert_int_equal(job_build_parse_progress(rows[i].line, &percent, step),
				 rows[i].good);
}

struct outcome {
	gint32 status;
	guint last_percent;
	char text[300];
};

static pid_t
test_start_worker(int fd)
{
	const char *builddir = g_getenv("top_builddir");
	g_autofree char *program =
		g_build_filename(builddir ? builddir : "../..", "templates", "carrel-worker", NULL);
	pid_t pid = fork();

	if (pid == 0) {
		if (fd == JOB_CONTROL_FD)
			fcntl(fd, F_SETFD, 0);
		else
			dup2(fd, JOB_CONTROL_FD);
		execl(program, "carrel-worker", NULL);
		_exit(127);
	}
	return pid;
}

static void
test_send_start(int fd, const char *folder, const char *more)
{
	g_autofree char *json = g_strdup_printf(
		"{\"template\": \"t\", \"recipe\": \"%s/recipe\", \"staging\": \"%s/staging\"%s}",
		folder, folder, more);
	g_autofree char *payload = g_malloc0(sizeof(struct job_start) + strlen(json));
	struct job_start *start = (struct job_start *)payload;
	struct seq_header head = { .type = JOB_START };

	start->kind = JOB_KIND_BUILD;
	start->json_bytes = (guint32)strlen(json);
	g_strlcpy(start->job, JOB, sizeof(start->job));
	memcpy(start + 1, json, strlen(json));
	head.size = (guint32)(sizeof(*start) + strlen(json));
	assert_int_equal(seq_send(fd, &head, payload, NULL, 0), 0);
}

/* Runs the worker to its end; cancels at the first progress when asked to. */
static struct outcome
test_run_worker(const char *folder, const char *more, gboolean cancel)
{
	g_autofree struct seq_message *message = g_new0(struct seq_message, 1);
	struct seq_header cancelling = { .type = JOB_CANCEL };
	struct timeval patience = { .tv_sec = 30 };
	struct outcome outcome = { .status = 1 };
	int ends[2];
	pid_t pid;

	assert_int_equal(io_socketpair(SOCK_SEQPACKET, ends), 0);
	assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
			 0);
	pid = test_start_worker(ends[1]);
	close(ends[1]);
	test_send_start(ends[0], folder, more);
	while (seq_receive(ends[0], message) == 0) {
		if (message->head.type == JOB_PROGRESS) {
			const struct job_progress *progress =
				(const struct job_progress *)message->payload;

			assert_true(progress->percent >= outcome.last_percent);
			outcome.last_percent = progress->percent;
			if (cancel)
				seq_send(ends[0], &cancelling, NULL, NULL, 0);
			cancel = FALSE;
		} else if (message->head.type == JOB_DONE) {
			const struct job_done *done = (const struct job_done *)message->payload;

			outcome.status = done->status;
			g_strlcpy(outcome.text, done->text, sizeof(outcome.text));
		}
	}
	close(ends[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return outcome;
}

static void
test_make_recipe(const char *folder, const char *script)
{
	g_autofree char *recipe = g_build_filename(folder, "recipe", NULL);
	g_autofree char *staging = g_build_filename(folder, "staging", NULL);
	g_autofree char *path = g_build_filename(recipe, "build", NULL);
	g_autofree char *conf = g_build_filename(recipe, "recipe.conf", NULL);
	g_autofree char *text = g_strdup_printf("#!/bin/sh\n%s\n", script);

	mkdir(recipe, 0700);
	mkdir(staging, 0700);
	assert_true(g_file_set_contents(path, text, -1, NULL));
	assert_int_equal(chmod(path, 0700), 0);
	assert_true(g_file_set_contents(conf, "[recipe]\ncmdline=quiet\n", -1, NULL));
}

/* What the build wrote is what publish takes. */
static void
test_check_image(const char *folder)
{
	g_autofree char *staging = g_build_filename(folder, "staging", NULL);
	json_t *image = image_file_read(staging, NULL);

	assert_non_null(image);
	assert_string_equal(json_get_text(image, "command_line", ""), "quiet");
	json_decref(image);
}

static void
test_job_build__worker_table(void **state)
{
	static const struct {
		const char *script;
		const char *more;
		gboolean cancel;
		int status;
		const char *text;
		gboolean image;
	} rows[] = {
		{ "echo progress 50 disk half; cd \"$1\"; echo d >disk.img; echo k >kernel; "
		  "echo i >initrd",
		  "", FALSE, 0, "", TRUE },
		{ "echo noise >&2; echo 'error: the mirror is gone' >&2; exit 1", "", FALSE, -EIO,
		  "the mirror is gone", FALSE },
		{ "echo 'error: disk full in x (3 MiB left)' >&2; exit 1", "", FALSE, -ENOSPC,
		  "disk full", FALSE },
		{ "exit 3", "", FALSE, -EIO, "build.log", FALSE },
		{ "exit 0", "", FALSE, -EIO, "disk.img", FALSE },
		{ "echo progress 5 wait; sleep 60", "", TRUE, -ECANCELED, "cancelled", FALSE },
		{ "exit 0", ", \"extra\": 1", FALSE, -EINVAL, "unknown key", FALSE },
	};

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *folder = g_dir_make_tmp("test-build-XXXXXX", NULL);
		g_autofree char *image = g_build_filename(folder, "staging", "image.json", NULL);
		g_autofree char *remove = g_strdup_printf("rm -rf '%s'", folder);
		struct outcome outcome;

		test_make_recipe(folder, rows[i].script);
		outcome = test_run_worker(folder, rows[i].more, rows[i].cancel);
		assert_int_equal(outcome.status, rows[i].status);
		assert_non_null(strstr(outcome.text, rows[i].text));
		assert_int_equal(g_file_test(image, G_FILE_TEST_EXISTS), rows[i].image);
		if (rows[i].image)
			test_check_image(folder);
		assert_true(g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_job_build__progress_table),
		cmocka_unit_test(test_job_build__worker_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
