/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_login.c - carrel login, logout, version (carrel)
 */
#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/terminal.h"

#define ANSWER_BYTES 512

/* The answers to a batch of prompts; NULL when there is not one to each question. */
static json_t *
cmd_login_ask(const json_t *prompts, GError **error)
{
	json_t *answers = json_array();
	char answer[ANSWER_BYTES];
	gsize index;
	json_t *prompt;

	json_array_foreach(prompts, index, prompt) {
		const char *kind = json_get_text(prompt, "style", "info");
		gboolean question = g_str_has_prefix(kind, "echo-");

		fprintf(stderr, question ? "%s" : "%s\n", json_get_text(prompt, "text", ""));
		if (!question)
			continue;
		if (!terminal_ask(strcmp(kind, "echo-on") == 0, answer, sizeof(answer), error)) {
			json_decref(answers);
			return NULL;
		}
		json_array_append_new(answers, json_string(answer));
		explicit_bzero(answer, sizeof(answer));
	}
	return answers;
}

static int
cmd_login_end(struct cli *cli, const json_t *state)
{
	g_autoptr(GError) error = NULL;

	if (!cli_token_save(cli_get_broker(cli), json_get_text(state, "token", ""), &error))
		return cli_fail(CLI_EXIT_FAILED, _("the token cannot be kept: %s"), error->message);
	fprintf(stderr, _("Logged in to %s as '%s'.\n"), cli_get_broker(cli),
		json_get_text(state, "user", ""));
	/* Everything but the token. */
	if (cli_get_options(cli)->json) {
		json_t *shown = json_pack("{s:s, s:s, s:O?, s:O?}", "broker", cli_get_broker(cli),
					  "user", json_get_text(state, "user", ""), "roles",
					  json_object_get(state, "roles"), "expires_s",
					  json_object_get(state, "expires_s"));

		cli_print_object(cli, shown);
		json_decref(shown);
	}
	return CLI_EXIT_OK;
}

static int
cmd_login_step(struct cli *cli, json_t **state)
{
	g_autofree char *path =
		g_strconcat("/api/v1/login/", json_get_text(*state, "login", ""), NULL);
	g_autoptr(GError) error = NULL;
	json_t *answers = cmd_login_ask(json_object_get(*state, "prompts"), &error);
	json_t *next = NULL;
	int code;

	if (!answers)
		return cli_fail(CLI_EXIT_FAILED, _("the log-in was not finished: %s"),
				error->message);
	code = cli_request_login(cli, path, json_pack("{s:o}", "answers", answers), &next);
	json_decref(*state);
	*state = next;
	return code;
}

int
cmd_login(struct cli *cli, int argc, char **argv)
{
	const char *user = argc > 0 ? argv[0] : g_get_user_name();
	json_t *state = NULL;
	int code =
		cli_request_login(cli, "/api/v1/login", json_pack("{s:s}", "user", user), &state);

	while (code == CLI_EXIT_OK && strcmp(json_get_text(state, "state", ""), "done") != 0)
		code = cmd_login_step(cli, &state);
	if (code == CLI_EXIT_OK)
		code = cmd_login_end(cli, state);
	json_decref(state);
	return code;
}

int
cmd_logout(struct cli *cli, int argc, char **argv)
{
	int code = cli_request(cli, "POST", "/api/v1/logout", NULL, NULL);

	/* A token that the broker does not know any more is as good as given back. */
	if (code == CLI_EXIT_OK || code == CLI_EXIT_REFUSED)
		cli_token_remove();
	if (code == CLI_EXIT_OK)
		cli_print_object(cli, NULL);
	return code;
}

int
cmd_version(struct cli *cli, int argc, char **argv)
{
	if (cli && cli_get_options(cli)->json)
		printf("{\"version\": \"%s\"}\n", PACKAGE_VERSION);
	else
		printf("carrel %s\n", PACKAGE_VERSION);
	return CLI_EXIT_OK;
}
