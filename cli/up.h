/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * up.h - "carrel up": all services of one host in the foreground, for a laptop, a demo or a test
 */
#ifndef CLI_UP_H
#define CLI_UP_H

/* Runs until a signal or a service that cannot start; an exit code of cli.h. argv[0] is "up". */
int up_run(int argc, char **argv);

#endif
