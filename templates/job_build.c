/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_build.c - the job "build": a recipe becomes an image (carrel-worker)
 *
 * How it works: job_build_run() starts the recipe's `build OUTDIR AGENT` in a process group of its own and reads its
 * lines: "progress PERCENT STEP TEXT" on standard output goes to hostd, the last "error: ..." on standard error
 * is kept for the end. CANCEL ends the whole group with SIGTERM, on which the script removes what it made. After a good
 * end job_build_describe() hashes the results and writes image.json (templates/image_file.h) last and durably: a folder
 * without it is no image.
 * Nothing leaves the staging folder; hostd has it committed.
 */
#include "templates/job_build.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "base/name.h"
#include "common/hash.h"
#include "templates/image_file.h"

#define BUILD_SHARE	 95 /* percent; the rest is for hashing */
#define RECIPE_MAX_FILES 2000

static const struct json_field job_build_fields[] = {
	{ "template", JSON_KIND_STRING, 0, 1, NAME_SIZE - 1 },
	{ "recipe", JSON_KIND_STRING, 0, 2, 1000 },
	{ "staging", JSON_KIND_STRING, 0, 2, 1000 },
};

struct job_build {
	struct job *job;
	GSubprocess *process;
	char *command_line;
	char *error_line;
	guint readers; /* streams not at their end, and the process */
	gulong cancelled_id;
};

gboolean
job_build_parse_progress(const char *line, guint *ret_percent, char *ret_step)
{
	int end = 0;

	/* A step is a plain word: it goes to hostd, whose messages are UTF-8, and from there to people. */
	if (sscanf(line, "progress %3u %31[a-z0-9-]%n", ret_percent, ret_step, &end) != 2 ||
	    end == 0)
		return FALSE;
	return *ret_percent <= 100 && (line[end] == ' ' || line[end] == '\0');
}

static int
job_build_compare(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Adds the paths below folder/relative, without following links. */
static gboolean
job_build_list(const char *folder, const char *relative, GPtrArray *paths, GError **error)
{
	g_autofree char *path = g_build_filename(folder, relative, NULL);
	g_autoptr(GDir) dir = g_dir_open(path, 0, error);
	const char *name;

	if (!dir)
		return FALSE;
	while ((name = g_dir_read_name(dir))) {
		g_autofree char *below = g_build_filename(relative, name, NULL);
		g_autofree char *full = g_build_filename(folder, below, NULL);

		if (paths->len >= RECIPE_MAX_FILES) {
			g_set_error(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
				    "the recipe '%s' has more than %d files", folder,
				    RECIPE_MAX_FILES);
			return FALSE;
		}
		if (g_file_test(full, G_FILE_TEST_IS_DIR) &&
		    !g_file_test(full, G_FILE_TEST_IS_SYMLINK)) {
			if (!job_build_list(folder, below, paths, error))
				return FALSE;
		} else if (!g_file_test(full, G_FILE_TEST_IS_SYMLINK)) {
			g_ptr_array_add(paths, g_steal_pointer(&below));
		}
	}
	return TRUE;
}

/* SHA-256 over names and contents of all files below the folder, in a fixed order. NULL and an error. */
static char *
job_build_hash_recipe(const char *folder, GCancellable *cancellable, GError **error)
{
	g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GString) all = g_string_new(NULL);

	if (!job_build_list(folder, "", paths, error))
		return NULL;
	g_ptr_array_sort(paths, job_build_compare);
	for (guint i = 0; i < paths->len; i++) {
		g_autofree char *full = g_build_filename(folder, paths->pdata[i], NULL);
		g_autofree char *hash = hash_file(full, cancellable, error);

		if (!hash)
			return NULL;
		g_string_append_printf(all, "%s %s\n", hash, (const char *)paths->pdata[i]);
	}
	return hash_text(all->str);
}

static json_t *
job_build_describe_files(struct job *job, const char *folder, gint64 *ret_bytes, GError **error)
{
	json_t *files = json_array();

	*ret_bytes = 0;
	for (gsize i = 0; i < IMAGE_FILE_COUNT; i++) {
		g_autofree char *path = g_build_filename(folder, image_file_names[i], NULL);
		g_autofree char *hash = hash_file(path, job->cancellable, error);
		GStatBuf status;

		if (!hash || g_stat(path, &status) < 0) {
			json_decref(files);
			return NULL;
		}
		job->progress(job, "hash", BUILD_SHARE + 1 + (guint)i);
		*ret_bytes += (gint64)status.st_blocks * 512;
		json_array_append_new(files, json_pack("{s:s, s:I, s:s}", "path",
						       image_file_names[i], "size",
						       (json_int_t)status.st_size, "sha256", hash));
	}
	return files;
}

/* The result for DONE, or NULL and an error. */
static json_t *
job_build_describe(const struct job_build *build, GError **error)
{
	struct job *job = build->job;
	const char *folder = json_get_text(job->arguments, "staging", "");
	const char *recipe = json_get_text(job->arguments, "recipe", "");
	g_autofree char *hash = job_build_hash_recipe(recipe, job->cancellable, error);
	struct image_recipe source = { json_get_text(job->arguments, "template", ""), recipe, hash,
				       build->command_line };
	gint64 bytes = 0;
	json_t *files;

	if (!hash)
		return NULL;
	files = job_build_describe_files(job, folder, &bytes, error);
	if (!files || !image_file_write(folder, &source, files, error))
		return NULL;
	return json_pack("{s:I}", "size_bytes", (json_int_t)bytes);
}

static void
job_build_free(struct job_build *build)
{
	g_clear_object(&build->process);
	g_free(build->command_line);
	g_free(build->error_line);
	g_free(build);
}

static GError *
job_build_find_error(const struct job_build *build)
{
	if (g_cancellable_is_cancelled(build->job->cancellable))
		return g_error_new(G_IO_ERROR, G_IO_ERROR_CANCELLED, "the build was cancelled");
	if (build->error_line)
		return g_error_new(G_IO_ERROR,
				   strstr(build->error_line, "disk full") ? G_IO_ERROR_NO_SPACE
									  : G_IO_ERROR_FAILED,
				   "%s", build->error_line);
	return g_error_new(G_IO_ERROR, G_IO_ERROR_FAILED,
			   "the recipe's build script ended without saying why: see build.log");
}

static void
job_build_end_reader(struct job_build *build)
{
	struct job *job = build->job;
	g_autoptr(GError) error = NULL;
	json_t *result = NULL;

	if (--build->readers > 0)
		return;
	g_cancellable_disconnect(job->cancellable, build->cancelled_id);
	if (g_subprocess_get_successful(build->process) &&
	    !g_cancellable_is_cancelled(job->cancellable))
		result = job_build_describe(build, &error);
	else
		error = job_build_find_error(build);
	job_build_free(build);
	job->done(job, result, g_steal_pointer(&error));
}

static void
job_build_take_line(struct job_build *build, const char *line)
{
	char step[32];
	guint percent;

	if (job_build_parse_progress(line, &percent, step)) {
		build->job->progress(build->job, step, percent * BUILD_SHARE / 100);
	} else if (g_str_has_prefix(line, "error: ")) {
		g_free(build->error_line);
		build->error_line = g_strndup(line + strlen("error: "), JOB_BUILD_MAX_LINE);
	}
}

static void
job_build_on_line(GObject *source, GAsyncResult *result, gpointer data)
{
	GDataInputStream *stream = G_DATA_INPUT_STREAM(source);
	g_autofree char *line = g_data_input_stream_read_line_finish(stream, result, NULL, NULL);
	struct job_build *build = data;

	if (!line) {
		g_object_unref(stream);
		job_build_end_reader(build);
		return;
	}
	job_build_take_line(build, line);
	g_data_input_stream_read_line_async(stream, G_PRIORITY_DEFAULT, NULL, job_build_on_line,
					    build);
}

static void
job_build_read(struct job_build *build, GInputStream *pipe)
{
	build->readers++;
	g_data_input_stream_read_line_async(g_data_input_stream_new(pipe), G_PRIORITY_DEFAULT, NULL,
					    job_build_on_line, build);
}

static void
job_build_on_exit(GObject *source, GAsyncResult *result, gpointer data)
{
	g_subprocess_wait_finish(G_SUBPROCESS(source), result, NULL);
	job_build_end_reader(data);
}

/* The script and what it started are one process group: its number is the script's. */
static void
job_build_on_cancel(GCancellable *cancellable, gpointer data)
{
	const struct job_build *build = data;
	const char *pid = g_subprocess_get_identifier(build->process);

	(void)cancellable;
	if (pid)
		kill(-(pid_t)g_ascii_strtoll(pid, NULL, 10), SIGTERM);
}

static void
job_build_own_group(gpointer data)
{
	(void)data;
	setpgid(0, 0);
}

static GSubprocess *
job_build_spawn(const struct job *job, GError **error)
{
	g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(
		G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
	const char *libexec = g_getenv("CARREL_LIBEXEC_DIR");
	g_autofree char *agent =
		g_build_filename(libexec ? libexec : CARREL_LIBEXECDIR, "carrel-agent", NULL);
	g_autofree char *script =
		g_build_filename(json_get_text(job->arguments, "recipe", ""), "build", NULL);
	GSubprocess *process;

	g_subprocess_launcher_set_child_setup(launcher, job_build_own_group, NULL, NULL);
	process = g_subprocess_launcher_spawn(
		launcher, error, script, json_get_text(job->arguments, "staging", ""), agent, NULL);
	if (!process)
		g_prefix_error(error, "cannot start the recipe's build script: ");
	return process;
}

static void
job_build_run(struct job *job)
{
	struct job_build *build = g_new0(struct job_build, 1);
	GError *error = NULL;

	build->job = job;
	/* Before the minutes that the script takes. */
	build->command_line =
		image_file_read_recipe(json_get_text(job->arguments, "recipe", ""), &error);
	if (build->command_line)
		build->process = job_build_spawn(job, &error);
	if (!build->process) {
		job_build_free(build);
		job->done(job, NULL, error);
		return;
	}
	build->readers = 1;
	g_subprocess_wait_async(build->process, NULL, job_build_on_exit, build);
	job_build_read(build, g_subprocess_get_stdout_pipe(build->process));
	job_build_read(build, g_subprocess_get_stderr_pipe(build->process));
	build->cancelled_id = g_cancellable_connect(job->cancellable,
						    G_CALLBACK(job_build_on_cancel), build, NULL);
}

const struct job_ops job_build_ops = {
	.kind = JOB_KIND_BUILD,
	.name = "build",
	.fields = job_build_fields,
	.n_fields = G_N_ELEMENTS(job_build_fields),
	.run = job_build_run,
};
