/* SPDX-License-Identifier: MIT
 *
 * The memory of one process from /proc. Control thread, rarely: for smaps_rollup the kernel walks the
 * process's page tables. */
#include "workers/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

#define FILE_MAX 4096

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

uint64_t memory_of_process_below(const char *proc, pid_t pid)
{
    uint64_t size = proportional(proc, pid);

    return size ? size : resident(proc, pid);
}

uint64_t memory_of_process(pid_t pid)
{
    return memory_of_process_below("/proc", pid);
}
