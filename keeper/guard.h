/* SPDX-License-Identifier: MIT
 *
 * The guard: the keeper's first child, which ends what the keeper leaves behind when it dies, SIGKILL
 * included. It holds the read end of a pipe and is told of every process group as they come and go; on end of
 * file it KILLs them all, removes the directory of the workers' sockets and ends. */
#ifndef DROVER_KEEPER_GUARD_H
#define DROVER_KEEPER_GUARD_H

#include <stdbool.h>
#include <sys/types.h>

#define GUARD_GROUPS_MAX 2048 /* more than there are slots and engines */

struct guard {
    pid_t pid; /* 0: none */
    int pipe;  /* write end, -1: none */
};

bool guard_start(struct guard *guard); /* forks; knows of nothing yet */
void guard_add(struct guard *guard, pid_t group);
/* Before its leader is reaped: afterwards the number may be another's. */
void guard_remove(struct guard *guard, pid_t group);
void guard_end(struct guard *guard);  /* all children are gone: it goes too */
void guard_died(struct guard *guard); /* it was reaped */

#endif
