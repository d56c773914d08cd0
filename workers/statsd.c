/* SPDX-License-Identifier: MIT
 *
 * StatsD lines to numbers. Pure. */
#include "workers/statsd.h"

#define DIGITS_MAX   15 /* of a number, dot aside: exact in a double */
#define REQUESTS_MAX 1e6
#define DURATION_MAX 86400000.0 /* ms */
#define RATE_LEAST   1e-4
#define PREFIX_MAX   128
/* Requests are under way for as long after the last one ended. */
#define LIVE_TIMES    3.0
#define LIVE_LEAST_US 2000000u
#define USUAL_SHARE   0.05 /* of the newest duration in the mean of the last ones */

/* What stands before `mark` (all, when it is not there); `rest` begins behind it. */
static struct slice take_until(struct slice *rest, char mark)
{
    const char *end = rest->size ? memchr(rest->at, mark, rest->size) : NULL;
    struct slice part = {rest->at, end ? (size_t)(end - rest->at) : rest->size};
    size_t taken = part.size + (end != NULL);

    rest->at += taken;
    rest->size -= taken;
    return part;
}

/* 1*DIGIT [ "." 1*DIGIT ] */
static bool read_number(struct slice text, double *number)
{
    double value = 0, unit = 1;
    unsigned digits = 0, behind = 0;
    bool has_dot = false;

    for (size_t i = 0; i < text.size; i++) {
        char c = text.at[i];
        if (c == '.' && !has_dot && digits > 0) {
            has_dot = true;
            continue;
        }
        if (c < '0' || c > '9')
            return false;
        behind += has_dot;
        if (++digits <= DIGITS_MAX) {
            value = 10 * value + (c - '0');
            unit *= has_dot ? 10 : 1;
        } else if (!has_dot) {
            return false; /* more than anything that is measured here */
        }
    }
    *number = value / unit;
    return digits > 0 && (!has_dot || behind > 0);
}

/* "PREFIX.NAME" or "NAME": letters, digits, and what names are joined with. */
static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.size; i++) {
        unsigned char c = (unsigned char)name.at[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                    c == '_' || c == '-' || c == '/';
        if (!good)
            return false;
    }
    return name.size > 0;
}

static bool ends_with(struct slice name, struct slice tail, struct slice *prefix)
{
    size_t before = name.size - tail.size;

    if (name.size < tail.size || memcmp(name.at + before, tail.at, tail.size) != 0)
        return false;
    if (before == 0) {
        *prefix = (struct slice){name.at, 0};
        return true;
    }
    *prefix = (struct slice){name.at, before - 1};
    return name.at[before - 1] == '.' && before > 1 && before <= PREFIX_MAX;
}

/* The sections behind the type: "@0.1|#tag:value|c:container". */
static bool read_weight(struct slice sections, double *weight)
{
    *weight = 1;
    while (sections.size > 0) {
        struct slice section = take_until(&sections, '|');
        double rate;
        if (section.size == 0 || section.at[0] != '@')
            continue;
        section.at++;
        section.size--;
        if (!read_number(section, &rate) || rate < RATE_LEAST || rate > 1)
            return false;
        *weight = 1 / rate;
    }
    return true;
}

static bool is_timing(struct slice type)
{
    return slice_equal(type, SLICE("ms")) || slice_equal(type, SLICE("h")) || slice_equal(type, SLICE("d"));
}

/* A line whose name is ours. */
static enum statsd_kind read_ours(struct statsd_metric *metric, enum statsd_kind kind, struct slice value,
                                  struct slice type, struct slice sections)
{
    bool is_counter = slice_equal(type, SLICE("c"));

    if (kind == STATSD_REQUESTS ? !is_counter : !is_timing(type))
        return STATSD_BAD;
    if (!read_number(value, &metric->value) || !read_weight(sections, &metric->weight))
        return STATSD_BAD;
    return metric->value <= (is_counter ? REQUESTS_MAX : DURATION_MAX) ? kind : STATSD_BAD;
}

static enum statsd_kind read_line(struct slice line, struct statsd_metric *metric)
{
    struct slice name = take_until(&line, ':'), value = take_until(&line, '|'), type = take_until(&line, '|');

    if (!is_name(name) || value.size == 0 || type.size == 0)
        return STATSD_BAD;
    if (ends_with(name, SLICE("gunicorn.requests"), &metric->prefix))
        return read_ours(metric, STATSD_REQUESTS, value, type, line);
    if (ends_with(name, SLICE("gunicorn.request.duration"), &metric->prefix))
        return read_ours(metric, STATSD_DURATION, value, type, line);
    return STATSD_OTHER;
}

enum statsd_kind statsd_next(struct slice *packet, struct statsd_metric *metric)
{
    *metric = (struct statsd_metric){.kind = STATSD_END};
    while (packet->size > 0) {
        struct slice line = take_until(packet, '\n');
        if (line.size > 0 && line.at[line.size - 1] == '\r')
            line.size--;
        if (line.size > 0)
            return metric->kind = read_line(line, metric);
    }
    return STATSD_END;
}

void statsd_add(struct statsd_totals *totals, const struct statsd_metric *metric, unsigned slow_ms,
                uint64_t now_us)
{
    double seconds = metric->value / 1000;

    totals->last_us = now_us;
    if (metric->kind == STATSD_REQUESTS) {
        totals->requests += metric->value * metric->weight;
        return;
    }
    totals->usual = totals->timed > 0 ? totals->usual + USUAL_SHARE * (seconds - totals->usual) : seconds;
    totals->timed += metric->weight;
    totals->seconds += seconds * metric->weight;
    if (slow_ms > 0 && metric->value > slow_ms)
        totals->slow += metric->weight;
}

double statsd_ended(const struct statsd_totals *totals)
{
    return totals->requests > totals->timed ? totals->requests : totals->timed;
}

bool statsd_is_live(const struct statsd_totals *totals, uint64_t now_us)
{
    double usual_us = LIVE_TIMES * totals->usual * 1e6;

    return totals->last_us > 0 &&
           (double)(now_us - totals->last_us) < (usual_us > LIVE_LEAST_US ? usual_us : LIVE_LEAST_US);
}

int statsd_pool(const struct config *config, struct slice prefix)
{
    int only = -1;

    for (unsigned i = 0; i < config->pool_count; i++) {
        const struct pool_config *pool = &config->pools[i];
        if (pool->measure != MEASURE_STATSD)
            continue;
        if (prefix.size > 0 && slice_equal(prefix, slice_of(pool->name)))
            return (int)i;
        if (prefix.size == 0 && only >= 0)
            return -1;
        if (prefix.size == 0)
            only = (int)i;
    }
    return only;
}
