/* SPDX-License-Identifier: MIT
 *
 * One pool in simulated time, in steps of 50 ms: requests come as a Poisson stream of the trace's rate and take a
 * lognormal time (sigma 0.8) of the trace's mean; a worker holds `concurrency` of them; who finds no place
 * waits in one line, first come, first served. A worker that is told to go holds nothing new from that moment
 * and costs nothing more. A rule is asked once a second, and ten times a second while somebody waits. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/sizing/sizing.h"

#define LATE         0.1 /* seconds of waiting */
#define STEPS_SECOND 20
#define ENDS         16384 /* steps that a request may take at most */
#define BOOTS        4096
#define SIGMA        0.8
#define SIGMA_P95    2.7 /* 95% of the requests take less than so many times the mean */
#define WAIT_SECONDS 20
#define WAIT_BINS    64
#define WAIT_LEAST   0.02 /* seconds, in the first bin; each next is half as much again */

struct pool {
    unsigned ready, starting, in_flight;
    unsigned boots[BOOTS]; /* by step: how many workers become ready in it */
    unsigned ends[ENDS];   /* by step: how many requests end in it */
    double *line;          /* when each of those who wait came */
    size_t first, last, room;
    struct dice arrivals, times;
    uint64_t came, ended, late;
    double held, inside;
    unsigned waits[WAIT_SECONDS][WAIT_BINS]; /* how long those waited that were served, by second */
};

static void push(struct pool *pool, double at)
{
    if (pool->last == pool->room) {
        memmove(pool->line, pool->line + pool->first, (pool->last - pool->first) * sizeof *pool->line);
        pool->last -= pool->first;
        pool->first = 0;
        if (pool->last * 2 >= pool->room) {
            pool->room = pool->room ? pool->room * 2 : 4096;
            pool->line = realloc(pool->line, pool->room * sizeof *pool->line);
            if (!pool->line)
                abort();
        }
    }
    pool->line[pool->last++] = at;
}

static unsigned steps_of(double seconds)
{
    unsigned steps = (unsigned)ceil(seconds / STEP - 1e-9);

    return steps < 1 ? 1 : steps < ENDS - 1 ? steps : ENDS - 1;
}

static unsigned bin_of(double wait)
{
    double bin = wait > WAIT_LEAST ? 1 + log(wait / WAIT_LEAST) / log(1.5) : 0;

    return bin < WAIT_BINS - 1 ? (unsigned)bin : WAIT_BINS - 1;
}

static double wait_p95(const struct pool *pool)
{
    unsigned sums[WAIT_BINS] = {0}, all = 0, seen = 0, bin = 0;

    for (unsigned i = 0; i < WAIT_SECONDS; i++) {
        for (unsigned j = 0; j < WAIT_BINS; j++) {
            sums[j] += pool->waits[i][j];
            all += pool->waits[i][j];
        }
    }
    for (; bin < WAIT_BINS && (seen += sums[bin]) < 0.95 * all; bin++) {
    }
    return bin > 0 ? WAIT_LEAST * pow(1.5, bin - 1) : 0;
}

static void serve(struct pool *pool, const struct trace *trace, const struct setting *setting, unsigned step)
{
    unsigned second = step / STEPS_SECOND;
    double now = step * STEP;
    int places = (int)(pool->ready * setting->concurrency) - (int)pool->in_flight -
                 (int)(trace->tunnels[second] * setting->concurrency / TUNNELS);

    for (; pool->first < pool->last && places > 0; places--) {
        double wait = now - pool->line[pool->first++];
        pool->late += wait > LATE + 1e-9;
        pool->waits[second % WAIT_SECONDS][bin_of(wait)]++;
        double time = trace->service[second] * exp(SIGMA * dice_normal(&pool->times) - SIGMA * SIGMA / 2);
        pool->ends[(step + steps_of(time)) % ENDS]++;
        pool->in_flight++;
    }
}

static void show(const struct pool *pool, const struct trace *trace, const struct setting *setting,
                 unsigned step, struct view *view)
{
    view->at = step * STEP;
    view->step = step;
    view->is_second = step % STEPS_SECOND == 0;
    view->ready = pool->ready;
    view->starting = pool->starting;
    view->in_flight = pool->in_flight;
    view->waiting = (unsigned)(pool->last - pool->first);
    view->tunnels = (unsigned)trace->tunnels[step / STEPS_SECOND];
    view->arrivals = pool->came;
    view->completions = pool->ended;
    view->held = pool->held;
    view->inside = pool->inside;
    view->p95 =
        view->is_second ? SIGMA_P95 * trace->service[step / STEPS_SECOND] + wait_p95(pool) : view->p95;
    view->boot = setting->boot;
    view->concurrency = setting->concurrency;
    view->trace = trace;
}

/* True when the size is another. Fewer only at whole seconds; those that start go first. */
static bool resize(struct pool *pool, unsigned wanted, const struct setting *setting, unsigned step,
                   bool is_second)
{
    unsigned have = pool->ready + pool->starting;

    wanted = wanted < setting->least ? setting->least : wanted > setting->most ? setting->most : wanted;
    if (wanted > have) {
        pool->boots[(step + steps_of(setting->boot)) % BOOTS] += wanted - have;
        pool->starting += wanted - have;
        return true;
    }
    if (wanted == have || !is_second)
        return false;
    unsigned gone = have - wanted;
    for (unsigned later = BOOTS - 1; later > 0 && gone > 0 && pool->starting > 0; later--) {
        unsigned *boots = &pool->boots[(step + later) % BOOTS];
        unsigned taken = *boots < gone ? *boots : gone;
        *boots -= taken;
        pool->starting -= taken;
        gone -= taken;
    }
    pool->ready -= gone;
    return true;
}

static void pass_step(struct pool *pool, const struct trace *trace, const struct setting *setting,
                      unsigned step)
{
    unsigned *up = &pool->boots[step % BOOTS], *done = &pool->ends[step % ENDS];

    pool->held += pool->in_flight * STEP;
    pool->inside +=
        (pool->in_flight + (double)(pool->last - pool->first) + trace->tunnels[step / STEPS_SECOND]) * STEP;
    if (step % STEPS_SECOND == 0)
        memset(pool->waits[step / STEPS_SECOND % WAIT_SECONDS], 0, sizeof pool->waits[0]);
    pool->ready += *up;
    pool->starting -= *up;
    pool->in_flight -= *done;
    pool->ended += *done;
    *up = *done = 0;
    unsigned came = dice_poisson(&pool->arrivals, trace->rate[step / STEPS_SECOND] * STEP);
    pool->came += came;
    for (; came > 0; came--)
        push(pool, step * STEP);
    serve(pool, trace, setting, step);
}

struct outcome simulate(const struct trace *trace, const struct rule *rule, const struct setting *setting,
                        unsigned *workers, unsigned *queue)
{
    struct pool *pool = calloc(1, sizeof *pool);
    void *state = calloc(1, rule->size ? rule->size : 1);
    struct outcome outcome = {0};
    struct view view = {0};
    unsigned asked = 0;

    if (!pool || !state)
        abort();
    pool->arrivals.state = setting->seed;
    pool->times.state = setting->seed * 2654435761u + 1;
    pool->ready =
        staff(trace->rate[0] * trace->service[0] + trace->tunnels[0] * setting->concurrency / TUNNELS,
              setting->concurrency);
    for (unsigned step = 0; step < trace->seconds * STEPS_SECOND; step++) {
        pass_step(pool, trace, setting, step);
        show(pool, trace, setting, step, &view);
        if (view.is_second || (view.waiting > 0 && step >= asked + 2)) {
            asked = step;
            outcome.changes += resize(pool, rule->want(state, &view), setting, step, view.is_second);
        }
        outcome.cost += (pool->ready + pool->starting) * STEP;
        if (view.is_second && workers)
            workers[step / STEPS_SECOND] = pool->ready + pool->starting;
        if (view.is_second && queue)
            queue[step / STEPS_SECOND] = view.waiting;
    }
    pool->late += pool->last - pool->first;
    outcome.late = pool->came ? (double)pool->late / (double)pool->came : 0;
    free(pool->line);
    free(pool);
    free(state);
    return outcome;
}
