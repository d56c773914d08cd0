/* SPDX-License-Identifier: MIT
 *
 * The commands, one file each (command_*.c), for the table in commands.c; and what several of them need. */
#ifndef DROVER_DAEMON_COMMANDS_H
#define DROVER_DAEMON_COMMANDS_H

#include "daemon/daemon.h"

int command_run(const struct command_line *line);
int command_check(const struct command_line *line);
int command_init(const struct command_line *line);
int command_status(const struct command_line *line);
int command_scale(const struct command_line *line);
int command_why(const struct command_line *line);
int command_drain(const struct command_line *line);
int command_restart(const struct command_line *line);
int command_reload(const struct command_line *line);
int command_stop(const struct command_line *line);
int command_manual(const struct command_line *line);
int command_demo_worker(const struct command_line *line);

/* What `drover --help` prints; the caller frees (mem_free). Pure. */
char *commands_help(const struct command *table);

/* A configuration with the bytes that it was read from. */
struct loaded_config {
    struct config *config;
    char *path; /* NULL: from the command line */
    char *bytes;
    size_t size;
};
/* Finds and reads what `drover run` with these words would serve from; errors and warnings go to stderr, a
 * line each. False when it cannot be served. To be ended by loaded_config_fini in both cases. */
bool loaded_config_read(struct loaded_config *loaded, const struct command_line *line);
void loaded_config_fini(struct loaded_config *loaded);

#endif
