/* SPDX-License-Identifier: MIT */
#include "base/certificate.h"

#include <limits.h>

#include "tests/unit/certificates.h"

static const char *use(const char *certificate, const char *key, bool *blames_key)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    const char *why = certificate_use(context, slice_of(certificate), slice_of(key), blames_key);

    SSL_CTX_free(context);
    return why;
}

START_TEST(a_pair_can_be_used)
{
    struct made_pair pair = pair_make("a.test", "DNS:a.test", 30, NULL);
    bool blames_key;

    ck_assert_ptr_null(use(pair.certificate, pair.key, &blames_key));
    pair_free(&pair);
}
END_TEST

START_TEST(a_chain_follows_its_certificate)
{
    struct made_pair issuer = pair_make("issuer", NULL, 30, NULL),
                     pair = pair_make("a.test", NULL, 30, &issuer);
    char *chain = mem_print("%s%s", pair.certificate, issuer.certificate);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    STACK_OF(X509) *rest = NULL;
    bool blames_key;

    ck_assert_ptr_null(certificate_use(context, slice_of(chain), slice_of(pair.key), &blames_key));
    SSL_CTX_get0_chain_certs(context, &rest);
    ck_assert_int_eq(sk_X509_num(rest), 1);
    SSL_CTX_free(context);
    mem_free(chain);
    pair_free(&pair);
    pair_free(&issuer);
}
END_TEST

START_TEST(what_is_no_pair_is_told_and_who_is_to_blame)
{
    struct made_pair one = pair_make("a.test", NULL, 30, NULL), other = pair_make("a.test", NULL, 30, NULL);
    bool blames_key = false;

    ck_assert_str_eq(use(one.certificate, other.key, &blames_key), "it is not the certificate's");
    ck_assert(blames_key);
    ck_assert_str_eq(use(one.certificate, "rubbish", &blames_key), "no private key in PEM form is in it");
    ck_assert(blames_key);
    ck_assert_str_eq(use(one.key, one.key, &blames_key), "no certificate in PEM form is in it");
    ck_assert(!blames_key);
    ck_assert_str_eq(use("", "", &blames_key), "no certificate in PEM form is in it");
    pair_free(&one);
    pair_free(&other);
}
END_TEST

START_TEST(an_encrypted_key_is_told_and_nobody_is_asked)
{
    struct made_pair pair = pair_make("a.test", NULL, 30, NULL);
    BIO *bio = BIO_new(BIO_s_mem());
    bool blames_key = false;

    ck_assert(PEM_write_bio_PrivateKey(bio, pair.private, EVP_aes_128_cbc(), (const unsigned char *)"word", 4,
                                       NULL, NULL));
    char *key = bio_text(bio);
    ck_assert_ptr_nonnull(strstr(use(pair.certificate, key, &blames_key), "encrypted"));
    ck_assert(blames_key);
    mem_free(key);
    pair_free(&pair);
}
END_TEST

START_TEST(days_that_are_left)
{
    struct made_pair good = pair_make("a", NULL, 30, NULL), ended = pair_make("a", NULL, -3, NULL);

    ck_assert_int_eq(certificate_days_left(good.issued), 30);
    ck_assert_int_lt(certificate_days_left(ended.issued), 0);
    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notBefore(good.issued), 3600));
    ck_assert_int_eq(certificate_days_left(good.issued), INT_MIN);
    pair_free(&good);
    pair_free(&ended);
}
END_TEST

START_TEST(those_to_trust_are_counted)
{
    struct made_pair one = pair_make("one", NULL, 30, NULL), other = pair_make("other", NULL, 30, NULL);
    char *both = mem_print("%s%s", one.certificate, other.certificate);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    ck_assert_uint_eq(certificates_trust(context, slice_of(both), true), 2);
    ck_assert_int_eq(sk_X509_NAME_num(SSL_CTX_get_client_CA_list(context)), 2);
    ck_assert_uint_eq(certificates_trust(context, SLICE("nothing"), true), 0);
    SSL_CTX_free(context);
    mem_free(both);
    pair_free(&one);
    pair_free(&other);
}
END_TEST

UNIT_MAIN("base/certificate", a_pair_can_be_used, a_chain_follows_its_certificate,
          what_is_no_pair_is_told_and_who_is_to_blame, an_encrypted_key_is_told_and_nobody_is_asked,
          days_that_are_left, those_to_trust_are_counted)
