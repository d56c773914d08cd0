/* SPDX-License-Identifier: MIT
 *
 * PEM texts to OpenSSL's objects, with an error in words. Any thread. */
#include "base/certificate.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <time.h>

#define CHAIN_MAX 16
#define TRUST_MAX 1024

const char *certificate_error(void)
{
    unsigned long error = ERR_peek_last_error();
    const char *words = error ? ERR_reason_error_string(error) : NULL;

    ERR_clear_error();
    return words ? words : "it cannot be read";
}

/* An encrypted key would be asked for on the terminal. */
static int no_password(char *into, int room, int is_written, void *argument)
{
    (void)into;
    (void)room;
    (void)is_written;
    *(bool *)argument = true;
    return -1;
}

static BIO *open_text(struct slice text)
{
    return BIO_new_mem_buf(text.at, text.size < INT_MAX ? (int)text.size : 0);
}

static X509 *next_certificate(BIO *bio)
{
    bool was_asked;

    return PEM_read_bio_X509(bio, NULL, no_password, &was_asked);
}

X509 *certificate_read(struct slice text)
{
    BIO *bio = open_text(text);
    X509 *certificate = bio ? next_certificate(bio) : NULL;

    BIO_free(bio);
    ERR_clear_error();
    return certificate;
}

int certificate_days_left(const X509 *certificate)
{
    int days = 0, seconds = 0;

    if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        return INT_MIN;
    if (!ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)))
        return 0;
    return seconds < 0 && days == 0 ? -1 : days;
}

/* What follows the certificate in its text. False: more than a chain has. */
static bool use_chain(SSL_CTX *context, BIO *bio)
{
    X509 *issuer = NULL;
    bool good = true;

    SSL_CTX_clear_chain_certs(context);
    for (unsigned count = 0; good && (issuer = next_certificate(bio)); count++) {
        good = count < CHAIN_MAX && SSL_CTX_add1_chain_cert(context, issuer) == 1;
        X509_free(issuer);
    }
    ERR_clear_error();
    return good;
}

static const char *use_certificate(SSL_CTX *context, struct slice text)
{
    BIO *bio = open_text(text);
    X509 *certificate = bio ? next_certificate(bio) : NULL;
    const char *why = NULL;

    ERR_clear_error();
    if (!certificate)
        why = "no certificate in PEM form is in it";
    else if (SSL_CTX_use_certificate(context, certificate) != 1)
        why = certificate_error();
    else if (!use_chain(context, bio))
        why = "its chain is too long or cannot be read";
    X509_free(certificate);
    BIO_free(bio);
    return why;
}

const char *certificate_use(SSL_CTX *context, struct slice certificate, struct slice key, bool *blames_key)
{
    bool is_encrypted = false;
    const char *why = use_certificate(context, certificate);

    *blames_key = !why;
    if (why)
        return why;
    BIO *bio = open_text(key);
    EVP_PKEY *private = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, &is_encrypted) : NULL;
    ERR_clear_error();
    if (is_encrypted)
        why = "it is encrypted, and nobody could be asked for the password";
    else if (!private)
        why = "no private key in PEM form is in it";
    else if (SSL_CTX_use_PrivateKey(context, private) != 1 || SSL_CTX_check_private_key(context) != 1)
        why = "it is not the certificate's";
    EVP_PKEY_free(private);
    BIO_free(bio);
    ERR_clear_error();
    return why;
}

unsigned certificates_trust(SSL_CTX *context, struct slice text, bool names_them_to_clients)
{
    BIO *bio = open_text(text);
    X509 *certificate = NULL;
    unsigned count = 0;
    bool good = bio != NULL;

    while (good && count < TRUST_MAX && (certificate = next_certificate(bio))) {
        good = X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate) == 1 &&
               (!names_them_to_clients || SSL_CTX_add_client_CA(context, certificate) == 1);
        X509_free(certificate);
        count++;
    }
    BIO_free(bio);
    ERR_clear_error();
    return good ? count : 0;
}

/* The first answer in it: that of the certificate which it is stapled to. */
static bool valid_until(OCSP_BASICRESP *basic, int64_t *until)
{
    OCSP_SINGLERESP *single = OCSP_resp_get0(basic, 0);
    ASN1_GENERALIZEDTIME *next = NULL;
    struct tm time = {0};

    if (!single || OCSP_single_get0_status(single, NULL, NULL, NULL, &next) < 0)
        return false;
    *until = INT64_MAX;
    if (next && ASN1_TIME_to_tm(next, &time) != 1)
        return false;
    if (next)
        *until = timegm(&time);
    return true;
}

bool ocsp_answer_read(struct slice bytes, int64_t *until)
{
    const unsigned char *at = (const unsigned char *)bytes.at;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, bytes.size < INT_MAX ? (long)bytes.size : 0);
    OCSP_BASICRESP *basic = response && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL
                                ? OCSP_response_get1_basic(response)
                                : NULL;
    bool good = basic && valid_until(basic, until);

    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    return good;
}
