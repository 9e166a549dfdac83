/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client.h - the command line's connection to the broker, and what main() needs of it
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "cli/cli.h"

struct cli *cli_new(const struct cli_options *options);
void cli_free(struct cli *cli);

/* $XDG_CONFIG_HOME/carrel/token: the broker's address and the token, a line each. */
gboolean cli_token_save(const char *broker, const char *token, GError **error);
void cli_token_remove(void);

#endif
