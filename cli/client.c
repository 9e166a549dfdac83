/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client.c - the command line's connection to the broker (carrel)
 *
 * How it works: cli_connect() decides once: --run or (for root, without --broker and a token) the unix socket, else HTTPS with the
 * token that "carrel login" kept. The HTTP status becomes an exit code in cli_judge().
 */
#include "cli/client.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "common/api_times.h"
#include "common/http_client.h"
#include "common/known_hosts.h"

#define DEFAULT_RUN    "/run/carrel"
#define DEFAULT_BROKER "https://127.0.0.1:8443"

struct cli {
	const struct cli_options *options;
	struct http_client *client;
	char *broker;
	char *pinned;
	char *seen;
};

struct cli_result {
	struct cli *cli;
	int code;
	json_t *body;
};

int
cli_fail(enum cli_exit code, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list arguments;

	va_start(arguments, format);
	text = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	fprintf(stderr, "carrel: %s\n", text);
	return code;
}

static char *
cli_token_get_path(void)
{
	return g_build_filename(g_get_user_config_dir(), "carrel", "token", NULL);
}

gboolean
cli_token_save(const char *broker, const char *token, GError **error)
{
	g_autofree char *path = cli_token_get_path();
	g_autofree char *folder = g_path_get_dirname(path);
	g_autofree char *text = g_strdup_printf("%s\n%s\n", broker, token);
	gboolean done;

	g_mkdir_with_parents(folder, 0700);
	done = g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600,
					error);
	explicit_bzero(text, strlen(text));
	return done;
}

static gboolean
cli_token_load(char **ret_broker, char **ret_token)
{
	g_autofree char *path = cli_token_get_path();
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return FALSE;
	lines = g_strsplit(text, "\n", -1);
	explicit_bzero(text, strlen(text));
	if (g_strv_length(lines) < 2 || lines[1][0] == '\0')
		return FALSE;
	*ret_broker = g_strdup(lines[0]);
	*ret_token = g_strdup(lines[1]);
	return TRUE;
}

void
cli_token_remove(void)
{
	g_autofree char *path = cli_token_get_path();

	g_unlink(path);
}

static gboolean
cli_handle_certificate(void *context, const char *fingerprint)
{
	struct cli *cli = context;
	g_autoptr(GError) error = NULL;
	char line[16] = "";

	g_free(cli->seen);
	cli->seen = g_strdup(fingerprint);
	if (cli->pinned || !isatty(STDIN_FILENO))
		return FALSE;
	fprintf(stderr,
		_("You have not used the broker %s before. Its fingerprint (SHA-256) is\n  %s\nIs it the one "
		  "your administrator gives you? [yes/no] "),
		cli->broker, fingerprint);
	if (!fgets(line, sizeof(line), stdin) || strcmp(g_strstrip(line), "yes") != 0)
		return FALSE;
	cli->pinned = g_strdup(fingerprint);
	if (!known_hosts_add(cli->broker, fingerprint, &error))
		fprintf(stderr, "carrel: it is not remembered: %s\n", error->message);
	return TRUE;
}

static gboolean
cli_connect_tls(struct cli *cli, const char *broker, const char *token)
{
	g_autoptr(GError) error = NULL;

	cli->broker = known_hosts_normalize(broker, &error);
	if (!cli->broker) {
		cli_fail(CLI_EXIT_USAGE, "%s", error->message);
		return FALSE;
	}
	cli->pinned = known_hosts_find(cli->broker);
	cli->client = http_client_new_tls(cli->broker, cli->pinned, cli_handle_certificate, cli);
	http_client_set_token(cli->client, token);
	return TRUE;
}

static void
cli_wipe(char **secret)
{
	if (*secret)
		explicit_bzero(*secret, strlen(*secret));
	g_clear_pointer(secret, g_free);
}

static gboolean
cli_connect(struct cli *cli)
{
	const char *run = cli->options->run_folder;
	g_autofree char *broker = NULL;
	g_autofree char *token = NULL;
	g_autofree char *socket = NULL;
	gboolean known;

	if (cli->client)
		return TRUE;
	/* What is named on the command line counts more than the environment. */
	if (!run && !cli->options->broker)
		run = g_getenv("CARREL_RUN_DIR");
	known = !run && cli_token_load(&broker, &token);
	/* A token is for the broker that gave it. */
	if (known && cli->options->broker) {
		g_autofree char *given = known_hosts_normalize(cli->options->broker, NULL);

		if (g_strcmp0(given, broker) != 0)
			cli_wipe(&token);
	}
	if (!run && (cli->options->broker || known))
		return cli_connect_tls(cli, cli->options->broker ? cli->options->broker : broker,
				       token);
	if (!run && geteuid() != 0)
		return cli_connect_tls(cli, DEFAULT_BROKER, NULL);
	socket = g_build_filename(run ? run : DEFAULT_RUN, "broker.sock", NULL);
	cli->broker = g_steal_pointer(&socket);
	cli->client = http_client_new_unix(cli->broker);
	return TRUE;
}

/* No answer came: another certificate, one that nobody has trusted yet, or nobody is there. */
static int
cli_judge_silence(struct cli *cli, const struct http_answer *answer)
{
	g_autofree char *known_hosts = known_hosts_get_path();
	const char *why = answer->error ? answer->error->message : _("no answer");

	if (cli->seen && cli->pinned && strcmp(cli->seen, cli->pinned) != 0)
		return cli_fail(
			CLI_EXIT_REFUSED,
			_("the broker '%s' shows another certificate (%s) than the pinned one (%s); nothing "
			  "was sent. If it was renewed, remove its line from '%s'"),
			cli->broker, cli->seen, cli->pinned, known_hosts);
	if (cli->seen && !cli->pinned)
		return cli_fail(
			CLI_EXIT_REFUSED,
			_("the broker '%s' is not known yet: run 'carrel login' on a terminal to trust it"),
			cli->broker);
	if (!g_str_has_prefix(cli->broker, "https://"))
		return cli_fail(
			CLI_EXIT_UNREACHABLE,
			_("the broker's socket '%s' cannot be reached: %s; start carrel-broker or 'carrel up', "
			  "name its folder with --run DIR, or another machine's broker with --broker URL"),
			cli->broker, why);
	return cli_fail(
		CLI_EXIT_UNREACHABLE,
		_("the broker '%s' cannot be reached: %s; check the address (--broker URL) and that it "
		  "runs"),
		cli->broker, why);
}

static int
cli_judge(struct cli *cli, const struct http_answer *answer)
{
	const char *title = answer->title[0] ? answer->title : _("the broker gave no reason");

	if (answer->status >= 200 && answer->status < 300)
		return CLI_EXIT_OK;
	if (answer->status == 0)
		return cli_judge_silence(cli, answer);
	if (answer->status == 401 && !g_str_has_prefix(answer->code, "login."))
		return cli_fail(CLI_EXIT_REFUSED, _("%s (%s); run 'carrel login' first"), title,
				answer->code);
	return cli_fail(answer->status == 401 || answer->status == 403 ? CLI_EXIT_REFUSED
			: answer->status == 404			       ? CLI_EXIT_NOT_FOUND
								       : CLI_EXIT_FAILED,
			"%s (%s, %u)", title, answer->code, answer->status);
}

static void
cli_handle_answer(void *context, const struct http_answer *answer)
{
	struct cli_result *result = context;

	result->code = cli_judge(result->cli, answer);
	result->body = answer->body ? json_incref(answer->body) : NULL;
}

int
cli_request(struct cli *cli, const char *method, const char *path, json_t *body, json_t **ret_body)
{
	struct cli_result result = { cli, CLI_EXIT_USAGE, NULL };
	g_autofree char *key = g_strcmp0(method, "POST") == 0 ? g_uuid_string_random() : NULL;

	if (cli_connect(cli))
		http_client_send_and_wait(cli->client, method, path, body, key,
					  API_TICKET_PATIENCE_S, cli_handle_answer, &result);
	json_decref(body);
	if (result.code == CLI_EXIT_OK && ret_body)
		*ret_body = result.body;
	else
		json_decref(result.body);
	return result.code;
}

int
cli_request_login(struct cli *cli, const char *path, json_t *body, json_t **ret_body)
{
	g_autofree char *broker = g_strdup(cli->options->broker);
	g_autofree char *token = NULL;

	if (!cli->client && !broker && !cli_token_load(&broker, &token))
		broker = g_strdup(DEFAULT_BROKER);
	if (!cli->client && !cli_connect_tls(cli, broker, NULL)) {
		json_decref(body);
		return CLI_EXIT_USAGE;
	}
	return cli_request(cli, "POST", path, body, ret_body);
}

const struct cli_options *
cli_get_options(const struct cli *cli)
{
	return cli->options;
}

const char *
cli_get_broker(const struct cli *cli)
{
	return cli->broker;
}

struct cli *
cli_new(const struct cli_options *options)
{
	struct cli *cli = g_new0(struct cli, 1);

	cli->options = options;
	return cli;
}

void
cli_free(struct cli *cli)
{
	http_client_free(cli->client);
	g_free(cli->broker);
	g_free(cli->pinned);
	g_free(cli->seen);
	g_free(cli);
}
