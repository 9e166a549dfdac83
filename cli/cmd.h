/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd.h - list, show and act, the same for every noun
 */
#ifndef CLI_CMD_H
#define CLI_CMD_H

#include "cli/cli.h"

/* GET /api/v1/NOUN as a table; "noun" in the plural. */
int cmd_list(struct cli *cli, const char *noun, const char *const *columns);

/*
 * All pages of GET /api/v1/NOUN. ret_list is the caller's, NULL on failure; ret_first (may be NULL) the first page's
 * whole answer.
 */
int cmd_fetch(struct cli *cli, const char *noun, json_t **ret_list, json_t **ret_first);

/* METHOD /api/v1/NOUN/ID[/VERB]; prints the answer. Takes over "body". */
int cmd_call(struct cli *cli, const char *method, const char *noun, const char *id,
	     const char *verb, json_t *body);

#endif
