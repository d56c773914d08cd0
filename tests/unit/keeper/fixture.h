/* SPDX-License-Identifier: MIT
 *
 * What the tests of the keeper share: waiting for real things with a bound, a directory of one's own,
 * configurations from text. */
#ifndef DROVER_TESTS_KEEPER_FIXTURE_H
#define DROVER_TESTS_KEEPER_FIXTURE_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/unit/unit.h"

#define PATIENCE_MS 10000

/* Waits until there is something to read, or the end. */
static inline bool readable_in_time(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    int count;

    do {
        count = poll(&ready, 1, PATIENCE_MS);
    } while (count < 0 && errno == EINTR);
    return count == 1;
}

/* Waits for the end of a process that need not be our child, by a descriptor that was opened while it lived.
 */
static inline void await_end(int pidfd)
{
    ck_assert_msg(readable_in_time(pidfd), "the process did not end in time");
    (void)close(pidfd);
}

static inline int watch_process(pid_t pid)
{
    int fd = pidfd_open(pid, 0);

    ck_assert_msg(fd >= 0, "process %d is not there", (int)pid);
    return fd;
}

/* All that comes until the end, as text. The caller frees it. */
static inline char *read_to_end(int fd)
{
    size_t size = 0, room = 4096;
    char *text = mem_alloc(room);

    for (;;) {
        ck_assert_msg(readable_in_time(fd), "nothing came in time");
        ssize_t part = read(fd, text + size, room - size - 1);
        if (part < 0 && errno == EINTR)
            continue;
        ck_assert_int_ge(part, 0);
        if (part == 0)
            break;
        size += (size_t)part;
        if (size + 1 == room)
            text = mem_resize(text, room *= 2);
    }
    text[size] = 0;
    return text;
}

/* A line without its end, read byte by byte so that nothing of the next is taken. */
static inline void read_line(int fd, char *into, size_t room)
{
    size_t size = 0;

    for (;;) {
        char byte;
        ck_assert_msg(readable_in_time(fd), "no whole line came in time");
        ssize_t part = read(fd, &byte, 1);
        if (part < 0 && errno == EINTR)
            continue;
        ck_assert_msg(part == 1, "the end came before a whole line");
        if (byte == '\n')
            break;
        ck_assert_uint_lt(size + 1, room);
        into[size++] = byte;
    }
    into[size] = 0;
}

static inline char *directory_new(void)
{
    char *path = mem_dup("/tmp/drover-keeper-test-XXXXXX");

    ck_assert_ptr_nonnull(mkdtemp(path));
    return path;
}

static inline void directory_free(char *path)
{
    ck_assert_int_eq(rmdir(path), 0); /* a test leaves nothing in it */
    mem_free(path);
}

#endif
