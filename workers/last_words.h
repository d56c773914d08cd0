/* SPDX-License-Identifier: MIT
 *
 * What is said of a worker that ended. */
#ifndef DROVER_WORKERS_LAST_WORDS_H
#define DROVER_WORKERS_LAST_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "balancer/slots.h"

#define LAST_LINES_MAX 20

/* "exited with status 1", "killed by SIGSEGV (core dumped)", "killed for memory by the kernel (SIGKILL) at 512m".
 * `held`: what it was last seen to hold, bytes. Returns its size. `status` as waitpid gives it. */
size_t exit_describe(char *into, size_t room, int status, enum ending ending, uint64_t held);
/* The last line of the slot's output that says something, or "". */
void output_last_line(const struct slot *slot, char *into, size_t room);
/* Logs the last lines of the slot's output, at most LAST_LINES_MAX. */
void output_log_last(const struct slot *slot);

#endif
