/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "config/options.h"
#include "tests/unit/config/fixture.h"

static void check_section(const char *manual, const struct option_section *section)
{
    for (unsigned i = 0; i < section->count; i++) {
        char *row = mem_print("\n| `%s` | ", section->rows[i].key);
        ck_assert_msg(strstr(manual, row) != NULL, "no row for %s", section->rows[i].key);
        mem_free(row);
        if (section->rows[i].section)
            check_section(manual, section->rows[i].section);
    }
}

START_TEST(every_option_has_its_row)
{
    char *manual = config_manual();

    check_section(manual, &options_top);
    ck_assert_ptr_nonnull(strstr(manual, "\n## pools.NAME.queue\n"));
    ck_assert_ptr_nonnull(strstr(manual, "\n## listen[]\n"));
    ck_assert_ptr_nonnull(
        strstr(manual, "| `length` | a count, 0 to 1000000 | `1024` | Most requests that wait"));
    mem_free(manual);
}
END_TEST

START_TEST(every_row_has_four_cells)
{
    char *manual = config_manual();

    for (char *rest = manual, *line; (line = strsep(&rest, "\n"));) {
        unsigned bars = 0;
        for (const char *c = line; *line == '|' && *c; c++)
            bars += *c == '|' && c[-1 + (c == line)] != '\\';
        ck_assert_msg(*line != '|' || bars == 5, "%s", line);
    }
    mem_free(manual);
}
END_TEST

START_TEST(every_example_loads)
{
    static const struct {
        const struct option_section *section;
        const char *before, *after;
    } places[] = {{&options_top, "", "\npools: {web: {servers: [b:1]}}\n"},
                  {&options_route, "pools: {web: {servers: [b:1]}}\nroutes:\n  - pool: web\n    ", "\n"},
                  {&options_listen, "pools: {web: {servers: [b:1]}}\nlisten:\n  - ", "\n"}};

    quiet_environment();
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        for (unsigned j = 0; j < places[i].section->count; j++) {
            const struct option *option = &places[i].section->rows[j];
            if (!option->example || option->kind == OPTION_USER || option->kind == OPTION_ROUTE_POOL ||
                option->kind == OPTION_EXPOSE || option->kind == OPTION_TLS ||
                option->kind == OPTION_REDIRECT)
                continue;
            char *yaml =
                mem_print("%s%s: %s%s", places[i].before, option->key, option->example, places[i].after);
            struct config *config = load(yaml);
            config_unref(&config);
            mem_free(yaml);
        }
    }
}
END_TEST

UNIT_MAIN("config/manual", every_option_has_its_row, every_row_has_four_cells, every_example_loads)
