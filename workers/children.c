/* SPDX-License-Identifier: MIT
 *
 * Counting by three files of the kernel: task/PID/children of the master, stat and cmdline of each child. Control thread, a
 * few times a second. */
#include "workers/children.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "workers/proc.h"

#define CHILDREN_MAX 1024 /* more than are ever wanted */
#define FILE_MAX     8192
#define FORK_NO_EXEC 0x40u /* PF_FORKNOEXEC of linux/sched.h: it runs its parent's program */

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

    return proc_read(proc, pid, "cmdline", title, sizeof title) > 0 && strstr(title, "dirty-arbiter");
}

/* Does this child serve? *age_ms: since it was forked. */
static bool is_serving(const char *proc, pid_t pid, pid_t parent, uint64_t *age_ms)
{
    char text[FILE_MAX];
    char state;
    int its_parent;
    unsigned flags;
    unsigned long long started;

    if (proc_read(proc, pid, "stat", text, sizeof text) <= 0)
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
    pid_t all[CHILDREN_MAX];
    int count = proc_children(proc, pid, all, CHILDREN_MAX);

    *children = (struct children){0, 0};
    if (count < 0)
        return false;
    for (int i = 0; i < count; i++) {
        uint64_t age_ms;
        if (!is_serving(proc, all[i], pid, &age_ms))
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

    if (proc_read(proc, pid, "status", text, sizeof text) <= 0)
        return false;
    const char *line = strstr(text, "\nSigCgt:");
    return line && sscanf(line, "\nSigCgt: %llx", &caught) == 1 && (caught >> (number - 1) & 1);
}
