/* SPDX-License-Identifier: MIT
 *
 * The door of the program itself. */
#ifndef DROVER_DAEMON_DAEMON_H
#define DROVER_DAEMON_DAEMON_H

#include "keeper/keeper.h"

#define DROVER_VERSION "0.1.0"

enum exit_status { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_WRONG_USE = 2, EXIT_NOT_RUNNING = 3 };

/* What the words on the command line say. */
struct command_line {
    const char *command; /* "run" when none is named */
    const char *file;    /* -c */
    const char *listen;  /* -l */
    const char *workers; /* -w */
    bool json;           /* --json */
    bool print;          /* check --print */
    bool no_surge;       /* restart --no-surge */
    bool no_wait;        /* restart, reload --no-wait */
    char **arguments;    /* after the command's name; for run: after `--` */
    unsigned argument_count;
    bool has_own_command; /* there was a `--` */
};

/* One row for each command: main.c finds it here, --help prints it. */
struct command {
    const char *name;
    const char *arguments; /* as shown in --help: "POOL N|file"; a word in brackets may be left out */
    const char *help;      /* NULL: not shown */
    int (*run)(const struct command_line *line); /* the exit status */
};
extern const struct command commands[]; /* ends with a NULL name */

int engine_run(const struct engine_start *start); /* engine.c: the child that does the work */

#endif
