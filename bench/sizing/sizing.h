/* SPDX-License-Identifier: MIT
 *
 * The replay of demand curves against sizing rules: its parts. */
#ifndef DROVER_BENCH_SIZING_H
#define DROVER_BENCH_SIZING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPAN_MAX 86400 /* seconds of a trace */
#define STEP     0.05  /* seconds of simulated time */
#define TUNNELS  100.0 /* that one worker carries */

struct trace {
    char name[32];
    bool is_of_sketch; /* one of those whose means are the bar */
    unsigned seconds;
    double *rate, *service, *tunnels; /* per second */
};

/* What a rule is shown, and what it may keep. */
struct view {
    double at;      /* seconds */
    unsigned step;  /* since the start */
    bool is_second; /* a whole one: not called because somebody waits */
    unsigned ready, starting;
    unsigned in_flight, waiting, tunnels;
    uint64_t arrivals, completions;
    double held;   /* place-seconds */
    double inside; /* the same of all that is in flight, waits or is a tunnel */
    double p95;    /* seconds, of the last 20 s, waiting included */
    double boot;
    unsigned concurrency;
    const struct trace *trace;
};

struct rule {
    const char *name;
    size_t size; /* of its state: zero at first */
    unsigned (*want)(void *state, const struct view *view);
};
extern const struct rule rules[];
extern const size_t rule_count;

/* Fewest workers in which a Poisson load finds no place with a probability under 1%. */
unsigned staff(double load, unsigned concurrency);

struct outcome {
    double cost; /* worker-seconds, starting ones included */
    double late; /* share of requests that waited over 100 ms */
    unsigned changes;
    unsigned *workers, *queue; /* per second, for the plot; may be NULL */
};
struct setting {
    double boot;
    unsigned concurrency, least, most;
    uint64_t seed;
};
struct outcome simulate(const struct trace *trace, const struct rule *rule, const struct setting *setting,
                        unsigned *workers, unsigned *queue);

size_t traces_make(struct trace **traces, const struct setting *setting);
struct trace trace_read(const char *path);
void trace_free(struct trace *trace);

struct dice {
    uint64_t state;
};
uint64_t dice_next(struct dice *dice);
double dice_unit(struct dice *dice); /* 0 to 1, neither */
double dice_normal(struct dice *dice);
double dice_gamma(struct dice *dice, double shape);
unsigned dice_poisson(struct dice *dice, double mean);

#endif
