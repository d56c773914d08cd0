/* SPDX-License-Identifier: MIT
 *
 * The kept decisions on the pools and their workers, as JSON for /api/decisions and as text for `drover why`. Control
 * thread. */
#include <stdlib.h>
#include <time.h>

#include "admin/report.h"
#include "base/buffer.h"
#include "base/mem.h"

#define SHOWN 20 /* of a pool, by `drover why` */

struct kept {
    const struct fleet *fleet;
    const struct fleet_decision *decision;
};

static void print_time(char into[32], uint64_t wall_us)
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm parts;
    char text[24];

    gmtime_r(&seconds, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    str_format(into, 32, "%s.%03uZ", text, (unsigned)(wall_us / 1000 % 1000));
}

static void add_size(json_t *tree, const struct fleet_decision *decision)
{
    json_object_set_new(tree, "before", json_integer(decision->before));
    json_object_set_new(tree, "wanted", json_integer(decision->wanted));
    if (!decision->is_measured)
        return;
    json_t *numbers = json_pack(
        "{s:b, s:f, s:f, s:f, s:f, s:f, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "dry_run",
        (int)decision->is_dry, "rate", decision->rate, "service", decision->service, "load", decision->load,
        "places", decision->places, "draining", decision->draining, "waiting", (int)decision->waiting,
        "tunnels", (int)decision->tunnels, "concurrency", (int)decision->concurrency, "span_ms",
        (int)decision->span_ms, "needed", (int)decision->needed, "ready", (int)decision->ready, "starting",
        (int)decision->starting, "boot_ms", (int)decision->boot_ms, "idle_ms", (int)decision->idle_ms, "min",
        (int)decision->min, "max", (int)decision->max);
    json_object_update(tree, numbers);
    json_decref(numbers);
}

static json_t *tree_of(const struct kept *kept)
{
    const struct fleet_decision *decision = kept->decision;
    char at[32];

    print_time(at, decision->wall_us);
    json_t *tree = json_pack("{s:s, s:s, s:s, s:s}", "at", at, "pool", fleet_name(kept->fleet), "kind",
                             fleet_decision_kind_word(decision->kind), "reason", decision->why);
    if (decision->worker[0])
        json_object_set_new(tree, "worker", report_text(slice_of(decision->worker)));
    if (decision->kind == DECISION_SIZE)
        add_size(tree, decision);
    else
        json_object_set_new(tree, "text", report_text(slice_of(decision->text)));
    return tree;
}

static int by_time(const void *a, const void *b)
{
    const struct kept *left = a, *right = b;

    return (left->decision->wall_us > right->decision->wall_us) -
           (left->decision->wall_us < right->decision->wall_us);
}

json_t *decisions_tree(const struct admin_source *source)
{
    struct kept *all = mem_alloc((source->pool_count * FLEET_DECISIONS + 1) * sizeof *all);
    unsigned count = 0;
    json_t *list = json_array();

    for (unsigned i = 0; i < source->pool_count; i++) {
        const struct fleet *fleet = source->pools[i].fleet;
        const struct fleet_decision *decision;
        for (unsigned k = 0; fleet && (decision = fleet_decision_at(fleet, k)); k++)
            all[count++] = (struct kept){fleet, decision};
    }
    qsort(all, count, sizeof *all, by_time);
    for (unsigned i = count > FLEET_DECISIONS ? count - FLEET_DECISIONS : 0; i < count; i++)
        json_array_append_new(list, tree_of(&all[i]));
    mem_free(all);
    return json_pack("{s:o}", "decisions", list);
}

static void print_pool(struct buffer *page, const struct fleet *fleet)
{
    const struct fleet_decision *decision;
    unsigned count = 0, min, max;
    char text[FLEET_DECISION_TEXT], at[32];

    while (fleet_decision_at(fleet, count))
        count++;
    if (count == 0)
        buffer_print(page, "%s: %u workers, %s; nothing was decided yet\n", fleet_name(fleet),
                     fleet_wanted(fleet),
                     fleet_is_sized(fleet, &min, &max) ? "as the demand needs" : "a fixed number");
    for (unsigned i = count > SHOWN ? count - SHOWN : 0; (decision = fleet_decision_at(fleet, i)); i++) {
        print_time(at, decision->wall_us);
        fleet_decision_text(decision, fleet_name(fleet), text, sizeof text);
        buffer_print(page, "%s %s\n", at, text);
    }
}

char *decisions_text(const struct admin_source *source, const char *pool)
{
    struct buffer page = {0};
    bool is_found = false;

    for (unsigned i = 0; i < source->pool_count; i++) {
        const struct fleet *fleet = source->pools[i].fleet;
        if (!fleet || (pool && strcmp(pool, fleet_name(fleet)) != 0))
            continue;
        is_found = true;
        print_pool(&page, fleet);
    }
    struct slice all = buffer_slice(&page);
    all.size -= all.size > 0; /* the last line's end */
    char *text = is_found ? slice_dup(all) : NULL;
    buffer_release(&page);
    return text;
}
