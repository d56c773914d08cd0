/* SPDX-License-Identifier: MIT
 *
 * Samples to an offered load. Pure.
 *
 * Offered load is arrivals a second x mean seconds that a request holds its place (Little's law).
 *
 * The mean time is places x time held, of those too that have not ended, over the number that ended: the
 * estimate for lives some of which still go on. So a worker that hangs, whose requests never end, is load
 * that grows, and no clock for each request is needed.
 *
 * A mean over a long span is exact and late, one over a short span is quick and noisy. So the span is the
 * longest whose mean agrees, within its error, with the means of all shorter ones: a minute while nothing
 * changes, a second after a jump, up or down. */
#include "workers/demand.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#define CLOSEST_US 50000u
#define SECOND_US  1000000u
/* Times that requests take are scattered wider than the moments at which they come: the error of their mean
 * is taken as so many times that of an exponential's. */
#define SERVICE_SCATTER 1.5
/* Nothing has ended yet: what goes on has had half its life, on the mean. */
#define ENDED_LEAST 0.5

static const struct demand_sample *newest(const struct demand_history *history)
{
    return history->recent_count ? &history->recent[(history->recent_count - 1) % DEMAND_RECENT] : NULL;
}

void demand_add(struct demand_history *history, const struct demand_sample *sample)
{
    uint32_t before = history->recent_count;

    if (before >= 2 && sample->at_us < history->recent[(before - 2) % DEMAND_RECENT].at_us + CLOSEST_US)
        history->recent_count--;
    history->recent[history->recent_count++ % DEMAND_RECENT] = *sample;
    if (history->seconds_count == 0 ||
        sample->at_us >= history->seconds[(history->seconds_count - 1) % DEMAND_SECONDS].at_us + SECOND_US)
        history->seconds[history->seconds_count++ % DEMAND_SECONDS] = *sample;
}

/* Of `count` ever put into a ring of `size`: the newest that is at least as old as `at_us`. */
static const struct demand_sample *find(const struct demand_sample *ring, uint32_t size, uint32_t count,
                                        uint64_t at_us)
{
    uint32_t kept = count < size ? count : size;
    const struct demand_sample *found = NULL;

    for (uint32_t low = count - kept, high = count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (ring[middle % size].at_us <= at_us) {
            found = &ring[middle % size];
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return found;
}

/* The sample that a span of that length begins with: the oldest when there is none as old. */
static const struct demand_sample *begin_of(const struct demand_history *history, uint64_t span_us)
{
    uint64_t now_us = newest(history)->at_us;
    uint64_t at_us = now_us > span_us ? now_us - span_us : 0;
    const struct demand_sample *found = find(history->recent, DEMAND_RECENT, history->recent_count, at_us);

    if (!found)
        found = find(history->seconds, DEMAND_SECONDS, history->seconds_count, at_us);
    if (!found)
        found =
            &history
                 ->seconds[history->seconds_count > DEMAND_SECONDS ? history->seconds_count % DEMAND_SECONDS
                                                                   : 0];
    return found;
}

/* A mean and its error, narrowed by what shorter spans said of it. */
struct estimate {
    double mean, error, low, high;
    bool is_settled; /* a longer span disagrees: this is it */
};

static void take_span(struct estimate *estimate, double mean, double error, double doubt)
{
    double low = mean - doubt * error, high = mean + doubt * error;

    if (estimate->is_settled)
        return;
    if (low > estimate->high || high < estimate->low) {
        estimate->is_settled = true;
        return;
    }
    estimate->low = low > estimate->low ? low : estimate->low;
    estimate->high = high < estimate->high ? high : estimate->high;
    estimate->mean = fmin(fmax(mean, estimate->low), estimate->high);
    estimate->error = error;
}

static double relative(const struct estimate *estimate)
{
    return estimate->mean > 0 ? estimate->error / estimate->mean : 0;
}

static void look_at_span(struct estimate *rate, struct estimate *service, struct estimate *held,
                         const struct demand_sample *from, const struct demand_sample *to, double doubt)
{
    double seconds = (double)(to->at_us - from->at_us) / SECOND_US;
    double came = (double)(to->arrivals - from->arrivals);
    double ended = (double)(to->completions - from->completions);
    double places = (double)(to->held_us - from->held_us) / SECOND_US;
    double lives = ended > ENDED_LEAST ? ended : ENDED_LEAST;
    double life = places / lives;

    take_span(rate, came / seconds, sqrt(came + 1) / seconds, doubt);
    take_span(service, life, SERVICE_SCATTER * life / sqrt(lives), doubt);
    /* Where more ended than came, a backlog was worked off: its part is no load that stays. */
    double lasting = ended > came ? places * came / ended : places;
    double scatter = fmin(2 * life / seconds, 1); /* of the places held at one moment: as Poisson's */
    take_span(held, lasting / seconds, sqrt(places / seconds * scatter), doubt);
}

struct demand demand_read(const struct demand_history *history, const struct demand_windows *windows)
{
    const struct demand_sample *now = newest(history), *from = NULL, *before = NULL;
    struct demand demand = {0};

    if (!now)
        return demand;
    demand.waiting = now->waiting;
    demand.in_flight = now->in_flight;
    demand.tunnels = now->tunnels;

    struct estimate rate = {.low = 0, .high = INFINITY}, service = rate, held = rate;
    for (unsigned span_ms = windows->shortest_ms;; span_ms *= 2) {
        span_ms = span_ms < windows->longest_ms ? span_ms : windows->longest_ms;
        from = begin_of(history, (uint64_t)span_ms * 1000u);
        if (from != before && from->at_us < now->at_us) {
            if (!before)
                demand.came = (unsigned)(now->arrivals - from->arrivals);
            look_at_span(&rate, &service, &held, from, now, windows->doubt);
            if (!rate.is_settled)
                demand.span_ms = (unsigned)((now->at_us - from->at_us) / 1000u);
        }
        before = from;
        demand.ended = (unsigned)(now->completions - from->completions);
        demand.seen_ms = (unsigned)((now->at_us - from->at_us) / 1000u);
        if (span_ms == windows->longest_ms)
            break;
    }
    demand.rate = rate.mean;
    demand.service = service.mean;
    demand.held = held.mean;
    if (demand.ended == 0)
        demand.service = fmax(demand.service, windows->service);
    demand.load = fmax(demand.rate * demand.service, fmax(held.mean - held.error, 0));
    demand.error = demand.load * hypot(relative(&rate), relative(&service));
    return demand;
}
