/* SPDX-License-Identifier: MIT
 *
 * One OS process: fork, and for workers exec with everything that a new program finds: arguments,
 * environment, descriptors, user, limits, signals, its own process group. */
#ifndef DROVER_KEEPER_CHILD_H
#define DROVER_KEEPER_CHILD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "keeper/guard.h"
#include "keeper/identity.h"

#define CHILD_LISTENER_FD 3 /* where LISTEN_FDS=1 says that it is */

struct child_plan {
    char **command;     /* ends with NULL */
    char **environment; /* ends with NULL; an entry LISTEN_PID= with room for a number is filled in by the
                           child */
    const char *directory;
    const struct identity *identity; /* NULL: as drover */
    int output, errors;              /* become 1 and 2 */
    int listener;                    /* becomes 3; -1: none */
    struct rlimit files;
    int oom_score_more; /* on top of our own oom_score_adj: whom the kernel ends first when memory is short */
};

/* What did not work, and why. */
enum child_step {
    CHILD_FORK,
    CHILD_DESCRIPTORS,
    CHILD_LIMITS,
    CHILD_USER,
    CHILD_DIRECTORY,
    CHILD_PARENT,
    CHILD_EXEC,
    CHILD_HANGS
};
struct child_failure {
    int32_t step;
    int32_t error; /* errno */
};
const char *child_step_name(int step);

/* Forks. The child leads a group of its own that the guard knows before anything else happens in it; there 0
 * is returned, and *line is its end of a line to the parent. In the parent: the process id and the other end,
 * or -errno. */
pid_t child_fork(struct guard *guard, int *line);
/* What every child has to do once its user is final: it dies when the keeper does. False when that has
 * happened already. */
bool child_follow_parent(pid_t keeper);
/* The process id of the program, which is running when this returns, or -1 with *failure told: then nothing
 * is left of it. */
pid_t child_start(const struct child_plan *plan, struct guard *guard, struct child_failure *failure);

#define CHILD_LISTEN_PID      "LISTEN_PID="
#define CHILD_LISTEN_PID_ROOM "LISTEN_PID=0000000000"

/* How it ended, for people: "exited with status 1", "killed by SIGSEGV". */
size_t child_status_print(int status, char *into, size_t room);

#endif
