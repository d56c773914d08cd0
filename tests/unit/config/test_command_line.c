/* SPDX-License-Identifier: MIT */
#include "tests/unit/config/fixture.h"

static struct config *load_command(const char *listen, const char *workers, char **command, unsigned count)
{
    struct config_report report = {0};
    char *yaml = config_from_command_line(listen, workers, command, count);
    struct config *config = config_load("(command line)", yaml, strlen(yaml), &report);

    ck_assert_msg(config != NULL, "%s\n%s", yaml, report.text);
    config_report_fini(&report);
    mem_free(yaml);
    return config;
}

START_TEST(words_arrive_exactly_as_they_were_given)
{
    char *words[] = {"sh",         "",
                     " a  b ",     "it's",
                     "\"q\"",      "\\n",
                     "a\nb\tc",    "$HOME",
                     "$$",         "${HOME:-x}",
                     "$(id) `id`", "null",
                     "- item",     "# no",
                     "k: v",       "[1]",
                     "{a}",        "*x &y",
                     "%d",         "~",
                     "true",       "\xc3\xa9\xe2\x80\xa8",
                     "a|b>c",      "$",
                     "$PORTS",     "$PORT_",
                     "${PO",       "---",
                     "0x10",       "\x01",
                     "$$PORTX"};
    unsigned count = sizeof words / sizeof *words;

    quiet_environment();
    setenv("HOME", "/wrong", 1);
    struct config *config = load_command(NULL, NULL, words, count);
    const struct pool_config *pool = &config->pools[0];
    ck_assert_uint_eq(pool->argument_count, count);
    for (unsigned i = 0; i < count; i++) {
        char *word = config_worker_text(pool->command[i], "8001", "/s", "web.1");
        ck_assert_str_eq(word, words[i]);
        mem_free(word);
    }
    config_unref(&config);
}
END_TEST

START_TEST(the_workers_own_names_are_filled_in)
{
    char *words[] = {"sh", "--port", "$PORT", "--bind=127.0.0.1:${PORT}", "$WORKER$PORT", "$$PORT"};

    quiet_environment();
    setenv("PORT", "80", 1);
    struct config *config = load_command("127.0.0.1:0080", "3", words, 6);
    const struct pool_config *pool = config_find_pool(config, "web");
    const char *const wanted[] = {"sh", "--port", "8001", "--bind=127.0.0.1:8001", "web.18001", "$8001"};
    for (unsigned i = 0; i < 6; i++) {
        char *word = config_worker_text(pool->command[i], "8001", NULL, "web.1");
        ck_assert_str_eq(word, wanted[i]);
        mem_free(word);
    }
    ck_assert(pool->bind == BIND_PORT && pool->workers == 3);
    config_unref(&config);
}
END_TEST

START_TEST(what_the_user_typed_goes_before_the_environment)
{
    char *words[] = {"sh", "$SOCKET"};

    setenv("PORT", "81", 1);
    setenv("WEB_CONCURRENCY", "9", 1);
    struct config *config = load_command("127.0.0.1:82", "3", words, 2);
    ck_assert_uint_eq(config->pools[0].workers, 3);
    ck_assert_uint_eq(address_port(&config->listens[0].address), 82);
    config_unref(&config);

    config = load_command(NULL, NULL, words, 2);
    ck_assert_uint_eq(config->pools[0].workers, 9);
    ck_assert_uint_eq(address_port(&config->listens[0].address), 81);
    config_unref(&config);

    config = load_command(NULL, "2-6", words, 2);
    ck_assert(config->pools[0].is_sized && config->pools[0].workers_min == 2 &&
              config->pools[0].workers == 6);
    config_unref(&config);

    quiet_environment();
    config = load_command(NULL, NULL, words, 2);
    ck_assert_uint_eq(address_port(&config->listens[0].address), 8000);
    config_unref(&config);
}
END_TEST

START_TEST(wrong_words_are_named_by_the_options_they_stand_for)
{
    char *words[] = {"no-such-program", "$SOCKET"};
    struct config_report report = {0};

    quiet_environment();
    char *yaml = config_from_command_line("nowhere", "many\n", words, 2);
    ck_assert_ptr_null(config_load("(command line)", yaml, strlen(yaml), &report));
    ck_assert_ptr_nonnull(strstr(
        report.text, "listen[0]: expected an address: IP:port, [v6]:port or unix:/path, got 'nowhere'"));
    ck_assert_ptr_nonnull(
        strstr(report.text, "pools.web.workers: expected a count, 'auto' or {min, max}, got 'many\\x0a'"));
    ck_assert_ptr_nonnull(strstr(
        report.text, "pools.web.command: expected a program, 'no-such-program' is in no directory of PATH"));
    config_report_fini(&report);
    mem_free(yaml);
}
END_TEST

START_TEST(words_that_are_no_text_are_refused_never_changed)
{
    const char *const odd[] = {"\xff", "a\xc2-", "\xe2\x80", "\xef\xbf-"};

    quiet_environment();
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char *words[] = {"sh", "$SOCKET", (char *)(uintptr_t)odd[i]};
        char *yaml = config_from_command_line(NULL, NULL, words, 3), *said = errors_of(yaml);
        ck_assert_ptr_nonnull(strstr(said, "not YAML: "));
        mem_free(said);
        mem_free(yaml);
    }
}
END_TEST

UNIT_MAIN("config/command_line", words_arrive_exactly_as_they_were_given, the_workers_own_names_are_filled_in,
          what_the_user_typed_goes_before_the_environment,
          wrong_words_are_named_by_the_options_they_stand_for,
          words_that_are_no_text_are_refused_never_changed)
