/* SPDX-License-Identifier: MIT
 *
 * The end of a process that found itself in a state that cannot be. Any thread; takes no lock and no
 * memory, because either may be what is broken. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void check_failed(const char *file, int line, const char *what)
{
    char text[512];
    int size = snprintf(text, sizeof text, "%s:%d: check failed: %s\n", file, line, what);
    if (size > (int)sizeof text - 1)
        size = sizeof text - 1;
    if (size > 0 && write(STDERR_FILENO, text, (size_t)size) < 0)
        abort(); /* nobody can be told */
    abort();
}
