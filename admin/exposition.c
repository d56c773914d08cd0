/* SPDX-License-Identifier: MIT
 *
 * Writing the lines of /metrics. The two formats differ in the names of types, in what a counter's family is called,
 * in units and in the last line. Pure. */
#include "admin/exposition.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "http/message.h"

#define EXACT_BELOW 9007199254740992.0 /* 2 to the 53: whole numbers below it are themselves as a double */

/* The weight of an element of Accept, in thousandths (RFC 9110 section 12.4.2); `version` is its parameter of that
 * name. */
static unsigned weight_of(struct slice element, struct slice *type, struct slice *version)
{
    unsigned weight = 1000;
    const char *at = memchr(element.at, ';', element.size);
    struct slice rest = at ? (struct slice){at + 1, (size_t)(element.at + element.size - at - 1)} : SLICE("");

    *type = slice_trim(at ? (struct slice){element.at, (size_t)(at - element.at)} : element);
    *version = SLICE("");
    while (rest.size > 0) {
        at = memchr(rest.at, ';', rest.size);
        struct slice part = slice_trim((struct slice){rest.at, at ? (size_t)(at - rest.at) : rest.size});
        rest = at ? (struct slice){at + 1, (size_t)(rest.at + rest.size - at - 1)} : SLICE("");
        if (part.size > 8 && slice_equal_nocase((struct slice){part.at, 8}, SLICE("version=")))
            *version = (struct slice){part.at + 8, part.size - 8};
        if (part.size > 2 && slice_equal_nocase((struct slice){part.at, 2}, SLICE("q="))) {
            char text[8] = "";
            memcpy(text, part.at + 2, part.size - 2 < sizeof text - 1 ? part.size - 2 : sizeof text - 1);
            double given = strtod(text, NULL);
            weight = given > 0 && given <= 1 ? (unsigned)(given * 1000) : 0;
        }
    }
    return weight;
}

enum metrics_format metrics_format_of(struct slice accept)
{
    unsigned open = 0, text = 0;
    struct slice element, type, version;

    while (field_list_next(&accept, &element)) {
        unsigned weight = weight_of(element, &type, &version);
        bool is_open = slice_equal_nocase(type, SLICE("application/openmetrics-text"));
        if (is_open && (version.size == 0 || slice_equal(version, SLICE("1.0.0"))))
            open = weight > open ? weight : open;
        if (slice_equal_nocase(type, SLICE("text/plain")) || slice_equal(type, SLICE("text/*")) ||
            slice_equal(type, SLICE("*/*")))
            text = weight > text ? weight : text;
    }
    return open > 0 && open >= text ? METRICS_OPENMETRICS : METRICS_TEXT;
}

const char *metrics_content_type(enum metrics_format format)
{
    return format == METRICS_OPENMETRICS ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                         : "text/plain; version=0.0.4; charset=utf-8";
}

static const char *suffix_of(enum metric_kind kind)
{
    return kind == METRIC_COUNTER ? "_total" : kind == METRIC_INFO ? "_info" : "";
}

void exposition_family(struct exposition *exposition, const struct metric *metric)
{
    static const char *const kinds[] = {[METRIC_GAUGE] = "gauge",
                                        [METRIC_COUNTER] = "counter",
                                        [METRIC_HISTOGRAM] = "histogram",
                                        [METRIC_INFO] = "info"};
    bool is_open = exposition->format == METRICS_OPENMETRICS;
    const char *suffix = is_open ? "" : suffix_of(metric->kind);
    const char *kind = !is_open && metric->kind == METRIC_INFO ? "gauge" : kinds[metric->kind];

    exposition->metric = metric;
    buffer_print(&exposition->text, "# HELP %s%s %s\n# TYPE %s%s %s\n", metric->name, suffix, metric->help,
                 metric->name, suffix, kind);
    if (is_open && metric->unit)
        buffer_print(&exposition->text, "# UNIT %s %s\n", metric->name, metric->unit);
}

/* A backslash, a quote and a line's end would end the value, and the other controls have no business in it. */
static void add_label_value(struct buffer *text, const char *value)
{
    for (; *value; value++) {
        unsigned char byte = (unsigned char)*value;
        if (byte == '\\' || byte == '"')
            buffer_print(text, "\\%c", byte);
        else if (byte == '\n')
            buffer_append(text, "\\n", 2);
        else
            buffer_append(text, byte < ' ' || byte > '~' ? "?" : value, 1);
    }
}

void exposition_add_part(struct exposition *exposition, const char *suffix, const struct label *labels,
                         double value)
{
    struct buffer *text = &exposition->text;

    buffer_print(text, "%s%s", exposition->metric->name, suffix);
    for (unsigned i = 0; labels && labels[i].name; i++) {
        buffer_print(text, "%s%s=\"", i > 0 ? "," : "{", labels[i].name);
        add_label_value(text, labels[i].value);
        buffer_append(text, "\"", 1);
    }
    buffer_print(text, "%s ", labels && labels[0].name ? "}" : "");
    if (value == floor(value) && fabs(value) < EXACT_BELOW)
        buffer_print(text, "%.0f\n", value);
    else
        buffer_print(text, "%.6f\n", value);
}

void exposition_add(struct exposition *exposition, const struct label *labels, double value)
{
    exposition_add_part(exposition, suffix_of(exposition->metric->kind), labels, value);
}

char *exposition_end(struct exposition *exposition)
{
    if (exposition->format == METRICS_OPENMETRICS)
        buffer_append(&exposition->text, "# EOF\n", 6);
    char *text = slice_dup(buffer_slice(&exposition->text));
    buffer_release(&exposition->text);
    return text;
}
