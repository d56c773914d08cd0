/* SPDX-License-Identifier: MIT
 *
 * The text that Prometheus reads: its own format 0.0.4, or OpenMetrics 1.0. Families one after the other, each with
 * all of its samples. Pure. */
#ifndef DROVER_ADMIN_EXPOSITION_H
#define DROVER_ADMIN_EXPOSITION_H

#include "base/buffer.h"

enum metrics_format { METRICS_TEXT, METRICS_OPENMETRICS };

/* By the Accept field of the request (empty: there is none): OpenMetrics where it is asked for by name and nothing
 * else is liked better. */
enum metrics_format metrics_format_of(struct slice accept);
const char *metrics_content_type(enum metrics_format format);

enum metric_kind { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM, METRIC_INFO };

/* A family. Counters are named without their "_total", infos without their "_info". */
struct metric {
    const char *name;
    enum metric_kind kind;
    const char *unit; /* that the name ends with; NULL: none */
    const char *help; /* without quotes, backslashes and line ends */
};

struct label {
    const char *name, *value;
};
#define LABELS(...) ((const struct label[]){__VA_ARGS__, {NULL, NULL}})

struct exposition {
    enum metrics_format format;
    struct buffer text;
    const struct metric *metric; /* the present family */
};

void exposition_family(struct exposition *exposition, const struct metric *metric);
/* A sample of the present family. `labels` end with a NULL name; NULL: none. */
void exposition_add(struct exposition *exposition, const struct label *labels, double value);
/* One line of a histogram: `suffix` is "_bucket", "_sum" or "_count". */
void exposition_add_part(struct exposition *exposition, const char *suffix, const struct label *labels,
                         double value);
/* The text; the caller frees it (mem_free). */
char *exposition_end(struct exposition *exposition);

#endif
