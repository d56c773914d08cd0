/* SPDX-License-Identifier: MIT
 *
 * The memory of one process and its descendants from /proc. Control thread, rarely: for smaps_rollup the kernel walks the
 * process's page tables. */
#include "workers/memory.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "workers/proc.h"

#define FILE_MAX   4096
#define FAMILY_MAX 64 /* processes of one worker that are measured */

static uint64_t proportional(const char *proc, pid_t pid)
{
    char text[FILE_MAX];
    unsigned long kilobytes;

    if (proc_read(proc, pid, "smaps_rollup", text, sizeof text) <= 0)
        return 0;
    const char *line = strstr(text, "\nPss:");
    return line && sscanf(line, "\nPss: %lu kB", &kilobytes) == 1 ? (uint64_t)kilobytes * 1024 : 0;
}

static uint64_t resident(const char *proc, pid_t pid)
{
    char text[FILE_MAX];
    unsigned long pages;

    if (proc_read(proc, pid, "statm", text, sizeof text) <= 0 || sscanf(text, "%*u %lu", &pages) != 1)
        return 0;
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t memory_of_process_below(const char *proc, pid_t pid)
{
    pid_t family[FAMILY_MAX] = {pid};
    unsigned count = 1;
    uint64_t sum = 0;

    for (unsigned i = 0; i < count; i++) {
        uint64_t size = proportional(proc, family[i]);
        sum += size ? size : resident(proc, family[i]);
        int found = proc_children(proc, family[i], family + count, FAMILY_MAX - count);
        count += found > 0 ? (unsigned)found : 0;
    }
    return sum;
}

uint64_t memory_of_process(pid_t pid)
{
    return memory_of_process_below("/proc", pid);
}
