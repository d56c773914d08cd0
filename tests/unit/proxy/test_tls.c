/* SPDX-License-Identifier: MIT
 *
 * Which certificate a name gets, and the contexts' life. */
#include "proxy/tls.h"

#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/certificates.h"

static char directory[] = "/tmp/drover-proxy-tls-XXXXXX";

static struct config *load_with(const struct made_pair *pairs, unsigned count)
{
    struct config_report report = {0};
    char yaml[1024], name[16];
    size_t size = 0;

    strcpy(directory + sizeof directory - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
    size += str_format(yaml, sizeof yaml,
                       "pools: {a: {servers: [\"127.0.0.1:9\"]}}\nlisten:\n- 127.0.0.1:2\n- address: "
                       "127.0.0.1:1\n  tls:\n");
    for (unsigned i = 0; i < count; i++) {
        str_format(name, sizeof name, "%u.pem", i);
        file_write(name, pairs[i].certificate);
        str_format(name, sizeof name, "%u.key", i);
        file_write(name, pairs[i].key);
        size += str_format(yaml + size, sizeof yaml - size, "  - {certificate: %u.pem, key: %u.key}\n", i, i);
    }
    struct config *config = config_load("t.yaml", yaml, size, &report);
    ck_assert_msg(config != NULL, "%s", report.text);
    for (unsigned i = 0; i < count; i++) {
        str_format(name, sizeof name, "%u.pem", i);
        (void)unlink(name);
        str_format(name, sizeof name, "%u.key", i);
        (void)unlink(name);
    }
    ck_assert_int_eq(rmdir(directory), 0);
    config_report_fini(&report);
    return config;
}

static void gets(const struct tls_listener *listener, const char *asked, const char *wanted)
{
    char name[64] = "";
    X509 *certificate = SSL_CTX_get0_certificate(tls_listener_choose(listener, asked));

    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
    ck_assert_msg(strcmp(name, wanted) == 0, "%s gets %s, not %s", asked, name, wanted);
}

START_TEST(exact_then_wildcard_then_the_first)
{
    struct made_pair pairs[] = {
        pair_make("first", "DNS:first.test", 30, NULL),
        pair_make("wild", "DNS:*.example.org,DNS:example.org", 30, NULL),
        pair_make("exact", "DNS:API.example.org", 30, NULL),
        pair_make("cn.test", NULL, 30, NULL),
        pair_make("twice", "DNS:first.test", 30, NULL),
    };
    struct config *config = load_with(pairs, 5);
    struct ticket_keys *tickets = ticket_keys_new();
    struct tls_contexts *contexts = tls_contexts_new(config, tickets);
    const struct tls_listener *listener = tls_contexts_of(contexts, &config->listens[1].address);

    ck_assert_ptr_nonnull(listener);
    gets(listener, "first.test", "first"); /* of two with one name the first */
    gets(listener, "api.example.org", "exact");
    gets(listener, "API.Example.ORG.", "exact");
    gets(listener, "www.example.org", "wild");
    gets(listener, "example.org", "wild");
    gets(listener, "a.b.example.org", "first"); /* a wildcard is one label */
    gets(listener, "cn.test", "cn.test");
    gets(listener, "nobody.test", "first");
    gets(listener, "", "first");
    gets(listener, ".", "first");
    gets(listener, ".example.org", "first");
    gets(listener, "*.example.org", "wild");
    ck_assert_ptr_null(tls_contexts_of(contexts, &config->listens[0].address)); /* plain */
    tls_contexts_unref(&contexts);
    ticket_keys_free(&tickets);
    config_unref(&config);
    for (unsigned i = 0; i < 5; i++)
        pair_free(&pairs[i]);
}
END_TEST

static unsigned kinds_in(SSL_CTX *context)
{
    unsigned count = 0;

    for (long which = SSL_CERT_SET_FIRST; SSL_CTX_set_current_cert(context, which) == 1;
         which = SSL_CERT_SET_NEXT)
        count++;
    return count;
}

START_TEST(keys_of_two_kinds_for_the_same_names_stand_side_by_side)
{
    struct made_pair pairs[] = {
        pair_make("ec", "DNS:a.test,DNS:*.a.test", 30, NULL),
        pair_of_key(EVP_RSA_gen(2048), "rsa", "DNS:*.a.test,DNS:A.test", 30, NULL),
        pair_make("another of the same kind", "DNS:a.test,DNS:*.a.test", 30, NULL),
        pair_of_key(EVP_RSA_gen(2048), "of other names", "DNS:a.test,DNS:b.test", 30, NULL),
    };
    struct config *config = load_with(pairs, 4);
    struct tls_contexts *contexts = tls_contexts_new(config, NULL);
    const struct tls_listener *listener = tls_contexts_of(contexts, &config->listens[1].address);

    ck_assert_uint_eq(kinds_in(tls_listener_choose(listener, "a.test")), 2);
    ck_assert_ptr_eq(tls_listener_choose(listener, "x.a.test"), tls_listener_choose(listener, "a.test"));
    gets(listener, "b.test", "of other names");
    ck_assert_uint_eq(kinds_in(tls_listener_choose(listener, "b.test")), 1);
    tls_contexts_unref(&contexts);
    config_unref(&config);
    for (unsigned i = 0; i < 4; i++)
        pair_free(&pairs[i]);
}
END_TEST

START_TEST(the_last_owner_frees_them)
{
    struct made_pair pair = pair_make("first", "DNS:first.test", 30, NULL);
    struct config *config = load_with(&pair, 1);
    struct tls_contexts *contexts = tls_contexts_new(config, NULL), *second = tls_contexts_ref(contexts);

    tls_contexts_unref(&contexts);
    ck_assert_ptr_null(contexts);
    ck_assert_ptr_nonnull(tls_contexts_of(second, &config->listens[1].address));
    tls_contexts_unref(&second);
    tls_contexts_unref(&second);
    ck_assert_ptr_null(tls_contexts_ref(NULL));
    config_unref(&config);
    pair_free(&pair);
}
END_TEST

START_TEST(a_pair_that_does_not_fit_makes_none)
{
    struct made_pair pair = pair_make("first", "DNS:first.test", 30, NULL),
                     other = pair_make("other", NULL, 30, NULL);
    struct config *config = load_with(&pair, 1);
    struct file_config *key = &config->listens[1].tls.pairs[0].key;

    mem_free(key->bytes);
    key->bytes = mem_dup(other.key);
    key->size = strlen(other.key);
    ck_assert_ptr_null(tls_contexts_new(config, NULL));
    config_unref(&config);
    pair_free(&pair);
    pair_free(&other);
}
END_TEST

UNIT_MAIN("proxy/tls", exact_then_wildcard_then_the_first,
          keys_of_two_kinds_for_the_same_names_stand_side_by_side, the_last_owner_frees_them,
          a_pair_that_does_not_fit_makes_none)
