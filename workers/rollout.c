/* SPDX-License-Identifier: MIT
 *
 * Replacing workers, one at a time in a pool. Control thread.
 *
 *     until replaced   another is started beside it and ready (FATE_REPLACES), then the old one is drained. They
 *                      are in different slots: with four wanted, web.2's replacement is web.5, and the next one
 *                      takes the 2
 *     until renewed    without room beside it: when all others serve it is drained and stopped, then another is
 *                      started in its own slot (FATE_RENEWS): the pool is never more than one short
 *
 * A replacement that does not fit into memory for ten seconds: a round through all is frozen, any other is renewed
 * instead (recycling for memory must not wait for memory).
 *
 * When one that came does not become ready, nobody else is replaced and the old ones go on. A rollout is a round
 * through all of the pool, for `drover restart` or a changed configuration; who asks is in replace.c. The fates
 * are in the slots, so that the next engine goes on with it. */
#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "workers/fleet_internal.h"
#include "workers/last_words.h"

/* All processes of a pool, those that drain included, are at most so many times the wanted before another
 * replacement starts. */
#define MOST_TIMES_WANTED 2

static struct worker *find_fate(const struct fleet *fleet, enum fate fate)
{
    for (unsigned i = 0; i < fleet->count; i++) {
        if (fleet->workers[i]->fate == fate)
            return fleet->workers[i];
    }
    return NULL;
}

static struct worker *find_replacement_of(const struct worker *worker)
{
    struct worker *replacement = find_fate(worker->fleet, FATE_REPLACES); /* there is one at most */

    return replacement && replacement->replaces == worker->index ? replacement : NULL;
}

void rollout_cancel(struct worker *worker)
{
    struct worker *replacement = find_replacement_of(worker);

    if (replacement)
        worker_retire(replacement);
}

bool rollout_is_quiet(const struct fleet *fleet)
{
    return !find_fate(fleet, FATE_UNTIL_REPLACED) && !find_fate(fleet, FATE_REPLACES) &&
           !find_fate(fleet, FATE_UNTIL_RENEWED) && !find_fate(fleet, FATE_RENEWS);
}

bool rollout_is_crowded(const struct fleet *fleet)
{
    unsigned wanted = fleet_processes(fleet);

    return fleet->count + 1 > MOST_TIMES_WANTED * (wanted ? wanted : 1);
}

/* --- a round through all --- */

static unsigned count_due(const struct fleet *fleet)
{
    unsigned count = 0;

    for (unsigned i = 0; i < fleet->count; i++) {
        enum fate fate = fleet->workers[i]->fate;
        count += fate == FATE_UNTIL_REPLACED || fate == FATE_UNTIL_RENEWED || fate == FATE_RENEWS;
    }
    return count;
}

void rollout_begin(struct fleet *fleet, const char *why)
{
    unsigned count = count_due(fleet);

    fleet->rollout = (struct rollout){.phase = ROLLOUT_GOING, .since_us = clock_us()};
    fleet->failed_replacements = 0; /* what made them fail may be mended */
    fleet->replace_after_us = 0;
    if (count > 0)
        fleet_decide(fleet, DECISION_ROLLOUT, NULL, why, "%u workers are to be replaced, one by one", count);
}

void rollout_resume(struct fleet *fleet)
{
    if (!rollout_is_quiet(fleet))
        fleet->rollout = (struct rollout){.phase = ROLLOUT_GOING, .since_us = clock_us()};
}

void rollout_forget(struct fleet *fleet)
{
    if (fleet->rollout.phase != ROLLOUT_GOING || rollout_is_quiet(fleet))
        fleet->rollout.phase = ROLLOUT_NONE;
}

enum fleet_rollout fleet_rollout(const struct fleet *fleet, const char **text)
{
    *text = fleet->rollout.text;
    return fleet->rollout.phase;
}

static void note_end(struct fleet *fleet)
{
    struct rollout *rollout = &fleet->rollout;

    if (rollout->phase != ROLLOUT_GOING || !rollout_is_quiet(fleet))
        return;
    rollout->phase = ROLLOUT_DONE;
    if (rollout->done == 0) {
        str_format(rollout->text, sizeof rollout->text, "no worker had to be replaced");
        return;
    }
    str_format(rollout->text, sizeof rollout->text, "%u workers were replaced in %.1f s", rollout->done,
               (double)(clock_us() - rollout->since_us) / 1e6);
    fleet_decide(fleet, DECISION_ROLLOUT, NULL, "done", "%s", rollout->text);
}

/* Nobody is replaced any more; the old ones go on. */
static void freeze(struct fleet *fleet, const char *worker, const char *why)
{
    struct rollout *rollout = &fleet->rollout;
    unsigned kept = 0;

    for (unsigned i = 0; i < fleet->count; i++) {
        enum fate fate = fleet->workers[i]->fate;
        if (fate == FATE_UNTIL_REPLACED || fate == FATE_UNTIL_RENEWED) {
            worker_set_fate(fleet->workers[i], FATE_STAYS);
            kept++;
        }
    }
    if (kept > 0)
        log_error("%s: no worker is replaced any more: %s %s; %u go on as they are", fleet->pool->name,
                  worker, why, kept);
    if (rollout->phase != ROLLOUT_GOING)
        return;
    rollout->phase = ROLLOUT_FROZEN;
    str_format(rollout->text, sizeof rollout->text, "stopped after %u: %s %s; %u go on as they are",
               rollout->done, worker, why, kept);
    fleet_decide(fleet, DECISION_ROLLOUT, NULL, "frozen", "%s", rollout->text);
}

/* --- one of them --- */

/* Somebody may ask for the same again at once: a worker that is ejected again and again. */
static void wait_longer(struct fleet *fleet)
{
    const struct pool_config *pool = fleet->pool;

    fleet->replace_after_us =
        clock_us() + 1000u * (uint64_t)backoff_ms(++fleet->failed_replacements, pool->start_backoff,
                                                  pool->start_backoff_max, random_u32());
}

/* There is none beside it. Whether a round through all may cost a worker for a while is for who asked for it; one that
 * is ill, too large or drained by hand does not stay for that: it goes first. */
static void do_without_room(struct worker *old)
{
    struct fleet *fleet = old->fleet;

    if (fleet->rollout.phase == ROLLOUT_GOING) {
        freeze(fleet, old->slot->name,
               "has no room for another beside it in memory (drover restart --no-surge needs none)");
        return;
    }
    fleet_decide(fleet, DECISION_MEMORY, old->slot->name, "goes first",
                 "no room for its replacement beside it: it is drained and stopped, then another starts");
    worker_set_fate(old, FATE_UNTIL_RENEWED);
}

static void start_replacement(struct fleet *fleet, struct worker *old)
{
    if (rollout_is_crowded(fleet))
        return;
    if (!room_lets_start(fleet)) {
        if (room_is_short_for_long(fleet))
            do_without_room(old);
        return;
    }
    struct worker *replacement = fleet_add_worker(fleet);
    if (!replacement) {
        wait_longer(fleet);
        freeze(fleet, old->slot->name, "has no slot for another beside it");
        return;
    }
    log_info("%s: starts to replace %s", replacement->slot->name, old->slot->name);
    worker_set_fate(replacement, FATE_REPLACES);
    replacement->replaces = old->index;
    worker_start(replacement);
}

/* It would be started now, but for want of memory; the wait may be for ever. */
static bool is_kept_out(const struct worker *worker)
{
    return worker->state == WORKER_BACKOFF && clock_us() >= worker->due_us &&
           room_is_short_for_long(worker->fleet);
}

/* What keeps the others from being spared; NULL: it will pass. */
static const char *why_missing(const struct worker *worker)
{
    if (is_kept_out(worker))
        return "has no room in memory, and no other can be spared";
    if (worker->state == WORKER_BACKOFF && atomic_load(&worker->slot->crashes) > 0)
        return "ends again and again, and no other can be spared";
    return worker->is_unfit ? "is not fit, and no other can be spared" : NULL;
}

/* Whose going costs nothing, else anyone while all others serve. Who is recycled makes room for one that has none. */
static struct worker *choose_to_renew(struct fleet *fleet)
{
    struct worker *missing = NULL, *next = NULL;
    bool is_round = fleet->rollout.phase == ROLLOUT_GOING;

    for (unsigned i = 0; i < fleet->count; i++) {
        struct worker *worker = fleet->workers[i];
        if (!worker_counts(worker))
            continue;
        if (worker->fate == FATE_UNTIL_RENEWED && (!next || !worker_serves(worker)))
            next = worker;
        if (!worker_serves(worker) && (is_round || !is_kept_out(worker)))
            missing = worker;
    }
    if (!next || !missing || !worker_serves(next))
        return next;
    const char *why = why_missing(missing);
    if (why) {
        wait_longer(fleet); /* who is recycled is due again at once */
        freeze(fleet, missing->slot->name, why);
    }
    return NULL;
}

void rollout_step(struct fleet *fleet)
{
    struct worker *old = find_fate(fleet, FATE_UNTIL_REPLACED), *renewed = find_fate(fleet, FATE_RENEWS);

    note_end(fleet);
    if (renewed && is_kept_out(renewed)) {
        worker_set_fate(renewed, FATE_STAYS);
        freeze(fleet, renewed->slot->name, "has no room in memory any more");
    }
    if (find_fate(fleet, FATE_REPLACES) || find_fate(fleet, FATE_RENEWS) ||
        clock_us() < fleet->replace_after_us)
        return;
    if (old) {
        start_replacement(fleet, old);
        return;
    }
    struct worker *next = choose_to_renew(fleet);
    if (next)
        worker_renew(next);
    note_end(fleet); /* of one that is frozen nothing may be left */
}

void rollout_on_ready(struct worker *worker)
{
    struct fleet *fleet = worker->fleet;
    struct worker *old = worker->replaces >= 0 ? fleet_worker_at(fleet, worker->replaces) : NULL;

    /* The old one is in no set of members from now on, but it takes what comes until the next tick: the
     * set that the loops look at may still be the one without the new worker. First its fate: an engine
     * that came now finds one worker too few, not one too many. */
    if (old && old->fate == FATE_UNTIL_REPLACED) {
        log_info("%s: takes the place of %s", worker->slot->name, old->slot->name);
        affinity_inherit(worker, old);
        worker_set_fate(old, FATE_GOES);
    }
    worker_set_fate(worker, FATE_STAYS);
    fleet->failed_replacements = 0;
    fleet->rollout.done++;
}

void rollout_on_failed(struct worker *worker, const char *why)
{
    struct fleet *fleet = worker->fleet;
    char words[160], last[100];

    wait_longer(fleet);
    worker_set_fate(worker, worker->fate == FATE_REPLACES ? FATE_GOES : FATE_STAYS);
    output_last_line(worker->slot, last, sizeof last);
    str_format(words, sizeof words, "%s%s%s%s", why, last[0] ? " (its last line: " : "", last,
               last[0] ? ")" : "");
    freeze(fleet, worker->slot->name, words);
}

void rollout_on_gone(struct worker *worker)
{
    struct worker *replacement = find_replacement_of(worker);

    /* Either way it is still to be proven that the next process becomes ready. */
    worker_set_fate(worker, replacement ? FATE_GOES : FATE_RENEWS);
    if (replacement) {
        affinity_inherit(replacement, worker);
        worker_set_fate(replacement, FATE_RENEWS);
    }
}
