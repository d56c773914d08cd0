/* SPDX-License-Identifier: MIT
 *
 * /api/status: the health tree with what an operator wants beside it. Control thread; the loops' counters
 * are read while they go on. */
#include "admin/report.h"
#include "base/mem.h"

static json_t *address_text(const struct address *address)
{
    char text[ADDRESS_TEXT];

    address_print(address, text);
    return report_text(slice_of(text));
}

static json_t *listeners(const struct config *config)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < config->listen_count; i++) {
        const struct listen_config *listen = &config->listens[i];
        json_t *entry = json_object(), *expose = json_array();
        for (unsigned j = 0; j < listen->expose_count; j++)
            json_array_append_new(expose, report_text(slice_of(listen->expose[j])));
        json_object_set_new(entry, "address", address_text(&listen->address));
        json_object_set_new(entry, "expose", expose);
        json_array_append_new(list, entry);
    }
    return list;
}

/* Summed over the loops; a row of PROXY_COUNTERS is a line here. */
static json_t *counters(const struct admin_source *source)
{
    json_t *object = json_object();

#define X(name)                                                                                              \
    {                                                                                                        \
        uint64_t sum = 0;                                                                                    \
        for (unsigned i = 0; i < source->proxy_count; i++)                                                   \
            sum += atomic_load_explicit(&proxy_counters(source->proxies[i])->name, memory_order_relaxed);    \
        json_object_set_new(object, #name, json_integer((json_int_t)sum));                                   \
    }
    PROXY_COUNTERS(X)
#undef X
    return object;
}

static json_t *latency(const struct admin_source *source)
{
    static const struct {
        const char *name;
        double quantile;
    } shown[] = {{"p50_ms", 0.50}, {"p95_ms", 0.95}, {"p99_ms", 0.99}};
    struct histogram *all = mem_zero(sizeof *all);
    json_t *object = json_object();

    for (unsigned i = 0; i < source->proxy_count; i++)
        histogram_merge(all, proxy_latency(source->proxies[i]));
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
        json_object_set_new(object, shown[i].name,
                            json_real((double)histogram_quantile(all, shown[i].quantile) / 1000));
    mem_free(all);
    return object;
}

static json_t *statsd(const struct admin_statsd *counts)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "packets", (json_int_t)counts->packets, "lines",
                     (json_int_t)counts->lines, "unreadable", (json_int_t)counts->unreadable, "nobodys",
                     (json_int_t)counts->nobodys);
}

/* Where the file lies, whatever directory the reader is in. */
static json_t *config_path(const struct config *config)
{
    const char *name = strrchr(config->path, '/');

    if (config->path[0] == '/' || config->path[0] == '(' || !config->directory)
        return report_text(slice_of(config->path));
    char *path = mem_print("%s/%s", config->directory, name ? name + 1 : config->path);
    json_t *text = report_text(slice_of(path));
    mem_free(path);
    return text;
}

json_t *status_tree(const struct admin_source *source, unsigned *http_status)
{
    const struct config *config = source->config;
    json_t *tree = report_tree(source, REPORT_FULL, http_status);

    if (source->version)
        json_object_set_new(tree, "version", report_text(slice_of(source->version)));
    json_object_set_new(tree, "config", config_path(config));
    json_object_set_new(tree, "ready", json_boolean(source->is_ready && !source->is_stopping));
    json_object_set_new(tree, "stopping", json_boolean(source->is_stopping));
    json_object_set_new(tree, "threads", json_integer(source->proxy_count));
    json_object_set_new(tree, "listeners", listeners(config));
    if (config->admin_is_on)
        json_object_set_new(tree, "admin", address_text(&config->admin));
    if (config->control)
        json_object_set_new(tree, "control", report_text(slice_of(config->control)));
    if (source->statsd.is_on)
        json_object_set_new(tree, "statsd", statsd(&source->statsd));
    json_object_set_new(tree, "counters", counters(source));
    json_object_set_new(tree, "latency", latency(source));
    return tree;
}
