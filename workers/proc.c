/* SPDX-License-Identifier: MIT
 *
 * Files of /proc/PID. */
#include "workers/proc.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

#define CHILDREN_TEXT 8192

ssize_t proc_read(const char *proc, pid_t pid, const char *name, char *into, size_t room)
{
    char path[256];

    str_format(path, sizeof path, "%s/%d/%s", proc, (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t size = read(fd, into, room - 1); /* the kernel makes such a file whole at the first read */
    (void)close(fd);
    into[size > 0 ? size : 0] = 0;
    return size;
}

int proc_children(const char *proc, pid_t pid, pid_t *into, unsigned room)
{
    char name[64], text[CHILDREN_TEXT], *next;
    unsigned count = 0;

    str_format(name, sizeof name, "task/%d/children", (int)pid);
    ssize_t size = proc_read(proc, pid, name, text, sizeof text);
    if (size < 0)
        return -1;
    if (size == CHILDREN_TEXT - 1) { /* more than are ever wanted: the last number may be cut */
        char *last = strrchr(text, ' ');
        *(last ? last : text) = 0;
    }
    for (const char *at = text; count < room; at = next) {
        long child = strtol(at, &next, 10);
        if (next == at || child <= 0)
            break;
        into[count++] = (pid_t)child;
    }
    return (int)count;
}
