/* SPDX-License-Identifier: MIT
 *
 * Descriptors of the whole process. Any single-threaded process. */
#include "keeper/descriptors.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

bool descriptors_open_standard(void)
{
    /* open gives the lowest free number: with 0 closed, then 1, then 2 that is the one that is missing. */
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return false;
    return true;
}

static int compare(const void *a, const void *b)
{
    int left = *(const int *)a, right = *(const int *)b;

    return (left > right) - (left < right);
}

void descriptors_keep(const int *kept, unsigned count)
{
    int *sorted = mem_alloc((count + 1) * sizeof *sorted);
    unsigned from = STDERR_FILENO + 1;

    if (count > 0)
        memcpy(sorted, kept, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare);
    for (unsigned i = 0; i < count; i++) {
        if (sorted[i] < (int)from)
            continue; /* -1, a standard one, or named twice */
        if (sorted[i] > (int)from)
            (void)close_range(from, (unsigned)sorted[i] - 1, 0);
        from = (unsigned)sorted[i] + 1;
    }
    (void)close_range(from, ~0U, 0);
    mem_free(sorted);
}
