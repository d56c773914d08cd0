/* SPDX-License-Identifier: MIT
 *
 * What a process costs. */
#ifndef DROVER_WORKERS_MEMORY_H
#define DROVER_WORKERS_MEMORY_H

#include <stdint.h>
#include <sys/types.h>

/* Bytes: the proportional set size (pages that workers share by fork are counted once between them), or
 * the resident set where the kernel does not tell that to our user; 0 when there is no such process. With all that it
 * has started itself (a wrapper such as `npm start`, gunicorn with workers of its own), up to 64 processes, where the
 * kernel tells of children. */
uint64_t memory_of_process(pid_t pid);
uint64_t memory_of_process_below(const char *proc, pid_t pid); /* for tests: `proc` instead of /proc */

#endif
