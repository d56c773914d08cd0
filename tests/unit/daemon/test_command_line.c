/* SPDX-License-Identifier: MIT */
#include "daemon/command_line.h"

#include "base/mem.h"
#include "tests/unit/unit.h"

static const struct command table[] = {
    {"run", "", "serve", NULL},
    {"check", "[--print]", "check", NULL},
    {"status", "[--json]", "look", NULL},
    {"scale", "POOL N|file", "size", NULL},
    {"demo-worker", "[ADDRESS]", "app", NULL},
    {"reload", "", "read", NULL},
    {"secret", "", NULL, NULL},
    {"--help", "", NULL, NULL},
    {NULL, NULL, NULL, NULL},
};

static struct command_line line;

/* The words behind `drover`, by spaces; NULL when they are understood, else what is wrong, until the next call. */
static const char *parse(const char *words)
{
    static char copy[256], *argv[32], *error;
    int argc = 1;

    str_format(copy, sizeof copy, "%s", words);
    argv[0] = "drover";
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    mem_free(error);
    error = command_line_parse(&line, table, argc, argv);
    return error;
}

START_TEST(no_word_means_run)
{
    ck_assert_ptr_null(parse(""));
    ck_assert_str_eq(line.command, "run");
    ck_assert_ptr_null(line.file);
    ck_assert(!line.has_own_command);
}
END_TEST

START_TEST(options_stand_before_or_after_the_command)
{
    ck_assert_ptr_null(parse("-c a.yaml status --json"));
    ck_assert_str_eq(line.command, "status");
    ck_assert_str_eq(line.file, "a.yaml");
    ck_assert(line.json);
    ck_assert_ptr_null(parse("status --json -c a.yaml"));
    ck_assert_str_eq(line.file, "a.yaml");
    ck_assert(line.json);
    ck_assert_ptr_null(parse("-cb.yaml"));
    ck_assert_str_eq(line.file, "b.yaml");
    ck_assert_ptr_null(parse("--config=c.yaml check"));
    ck_assert_str_eq(line.file, "c.yaml");
}
END_TEST

START_TEST(arguments_stay_in_order_around_options)
{
    ck_assert_ptr_null(parse("scale web -c a.yaml 6"));
    ck_assert_uint_eq(line.argument_count, 2);
    ck_assert_str_eq(line.arguments[0], "web");
    ck_assert_str_eq(line.arguments[1], "6");
}
END_TEST

START_TEST(all_after_two_dashes_is_the_own_command)
{
    ck_assert_ptr_null(parse("-w 4 -l 127.0.0.1:80 -- uvicorn app:app --port $PORT -w 9 --help"));
    ck_assert_str_eq(line.command, "run");
    ck_assert_str_eq(line.workers, "4");
    ck_assert_str_eq(line.listen, "127.0.0.1:80");
    ck_assert(line.has_own_command);
    ck_assert_uint_eq(line.argument_count, 7);
    ck_assert_str_eq(line.arguments[0], "uvicorn");
    ck_assert_str_eq(line.arguments[6], "--help");
}
END_TEST

START_TEST(two_dashes_with_nothing_behind_them_are_refused)
{
    ck_assert_str_eq(parse("--"), "a command is missing after `--`");
    ck_assert_str_eq(parse("run -w 4 --"), "a command is missing after `--`");
}
END_TEST

START_TEST(a_file_and_an_own_command_exclude_each_other)
{
    ck_assert_ptr_nonnull(strstr(parse("-c a.yaml -- app"), "exclude each other"));
}
END_TEST

START_TEST(only_run_takes_an_own_command)
{
    ck_assert_str_eq(parse("status -- app"), "`drover status` takes no `-- COMMAND`");
}
END_TEST

START_TEST(a_slip_of_the_finger_gets_the_nearest_command)
{
    ck_assert_str_eq(parse("stauts"), "unknown command 'stauts'; did you mean 'status'?");
    ck_assert_str_eq(parse("relaod"), "unknown command 'relaod'; did you mean 'reload'?");
}
END_TEST

START_TEST(a_program_without_two_dashes_is_told_how)
{
    ck_assert_ptr_nonnull(strstr(parse("uvicorn app:app"), "`drover -- uvicorn ...`"));
}
END_TEST

START_TEST(hidden_commands_work_but_are_never_suggested)
{
    ck_assert_ptr_null(parse("secret"));
    ck_assert_ptr_null(strstr(parse("secretx"), "did you mean"));
}
END_TEST

START_TEST(a_missing_or_superfluous_argument_is_named)
{
    ck_assert_str_eq(parse("scale web"), "`drover scale` needs: POOL N|file");
    ck_assert_str_eq(parse("scale web 6 7"), "unexpected '7' after `drover scale POOL N|file`");
    ck_assert_str_eq(parse("run away"), "unexpected 'away' after `drover run`");
}
END_TEST

START_TEST(a_word_in_brackets_may_be_left_out)
{
    ck_assert_ptr_null(parse("demo-worker"));
    ck_assert_uint_eq(line.argument_count, 0);
    ck_assert_ptr_null(parse("demo-worker 8001"));
    ck_assert_uint_eq(line.argument_count, 1);
    ck_assert_ptr_nonnull(parse("demo-worker 8001 8002"));
}
END_TEST

START_TEST(an_option_without_its_value_is_refused)
{
    ck_assert_str_eq(parse("-c"), "-c needs a value");
    ck_assert_str_eq(parse("-w -- app"), "-w needs a value");
    ck_assert_ptr_nonnull(parse("--config="));
}
END_TEST

START_TEST(unknown_options_are_refused)
{
    ck_assert_str_eq(parse("-x"), "unknown option '-x'; `drover --help` lists them");
    ck_assert_str_eq(parse("--jsn status"), "unknown option '--jsn'; `drover --help` lists them");
}
END_TEST

START_TEST(options_are_refused_where_they_mean_nothing)
{
    ck_assert_str_eq(parse("status --no-wait"), "--no-wait is for `drover restart` and `drover reload`");
    ck_assert_str_eq(parse("status --no-surge"), "--no-surge is for `drover restart`");
    ck_assert_str_eq(parse("--json"), "--json is for `drover status`");
    ck_assert_str_eq(parse("status --print"), "--print is for `drover check`");
    ck_assert_str_eq(parse("-w 4"), "-w goes with `-- COMMAND`; with a file, set `workers:` there");
    ck_assert_str_eq(parse("-l :80 status"), "-l goes with `-- COMMAND`; with a file, set `listen:` there");
}
END_TEST

START_TEST(help_is_given_whatever_else_stands_there)
{
    ck_assert_ptr_null(parse("scale --help"));
    ck_assert_str_eq(line.command, "--help");
    ck_assert_ptr_null(parse("-h"));
    ck_assert_str_eq(line.command, "--help");
}
END_TEST

START_TEST(an_empty_argv_means_run)
{
    char *argv[] = {NULL};

    ck_assert_ptr_null(command_line_parse(&line, table, 0, argv));
    ck_assert_str_eq(line.command, "run");
}
END_TEST

UNIT_MAIN("daemon/command_line", no_word_means_run, options_stand_before_or_after_the_command,
          arguments_stay_in_order_around_options, all_after_two_dashes_is_the_own_command,
          two_dashes_with_nothing_behind_them_are_refused, a_file_and_an_own_command_exclude_each_other,
          only_run_takes_an_own_command, a_slip_of_the_finger_gets_the_nearest_command,
          a_program_without_two_dashes_is_told_how, hidden_commands_work_but_are_never_suggested,
          a_missing_or_superfluous_argument_is_named, a_word_in_brackets_may_be_left_out,
          an_option_without_its_value_is_refused, unknown_options_are_refused,
          options_are_refused_where_they_mean_nothing, help_is_given_whatever_else_stands_there,
          an_empty_argv_means_run)
