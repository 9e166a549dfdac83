/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cli.h - what the commands of "carrel" share: exit codes, the table's entry, talking to the broker, printing
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <glib.h>

#include "base/json.h"

/* Stable: scripts go by them (carrel(1), EXIT STATUS). */
enum cli_exit {
	CLI_EXIT_OK,
	CLI_EXIT_FAILED,
	CLI_EXIT_USAGE,
	CLI_EXIT_REFUSED,
	CLI_EXIT_NOT_FOUND,
	CLI_EXIT_UNREACHABLE,
};

struct cli;

/* One line of the table in carrel.c. "verb" is NULL for commands of one word. */
struct cli_command {
	const char *noun;
	const char *verb;
	const char *usage; /* arguments and options behind noun and verb */
	const char *help;
	int min_args;
	int max_args;
	int (*run)(struct cli *cli, int argc, char **argv);
};

/* Values of the options, NULL or FALSE where not given. */
struct cli_options {
	gboolean json;
	gboolean wait;
	gboolean all;
	char *broker;
	char *run_folder;
	char *template_name;
	char *size;
	char *spare; /* a number, or "auto" */
	char *network;
	char *note;
	char *engine;
	char *recipe;
	char *version;
	char *output;
	char *listen;
	char **users;
	char **groups;
};

const struct cli_options *cli_get_options(const struct cli *cli);
const char *cli_get_broker(const struct cli *cli); /* after a request */

/*
 * One request. An exit code; on OK ret_body (may be NULL) is the caller's reference or NULL. On failure one line has
 * been printed. Takes over "body".
 */
int cli_request(struct cli *cli, const char *method, const char *path, json_t *body,
		json_t **ret_body);

/* Without the token, to the broker named by --broker or remembered: for log-in. */
int cli_request_login(struct cli *cli, const char *path, json_t *body, json_t **ret_body);

/* "columns" are pairs of key and heading, ended by NULL: a table, or the JSON as it is with --json. */
void cli_print_list(struct cli *cli, json_t *list, const char *const *columns);

/* A line a key, or the JSON as it is; NULL (an answer without a body) is nothing, or {} with --json. */
void cli_print_object(struct cli *cli, const json_t *object);

/* A value in a table, by its key: names of a list, a moment where the key ends in "_ms". The caller's to free. */
char *cli_format_value(const char *key, const json_t *value);

/* The list in an answer that is an array, or an object with it under "name". Borrowed. */
json_t *cli_get_list(json_t *answer, const char *name);

/* Shows a job's steps and time left until it is over; its exit code. */
int cli_follow_job(struct cli *cli, const char *id);

int cli_fail(enum cli_exit code, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The commands, by noun. */
int cmd_template_build(struct cli *cli, int argc, char **argv);
int cmd_template_publish(struct cli *cli, int argc, char **argv);
int cmd_template_verify(struct cli *cli, int argc, char **argv);
int cmd_template_list(struct cli *cli, int argc, char **argv);
int cmd_template_show(struct cli *cli, int argc, char **argv);
int cmd_pool_create(struct cli *cli, int argc, char **argv);
int cmd_pool_list(struct cli *cli, int argc, char **argv);
int cmd_pool_show(struct cli *cli, int argc, char **argv);
int cmd_pool_set(struct cli *cli, int argc, char **argv);
int cmd_pool_delete(struct cli *cli, int argc, char **argv);
int cmd_desktop_list(struct cli *cli, int argc, char **argv);
int cmd_desktop_show(struct cli *cli, int argc, char **argv);
int cmd_desktop_stop(struct cli *cli, int argc, char **argv);
int cmd_desktop_powerdown(struct cli *cli, int argc, char **argv);
int cmd_desktop_suspend(struct cli *cli, int argc, char **argv);
int cmd_desktop_resume(struct cli *cli, int argc, char **argv);
int cmd_desktop_move(struct cli *cli, int argc, char **argv);
int cmd_host_maintenance(struct cli *cli, int argc, char **argv);
int cmd_desktop_screenshot(struct cli *cli, int argc, char **argv);
int cmd_session_list(struct cli *cli, int argc, char **argv);
int cmd_session_show(struct cli *cli, int argc, char **argv);
int cmd_session_assign(struct cli *cli, int argc, char **argv);
int cmd_session_vv(struct cli *cli, int argc, char **argv);
int cmd_session_vnc(struct cli *cli, int argc, char **argv);
int cmd_session_revoke(struct cli *cli, int argc, char **argv);
int cmd_session_timing(struct cli *cli, int argc, char **argv);
int cmd_host_drain(struct cli *cli, int argc, char **argv);
int cmd_host_resume(struct cli *cli, int argc, char **argv);
int cmd_host_doctor(struct cli *cli, int argc, char **argv);
int cmd_host_list(struct cli *cli, int argc, char **argv);
int cmd_job_list(struct cli *cli, int argc, char **argv);
int cmd_job_show(struct cli *cli, int argc, char **argv);
int cmd_job_cancel(struct cli *cli, int argc, char **argv);
int cmd_login(struct cli *cli, int argc, char **argv);
int cmd_logout(struct cli *cli, int argc, char **argv);
int cmd_version(struct cli *cli, int argc, char **argv);

#endif
