/* SPDX-License-Identifier: MIT
 *
 * The rules that are compared. drover's is workers/sizing.c itself; the others are written from their published
 * descriptions, with their published defaults, and see what those see. */
#include <math.h>
#include <string.h>

#include "bench/sizing/sizing.h"
#include "workers/sizing.h"

#define SERIES 64

/* Sums as they stood at the last whole seconds. */
struct series {
    double sums[SERIES];
    unsigned count;
};

static void series_add(struct series *series, double sum)
{
    series->sums[series->count++ % SERIES] = sum;
}

/* The growth in the last `seconds`, a second. */
static double series_mean(const struct series *series, unsigned seconds)
{
    unsigned back = seconds < series->count - 1 ? seconds : series->count - 1;

    return back ? (series->sums[(series->count - 1) % SERIES] -
                   series->sums[(series->count - 1 - back) % SERIES]) /
                      back
                : 0;
}

unsigned staff(double load, unsigned concurrency)
{
    if (load > 600)
        return (unsigned)ceil((load + 2.33 * sqrt(load)) / concurrency);
    double term = exp(-load), sum = 0;
    for (unsigned i = 0;; i++) {
        sum += term;
        term *= load / (i + 1);
        if (i > 0 && i % concurrency == 0 && 1 - sum < 0.01)
            return i / concurrency;
    }
}

static double load_at(const struct view *view, double at)
{
    const struct trace *trace = view->trace;
    unsigned second = at < trace->seconds - 1 ? (unsigned)at : trace->seconds - 1;

    return trace->rate[second] * trace->service[second] +
           trace->tunnels[second] * view->concurrency / TUNNELS;
}

/* Knows the rate ahead by a worker's start, but not the dice. */
static unsigned oracle(void *state, const struct view *view)
{
    double load = load_at(view, view->at);

    (void)state;
    load = fmax(load, load_at(view, view->at + view->boot / 2));
    load = fmax(load, load_at(view, view->at + view->boot + 1));
    return staff(load, view->concurrency);
}

struct fixed {
    unsigned peak;
};

static unsigned fixed_at_peak(void *state, const struct view *view)
{
    struct fixed *mine = state;
    double most = 0;

    for (unsigned t = 0; mine->peak == 0 && t < view->trace->seconds; t++)
        most = fmax(most, load_at(view, t));
    if (mine->peak == 0)
        mine->peak = staff(most, view->concurrency);
    return mine->peak;
}

struct drover {
    struct demand_history history;
    struct sizing_memory memory;
};

static unsigned drover(void *state, const struct view *view)
{
    struct drover *mine = state;
    struct sizing_policy policy = {
        .min = 1,
        .max = 100,
        .target_concurrency = view->concurrency,
        .target_tunnels = (unsigned)TUNNELS,
        .window_ms = 60000,
        .burst_window_ms = 6000,
        .burst = 2,
        .headroom = 2,
    };
    struct demand_sample sample = {
        .at_us = (uint64_t)llround(view->at * 1e6),
        .arrivals = view->arrivals,
        .completions = view->completions,
        .held_us = (uint64_t)llround(view->held * 1e6),
        .in_flight = view->in_flight,
        .waiting = view->waiting,
        .tunnels = view->tunnels,
    };
    struct sizing_world world = {
        .now_us = sample.at_us,
        .ready = view->ready,
        .starting = view->starting,
        .boot_ms = (unsigned)(view->boot * 1000),
    };

    demand_add(&mine->history, &sample);
    struct sizing_decision decision = sizing_decide(&policy, &mine->history, &world, &mine->memory);
    mine->memory = decision.memory;
    return decision.wanted;
}

/* 70% of the places, of what is in flight and waits; fewer after a minute of needing fewer. */
struct target {
    struct series inside;
    double low_since;
    unsigned most;
};

static unsigned target_70(void *state, const struct view *view)
{
    struct target *mine = state;
    unsigned have = view->ready + view->starting;

    if (view->is_second)
        series_add(&mine->inside, view->inside);
    unsigned want = (unsigned)ceil(series_mean(&mine->inside, 15) / (0.7 * view->concurrency));
    if (want >= have) {
        mine->low_since = view->at;
        mine->most = 0;
        return want;
    }
    mine->most = want > mine->most ? want : mine->most;
    if (view->at - mine->low_since < 60)
        return have;
    want = mine->most;
    mine->low_since = view->at;
    mine->most = 0;
    return want;
}

/* Knative's autoscaler: every 2 s, windows of 60 and 6 s, 70% of the places, panic at 200% of what is ready. */
struct knative {
    struct series inside;
    double panicked_at;
    bool is_panicking;
    unsigned most, want;
};

static unsigned knative(void *state, const struct view *view)
{
    struct knative *mine = state;

    if (!view->is_second)
        return mine->want;
    series_add(&mine->inside, view->inside);
    if ((unsigned)view->at % 2 == 1 && mine->want > 0)
        return mine->want;
    double target = 0.7 * view->concurrency, ready = view->ready ? view->ready : 1;
    double up = ceil(1000 * ready), down = floor(ready / 2);
    double panic = ceil(series_mean(&mine->inside, 6) / target);
    unsigned stable = (unsigned)fmax(down, fmin(up, ceil(series_mean(&mine->inside, 60) / target)));
    unsigned quick = (unsigned)fmax(down, fmin(up, panic));

    if (mine->inside.count < 3) /* nothing was measured yet: as it is */
        return mine->want = view->ready + view->starting;
    if (panic / ready >= 2) {
        mine->is_panicking = true;
        mine->panicked_at = view->at;
    } else if (mine->is_panicking && mine->panicked_at + 60 < view->at) {
        mine->is_panicking = false;
        mine->most = 0;
    }
    mine->want = stable;
    if (mine->is_panicking) {
        quick = quick > stable ? quick : stable;
        mine->want = mine->most = quick > mine->most ? quick : mine->most;
    }
    return mine->want;
}

/* gunicorn-autoscaler: finished requests x p95 / 25, at least 2. Its bar for the p95, 300 ms, is set to 300 ms over
 * what the service itself takes, as whoever runs it would have to: else it goes to its most at once. Its burst rule
 * ("rose by 5") is read as fivefold: as a difference it would fire at every breath of a hundred requests a second. */
struct autoscaler {
    struct series done;
    double up_at, down_at, burst_at, busy_at;
    unsigned low;
};

static unsigned autoscaler(void *state, const struct view *view)
{
    struct autoscaler *mine = state;
    unsigned have = view->ready + view->starting;

    if (!view->is_second)
        return have;
    if (mine->done.count == 0)
        mine->up_at = mine->down_at = mine->burst_at = -100;
    series_add(&mine->done, (double)view->completions);
    double rate = series_mean(&mine->done, 20), now3 = series_mean(&mine->done, 3);
    double before3 = (series_mean(&mine->done, 6) * 6 - now3 * 3) / 3;
    unsigned desired = (unsigned)ceil(rate * view->p95 / 25);
    if (rate > 0.01)
        mine->busy_at = view->at;
    if (view->p95 > 0.3 + 2.7 * view->trace->service[0] && rate > 0.1 && desired <= have)
        desired = have + 1;
    if (now3 >= 3 && now3 >= 5 * before3 && before3 > 0 && view->at - mine->burst_at >= 5) {
        mine->burst_at = mine->up_at = view->at;
        return have + 8;
    }
    if (desired > have) {
        unsigned step = have / 2 > 1 ? have / 2 : 1;
        mine->low = 0;
        if (view->at - mine->up_at < 2)
            return have;
        step = step > 16 ? 16 : step;
        mine->up_at = view->at;
        return desired < have + step ? desired : have + step;
    }
    mine->low = desired < have || view->at - mine->busy_at >= 60 ? mine->low + 1 : 0;
    if (mine->low >= 3 && have > 2 && view->at - mine->down_at >= 15 && view->at - mine->up_at >= 60) {
        mine->down_at = view->at;
        mine->low = 0;
        return have - 1;
    }
    return have;
}

/* uWSGI's cheaper busyness: a look every 3 s, between 25 and 50% busy, one at a time; ten looks below before one
 * goes, two more each time that one had to come back; over 33 in the queue one more a second, on a short leash. */
struct busyness {
    struct series held;
    double looked_at, next_cheap, last_cheap, queued_since;
    double multiplier;
    unsigned stops;
};

static unsigned busyness(void *state, const struct view *view)
{
    struct busyness *mine = state;
    unsigned have = view->ready + view->starting;
    const double window = 3;

    if (!view->is_second)
        return have;
    if (mine->held.count == 0) {
        mine->multiplier = 10;
        mine->next_cheap = mine->multiplier * window;
        mine->last_cheap = -1000;
    }
    series_add(&mine->held, view->held);
    if (view->waiting == 0)
        mine->queued_since = view->at;
    if (view->waiting > 33 || view->at - mine->queued_since >= 60) {
        mine->queued_since = view->at;
        mine->multiplier = 10;
        mine->next_cheap = view->at + 3 * window;
        return have + 1;
    }
    if (view->at - mine->looked_at < window)
        return have;
    mine->looked_at = view->at;
    double busy = 100 * series_mean(&mine->held, 3) / ((view->ready ? view->ready : 1) * view->concurrency);
    if (busy > 50) {
        mine->multiplier += view->at - mine->last_cheap <= mine->multiplier * window ? 2 : -1;
        mine->multiplier = fmax(mine->multiplier, 10);
        mine->next_cheap = view->at + mine->multiplier * window;
        mine->stops = 0;
        return have + 1;
    }
    if (busy < 25 && have > 1 && view->at >= mine->next_cheap) {
        if (++mine->stops > 1)
            mine->multiplier = fmax(mine->multiplier - 1, 10);
        mine->last_cheap = view->at;
        mine->next_cheap = view->at + mine->multiplier * window;
        return have - 1;
    }
    return have;
}

const struct rule rules[] = {
    {"oracle", 0, oracle},
    {"drover", sizeof(struct drover), drover},
    {"Knative", sizeof(struct knative), knative},
    {"gunicorn-autoscaler", sizeof(struct autoscaler), autoscaler},
    {"uWSGI busyness", sizeof(struct busyness), busyness},
    {"70% target", sizeof(struct target), target_70},
    {"fixed at the peak", sizeof(struct fixed), fixed_at_peak},
};
const size_t rule_count = sizeof rules / sizeof *rules;
