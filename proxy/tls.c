/* SPDX-License-Identifier: MIT
 *
 * Contexts of listeners: certificates by SNI, ciphers, ALPN, tickets. Made on the control thread; the callbacks run on the loops and
 * change nothing but the connection's own SSL. */
#include "proxy/tls.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/certificate.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define NAME_MAX_SIZE 253
#define GOOD_CIPHERS                                                                                         \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"               \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define GOOD_SUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

struct tls_name {
    char *name; /* lower case; "*.example.org" covers one more label */
    unsigned pair;
};

/* A pair, in the context that it is served from. With an OCSP response, or without bytes. */
struct tls_pair {
    SSL_CTX *context;  /* referenced; for two with one name and keys of two kinds the same */
    X509 *certificate; /* referenced */
    char *bytes;
    size_t size;
    int64_t until; /* seconds since the epoch */
};

struct tls_listener {
    struct address address;
    bool http2;
    const struct ticket_keys *tickets;
    unsigned pair_count;
    struct tls_pair *pairs;
    unsigned name_count;
    struct tls_name *names; /* sorted by name, then by pair */
};

struct tls_contexts {
    _Atomic uint32_t references;
    unsigned count;
    struct tls_listener *listeners; /* as config->listens; without pairs: plain */
};

/* --- names --- */

static int compare_names(const void *a, const void *b)
{
    const struct tls_name *one = a, *other = b;
    int order = strcmp(one->name, other->name);

    return order ? order : (int)one->pair - (int)other->pair;
}

static void add_name(struct tls_listener *listener, unsigned pair, const ASN1_STRING *text)
{
    const char *bytes = (const char *)ASN1_STRING_get0_data(text);
    int size = ASN1_STRING_length(text);

    if (size < 1 || size > NAME_MAX_SIZE || memchr(bytes, 0, (size_t)size))
        return;
    listener->names = mem_resize(listener->names, (listener->name_count + 1) * sizeof *listener->names);
    struct tls_name *name = &listener->names[listener->name_count++];
    name->pair = pair;
    name->name = slice_dup((struct slice){bytes, (size_t)size});
    for (char *c = name->name; *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
}

/* The alternative names for DNS; the common name only where there is none of them (RFC 6125 section 6.4.4). */
static void add_names(struct tls_listener *listener, unsigned pair, X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    unsigned before = listener->name_count;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS)
            add_name(listener, pair, name->d.dNSName);
    }
    GENERAL_NAMES_free(names);
    if (listener->name_count > before)
        return;
    X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at >= 0)
        add_name(listener, pair, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

static SSL_CTX *find_pair(const struct tls_listener *listener, const char *name)
{
    unsigned from = 0, to = listener->name_count;

    while (from < to) { /* the first that is not less */
        unsigned middle = (from + to) / 2;
        if (strcmp(listener->names[middle].name, name) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    if (from < listener->name_count && strcmp(listener->names[from].name, name) == 0)
        return listener->pairs[listener->names[from].pair].context;
    return NULL;
}

SSL_CTX *tls_listener_choose(const struct tls_listener *listener, const char *asked)
{
    char name[NAME_MAX_SIZE + 2];
    size_t size = strlen(asked);
    SSL_CTX *found = NULL;

    if (size > 0 && asked[size - 1] == '.')
        size--;
    if (size < 1 || size > NAME_MAX_SIZE)
        return listener->pairs[0].context;
    for (size_t i = 0; i < size; i++)
        name[i] = asked[i] >= 'A' && asked[i] <= 'Z' ? (char)(asked[i] + 32) : asked[i];
    name[size] = 0;
    found = find_pair(listener, name);
    char *dot = strchr(name, '.');
    if (!found && dot && dot > name) { /* "*" for the first label */
        *--dot = '*';
        found = find_pair(listener, dot);
    }
    return found ? found : listener->pairs[0].context;
}

/* --- callbacks, on the loops --- */

static int on_name(SSL *ssl, int *alert, void *argument)
{
    const struct tls_listener *listener = argument;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    SSL_CTX *chosen;

    (void)alert;
    if (!name)
        return SSL_TLSEXT_ERR_OK;
    chosen = tls_listener_choose(listener, name);
    if (chosen != SSL_get_SSL_CTX(ssl))
        (void)SSL_set_SSL_CTX(ssl, chosen);
    return SSL_TLSEXT_ERR_OK;
}

/* RFC 7301 section 3.2: who offers only what is not spoken is told so. */
static int on_protocols(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_size,
                        const unsigned char *offered, unsigned offered_size, void *argument)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    const struct tls_listener *listener = argument;
    unsigned skip = listener->http2 ? 0 : 3;
    unsigned char *found;

    (void)ssl;
    if (SSL_select_next_proto(&found, chosen_size, ours + skip, sizeof ours - 1 - skip, offered,
                              offered_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

static int seal_or_open(const struct ticket_key *key, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                        EVP_MAC_CTX *mac, int seals)
{
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t) "SHA256", 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, seals) == 1 &&
           EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

/* What SSL_CTX_set_tlsext_ticket_key_evp_cb asks for: 0 not ours, 1 good, 2 good but give a new one, -1 failed. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int seals)
{
    const struct tls_listener *listener = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct ticket_key key;
    bool is_newest = true;
    int result;

    if (seals) {
        ticket_keys_newest(listener->tickets, &key);
        memcpy(name, key.name, sizeof key.name);
        if (RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1)
            return -1;
    } else if (!ticket_keys_find(listener->tickets, name, &key, &is_newest)) {
        return 0;
    }
    /* In TLS 1.3 a ticket is for one use (RFC 8446 appendix C.4): who has used one gets another. */
    is_newest = is_newest && (seals || SSL_version(ssl) < TLS1_3_VERSION);
    result = seal_or_open(&key, iv, cipher, mac, seals) ? (is_newest ? 1 : 2) : -1;
    explicit_bzero(&key, sizeof key);
    return result;
}

static int on_status(SSL *ssl, void *argument)
{
    const struct tls_listener *listener = argument;
    const X509 *shown = SSL_get_certificate(ssl);
    const struct tls_pair *held = listener->pairs;
    unsigned char *copy;

    while (held < listener->pairs + listener->pair_count && held->certificate != shown)
        held++;
    if (held == listener->pairs + listener->pair_count || !held->bytes)
        return SSL_TLSEXT_ERR_NOACK;
    if (held->until < (int64_t)(clock_wall_us() / 1000000))
        return SSL_TLSEXT_ERR_NOACK;
    copy = OPENSSL_memdup(held->bytes, held->size);
    if (!copy || SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)held->size) != 1) {
        OPENSSL_free(copy);
        return SSL_TLSEXT_ERR_NOACK;
    }
    return SSL_TLSEXT_ERR_OK;
}

/* --- making --- */

/* Tickets are good only where the same is asked of a client: a listener with other rules about client certificates does not take
 * them. */
static bool set_resumption(SSL_CTX *context, const struct tls_listener *listener,
                           const struct listen_config *config)
{
    const struct file_config *asked = &config->tls.client_ca;
    char *identity = mem_alloc(strlen(config->text) + asked->size + 1);
    size_t identity_size = strlen(config->text) + 1;
    unsigned char id[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    bool good;

    memcpy(identity, config->text, identity_size);
    if (asked->size)
        memcpy(identity + identity_size, asked->bytes, asked->size);
    good = EVP_Digest(identity, identity_size + asked->size, id, &size, EVP_sha256(), NULL) == 1;
    mem_free(identity);
    if (!good)
        return false;
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* all state is in the ticket */
    SSL_CTX_set_timeout(context, TICKET_KEY_SECONDS);
    return SSL_CTX_set_session_id_context(context, id, size < 32 ? size : 32) == 1 &&
           (!listener->tickets || SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket));
}

/* Only who has a certificate comes in. */
static bool ask_for_certificates(SSL_CTX *context, const struct tls_config *tls)
{
    if (!tls->client_ca.bytes)
        return true;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return certificates_trust(context, (struct slice){tls->client_ca.bytes, tls->client_ca.size}, true) > 0;
}

/* The OCSP response belongs to the pair's certificate. */
static void staple(struct tls_listener *listener, struct tls_pair *held, const struct file_config *file)
{
    if (!file->bytes || !ocsp_answer_read((struct slice){file->bytes, file->size}, &held->until))
        return;
    held->size = file->size;
    held->bytes = mem_alloc(file->size + 1);
    memcpy(held->bytes, file->bytes, file->size);
    SSL_CTX_set_tlsext_status_cb(held->context, on_status);
    SSL_CTX_set_tlsext_status_arg(held->context, listener);
}

static int kind_of_key(const X509 *certificate)
{
    return EVP_PKEY_get_base_id(X509_get0_pubkey(certificate));
}

/* The same set of names? Those of the later pair are the last. */
static bool has_same_names(const struct tls_listener *listener, unsigned earlier, unsigned later)
{
    unsigned count[2] = {0, 0}, found = 0;

    for (unsigned i = 0; i < listener->name_count; i++) {
        const struct tls_name *name = &listener->names[i];
        bool is_later = name->pair == later;
        count[is_later] += is_later || name->pair == earlier;
        for (unsigned k = 0; is_later && k < listener->name_count; k++)
            found += listener->names[k].pair == earlier && strcmp(listener->names[k].name, name->name) == 0;
    }
    return count[0] > 0 && count[0] == count[1] && found == count[0];
}

/* An earlier pair for the same names whose context has no key of this kind yet: OpenSSL shows each client of that
 * context the certificate that it can verify. pair_count: there is none. */
static unsigned find_twin(const struct tls_listener *listener, unsigned pair)
{
    for (unsigned i = 0; i < pair; i++) {
        bool is_free = true;
        for (unsigned k = 0; k < pair; k++)
            if (listener->pairs[k].context == listener->pairs[i].context &&
                kind_of_key(listener->pairs[k].certificate) == kind_of_key(listener->pairs[pair].certificate))
                is_free = false;
        if (is_free && has_same_names(listener, i, pair))
            return i;
    }
    return pair;
}

static void forget_names(struct tls_listener *listener, unsigned pair)
{
    while (listener->name_count && listener->names[listener->name_count - 1].pair == pair)
        mem_free(listener->names[--listener->name_count].name);
}

static const char *set_up(SSL_CTX *context, struct tls_listener *listener, const struct listen_config *config)
{
    const struct tls_config *tls = &config->tls;

    SSL_CTX_set_app_data(context, listener);
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                           SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                           (listener->tickets ? 0 : SSL_OP_NO_TICKET));
    if (!SSL_CTX_set_min_proto_version(context,
                                       tls->min_version == TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION) ||
        !SSL_CTX_set_cipher_list(context, tls->ciphers ? tls->ciphers : GOOD_CIPHERS) ||
        !SSL_CTX_set_ciphersuites(context, GOOD_SUITES) || !SSL_CTX_set_max_early_data(context, 0) ||
        !set_resumption(context, listener, config) || !ask_for_certificates(context, tls))
        return certificate_error();
    SSL_CTX_set_tlsext_servername_callback(context, on_name);
    SSL_CTX_set_tlsext_servername_arg(context, listener);
    SSL_CTX_set_alpn_select_cb(context, on_protocols, listener);
    return NULL;
}

static const char *make_pair(struct tls_listener *listener, unsigned index,
                             const struct listen_config *config)
{
    const struct pair_config *files = &config->tls.pairs[index];
    struct slice certificate = {files->certificate.bytes, files->certificate.size};
    struct tls_pair *pair = &listener->pairs[index];
    const char *why = NULL;
    bool blames_key;
    unsigned twin;

    pair->certificate = certificate_read(certificate);
    if (!pair->certificate)
        return "no certificate in PEM form is in it";
    add_names(listener, index, pair->certificate);
    twin = find_twin(listener, index);
    if (twin < index) {
        forget_names(listener, index);
        pair->context = listener->pairs[twin].context;
        CHECK(SSL_CTX_up_ref(pair->context) == 1);
    } else {
        pair->context = SSL_CTX_new(TLS_server_method());
        CHECK(pair->context);
        why = set_up(pair->context, listener, config);
    }
    if (!why)
        why = certificate_use(pair->context, certificate, (struct slice){files->key.bytes, files->key.size},
                              &blames_key);
    if (why)
        return why;
    X509_free(pair->certificate); /* the context's own: what a connection shows is known by it */
    pair->certificate = SSL_CTX_get0_certificate(pair->context);
    CHECK(X509_up_ref(pair->certificate) == 1);
    staple(listener, pair, &files->ocsp);
    return NULL;
}

/* NULL, or why not. */
static const char *make_listener(struct tls_listener *listener, const struct listen_config *config,
                                 const struct ticket_keys *tickets)
{
    const char *why = NULL;

    listener->address = config->address;
    listener->http2 = config->http2;
    listener->tickets = tickets;
    listener->pairs = mem_zero((config->tls.pair_count + 1) * sizeof *listener->pairs);
    for (unsigned i = 0; i < config->tls.pair_count && !why; i++) {
        listener->pair_count = i + 1;
        why = make_pair(listener, i, config);
    }
    if (listener->name_count)
        qsort(listener->names, listener->name_count, sizeof *listener->names, compare_names);
    return why;
}

struct tls_contexts *tls_contexts_new(const struct config *config, const struct ticket_keys *tickets)
{
    struct tls_contexts *contexts = mem_zero(sizeof *contexts);
    const char *why = NULL;

    atomic_init(&contexts->references, 1);
    contexts->listeners = mem_zero((config->listen_count + 1) * sizeof *contexts->listeners);
    for (unsigned i = 0; i < config->listen_count && !why; i++) {
        contexts->count = i + 1;
        why = make_listener(&contexts->listeners[i], &config->listens[i], tickets);
        if (why)
            log_error("listen[%u].tls: %s", i, why);
    }
    if (why)
        tls_contexts_unref(&contexts);
    return contexts;
}

struct tls_contexts *tls_contexts_ref(struct tls_contexts *contexts)
{
    if (contexts)
        atomic_fetch_add_explicit(&contexts->references, 1, memory_order_relaxed);
    return contexts;
}

void tls_contexts_unref(struct tls_contexts **owner)
{
    struct tls_contexts *contexts = *owner;

    *owner = NULL;
    if (!contexts || atomic_fetch_sub_explicit(&contexts->references, 1, memory_order_acq_rel) > 1)
        return;
    for (unsigned i = 0; i < contexts->count; i++) {
        struct tls_listener *listener = &contexts->listeners[i];
        for (unsigned k = 0; k < listener->pair_count; k++) {
            SSL_CTX_free(listener->pairs[k].context);
            X509_free(listener->pairs[k].certificate);
            mem_free(listener->pairs[k].bytes);
        }
        for (unsigned k = 0; k < listener->name_count; k++)
            mem_free(listener->names[k].name);
        mem_free(listener->pairs);
        mem_free(listener->names);
    }
    mem_free(contexts->listeners);
    mem_free(contexts);
}

struct tls_listener *tls_contexts_of(const struct tls_contexts *contexts, const struct address *address)
{
    for (unsigned i = 0; contexts && i < contexts->count; i++)
        if (contexts->listeners[i].pair_count && address_equal(&contexts->listeners[i].address, address))
            return &contexts->listeners[i];
    return NULL;
}

SSL_CTX *tls_listener_context(const struct tls_listener *listener)
{
    return listener->pairs[0].context;
}
