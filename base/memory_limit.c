/* SPDX-License-Identifier: MIT
 *
 * Memory by /proc/meminfo and by the cgroups' limits. Reads files at each call; any thread. */
#include "base/memory_limit.h"

#include <limits.h>

#include "base/cgroups.h"
#include "base/str.h"

#define STAT_MAX  8192
#define VMSTAT    16384
#define NO_LIMIT  UINT64_MAX
#define UNLIMITED (UINT64_C(1) << 62) /* version 1 has a huge number for none */

static uint64_t without(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

uint64_t memory_left(const struct memory_state *state)
{
    return state->tight.limit == NO_LIMIT ? NO_LIMIT : without(state->tight.limit, state->tight.used);
}

static void consider(struct memory_state *state, const struct memory_place *place)
{
    if (place->limit < state->least.limit)
        state->least = *place;
    if (without(place->limit, place->used) < memory_left(state))
        state->tight = *place;
}

static void read_machine(struct memory_state *state, const char *root)
{
    struct memory_place place = {0};
    char text[STAT_MAX];
    uint64_t total = 0, available = 0;

    str_format(place.from, sizeof place.from, "%s/proc/meminfo", root);
    if (!text_of_file(place.from, text, sizeof text) || !text_number(text, "MemTotal", &total))
        return;
    if (!text_number(text, "MemAvailable", &available))
        (void)text_number(text, "MemFree", &available);
    place.limit = total * 1024;
    place.used = without(total, available) * 1024;
    consider(state, &place);
}

static uint64_t stat_of(const char *text, const char *key)
{
    uint64_t value = 0;

    (void)text_number(text, key, &value);
    return value;
}

/* Of page cache that processes have mapped their own sizes tell. */
static uint64_t droppable(const struct cgroup *cgroup, const char *text)
{
    if (cgroup->is_v2)
        return without(stat_of(text, "inactive_file") + stat_of(text, "active_file"),
                       stat_of(text, "file_mapped")) +
               stat_of(text, "slab_reclaimable");
    return without(stat_of(text, "total_inactive_file") + stat_of(text, "total_active_file"),
                   stat_of(text, "total_mapped_file"));
}

static void limit_by(const struct cgroup *cgroup, struct memory_place *place, const char *name)
{
    uint64_t limit;

    if (!cgroup_number(cgroup, name, &limit) || limit >= place->limit || limit >= UNLIMITED)
        return;
    place->limit = limit;
    str_format(place->from, sizeof place->from, "%s/%s", cgroup->directory, name);
}

static void on_cgroup(void *argument, const struct cgroup *cgroup)
{
    struct memory_place place = {.limit = NO_LIMIT};
    char text[STAT_MAX] = "";

    limit_by(cgroup, &place, cgroup->is_v2 ? "memory.max" : "memory.limit_in_bytes");
    if (cgroup->is_v2)
        limit_by(cgroup, &place, "memory.high");
    if (place.limit == NO_LIMIT)
        return;
    (void)cgroup_number(cgroup, cgroup->is_v2 ? "memory.current" : "memory.usage_in_bytes", &place.used);
    (void)cgroup_text(cgroup, "memory.stat", text, sizeof text);
    place.used = without(place.used, droppable(cgroup, text));
    consider(argument, &place);
}

void memory_read_below(struct memory_state *state, const char *root)
{
    *state = (struct memory_state){.least.limit = NO_LIMIT, .tight.limit = NO_LIMIT};
    read_machine(state, root);
    cgroups_visit(root, "memory", on_cgroup, state);
}

void memory_read(struct memory_state *state)
{
    memory_read_below(state, "");
}

uint64_t memory_limit(void)
{
    struct memory_state state;

    memory_read(&state);
    return state.least.limit;
}

void memory_text(char into[MEMORY_TEXT], uint64_t bytes)
{
    static const char units[] = "kmgt";
    unsigned unit = 0;
    double size = (double)bytes / 1024;

    if (bytes == NO_LIMIT) {
        str_format(into, MEMORY_TEXT, "no limit");
        return;
    }
    while (size >= 1024 && unit + 2 < sizeof units) {
        size /= 1024;
        unit++;
    }
    bool is_small = size < (unit >= 2 ? 100 : 10) && unit >= 1; /* a tenth says something */
    str_format(into, MEMORY_TEXT, is_small ? "%.1f%c" : "%.0f%c", size, units[unit]);
}

struct kills {
    uint64_t count;
    bool is_known;
};

static void on_own_cgroup(void *argument, const struct cgroup *cgroup)
{
    struct kills *kills = argument;
    char text[STAT_MAX];

    if (cgroup->is_own && !kills->is_known &&
        cgroup_text(cgroup, cgroup->is_v2 ? "memory.events" : "memory.oom_control", text, sizeof text))
        kills->is_known = text_number(text, "oom_kill", &kills->count);
}

bool memory_kills_below(const char *root, uint64_t *count)
{
    struct kills kills = {0, false};
    char path[PATH_MAX], text[VMSTAT];

    cgroups_visit(root, "memory", on_own_cgroup, &kills);
    if (!kills.is_known) {
        str_format(path, sizeof path, "%s/proc/vmstat", root);
        kills.is_known = text_of_file(path, text, sizeof text) && text_number(text, "oom_kill", &kills.count);
    }
    *count = kills.count;
    return kills.is_known;
}

bool memory_kills(uint64_t *count)
{
    return memory_kills_below("", count);
}
