/* SPDX-License-Identifier: MIT
 *
 * The memory of one process and its descendants from /proc. Control thread, rarely: for smaps_rollup the kernel walks the
 * process's page tables. */
#include "workers/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

#define FILE_MAX   4096
#define FAMILY_MAX 64 /* processes of one worker that are measured */

/* The file as a text, false when it cannot be read. */
static bool read_text(const char *proc, pid_t pid, const char *name, char into[FILE_MAX])
{
    char path[256];

    str_format(path, sizeof path, "%s/%d/%s", proc, (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t size = read(fd, into, FILE_MAX - 1); /* the kernel makes such a file whole at the first read */
    (void)close(fd);
    if (size <= 0)
        return false;
    into[size] = 0;
    return true;
}

static uint64_t proportional(const char *proc, pid_t pid)
{
    char text[FILE_MAX];
    unsigned long kilobytes;

    if (!read_text(proc, pid, "smaps_rollup", text))
        return 0;
    const char *line = strstr(text, "\nPss:");
    return line && sscanf(line, "\nPss: %lu kB", &kilobytes) == 1 ? (uint64_t)kilobytes * 1024 : 0;
}

static uint64_t resident(const char *proc, pid_t pid)
{
    char text[FILE_MAX];
    unsigned long pages;

    if (!read_text(proc, pid, "statm", text) || sscanf(text, "%*u %lu", &pages) != 1)
        return 0;
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Those that its main thread has started; none where the kernel does not tell (CONFIG_PROC_CHILDREN). */
static unsigned read_children(const char *proc, pid_t pid, pid_t *into, unsigned room)
{
    char name[64], text[FILE_MAX];
    unsigned count = 0;

    str_format(name, sizeof name, "task/%d/children", (int)pid);
    if (!read_text(proc, pid, name, text))
        return 0;
    for (char *at = text, *end; count < room; at = end) {
        long child = strtol(at, &end, 10);
        if (end == at || child <= 0)
            break;
        into[count++] = (pid_t)child;
    }
    return count;
}

uint64_t memory_of_process_below(const char *proc, pid_t pid)
{
    pid_t family[FAMILY_MAX] = {pid};
    unsigned count = 1;
    uint64_t sum = 0;

    for (unsigned i = 0; i < count; i++) {
        uint64_t size = proportional(proc, family[i]);
        sum += size ? size : resident(proc, family[i]);
        count += read_children(proc, family[i], family + count, FAMILY_MAX - count);
    }
    return sum;
}

uint64_t memory_of_process(pid_t pid)
{
    return memory_of_process_below("/proc", pid);
}
