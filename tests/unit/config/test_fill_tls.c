/* SPDX-License-Identifier: MIT
 *
 * `tls`: files are read and tried while the configuration is loaded, and what is wrong with them has its place. */
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/certificates.h"
#include "tests/unit/config/fixture.h"

static char directory[] = "/tmp/drover-config-tls-XXXXXX";
static const char *const names[] = {"a.pem", "a.key", "b.pem", "b.key", "old.pem"};

static void begin(void)
{
    struct made_pair a = pair_make("a.test", "DNS:a.test", 30, NULL), b = pair_make("b.test", NULL, 3, NULL);
    struct made_pair old = pair_make("old.test", NULL, -3, NULL);

    quiet_environment();
    strcpy(directory + sizeof directory - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
    file_write("a.pem", a.certificate);
    file_write("a.key", a.key);
    file_write("b.pem", b.certificate);
    file_write("b.key", b.key);
    file_write("old.pem", old.certificate);
    pair_free(&a);
    pair_free(&b);
    pair_free(&old);
}

static void end(void)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)unlink(names[i]);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}

#define LISTEN(tls) "listen: {address: \"127.0.0.1:1\", tls: " tls "}\n" POOL_A

START_TEST(a_pair_is_read_at_once)
{
    begin();
    struct config *config = load(LISTEN("{certificate: a.pem, key: a.key}"));
    const struct tls_config *tls = &config->listens[0].tls;

    ck_assert_uint_eq(tls->pair_count, 1);
    ck_assert_ptr_nonnull(strstr(tls->pairs[0].certificate.bytes, "BEGIN CERTIFICATE"));
    ck_assert_ptr_nonnull(strstr(tls->pairs[0].key.bytes, "PRIVATE KEY"));
    ck_assert(tls->min_version == TLS_1_2);
    ck_assert_ptr_null(tls->ciphers);
    config_unref(&config);
    end();
}
END_TEST

START_TEST(a_list_is_short_for_pairs_and_the_single_one_comes_first)
{
    begin();
    struct config *config =
        load(LISTEN("[{certificate: a.pem, key: a.key}, {certificate: b.pem, key: b.key}]"));
    ck_assert_uint_eq(config->listens[0].tls.pair_count, 2);
    config_unref(&config);
    config = load(LISTEN(
        "{certificate: b.pem, key: b.key, pairs: [{certificate: a.pem, key: a.key}], min_version: 1.3}"));
    const struct tls_config *tls = &config->listens[0].tls;
    ck_assert_uint_eq(tls->pair_count, 2);
    ck_assert_ptr_nonnull(strstr(tls->pairs[0].certificate.path, "b.pem"));
    ck_assert(tls->min_version == TLS_1_3);
    config_unref(&config);
    end();
}
END_TEST

START_TEST(what_is_wrong_is_told_with_its_place)
{
    char line[512];

    begin();
    str_format(line, sizeof line,
               "t.yaml:1:65: listen.tls.key: expected the certificate's key, got '%s/b.key' (it is not the "
               "certificate's)\n",
               directory);
    must_say(LISTEN("{certificate: a.pem, key: b.key}"), line);
    str_format(
        line, sizeof line,
        "t.yaml:1:53: listen.tls.certificate: expected a file, got '%s/no.pem' (No such file or directory)\n",
        directory);
    must_say(LISTEN("{certificate: no.pem, key: a.key}"), line);
    str_format(line, sizeof line,
               "t.yaml:1:53: listen.tls.certificate: expected a certificate, got '%s/a.key' (no certificate "
               "in PEM form is in "
               "it)\n",
               directory);
    must_say(LISTEN("{certificate: a.key, key: a.key}"), line);
    must_say(LISTEN("{certificate: a.pem}"),
             "t.yaml:1:39: listen.tls: expected a 'certificate' and a 'key'\n");
    must_say(LISTEN("{min_version: 1.2}"), "t.yaml:1:39: listen.tls: expected a 'certificate' and a 'key'\n");
    must_say(LISTEN("[]"), "t.yaml:1:39: listen.tls.pairs: expected 1 to 256 pairs, got 0\n");
    must_say(
        LISTEN("on"),
        "t.yaml:1:39: listen.tls: expected a map of options, or a list of {certificate, key}, got 'on'\n");
    str_format(line, sizeof line,
               "t.yaml:1:53: listen.tls.certificate: expected a file, got '/dev/null' (Invalid argument)\n");
    must_say(LISTEN("{certificate: /dev/null, key: a.key}"), line);
    must_say(LISTEN("{certificate: a.pem, key: a.key, ciphers: MINE}"),
             "t.yaml:1:81: listen.tls.ciphers: expected cipher suites of TLS 1.2 as OpenSSL writes them, got "
             "'MINE'\n");
    end();
}
END_TEST

START_TEST(a_certificate_near_its_end_is_worth_a_warning)
{
    begin();
    char *said = warnings_of(LISTEN("{certificate: b.pem, key: b.key}"));
    ck_assert_ptr_nonnull(strstr(said, "tls.certificate: ends in 3 days"));
    mem_free(said);
    end();
}
END_TEST

START_TEST(an_engine_that_may_not_read_them_gets_their_bytes)
{
    const char *yaml = LISTEN("[{certificate: a.pem, key: a.key}, {certificate: b.pem, key: b.key}]");
    struct config_report report = {0};
    size_t size;

    begin();
    struct config *keepers = load(yaml);
    struct config *engines = config_load_unread("t.yaml", yaml, strlen(yaml), &report);
    ck_assert_ptr_nonnull(engines);
    ck_assert_ptr_null(engines->listens[0].tls.pairs[1].key.bytes);
    char *block = config_pack_files(keepers, &size);
    ck_assert(!config_unpack_files(engines, block, size - 1));
    ck_assert_ptr_null(engines->listens[0].tls.pairs[0].certificate.bytes);
    ck_assert(config_unpack_files(engines, block, size));
    for (unsigned i = 0; i < 2; i++) {
        const struct pair_config *a = &keepers->listens[0].tls.pairs[i],
                                 *b = &engines->listens[0].tls.pairs[i];
        ck_assert_str_eq(a->certificate.bytes, b->certificate.bytes);
        ck_assert_str_eq(a->key.bytes, b->key.bytes);
        ck_assert_uint_eq(a->key.size, b->key.size);
    }
    mem_free(block);
    config_report_fini(&report);
    config_unref(&keepers);
    config_unref(&engines);
    struct config *plain = load(POOL_A);
    block = config_pack_files(plain, &size);
    ck_assert_uint_eq(size, 0);
    ck_assert(config_unpack_files(plain, block, 0));
    mem_free(block);
    config_unref(&plain);
    end();
}
END_TEST

START_TEST(a_file_that_changes_is_noticed)
{
    begin();
    struct config *config = load(LISTEN("{certificate: a.pem, key: a.key}"));
    uint64_t before = config_files_stamp(config);

    ck_assert_uint_eq(before, config_files_stamp_read(config));
    ck_assert_int_eq(rename("b.key", "a.key"), 0);
    ck_assert_uint_ne(config_files_stamp(config), before);
    ck_assert_uint_eq(config_files_stamp_read(config), before);
    ck_assert_int_eq(unlink("a.key"), 0);
    ck_assert_uint_ne(config_files_stamp(config), before);
    config_unref(&config);
    end();
}
END_TEST

START_TEST(printed_and_loaded_it_is_the_same)
{
    struct config_report report = {0}, again = {0};

    begin();
    struct config *config = load(LISTEN("{certificate: a.pem, key: a.key, min_version: 1.3, ciphers: HIGH}"));
    config_print(config, &report);
    ck_assert_ptr_nonnull(strstr(report.text, "- certificate: "));
    struct config *second = load(report.text);
    config_print(second, &again);
    ck_assert_str_eq(report.text, again.text);
    config_report_fini(&report);
    config_report_fini(&again);
    config_unref(&config);
    config_unref(&second);
    end();
}
END_TEST

START_TEST(a_redirect_goes_to_the_first_listener_with_tls)
{
    begin();
    struct config *config =
        load("listen:\n- {address: \"127.0.0.1:1\", redirect: https}\n- {address: \"127.0.0.1:2\", redirect: "
             "\"https:443\"}\n- {address: \"127.0.0.1:3\", tls: {certificate: a.pem, key: a.key}}\n"
             "- {address: \"127.0.0.1:4\", tls: {certificate: a.pem, key: a.key}}\n" POOL_A);
    ck_assert_uint_eq(config->listens[0].redirect, 3);
    ck_assert_uint_eq(config->listens[1].redirect, 443);
    ck_assert_uint_eq(config->listens[2].redirect, 0);
    config_unref(&config);
    config = load("listen: {address: \"127.0.0.1:1\", redirect: https}\n" POOL_A);
    ck_assert_uint_eq(config->listens[0].redirect, 443); /* somebody else speaks it */
    config_unref(&config);
    must_say(
        "listen: {address: \"127.0.0.1:1\", redirect: https, tls: {certificate: a.pem, key: a.key}}\n" POOL_A,
        "t.yaml:1:9: listen[0]: expected 'tls' or 'redirect', got both: what comes here is https already\n");
    must_say("listen: {address: \"127.0.0.1:1\", redirect: http}\n" POOL_A,
             "t.yaml:1:44: listen.redirect: expected off, https or https:PORT, got 'http'\n");
    end();
}
END_TEST

START_TEST(client_ca_and_ocsp_are_tried_too)
{
    char line[512];

    begin();
    struct config *config = load(LISTEN("{certificate: a.pem, key: a.key, client_ca: b.pem}"));
    ck_assert_ptr_nonnull(config->listens[0].tls.client_ca.bytes);
    config_unref(&config);
    str_format(line, sizeof line,
               "t.yaml:1:83: listen.tls.client_ca: expected certificates in PEM form, got '%s/a.key'\n",
               directory);
    must_say(LISTEN("{certificate: a.pem, key: a.key, client_ca: a.key}"), line);
    str_format(line, sizeof line,
               "t.yaml:1:78: listen.tls.ocsp: expected an OCSP response in DER form, got '%s/a.pem'\n",
               directory);
    must_say(LISTEN("{certificate: a.pem, key: a.key, ocsp: a.pem}"), line);
    end();
}
END_TEST

START_TEST(servers_may_be_https)
{
    struct config_report printed = {0};

    begin();
    struct config *config = load("pools: {a: {servers: [\"https://api.test:8443 weight=3\", "
                                 "\"https://[::1]\", https://b.test/, \"c:80\"], "
                                 "tls: {ca: a.pem, name: api.internal}}}\n");
    const struct pool_config *pool = &config->pools[0];
    ck_assert(pool->servers[0].is_tls && pool->servers[0].port == 8443 && pool->servers[0].weight == 3);
    ck_assert_str_eq(pool->servers[0].host, "api.test");
    ck_assert_str_eq(pool->servers[0].text, "api.test:8443");
    ck_assert(pool->servers[1].is_tls && pool->servers[1].port == 443);
    ck_assert_str_eq(pool->servers[1].host, "::1");
    ck_assert(pool->servers[2].port == 443 && !pool->servers[3].is_tls);
    ck_assert(pool->tls_verify && pool->tls_ca.bytes);
    ck_assert_str_eq(pool->tls_name, "api.internal");
    config_print(config, &printed);
    ck_assert_ptr_nonnull(strstr(printed.text, "https://api.test:8443 weight=3"));
    struct config *again = load(printed.text);
    ck_assert(again->pools[0].servers[1].is_tls);
    config_report_fini(&printed);
    config_unref(&again);
    config_unref(&config);
    must_say("pools: {a: {servers: [\"https://unix:/x\"]}}\n",
             "t.yaml:1:23: pools.a.servers[0]: expected host:port, [v6]:port, unix:/path or "
             "https://host:port, then perhaps "
             "weight=N, got 'https://unix:/x'\n");
    must_say("pools: {a: {command: sh $SOCKET, tls: {verify: off}}}\n",
             "t.yaml:1:34: pools.a.tls: is only for pools with 'servers'; this one has a 'command'\n");
    end();
}
END_TEST

UNIT_MAIN("config/fill_tls", servers_may_be_https, a_redirect_goes_to_the_first_listener_with_tls,
          client_ca_and_ocsp_are_tried_too, a_pair_is_read_at_once,
          a_list_is_short_for_pairs_and_the_single_one_comes_first, what_is_wrong_is_told_with_its_place,
          a_certificate_near_its_end_is_worth_a_warning, an_engine_that_may_not_read_them_gets_their_bytes,
          a_file_that_changes_is_noticed, printed_and_loaded_it_is_the_same)
