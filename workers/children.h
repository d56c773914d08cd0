/* SPDX-License-Identifier: MIT
 *
 * The processes that a worker has of its own (a gunicorn master's), from /proc: readable by everybody, nothing is asked
 * of the worker. Control thread. */
#ifndef DROVER_WORKERS_CHILDREN_H
#define DROVER_WORKERS_CHILDREN_H

#include <stdbool.h>
#include <sys/types.h>

struct children {
    unsigned count;
    unsigned young; /* of them: forked less than `young_ms` ago */
};

/* Those that its main thread forked and that serve by its own program: not what it started (exec), not what has ended and
 * is not reaped, not gunicorn's dirty arbiter (known by its title). `proc` is "/proc". False: it cannot be told. */
bool children_count(const char *proc, pid_t pid, unsigned young_ms, struct children *children);
/* Does it have a handler for that signal? The default action of TTIN and TTOU is to stop the process. */
bool children_signal_is_caught(const char *proc, pid_t pid, int number);

#endif
