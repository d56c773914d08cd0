/* SPDX-License-Identifier: MIT */
#include "daemon/control_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/unit/unit.h"

static char directory[64];

static char *path_in_directory(const char *name)
{
    return mem_print("%s/%s", directory, name);
}

static void write_file(const char *name, const char *text)
{
    char *path = path_in_directory(name);
    FILE *file = fopen(path, "we");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    mem_free(path);
}

static void make_directory(void)
{
    strcpy(directory, "/tmp/drover-target-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void remove_directory(void)
{
    char *path = path_in_directory("d.yaml");

    unlink(path);
    mem_free(path);
    rmdir(directory);
}

/* Where a command with `-c d.yaml` looks when that holds `text`. The caller frees. */
static char *target_with(const char *text)
{
    struct control_target target;

    make_directory();
    write_file("d.yaml", text);
    char *file = path_in_directory("d.yaml");
    ck_assert(control_target_find(&target, &(struct command_line){.command = "status", .file = file}));
    char *found = mem_dup(target.path);
    control_target_fini(&target);
    mem_free(file);
    remove_directory();
    return found;
}

START_TEST(the_file_says_where)
{
    char *found = target_with("control: /tmp/here.sock\npools: {web: {servers: [\"127.0.0.1:1\"]}}\n");

    ck_assert_str_eq(found, "/tmp/here.sock");
    mem_free(found);
}
END_TEST

START_TEST(a_file_that_is_wrong_elsewhere_still_says_where)
{
    char *found = target_with("control: /tmp/here.sock # ours\nworkerz: 5\npools: {web: {servers: 7}}\n");

    ck_assert_str_eq(found, "/tmp/here.sock");
    mem_free(found);
    found = target_with("pools: [\ncontrol: /tmp/there.sock\n");
    ck_assert_str_eq(found, "/tmp/there.sock");
    mem_free(found);
}
END_TEST

START_TEST(a_relative_path_is_relative_to_the_file)
{
    char *found = target_with("control: run/c.sock\nnonsense: 1\n");

    ck_assert_ptr_nonnull(strstr(found, directory));
    ck_assert_ptr_nonnull(strstr(found, "/run/c.sock"));
    mem_free(found);
}
END_TEST

START_TEST(without_the_option_it_is_the_default_place)
{
    char *with_file = target_with("nonsense: 1\n"), *spelled = target_with("control: auto\nnonsense: 1\n");

    ck_assert_str_eq(with_file, spelled);
    mem_free(with_file);
    mem_free(spelled);
}
END_TEST

START_TEST(a_named_file_that_is_not_there_is_an_error)
{
    struct control_target target;

    ck_assert(!control_target_find(&target,
                                   &(struct command_line){.command = "status", .file = "/nowhere/d.yaml"}));
}
END_TEST

START_TEST(the_line_is_found_at_the_start_of_a_line_only)
{
    struct slice found = control_line_find(SLICE("a: 1\n  control: no\nxcontrol: no\ncontrol:  yes \nb: 2"));

    ck_assert(slice_equal(found, SLICE("yes")));
    ck_assert_uint_eq(control_line_find(SLICE("")).size, 0);
    ck_assert_uint_eq(control_line_find(SLICE("control")).size, 0);
    ck_assert_uint_eq(control_line_find(SLICE("control:")).size, 0);
}
END_TEST

UNIT_MAIN("daemon/control_target", the_file_says_where, a_file_that_is_wrong_elsewhere_still_says_where,
          a_relative_path_is_relative_to_the_file, without_the_option_it_is_the_default_place,
          a_named_file_that_is_not_there_is_an_error, the_line_is_found_at_the_start_of_a_line_only)
