/* SPDX-License-Identifier: MIT
 *
 * The words on the command line: pure. */
#ifndef DROVER_DAEMON_COMMAND_LINE_H
#define DROVER_DAEMON_COMMAND_LINE_H

#include "daemon/daemon.h"

/* What `argv` says, by the commands of `table`. The result points into argv. NULL when all is well, else
 * one line for the user, without its end (mem_free). `--help` and `--version` are commands of these names. */
char *command_line_parse(struct command_line *line, const struct command *table, int argc, char **argv);

const struct command *command_find(const struct command *table, const char *name); /* NULL: there is none */

#endif
