/* SPDX-License-Identifier: MIT
 *
 * Our own mistakes. A failed CHECK ends the process with file and line, in production too: going on with a
 * state that cannot be is worse than a restart, which the keeper gives within milliseconds. */
#ifndef DROVER_BASE_CHECK_H
#define DROVER_BASE_CHECK_H

#include <stdint.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (__builtin_expect(!(condition), 0))                                                               \
            check_failed(__FILE__, __LINE__, #condition);                                                    \
    } while (0)

#define UNREACHABLE() check_failed(__FILE__, __LINE__, "unreachable")

_Noreturn void check_failed(const char *file, int line, const char *what);

static inline void *check_tag(const void *pointer, uint32_t wanted, const char *file, int line)
{
    if (__builtin_expect(!pointer || *(const uint32_t *)pointer != wanted, 0))
        check_failed(file, line, "a callback got what is not its own");
    return (void *)(uintptr_t)pointer;
}

/* A struct whose first member is `uint32_t tag` can be told by its callbacks: ends the process unless
 * `pointer` is one with the tag `wanted`. Gives the pointer. */
#define tagged(pointer, wanted) ((__typeof__(pointer))check_tag((pointer), (wanted), __FILE__, __LINE__))

/* The struct of `type` whose `member` is at `pointer`. */
#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
