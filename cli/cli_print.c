/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cli_print.c - answers as tables, and a job's progress (carrel)
 */
#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

#define MAX_COLUMNS   10
#define JOB_POLL_MS   500
#define FIRST_TIME_MS 100000000000 /* below it is a duration, above it a moment since 1970 */

json_t *
cli_get_list(json_t *answer, const char *name)
{
	return json_is_object(answer) ? json_object_get(answer, name) : answer;
}

static char *
cli_format_time(gint64 time_ms)
{
	g_autoptr(GDateTime) utc = g_date_time_new_from_unix_utc(time_ms / 1000);
	g_autoptr(GDateTime) local = utc ? g_date_time_to_local(utc) : NULL;

	return local ? g_date_time_format(local, "%Y-%m-%d %H:%M:%S") : g_strdup("-");
}

/* Names are enough in a table: "qemu,kvm". */
static char *
cli_format_array(const json_t *array)
{
	g_autoptr(GString) text = g_string_new(NULL);
	gsize index;
	json_t *item;

	json_array_foreach((json_t *)array, index, item) {
		const char *name = json_is_object(item) ? json_get_text(item, "name", "")
							: json_string_value(item);

		g_string_append_printf(text, "%s%s", index > 0 ? "," : "", name ? name : "?");
	}
	return g_strdup(text->len > 0 ? text->str : "-");
}

char *
cli_format_value(const char *key, const json_t *value)
{
	char *text;
	char *copy;

	if (!value || json_is_null(value))
		return g_strdup("-");
	if (json_is_string(value))
		return g_strdup(json_string_value(value)[0] ? json_string_value(value) : "-");
	if (json_is_boolean(value))
		return g_strdup(json_is_true(value) ? _("yes") : _("no"));
	if (json_is_array(value))
		return cli_format_array(value);
	if (json_is_integer(value) && g_str_has_suffix(key, "_ms") &&
	    json_integer_value(value) > FIRST_TIME_MS)
		return cli_format_time(json_integer_value(value));
	text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	copy = g_strdup(text ? text : "-");
	free(text);
	return copy;
}

static void
cli_print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
}

static gsize
cli_measure(json_t *list, const char *key, const char *heading)
{
	gsize width = strlen(heading);
	gsize index;
	json_t *row;

	json_array_foreach(list, index, row) {
		g_autofree char *text = cli_format_value(key, json_object_get(row, key));

		width = MAX(width, (gsize)g_utf8_strlen(text, -1));
	}
	return width;
}

/* printf's own padding counts bytes. */
static void
cli_print_cell(const char *text, gsize width, gboolean last)
{
	gsize length = (gsize)g_utf8_strlen(text, -1);

	printf("%s%*s%s", text, last ? 0 : (int)(width - MIN(width, length)), "",
	       last ? "\n" : "  ");
}

void
cli_print_list(struct cli *cli, json_t *list, const char *const *columns)
{
	gsize widths[MAX_COLUMNS] = { 0 };
	gsize n = 0;
	gsize index;
	json_t *row;

	if (cli_get_options(cli)->json) {
		cli_print_json(list);
		return;
	}
	for (; columns[2 * n] && n < MAX_COLUMNS; n++) {
		widths[n] = cli_measure(list, columns[2 * n], _(columns[2 * n + 1]));
		cli_print_cell(_(columns[2 * n + 1]), widths[n], !columns[2 * n + 2]);
	}
	json_array_foreach(list, index, row)
		for (gsize i = 0; i < n; i++) {
			const char *key = columns[2 * i];
			g_autofree char *text = cli_format_value(key, json_object_get(row, key));

			cli_print_cell(text, widths[i], i + 1 == n);
		}
}

void
cli_print_object(struct cli *cli, const json_t *object)
{
	gsize width = 0;
	const char *key;
	json_t *value;

	if (cli_get_options(cli)->json) {
		if (object)
			cli_print_json(object);
		else
			puts("{}");
		return;
	}
	json_object_foreach((json_t *)object, key, value)
		width = MAX(width, strlen(key));
	json_object_foreach((json_t *)object, key, value) {
		g_autofree char *text = cli_format_value(key, value);

		cli_print_cell(key, width, FALSE);
		cli_print_cell(text, 0, TRUE);
	}
}

static void
cli_print_progress(const json_t *job, gboolean terminal, char **last)
{
	gint64 left = json_get_integer(job, "seconds_left", 0);
	g_autofree char *time_left =
		left > 0 ? g_strdup_printf(_(", %d:%02d left"), (int)(left / 60), (int)(left % 60))
			 : g_strdup("");
	g_autofree char *line = g_strdup_printf(
		"%s: %s %d%%%s", json_get_text(job, "state", ""), json_get_text(job, "step", ""),
		(int)json_get_integer(job, "percent", 0), time_left);

	if (g_strcmp0(line, *last) == 0)
		return;
	if (terminal)
		fprintf(stderr, "\r\033[K%s", line);
	else
		fprintf(stderr, "%s\n", line);
	g_free(*last);
	*last = g_steal_pointer(&line);
}

static gboolean
cli_handle_pause(gpointer data)
{
	*(gboolean *)data = TRUE;
	return G_SOURCE_REMOVE;
}

static void
cli_pause(guint ms)
{
	gboolean over = FALSE;

	g_timeout_add(ms, cli_handle_pause, &over);
	while (!over)
		g_main_context_iteration(NULL, TRUE);
}

/* What a job that ended well has brought, where "done" does not say it. */
static void
cli_print_outcome(const json_t *job)
{
	const char *kind = json_get_text(job, "kind", "");
	const char *name = json_get_text(job, "template", "");
	int version = (int)json_get_integer(job, "version", 0);
	int current = (int)json_get_integer(job, "current_version", 0);

	if (g_str_equal(kind, "verify"))
		printf(_("%s@%d is as it was published, and a fork of it answers\n"), name,
		       version);
	else if (g_str_equal(kind, "seal"))
		printf(_("%s@%d is sealed again for its host\n"), name, version);
	else if (g_str_equal(kind, "publish") && version == current)
		printf(_("%s@%d is published and is the current version now\n"), name, version);
	else if (g_str_equal(kind, "publish"))
		printf(_("%s@%d is published; the current version is %s@%d\n"), name, version, name,
		       current);
}

static int
cli_end_job(struct cli *cli, const json_t *job)
{
	const char *state = json_get_text(job, "state", "");
	gboolean done = g_str_equal(state, "done");

	if (cli_get_options(cli)->json)
		cli_print_object(cli, job);
	else if (done)
		cli_print_outcome(job);
	if (done)
		return CLI_EXIT_OK;
	return cli_fail(CLI_EXIT_FAILED, _("job %s: %s"), state,
			json_get_text(job, "error", _("no reason was given")));
}

int
cli_follow_job(struct cli *cli, const char *id)
{
	static const char *const over[] = { "done", "failed", "cancelled", NULL };
	g_autofree char *escaped = g_uri_escape_string(id, NULL, FALSE);
	g_autofree char *path = g_strconcat("/api/v1/jobs/", escaped, NULL);
	gboolean terminal = isatty(STDERR_FILENO);
	g_autofree char *last = NULL;
	int code;

	for (;;) {
		json_t *job = NULL;

		code = cli_request(cli, "GET", path, NULL, &job);
		if (code != CLI_EXIT_OK)
			return code;
		cli_print_progress(job, terminal, &last);
		if (g_strv_contains(over, json_get_text(job, "state", ""))) {
			if (terminal)
				fputc('\n', stderr);
			code = cli_end_job(cli, job);
			json_decref(job);
			return code;
		}
		json_decref(job);
		cli_pause(JOB_POLL_MS);
	}
}
