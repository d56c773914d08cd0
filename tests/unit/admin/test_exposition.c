/* SPDX-License-Identifier: MIT */
#include "admin/exposition.h"

#include "base/mem.h"
#include "tests/unit/unit.h"

static const struct metric answers = {"app_answers", METRIC_COUNTER, NULL, "Answers."},
                           sizes = {"app_size_bytes", METRIC_GAUGE, "bytes", "Size."},
                           build = {"app_build", METRIC_INFO, NULL, "Which."};

static void must_be(enum metrics_format format, const char *wanted)
{
    struct exposition exposition = {.format = format};

    exposition_family(&exposition, &build);
    exposition_add(&exposition, LABELS({"version", "1"}), 1);
    exposition_family(&exposition, &answers);
    exposition_add(&exposition, LABELS({"code", "2xx"}, {"pool", "web"}), 9007199254740991.0);
    exposition_family(&exposition, &sizes);
    exposition_add(&exposition, NULL, 0.25);
    char *text = exposition_end(&exposition);
    ck_assert_str_eq(text, wanted);
    mem_free(text);
}

START_TEST(prometheus_has_counters_under_their_whole_name)
{
    must_be(METRICS_TEXT,
            "# HELP app_build_info Which.\n# TYPE app_build_info gauge\n"
            "app_build_info{version=\"1\"} 1\n"
            "# HELP app_answers_total Answers.\n# TYPE app_answers_total counter\n"
            "app_answers_total{code=\"2xx\",pool=\"web\"} 9007199254740991\n"
            "# HELP app_size_bytes Size.\n# TYPE app_size_bytes gauge\napp_size_bytes 0.250000\n");
}
END_TEST

START_TEST(openmetrics_has_families_units_and_an_end)
{
    must_be(METRICS_OPENMETRICS,
            "# HELP app_build Which.\n# TYPE app_build info\napp_build_info{version=\"1\"} 1\n"
            "# HELP app_answers Answers.\n# TYPE app_answers counter\n"
            "app_answers_total{code=\"2xx\",pool=\"web\"} 9007199254740991\n"
            "# HELP app_size_bytes Size.\n# TYPE app_size_bytes gauge\n# UNIT app_size_bytes bytes\n"
            "app_size_bytes 0.250000\n# EOF\n");
}
END_TEST

START_TEST(a_label_cannot_break_out)
{
    struct exposition exposition = {.format = METRICS_TEXT};

    exposition_family(&exposition, &sizes);
    exposition_add(&exposition, LABELS({"name", "a\"} 1\n\\b\x1b[2J\xff"}), 2);
    char *text = exposition_end(&exposition);
    ck_assert_ptr_nonnull(strstr(text, "app_size_bytes{name=\"a\\\"} 1\\n\\\\b?[2J?\"} 2\n"));
    mem_free(text);
}
END_TEST

START_TEST(openmetrics_is_for_those_who_name_it_and_like_nothing_better)
{
    static const struct {
        const char *accept;
        enum metrics_format format;
    } rows[] = {
        {"", METRICS_TEXT},
        {"*/*", METRICS_TEXT},
        {"text/html, */*;q=0.1", METRICS_TEXT},
        {"application/openmetrics-text", METRICS_OPENMETRICS},
        {"Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8", METRICS_OPENMETRICS},
        {"application/openmetrics-text; version=0.0.1", METRICS_TEXT},
        {"application/openmetrics-text;version=1.0.0;q=0, text/plain", METRICS_TEXT},
        {"text/plain;q=0.9, application/openmetrics-text;q=0.5", METRICS_TEXT},
        {"application/openmetrics-text;q=nonsense", METRICS_TEXT},
        {"application/openmetrics-text;q=1.5", METRICS_TEXT},
        /* as Prometheus 2 and 3 ask */
        {"application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,"
         "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         METRICS_OPENMETRICS},
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
         "application/openmetrics-text;version=0.0.1;q=0.5,text/"
         "plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
         "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
         METRICS_OPENMETRICS},
        {",;,application/openmetrics-text;;=;q=", METRICS_OPENMETRICS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(metrics_format_of(slice_of(rows[i].accept)) == rows[i].format, "%s", rows[i].accept);
    ck_assert_ptr_nonnull(strstr(metrics_content_type(METRICS_TEXT), "text/plain; version=0.0.4"));
    ck_assert_ptr_nonnull(strstr(metrics_content_type(METRICS_OPENMETRICS), "version=1.0.0"));
}
END_TEST

UNIT_MAIN("admin/exposition", prometheus_has_counters_under_their_whole_name,
          openmetrics_has_families_units_and_an_end, a_label_cannot_break_out,
          openmetrics_is_for_those_who_name_it_and_like_nothing_better)
