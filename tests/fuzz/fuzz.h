/* SPDX-License-Identifier: MIT
 *
 * What the fuzzers share. Each is one file with LLVMFuzzerTestOneInput; `scripts/fuzz` builds and runs them.
 * A broken property is a failed CHECK. */
#ifndef DROVER_TESTS_FUZZ_H
#define DROVER_TESTS_FUZZ_H

#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy in a block of exactly its size, so that the sanitizer sees a byte read beyond. */
static inline char *exact_copy(struct slice bytes)
{
    char *copy = malloc(bytes.size > 0 ? bytes.size : 1);
    CHECK(copy);
    if (bytes.size > 0)
        memcpy(copy, bytes.at, bytes.size);
    return copy;
}

#endif
