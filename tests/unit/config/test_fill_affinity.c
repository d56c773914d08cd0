/* SPDX-License-Identifier: MIT
 *
 * `affinity` and `tunnels` of a pool. */
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/config/fixture.h"

static char directory[] = "/tmp/drover-config-affinity-XXXXXX";

/* A file `key` of this size in a directory of its own, where we are. */
static void begin(size_t size)
{
    quiet_environment();
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
    FILE *file = fopen("key", "w");
    ck_assert_ptr_nonnull(file);
    for (size_t i = 0; i < size; i++)
        fputc('k', file);
    fclose(file);
}

static void end(void)
{
    (void)unlink("key");
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}

START_TEST(off_is_what_counts_when_nothing_is_said)
{
    quiet_environment();
    const char *const files[] = {POOL_A, POOL("affinity: off"),
                                 POOL("affinity: false, tunnels: {rebalance: off}")};

    for (unsigned i = 0; i < 3; i++) {
        struct config *config = load(files[i]);
        ck_assert_ptr_null(config->pools[0].affinity.cookie);
        ck_assert_uint_eq(config->pools[0].rebalance, 0);
        config_unref(&config);
    }
}
END_TEST

START_TEST(a_cookie_is_enough)
{
    quiet_environment();
    struct config *config = load(POOL("affinity: {cookie: worker}"));
    const struct affinity_config *affinity = &config->pools[0].affinity;

    ck_assert_str_eq(affinity->cookie, "worker");
    ck_assert(affinity->same_site == SAME_SITE_LAX);
    ck_assert_ptr_null(affinity->key.path);
    ck_assert_ptr_null(affinity->secret);
    config_unref(&config);
}
END_TEST

START_TEST(a_key_is_a_file_that_the_keeper_reads_and_hands_on)
{
    begin(32);
    const char *yaml = POOL("affinity: {cookie: w, key: key, same_site: none}");
    struct config *config = load(yaml);
    struct config_report report = {0};
    size_t size;

    ck_assert_uint_eq(config->pools[0].affinity.key.size, 32);
    ck_assert(config->pools[0].affinity.same_site == SAME_SITE_NONE);
    struct config *unread = config_load_unread("t.yaml", yaml, strlen(yaml), &report);
    ck_assert_ptr_nonnull(unread);
    ck_assert_ptr_null(unread->pools[0].affinity.key.bytes);
    char *bytes = config_pack_files(config, &size);
    ck_assert(config_unpack_files(unread, bytes, size));
    ck_assert_uint_eq(unread->pools[0].affinity.key.size, 32);
    mem_free(bytes);
    config_unref(&config);
    config_unref(&unread);
    config_report_fini(&report);
    end();
}
END_TEST

START_TEST(a_secret_comes_by_the_environment_and_is_never_shown)
{
    quiet_environment();
    setenv("AFFINITY_SECRET", "not for other eyes", 1);
    struct config *config = load(POOL("affinity: {cookie: w, secret: '${AFFINITY_SECRET}'}"));
    struct config_report report = {0};

    ck_assert_str_eq(config->pools[0].affinity.secret, "not for other eyes");
    config_print(config, &report);
    ck_assert_ptr_null(strstr(report.text, "eyes"));
    ck_assert_ptr_nonnull(strstr(report.text, "cookie: w\n"));
    config_report_fini(&report);
    config_unref(&config);
    setenv("AFFINITY_SECRET", "short-one", 1);
    char *errors = errors_of(POOL("affinity: {cookie: w, secret: '${AFFINITY_SECRET}'}"));
    ck_assert_ptr_null(strstr(errors, "short-one"));
    ck_assert_ptr_nonnull(strstr(errors, "pools.a.affinity.secret: expected 16 to 512 characters, got 9"));
    mem_free(errors);
}
END_TEST

START_TEST(what_is_wrong_is_told_with_its_place)
{
    begin(15);
    static const struct {
        const char *yaml, *errors;
    } rows[] = {
        {POOL("affinity: on"), "t.yaml:1:44: pools.a.affinity: expected off or {cookie: NAME}, got 'on'\n"},
        {POOL("affinity: worker"),
         "t.yaml:1:44: pools.a.affinity: expected off or {cookie: NAME}, got 'worker'\n"},
        {POOL("affinity: [a]"),
         "t.yaml:1:44: pools.a.affinity: expected off or {cookie: NAME}, got a list\n"},
        {POOL("affinity: {}"), "t.yaml:1:44: pools.a.affinity: expected a 'cookie'\n"},
        {POOL("affinity: {cookie: 'a b'}"),
         "t.yaml:1:53: pools.a.affinity.cookie: expected a cookie's name, got 'a b'\n"},
        {POOL("affinity: {cookie: a, key: key}"),
         "t.yaml:1:61: pools.a.affinity.key: expected a file of 16 bytes or more, got 15\n"},
        {POOL("affinity: {cookie: a, key: key, secret: 0123456789abcdef}"),
         "t.yaml:1:61: pools.a.affinity.key: expected a 'key' or a 'secret', got both\n"},
        {POOL("affinity: {cookie: a, same_site: no}"),
         "t.yaml:1:67: pools.a.affinity.same_site: expected lax, strict or none, got 'no'\n"},
        {POOL("tunnels: {rebalance: 5}"),
         "t.yaml:1:55: pools.a.tunnels.rebalance: expected off or a share such as 5%, got '5'\n"},
        {POOL("tunnels: {rebalance: 2000%}"),
         "t.yaml:1:55: pools.a.tunnels.rebalance: expected off or 0.001% to "
         "1000%, got '2000%'\n"},
        {POOL("tunnels: {rebalance: 0%}"),
         "t.yaml:1:55: pools.a.tunnels.rebalance: expected off or 0.001% to "
         "1000%, got '0%'\n"},
        {POOL("tunnels: {rebalance: 5%}, affinity: {cookie: a}"),
         "t.yaml:1:34: pools.a.tunnels: rebalance moves nobody with 'affinity': clients come back to their "
         "worker\n"},
        {POOL("tunnels: {rebalance: 5%}, balance: hash"),
         "t.yaml:1:34: pools.a.tunnels: rebalance moves nobody with 'balance: hash': clients come back to "
         "their worker\n"},
        {"pools: {a: {servers: [b:1], tunnels: {rebalance: 5%}}}\n",
         "t.yaml:1:29: pools.a.tunnels: is only for pools with a 'command'; this one has 'servers'\n"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *errors = errors_of(rows[i].yaml);
        ck_assert_msg(strcmp(errors, rows[i].errors) == 0, "%s\n%s", rows[i].yaml, errors);
        mem_free(errors);
    }
    end();
}
END_TEST

START_TEST(a_share_is_a_percentage_with_up_to_three_decimals)
{
    quiet_environment();
    struct config *config = load(POOL("tunnels: {rebalance: 5%}"));
    ck_assert_uint_eq(config->pools[0].rebalance, 5000);
    config_unref(&config);
    config = load(POOL("tunnels: {rebalance: 0.125%}"));
    ck_assert_uint_eq(config->pools[0].rebalance, 125);
    config_unref(&config);
}
END_TEST

UNIT_MAIN("config/fill_affinity", off_is_what_counts_when_nothing_is_said, a_cookie_is_enough,
          a_key_is_a_file_that_the_keeper_reads_and_hands_on,
          a_secret_comes_by_the_environment_and_is_never_shown, what_is_wrong_is_told_with_its_place,
          a_share_is_a_percentage_with_up_to_three_decimals)
