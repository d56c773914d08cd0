/* SPDX-License-Identifier: MIT
 *
 * Between the fleet and the pure rule: samples of the pool's counters in, decisions out. Control thread.
 *
 * Nothing is counted for this on the request's path: arrivals are what the retry budget counts anyway, answers are in
 * the slots, and the time that places were held is what is held at each sample times the time since the last. */
#include "workers/sizer.h"

#define SECOND_US 1000000u
#define HURRY_US  90000u /* between two decisions while somebody waits */
#define PER_MILLE 1000.0

void sizer_sample(struct sizer *sizer, const struct fleet_load *load, unsigned in_flight, unsigned tunnels,
                  uint64_t answered, uint64_t now_us)
{
    struct demand_sample *sample = &sizer->sample;
    uint64_t passed_us = sample->at_us ? now_us - sample->at_us : 0;

    if (load->is_reported) {
        in_flight = load->is_live;
        sample->held_us = load->held_us;
        sample->completions = load->ended;
    } else {
        sample->held_us += passed_us * (sample->in_flight + in_flight) / 2;
        sample->completions += answered;
    }
    sample->at_us = now_us;
    sample->arrivals = load->arrivals;
    sample->in_flight = in_flight;
    sample->waiting = load->waiting;
    sample->tunnels = tunnels;
    demand_add(&sizer->history, sample);
    sizer->slow_count = load->slow;
}

void sizer_forget(struct sizer *sizer)
{
    memset(&sizer->history, 0, sizeof sizer->history);
    memset(&sizer->sample, 0, sizeof sizer->sample);
    sizer->slow_count = sizer->slow_from = sizer->answered_from = 0;
    sizer->slow = 0;
}

/* Of each burst window the share of its answers that were slow. */
static void measure_slow(struct sizer *sizer, unsigned window_ms, uint64_t now_us)
{
    uint64_t answered = sizer->sample.completions - sizer->answered_from;

    if (now_us - sizer->slow_from_us < (uint64_t)window_ms * 1000u)
        return;
    sizer->slow = answered ? (double)(sizer->slow_count - sizer->slow_from) / (double)answered : 0;
    sizer->slow_from = sizer->slow_count;
    sizer->answered_from = sizer->sample.completions;
    sizer->slow_from_us = now_us;
}

bool sizer_is_due(const struct sizer *sizer, uint64_t now_us)
{
    uint64_t wait_us = sizer->sample.waiting > 0 ? HURRY_US : SECOND_US;

    return sizer->decided_us == 0 || now_us >= sizer->decided_us + wait_us;
}

static struct sizing_policy policy_of(const struct sizer_view *view)
{
    const struct pool_config *pool = view->pool;

    return (struct sizing_policy){
        .min = view->min,
        .max = view->max,
        .spare = pool->spare,
        .target_concurrency = pool->target_concurrency,
        .target_tunnels = pool->target_tunnels,
        .target_rps = pool->target_rps,
        .target_p95_ms = pool->target_p95,
        .window_ms = pool->scale_window,
        .burst_window_ms = pool->scale_burst_window,
        .idle_ms = pool->scale_idle,
        .burst = pool->scale_burst / PER_MILLE,
        .headroom = pool->scale_headroom / PER_MILLE,
    };
}

bool sizer_decide(struct sizer *sizer, const struct sizer_view *view, uint64_t now_us,
                  struct fleet_decision *record)
{
    struct sizing_policy policy = policy_of(view);

    measure_slow(sizer, policy.burst_window_ms, now_us);
    struct sizing_world world = {
        .now_us = now_us,
        .ready = view->ready,
        .starting = view->starting,
        .is_backing_off = view->is_backing_off,
        .boot_ms = view->boot_ms,
        .slow = sizer->slow,
    };
    struct sizing_decision decision = sizing_decide(&policy, &sizer->history, &world, &sizer->memory);
    bool is_news = decision.wanted != decision.before ||
                   (decision.reason == SIZING_BACKOFF && sizer->last_reason != SIZING_BACKOFF);
    sizer->memory = decision.memory;
    sizer->needed = decision.needed;
    sizer->decided_us = now_us;
    sizer->last_reason = decision.reason;
    if (!is_news)
        return false;
    *record = (struct fleet_decision){
        .kind = DECISION_SIZE,
        .before = decision.before,
        .wanted = decision.wanted,
        .why = sizing_reason_word(decision.reason),
        .is_measured = true,
        .is_dry = view->pool->dry_run,
        .rate = decision.demand.rate,
        .service = decision.demand.service,
        .load = decision.demand.load,
        .places = decision.places,
        .draining = decision.draining,
        .waiting = decision.demand.waiting,
        .tunnels = decision.demand.tunnels,
        .concurrency = policy.target_concurrency,
        .span_ms = decision.demand.span_ms,
        .needed = decision.needed,
        .ready = view->ready,
        .starting = view->starting,
        .boot_ms = view->boot_ms,
        .idle_ms = decision.idle_ms,
        .min = policy.min,
        .max = policy.max,
    };
    return true;
}
