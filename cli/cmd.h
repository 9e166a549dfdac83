/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd.h - list, show and act, the same for every noun
 */
#ifndef CLI_CMD_H
#define CLI_CMD_H

#include "cli/cli.h"

/* GET /api/v1/NOUN as a table; "noun" in the plural. */
int cmd_list(struct cli *cli, const char *noun, const char *const *columns);

/* METHOD /api/v1/NOUN/ID[/VERB]; prints the answer. Takes over "body". */
int cmd_call(struct cli *cli, const char *method, const char *noun, const char *id,
	     const char *verb, json_t *body);

#endif
