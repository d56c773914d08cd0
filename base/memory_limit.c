/* SPDX-License-Identifier: MIT
 *
 * Memory by /proc/meminfo and by the cgroups' limits at their usual mounts. Reads files at each call; any
 * thread. */
#include "base/memory_limit.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t machine_memory(const char *root)
{
    char path[PATH_MAX], line[256];
    unsigned long long kib = 0;

    str_format(path, sizeof path, "%s/proc/meminfo", root);
    FILE *file = fopen(path, "re");
    while (file && kib == 0 && fgets(line, sizeof line, file))
        sscanf(line, "MemTotal: %llu kB", &kib);
    if (file)
        fclose(file);
    return kib > 0 ? (uint64_t)kib * 1024 : UINT64_MAX;
}

/* "max", or v1's huge number for none, are no limit. */
static uint64_t limit_in(const char *path)
{
    char word[32] = "";
    uint64_t bytes = 0;
    FILE *file = fopen(path, "re");

    if (!file)
        return UINT64_MAX;
    bool told = fscanf(file, "%31s", word) == 1 && slice_to_u64(slice_of(word), &bytes);
    fclose(file);
    return told ? bytes : UINT64_MAX;
}

/* The least over our cgroup and all above it. In a container the mount may begin at our own cgroup while
 * `place` is told from the host's top: what cannot be found is passed over, and the mount's root is always
 * looked at. */
static uint64_t limit_along(const char *mount, const char *place, const char *name)
{
    char directory[2 * PATH_MAX], path[2 * PATH_MAX + 64];
    uint64_t limit = UINT64_MAX;
    size_t base = str_format(directory, sizeof directory, "%s", mount);

    str_format(directory + base, sizeof directory - base, "%s", strcmp(place, "/") == 0 ? "" : place);
    for (;;) {
        str_format(path, sizeof path, "%s/%s", directory, name);
        limit = least(limit, limit_in(path));
        char *slash = strrchr(directory + base, '/');
        if (!slash)
            return limit;
        *slash = 0;
    }
}

static bool has_memory(char *controllers)
{
    for (char *rest = controllers, *word; (word = strsep(&rest, ","));) {
        if (strcmp(word, "memory") == 0)
            return true;
    }
    return false;
}

uint64_t memory_limit_under(const char *root)
{
    char path[PATH_MAX], line[PATH_MAX + 256], mount[PATH_MAX];
    uint64_t limit = machine_memory(root);

    str_format(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    while (file &&
           fgets(line, sizeof line, file)) { /* "4:memory:/docker/12ab" (v1), "0::/system.slice/x" (v2) */
        char *place = line;
        line[strcspn(line, "\n")] = 0;
        (void)strsep(&place, ":");
        char *controllers = place ? strsep(&place, ":") : NULL;
        if (!controllers || !place)
            continue;
        if (*controllers == 0) {
            str_format(mount, sizeof mount, "%s/sys/fs/cgroup", root);
            limit = least(limit, limit_along(mount, place, "memory.max"));
            str_format(mount, sizeof mount, "%s/sys/fs/cgroup/unified", root);
            limit = least(limit, limit_along(mount, place, "memory.max"));
        } else if (has_memory(controllers)) {
            str_format(mount, sizeof mount, "%s/sys/fs/cgroup/memory", root);
            limit = least(limit, limit_along(mount, place, "memory.limit_in_bytes"));
        }
    }
    if (file)
        fclose(file);
    return limit;
}

uint64_t memory_limit(void)
{
    return memory_limit_under("");
}
