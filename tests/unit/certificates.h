/* SPDX-License-Identifier: MIT
 *
 * Certificates for tests: made on the spot, for the names that a test wants. */
#ifndef DROVER_TESTS_UNIT_CERTIFICATES_H
#define DROVER_TESTS_UNIT_CERTIFICATES_H

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/unit.h"

struct made_pair {
    char *certificate, *key; /* PEM */
    EVP_PKEY *private;
    X509 *issued;
};

static inline char *bio_text(BIO *bio)
{
    char *bytes;
    long size = BIO_get_mem_data(bio, &bytes);
    char *text = slice_dup((struct slice){bytes, (size_t)size});

    BIO_free(bio);
    return text;
}

/* `names`: "DNS:a.test,IP:127.0.0.1", NULL: none; valid from now minus an hour until `days` from now; signed by `issuer`, NULL: by itself. */
static inline struct made_pair pair_of_key(EVP_PKEY *private, const char *common_name, const char *names,
                                           int days, const struct made_pair *issuer)
{
    static long serial;
    struct made_pair pair = {.private = private, .issued = X509_new()};
    X509_NAME *name = X509_get_subject_name(pair.issued);
    BIO *certificate = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());

    ck_assert(pair.private && pair.issued && certificate && key);
    ck_assert(X509_set_version(pair.issued, 2) &&
              ASN1_INTEGER_set(X509_get_serialNumber(pair.issued), ++serial));
    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notBefore(pair.issued), -3600));
    ck_assert_ptr_nonnull(X509_time_adj_ex(X509_getm_notAfter(pair.issued), days, days < 0 ? 0 : 60, NULL));
    ck_assert(
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1, 0));
    ck_assert(X509_set_issuer_name(pair.issued, issuer ? X509_get_subject_name(issuer->issued) : name));
    ck_assert(X509_set_pubkey(pair.issued, pair.private));
    if (names) {
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
        ck_assert(extension && X509_add_ext(pair.issued, extension, -1));
        X509_EXTENSION_free(extension);
    }
    if (!issuer) {
        X509_EXTENSION *extension =
            X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
        ck_assert(extension && X509_add_ext(pair.issued, extension, -1));
        X509_EXTENSION_free(extension);
    }
    ck_assert(X509_sign(pair.issued, issuer ? issuer->private : pair.private, EVP_sha256()));
    ck_assert(PEM_write_bio_X509(certificate, pair.issued));
    ck_assert(PEM_write_bio_PrivateKey(key, pair.private, NULL, NULL, 0, NULL, NULL));
    pair.certificate = bio_text(certificate);
    pair.key = bio_text(key);
    return pair;
}

static inline struct made_pair pair_make(const char *common_name, const char *names, int days,
                                         const struct made_pair *issuer)
{
    return pair_of_key(EVP_EC_gen("P-256"), common_name, names, days, issuer);
}

static inline void pair_free(struct made_pair *pair)
{
    EVP_PKEY_free(pair->private);
    X509_free(pair->issued);
    mem_free(pair->certificate);
    mem_free(pair->key);
}

static inline void file_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

#endif
