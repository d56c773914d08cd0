/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "config/options.h"
#include "tests/unit/unit.h"

START_TEST(a_misspelt_key_finds_the_one_that_was_meant)
{
    static const struct {
        const char *key, *wanted;
    } rows[] = {{"wokers", "workers"},
                {"Workers", "workers"},
                {"comand", "command"},
                {"dir", NULL},
                {"max_fail", "max_fails"},
                {"fail-timeout", "fail_timeout"},
                {"retry", NULL},
                {"retrys", "retries"},
                {"affinty", "affinity"},
                {"zzz", NULL},
                {"balancer", "balance"},
                {"queeu", "queue"},
                {"", NULL},
                {"kye", "key"},
                {"xyz", NULL},
                {"telemetry", NULL},
                {"memroy", "memory"},
                {"a_very_long_key_that_is_nothing_like_any_other_key", NULL}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *nearest = option_nearest(&options_pool, rows[i].key);
        bool same =
            nearest && rows[i].wanted ? strcmp(nearest, rows[i].wanted) == 0 : nearest == rows[i].wanted;
        ck_assert_msg(same, "'%s' finds '%s'", rows[i].key, nearest ? nearest : "nothing");
    }
}
END_TEST

static void check_rows(const struct option_section *section)
{
    char text[EXPECTED_MAX];

    for (unsigned i = 0; i < section->count; i++) {
        const struct option *option = &section->rows[i];
        ck_assert_msg(option->help && option->help[strlen(option->help) - 1] == '.', "%s has no sentence",
                      option->key);
        ck_assert_uint_gt(strlen(option_expected(option, text)), 0);
        ck_assert_msg(option_find(section, option->key) == option, "%s stands twice", option->key);
        bool has_number = *option_bounds(option, text) != 0;
        ck_assert_msg(!has_number || (option->low <= option->high && option->preset), "%s", option->key);
        if (has_number)
            ck_assert_msg(option->width == 8 || (option->width == 4 && option->high <= UINT32_MAX), "%s",
                          option->key);
        ck_assert((option->kind == OPTION_WORD) == (option->words != NULL));
        if (option->section)
            check_rows(option->section);
    }
}

START_TEST(every_row_is_whole)
{
    check_rows(&options_top);
}
END_TEST

START_TEST(numbers_fit_their_fields)
{
    struct pool_config pool = {.retries = 7};
    struct config config = {0};
    const struct option *retries = option_find(&options_pool, "retries"),
                        *via = option_find(&options_top, "via");
    const struct option *limits = option_find(&options_top, "limits"),
                        *body = option_find(limits->section, "body");

    ck_assert_uint_eq(option_number(retries, &pool), 7);
    option_set_number(retries, &pool, 3);
    ck_assert_uint_eq(pool.retries, 3);
    option_set_number(via, &config, true);
    ck_assert(config.via && option_number(via, &config) == 1);
    option_set_number(body, &config, 1ull << 40);
    ck_assert_uint_eq(config.limits.body, 1ull << 40);
    ck_assert_uint_eq(option_number(body, &config), 1ull << 40);
}
END_TEST

START_TEST(words_and_bounds_are_told)
{
    char text[EXPECTED_MAX];

    ck_assert_str_eq(option_expected(option_find(&options_pool, "bind"), text), "auto, port, unix or fd");
    ck_assert_str_eq(option_expected(option_find(&options_top, "log_format"), text), "text or json");
    ck_assert_str_eq(option_bounds(option_find(&options_pool, "fail_timeout"), text), "1ms to 24h");
    ck_assert_str_eq(option_bounds(option_find(&options_pool, "command"), text), "");
}
END_TEST

UNIT_MAIN("config/rows", a_misspelt_key_finds_the_one_that_was_meant, every_row_is_whole,
          numbers_fit_their_fields, words_and_bounds_are_told)
