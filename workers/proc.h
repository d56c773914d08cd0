/* SPDX-License-Identifier: MIT
 *
 * What the kernel tells of a process, below `proc` ("/proc" but in tests). Any thread. */
#ifndef DROVER_WORKERS_PROC_H
#define DROVER_WORKERS_PROC_H

#include <sys/types.h>

/* The file of that name as a text, cut where the room ends; its size, -1 when it cannot be read. */
ssize_t proc_read(const char *proc, pid_t pid, const char *name, char *into, size_t room);
/* Those that its main thread has started, at most so many; -1 where the kernel does not tell (CONFIG_PROC_CHILDREN) or
 * the process is gone. */
int proc_children(const char *proc, pid_t pid, pid_t *into, unsigned room);

#endif
