/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/yaml.h"
#include "tests/unit/config/fixture.h"

static char *scratch(void)
{
    char *directory = mem_dup("/tmp/drover-test-XXXXXX");

    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
    return directory;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void leave(char *directory)
{
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(rmdir(directory), 0);
    mem_free(directory);
}

START_TEST(a_named_file_is_read_and_named_as_the_user_named_it)
{
    struct config_report report = {0};
    char *found, *bytes, *directory = scratch();
    size_t size;

    write_file("x.yaml", "a: 1\n");
    ck_assert(config_find("./x.yaml", &found, &bytes, &size, &report));
    ck_assert_str_eq(found, "./x.yaml");
    ck_assert_str_eq(bytes, "a: 1\n");
    ck_assert_uint_eq(size, 5);
    mem_free(found);
    mem_free(bytes);

    ck_assert(!config_find("none.yaml", &found, &bytes, &size, &report));
    ck_assert_str_eq(report.text, "none.yaml: cannot be read: No such file or directory\n");
    config_report_fini(&report);
    ck_assert(!config_find("/etc", &found, &bytes, &size, &report));
    ck_assert_str_eq(report.text, "/etc: cannot be read: Is a directory\n");
    ck_assert_uint_eq(report.errors, 1);
    config_report_fini(&report);
    ck_assert_int_eq(unlink("x.yaml"), 0);
    leave(directory);
}
END_TEST

START_TEST(without_a_name_the_file_here_is_taken)
{
    struct config_report report = {0};
    char *found, *bytes, *directory = scratch();
    size_t size;

    write_file("drover.yaml", "b: 1\n");
    ck_assert(config_find(NULL, &found, &bytes, &size, &report));
    ck_assert_str_eq(found, "drover.yaml");
    mem_free(found);
    mem_free(bytes);
    ck_assert_int_eq(unlink("drover.yaml"), 0);
    if (access("/etc/drover/drover.yaml", F_OK) != 0) {
        ck_assert(!config_find(NULL, &found, &bytes, &size, &report));
        ck_assert_str_eq(
            report.text,
            "drover.yaml: not found, nor /etc/drover/drover.yaml (try 'drover init', '-c FILE' or "
            "'drover -- COMMAND')\n");
        config_report_fini(&report);
    }
    leave(directory);
}
END_TEST

START_TEST(a_file_that_is_too_large_is_not_read_whole)
{
    struct config_report report = {0};
    char *found, *bytes, *directory = scratch();
    size_t size;
    int fd = open("big.yaml", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    ck_assert_int_eq(ftruncate(fd, 1 << 30), 0);
    close(fd);
    ck_assert(config_find("big.yaml", &found, &bytes, &size, &report));
    ck_assert_uint_eq(size, YAML_BYTES_MAX + 1);
    ck_assert_ptr_null(config_load(found, bytes, size, &report));
    ck_assert_str_eq(report.text, "big.yaml: expected a file of at most 1m, got 1048577 bytes\n");
    config_report_fini(&report);
    mem_free(found);
    mem_free(bytes);
    ck_assert_int_eq(unlink("big.yaml"), 0);
    leave(directory);
}
END_TEST

START_TEST(relative_paths_start_at_the_file)
{
    struct config_report report = {0};
    const char *yaml = "control: run/c\npools: {a: {command: ./app $SOCKET, directory: ./sub}}\n";
    char *directory = scratch();

    quiet_environment();
    ck_assert_int_eq(mkdir("conf", 0700), 0);
    ck_assert_int_eq(mkdir("conf/sub", 0700), 0);
    write_file("conf/sub/app", "");
    ck_assert_int_eq(chmod("conf/sub/app", 0700), 0);
    struct config *config = config_load("conf/drover.yaml", yaml, strlen(yaml), &report);
    ck_assert_msg(config != NULL, "%s", report.text);
    config_report_fini(&report);
    char *here = getcwd(NULL, 0), *wanted = mem_print("%s/conf", here);
    ck_assert_str_eq(config->directory, wanted);
    ck_assert_str_eq(config->path, "conf/drover.yaml");
    ck_assert_str_eq(config->control + strlen(wanted), "/run/c");
    ck_assert_str_eq(config->pools[0].directory + strlen(wanted), "/sub");
    config_unref(&config);

    char *absolute = mem_print("%s/drover.yaml", wanted);
    config = config_load(absolute, yaml, strlen(yaml), &report);
    ck_assert_str_eq(config->directory, wanted);
    config_report_fini(&report);
    config_unref(&config);
    config = config_load("/drover.yaml", "pools: {a: {servers: [b:1]}}", 28, &report);
    ck_assert_str_eq(config->directory, "/");
    config_report_fini(&report);
    config_unref(&config);
    mem_free(absolute);
    mem_free(wanted);
    free(here);
    ck_assert(unlink("conf/sub/app") == 0 && rmdir("conf/sub") == 0 && rmdir("conf") == 0);
    leave(directory);
}
END_TEST

static void *share(void *arg)
{
    for (int i = 0; i < 10000; i++) {
        struct config *mine = config_ref(arg);
        config_unref(&mine);
        ck_assert_ptr_null(mine);
    }
    return NULL;
}

START_TEST(references_are_counted_across_threads)
{
    pthread_t threads[4];

    quiet_environment();
    struct config *config = load(POOL_A);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, share, config), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(atomic_load(&config->references), 1);
    config_unref(&config);
    config_unref(&config);
    ck_assert_ptr_null(config);
}
END_TEST

START_TEST(bytes_that_are_no_text_are_an_error_with_a_place)
{
    char *said = errors_of_bytes("pools:\n  a\xc3\x28: 1\n", 15);

    ck_assert_str_eq(said, "t.yaml:2:5: not YAML: invalid trailing UTF-8 octet\n");
    mem_free(said);
    said = errors_of_bytes("a\0b", 3);
    ck_assert_str_eq(said, "t.yaml:1:2: not YAML: control characters are not allowed\n");
    mem_free(said);
}
END_TEST

UNIT_MAIN("config/config", a_named_file_is_read_and_named_as_the_user_named_it,
          without_a_name_the_file_here_is_taken, a_file_that_is_too_large_is_not_read_whole,
          relative_paths_start_at_the_file, references_are_counted_across_threads,
          bytes_that_are_no_text_are_an_error_with_a_place)
