/* SPDX-License-Identifier: MIT
 *
 * Whom we connect to by TLS, and the sessions that shorten the next handshake with the same: those of TLS 1.3 are for one use
 * (RFC 8446 appendix C.4). Any thread; a target owns its sessions, behind a mutex that only a handshake touches. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/certificate.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/tls.h"

#define SESSIONS_MAX    8    /* of a target: as many links may begin at once */
#define SESSION_SECONDS 3600 /* then the peer shows its certificate again */

struct tls_target {
    _Atomic uint32_t references;
    SSL_CTX *context;
    char *name;

    pthread_mutex_t mutex; /* guards the rest */
    unsigned session_count;
    SSL_SESSION *sessions[SESSIONS_MAX]; /* the oldest first */
};

/* --- sessions --- */

static void drop_session(struct tls_target *target, unsigned index)
{
    SSL_SESSION_free(target->sessions[index]);
    target->session_count--;
    for (unsigned i = index; i < target->session_count; i++)
        target->sessions[i] = target->sessions[i + 1];
}

/* A peer's ticket has come. True: the session is ours now. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_target *target = SSL_get_app_data(ssl);

    if (!target || !SSL_SESSION_is_resumable(session))
        return 0;
    pthread_mutex_lock(&target->mutex);
    if (target->session_count == SESSIONS_MAX)
        drop_session(target, 0);
    target->sessions[target->session_count++] = session;
    pthread_mutex_unlock(&target->mutex);
    return 1;
}

static bool is_fresh(const SSL_SESSION *session)
{
    long age = (long)time(NULL) - SSL_SESSION_get_time(session);

    return age >= 0 && age < SESSION_SECONDS && age < SSL_SESSION_get_timeout(session);
}

/* The newest, or NULL; the caller frees it. */
static SSL_SESSION *take_session(struct tls_target *target)
{
    SSL_SESSION *session = NULL;

    pthread_mutex_lock(&target->mutex);
    while (target->session_count && !is_fresh(target->sessions[target->session_count - 1]))
        drop_session(target, target->session_count - 1);
    if (target->session_count) {
        session = target->sessions[target->session_count - 1];
        if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION)
            target->session_count--;
        else
            CHECK(SSL_SESSION_up_ref(session) == 1);
    }
    pthread_mutex_unlock(&target->mutex);
    return session;
}

void tls_target_forget(struct tls_target *target)
{
    pthread_mutex_lock(&target->mutex);
    while (target->session_count)
        drop_session(target, target->session_count - 1);
    pthread_mutex_unlock(&target->mutex);
}

/* --- targets --- */

SSL_CTX *tls_client_context(struct slice ca, bool verifies, bool speaks_h2)
{
    const char *protocols = speaks_h2 ? "\x02h2" : "\x08http/1.1";
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    bool good;

    CHECK(context);
    good =
        SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_alpn_protos(context, (const unsigned char *)protocols, (unsigned)strlen(protocols)) == 0;
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_verify(context, verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_session);
    if (good && verifies)
        good = ca.size ? certificates_trust(context, ca, false) > 0
                       : SSL_CTX_set_default_verify_paths(context) == 1;
    if (!good) {
        SSL_CTX_free(context);
        context = NULL;
    }
    ERR_clear_error();
    return context;
}

struct tls_target *tls_target_new(SSL_CTX *context, const char *name)
{
    struct tls_target *target = mem_zero(sizeof *target);

    atomic_init(&target->references, 1);
    CHECK(SSL_CTX_up_ref(context) == 1);
    target->context = context;
    target->name = mem_dup(name);
    CHECK(pthread_mutex_init(&target->mutex, NULL) == 0);
    return target;
}

struct tls_target *tls_target_ref(struct tls_target *target)
{
    if (target)
        atomic_fetch_add_explicit(&target->references, 1, memory_order_relaxed);
    return target;
}

void tls_target_unref(struct tls_target **owner)
{
    struct tls_target *target = *owner;

    *owner = NULL;
    if (!target || atomic_fetch_sub_explicit(&target->references, 1, memory_order_acq_rel) > 1)
        return;
    tls_target_forget(target);
    pthread_mutex_destroy(&target->mutex);
    SSL_CTX_free(target->context);
    mem_free(target->name);
    mem_free(target);
}

struct tls_stream *tls_reach(struct tls_target *target, int fd)
{
    struct tls_stream *stream = tls_connect(target->context, fd, target->name);
    SSL_SESSION *session = take_session(target);

    CHECK(SSL_set_app_data(tls_ssl(stream), tls_target_ref(target)) == 1); /* tls_free gives it back */
    if (session)
        (void)SSL_set_session(tls_ssl(stream), session);
    SSL_SESSION_free(session);
    return stream;
}
