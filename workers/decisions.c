/* SPDX-License-Identifier: MIT
 *
 * Every decision is kept with the numbers that made it, the last FLEET_DECISIONS of a fleet: for the log, for
 * `/api/decisions`, `drover why`, and counted by kind. An engine that comes after a crash begins with none.
 * Control thread. */
#include "workers/decisions.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "workers/fleet_internal.h"

static const char *const kind_words[] = {
    [DECISION_SIZE] = "size",         [DECISION_RETIRE] = "retire",       [DECISION_RECYCLE] = "recycle",
    [DECISION_EJECTION] = "ejection", [DECISION_REPLACE] = "replace",     [DECISION_ROLLOUT] = "rollout",
    [DECISION_MEMORY] = "memory",     [DECISION_REBALANCE] = "rebalance",
};

const char *fleet_decision_kind_word(enum fleet_decision_kind kind)
{
    CHECK(kind < DECISION_KINDS);
    return kind_words[kind];
}

static void size_text(const struct fleet_decision *decision, const char *pool, char *into, size_t size)
{
    if (!decision->is_measured) {
        str_format(into, size, "%s: %u -> %u workers (%s)", pool, decision->before, decision->wanted,
                   decision->why);
        return;
    }
    str_format(into, size,
               "%s: %u -> %u workers (%s)%s: %.1f requests/s x %.3f s = load %.1f, needs %.1f places at %u a "
               "worker, %u tunnels, %u wait (%.1f places more); %u ready, %u starting, boot %u ms, idle %u "
               "s, %u to %u",
               pool, decision->before, decision->wanted, decision->why,
               decision->is_dry ? " not done (dry run)" : "", decision->rate, decision->service,
               decision->load, decision->places, decision->concurrency, decision->tunnels, decision->waiting,
               decision->draining, decision->ready, decision->starting, decision->boot_ms,
               decision->idle_ms / 1000, decision->min, decision->max);
}

void fleet_decision_text(const struct fleet_decision *decision, const char *pool, char *into, size_t size)
{
    if (decision->kind == DECISION_SIZE)
        size_text(decision, pool, into, size);
    else
        str_format(into, size, "%s: %s (%s): %s", decision->worker[0] ? decision->worker : pool,
                   kind_words[decision->kind], decision->why, decision->text);
}

void decisions_free(struct decisions *decisions)
{
    mem_free(decisions->kept);
    *decisions = (struct decisions){0};
}

static void count(struct decisions *decisions, const struct fleet_decision *decision)
{
    decisions->counters.decisions[decision->kind]++;
    for (unsigned i = 0; i < DECISION_TALLIES; i++) {
        struct fleet_tally *tally = &decisions->tallies[i];
        if (tally->count > 0 && (tally->kind != decision->kind || strcmp(tally->why, decision->why) != 0))
            continue;
        *tally = (struct fleet_tally){decision->kind, decision->why, tally->count + 1};
        return;
    }
}

void decisions_add(struct decisions *decisions, const char *pool, const struct fleet_decision *decision)
{
    char text[FLEET_DECISION_TEXT];

    if (!decisions->kept)
        decisions->kept = mem_zero(FLEET_DECISIONS * sizeof *decisions->kept);
    struct fleet_decision *kept = &decisions->kept[decisions->count++ % FLEET_DECISIONS];
    *kept = *decision;
    kept->wall_us = clock_wall_us();
    count(decisions, kept);
    fleet_decision_text(kept, pool, text, sizeof text);
    log_info("%s", text);
}

void fleet_decide(struct fleet *fleet, enum fleet_decision_kind kind, const char *worker, const char *why,
                  const char *format, ...)
{
    struct fleet_decision decision = {.kind = kind, .why = why};
    va_list arguments;

    if (worker)
        str_format(decision.worker, sizeof decision.worker, "%s", worker);
    va_start(arguments, format);
    (void)vsnprintf(decision.text, sizeof decision.text, format, arguments);
    va_end(arguments);
    decisions_add(&fleet->decisions, fleet->pool->name, &decision);
}

const struct fleet_decision *fleet_decision_at(const struct fleet *fleet, unsigned index)
{
    const struct decisions *decisions = &fleet->decisions;
    unsigned kept = decisions->count < FLEET_DECISIONS ? decisions->count : FLEET_DECISIONS;

    return index < kept ? &decisions->kept[(decisions->count - kept + index) % FLEET_DECISIONS] : NULL;
}

const struct fleet_tally *fleet_tally_at(const struct fleet *fleet, unsigned index)
{
    const struct fleet_tally *tally = index < DECISION_TALLIES ? &fleet->decisions.tallies[index] : NULL;

    return tally && tally->count > 0 ? tally : NULL;
}

const struct fleet_counters *fleet_counters(const struct fleet *fleet)
{
    return &fleet->decisions.counters;
}
