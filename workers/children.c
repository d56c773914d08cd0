/* SPDX-License-Identifier: MIT
 *
 * Counting by three files of the kernel: task/PID/children of the master, stat and cmdline of each child. Control thread, a
 * few times a second. */
#include "workers/children.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"

#define FILE_MAX     8192
#define FORK_NO_EXEC 0x40u /* PF_FORKNOEXEC of linux/sched.h: it runs its parent's program */

/* The file as a text; -1 when it cannot be read. */
static ssize_t read_text(const char *proc, pid_t pid, const char *name, char into[FILE_MAX])
{
    char path[256];

    str_format(path, sizeof path, "%s/%d/%s", proc, (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t size = read(fd, into, FILE_MAX - 1);
    (void)close(fd);
    into[size > 0 ? size : 0] = 0;
    return size;
}

static uint64_t since_boot_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

/* gunicorn's pool for long work stands beside its workers. Where it can set its title, it has one. */
static bool is_dirty_arbiter(const char *proc, pid_t pid)
{
    char title[FILE_MAX];

    return read_text(proc, pid, "cmdline", title) > 0 && strstr(title, "dirty-arbiter");
}

/* Does this child serve? *age_ms: since it was forked. */
static bool is_serving(const char *proc, pid_t pid, pid_t parent, uint64_t *age_ms)
{
    char text[FILE_MAX];
    char state;
    int its_parent;
    unsigned flags;
    unsigned long long started;

    if (read_text(proc, pid, "stat", text) <= 0)
        return false;                      /* gone since */
    const char *rest = strrchr(text, ')'); /* the name may hold anything */
    if (!rest ||
        sscanf(rest + 1, " %c %d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &state, &its_parent, &flags, &started) != 4)
        return false;
    uint64_t now_ms = since_boot_ms(), at_ms = started * 1000u / (uint64_t)sysconf(_SC_CLK_TCK);
    *age_ms = now_ms > at_ms ? now_ms - at_ms : 0;
    return its_parent == (int)parent && state != 'Z' && state != 'X' && (flags & FORK_NO_EXEC) &&
           !is_dirty_arbiter(proc, pid);
}

bool children_count(const char *proc, pid_t pid, unsigned young_ms, struct children *children)
{
    char name[64], text[FILE_MAX];

    *children = (struct children){0, 0};
    str_format(name, sizeof name, "task/%d/children", (int)pid);
    ssize_t size = read_text(proc, pid, name, text);
    if (size < 0)
        return false;
    if (size == FILE_MAX - 1) { /* more than are ever wanted: the last number may be cut */
        char *last = strrchr(text, ' ');
        *(last ? last : text) = 0;
    }
    char *next, *at = text;
    for (long child; (child = strtol(at, &next, 10)) > 0 && next != at; at = next) {
        uint64_t age_ms;
        if (!is_serving(proc, (pid_t)child, pid, &age_ms))
            continue;
        children->count++;
        children->young += age_ms < young_ms;
    }
    return true;
}

bool children_signal_is_caught(const char *proc, pid_t pid, int number)
{
    char text[FILE_MAX];
    unsigned long long caught;

    if (read_text(proc, pid, "status", text) <= 0)
        return false;
    const char *line = strstr(text, "\nSigCgt:");
    return line && sscanf(line, "\nSigCgt: %llx", &caught) == 1 && (caught >> (number - 1) & 1);
}
