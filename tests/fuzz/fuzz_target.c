/* SPDX-License-Identifier: MIT
 *
 * Fuzzes target.h: the normalised path is within its room, has no dot segment, double slash or query; what is
 * valid as an authority has a host that is one. */
#include "http/target.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MOST 4096

static bool has_segment(struct slice path, const char *segment)
{
    size_t size = strlen(segment);

    for (size_t i = 0; i + size <= path.size; i++)
        if (memcmp(path.at + i, segment, size) == 0 && (i + size == path.size || path.at[i + size] == '/'))
            return true;
    return false;
}

static void check_path(struct slice path_query)
{
    size_t room = path_query.size + 1;
    char *into = malloc(room);
    CHECK(into);
    struct slice path = {into, target_normalise(into, room, path_query)};

    CHECK(path.size <= room && !memchr(path.at, '?', path.size));
    if (path_query.size > 0 && path_query.at[0] == '/') {
        CHECK(path.size > 0 && path.at[0] == '/');
        CHECK(!has_segment(path, "/.") && !has_segment(path, "/.."));
        for (size_t i = 1; i < path.size; i++)
            CHECK(path.at[i] != '/' || path.at[i - 1] != '/');
    }
    /* A smaller room is never overrun either. */
    char *tight = malloc(room / 2 + 1);
    CHECK(tight);
    CHECK(target_normalise(tight, room / 2, path_query) <= room / 2);
    free(tight);
    free(into);
}

static void check_authority(struct slice authority)
{
    if (!authority_is_valid(authority))
        return;
    struct slice host = authority_host(authority);
    CHECK(host.size <= authority.size && authority_is_same(authority, authority, 80));
    CHECK(authority.size == 0 || !memchr(authority.at, '@', authority.size));
    CHECK(host.size == 0 || authority_is_valid(host));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > INPUT_MOST)
        return 0;
    char *copy = exact_copy((struct slice){(const char *)data, size});
    struct slice bytes = {copy, size};

    bool valid = true;
    for (size_t i = 0; i < size; i++)
        valid = valid && data[i] > 0x20 && data[i] < 0x7f && data[i] != '#';
    CHECK(target_bytes_are_valid(bytes) == valid);
    check_path(bytes);
    check_authority(bytes);
    free(copy);
    return 0;
}
