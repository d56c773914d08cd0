/* SPDX-License-Identifier: MIT
 *
 * Loading a text and looking at what became of it, for the tests of config/. */
#ifndef DROVER_TESTS_UNIT_CONFIG_FIXTURE_H
#define DROVER_TESTS_UNIT_CONFIG_FIXTURE_H

#include <stdlib.h>

#include "base/mem.h"
#include "config/config.h"
#include "tests/unit/unit.h"

/* Programs that every machine has. */
#define POOL_A    "pools: {a: {command: sh $SOCKET}}\n"
#define POOL(...) "pools: {a: {command: sh $SOCKET, " __VA_ARGS__ "}}\n"

static inline void quiet_environment(void)
{
    unsetenv("WEB_CONCURRENCY");
    unsetenv("PORT");
    setenv("PATH", "/usr/bin:/bin", 1); /* a directory that may not be looked into might hold any program */
}

/* The lines of a report that are (or are not) warnings; the caller frees. Warnings depend on who runs the
 * test. */
static inline char *lines_of(const struct config_report *report, bool warnings)
{
    char *into = mem_zero((report->text ? strlen(report->text) : 0) + 1);

    for (const char *line = report->text; line && *line;) {
        size_t size = strcspn(line, "\n") + 1;
        char *copy = slice_dup((struct slice){line, size});
        if ((strstr(copy, ": warning: ") != NULL) == warnings)
            strcat(into, copy);
        mem_free(copy);
        line += size;
    }
    return into;
}

/* Must load. */
static inline struct config *load(const char *yaml)
{
    struct config_report report = {0};
    struct config *config = config_load("t.yaml", yaml, strlen(yaml), &report);

    ck_assert_msg(config != NULL, "%s", report.text);
    ck_assert_uint_eq(report.errors, 0);
    config_report_fini(&report);
    return config;
}

/* All errors of what must not load; the caller frees. */
static inline char *errors_of_bytes(const char *bytes, size_t size)
{
    struct config_report report = {0};
    struct config *config = config_load("t.yaml", bytes, size, &report);

    ck_assert_msg(config == NULL, "it loads: %s", bytes);
    ck_assert_uint_gt(report.errors, 0);
    char *lines = lines_of(&report, false);
    config_report_fini(&report);
    return lines;
}

static inline char *errors_of(const char *yaml)
{
    return errors_of_bytes(yaml, strlen(yaml));
}

/* All warnings of what must load; the caller frees. */
static inline char *warnings_of(const char *yaml)
{
    struct config_report report = {0};
    struct config *config = config_load("t.yaml", yaml, strlen(yaml), &report);

    ck_assert_msg(config != NULL, "%s", report.text);
    char *lines = lines_of(&report, true);
    config_unref(&config);
    config_report_fini(&report);
    return lines;
}

static inline void must_say(const char *yaml, const char *wanted)
{
    char *said = errors_of(yaml);

    ck_assert_msg(strcmp(said, wanted) == 0, "of\n%s\nit says\n%s\nnot\n%s", yaml, said, wanted);
    mem_free(said);
}

#endif
