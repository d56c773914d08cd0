/* SPDX-License-Identifier: MIT
 *
 * Demand curves: those of our own, and any CSV file (second, requests per second, and if it has them mean service
 * seconds and open tunnels). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/sizing/sizing.h"

#define HOUR    3600u
#define SERVICE 0.2

static struct trace trace_new(const char *name, bool is_of_sketch, unsigned seconds)
{
    struct trace trace = {.is_of_sketch = is_of_sketch, .seconds = seconds};

    snprintf(trace.name, sizeof trace.name, "%s", name);
    trace.rate = calloc(3 * (size_t)seconds, sizeof *trace.rate);
    if (!trace.rate)
        abort();
    trace.service = trace.rate + seconds;
    trace.tunnels = trace.service + seconds;
    for (unsigned t = 0; t < seconds; t++)
        trace.service[t] = SERVICE;
    return trace;
}

void trace_free(struct trace *trace)
{
    free(trace->rate);
    trace->rate = NULL;
}

static double steady(unsigned t)
{
    (void)t;
    return 100;
}
static double low(unsigned t)
{
    (void)t;
    return 6;
}
static double diurnal(unsigned t)
{
    return 60 + 50 * sin(2 * M_PI * t / HOUR);
}
static double flash(unsigned t)
{
    return t <= 1200 || t > 1500 ? 20 : 400;
}
static double square(unsigned t)
{
    return t / 300 % 2 ? 150 : 20;
}
static double sawtooth(unsigned t)
{
    return 20 + 200 * (t % 600 / 600.0);
}
static double outage(unsigned t)
{
    return t > 1200 && t < 1320 ? 0.5 : 120;
}
static double slow_database(unsigned t)
{
    (void)t;
    return 80;
}
static double sockets(unsigned t)
{
    (void)t;
    return 10;
}

static const struct {
    const char *name;
    bool is_of_sketch;
    double (*rate)(unsigned t);
} curves[] = {
    {"steady", true, steady},       {"low", true, low},        {"diurnal", true, diurnal},
    {"flash", true, flash},         {"square", true, square},  {"sawtooth", true, sawtooth},
    {"outage", true, outage},       {"noisy", false, steady},  {"slow database", false, slow_database},
    {"websockets", false, sockets}, {"on-off", false, steady},
};

/* What is more to a curve than its rate. */
static void season(struct trace *trace, const struct setting *setting)
{
    struct dice dice = {.state = 77};
    double idle = fmax(10, fmin(120, 5 * setting->boot)), gamma = 1;

    for (unsigned t = 0; t < trace->seconds; t++) {
        if (strcmp(trace->name, "noisy") == 0) {
            gamma = t % 10 == 0 ? dice_gamma(&dice, 8) : gamma;
            trace->rate[t] *= gamma;
        } else if (strcmp(trace->name, "slow database") == 0) {
            trace->service[t] *= t >= 1200 && t < 1800 ? 3 : 1;
        } else if (strcmp(trace->name, "websockets") == 0) {
            trace->tunnels[t] = t < 1800 ? t * 1000.0 / 1800 : 1000;
        } else if (strcmp(trace->name, "on-off") == 0) {
            trace->rate[t] *= fmod(t, 2 * idle) < idle ? 1 : 0.02;
        }
    }
}

size_t traces_make(struct trace **traces, const struct setting *setting)
{
    size_t count = sizeof curves / sizeof *curves;

    *traces = calloc(count, sizeof **traces);
    if (!*traces)
        abort();
    for (size_t i = 0; i < count; i++) {
        struct trace *trace = &(*traces)[i];
        *trace = trace_new(curves[i].name, curves[i].is_of_sketch, HOUR);
        for (unsigned t = 0; t < HOUR; t++)
            trace->rate[t] = curves[i].rate(t);
        season(trace, setting);
    }
    return count;
}

/* Seconds that the file leaves out are as the one before. */
struct trace trace_read(const char *path)
{
    struct trace trace = trace_new("file", false, SPAN_MAX);
    unsigned at = 0;
    char text[256];
    FILE *file = fopen(path, "r");

    if (!file) {
        perror(path);
        exit(2);
    }
    while (fgets(text, sizeof text, file)) {
        double second, rate, service = SERVICE, tunnels = 0;
        int found = sscanf(text, "%lf ,%lf ,%lf ,%lf", &second, &rate, &service, &tunnels);
        if (found < 2)
            continue; /* a heading */
        if (second < at || second >= SPAN_MAX || rate < 0 || service <= 0 || tunnels < 0) {
            fprintf(stderr, "%s: second %g: seconds must rise and be under %d, nothing may be negative\n",
                    path, second, SPAN_MAX);
            exit(2);
        }
        for (; at > 0 && at < (unsigned)second; at++) {
            trace.rate[at] = trace.rate[at - 1];
            trace.service[at] = trace.service[at - 1];
            trace.tunnels[at] = trace.tunnels[at - 1];
        }
        at = (unsigned)second;
        trace.rate[at] = rate;
        trace.service[at] = service;
        trace.tunnels[at++] = tunnels;
    }
    fclose(file);
    trace.seconds = at;
    if (at == 0) {
        fprintf(stderr, "%s: no line of it is `second,rate`\n", path);
        exit(2);
    }
    return trace;
}
