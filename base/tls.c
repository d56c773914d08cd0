/* SPDX-License-Identifier: MIT
 *
 * OpenSSL over our own sockets. Its BIO is ours: it knows from a short read that the socket is empty, so that no call is made only to
 * be told so, and it never raises SIGPIPE. The stream's owner's thread. */
#include "base/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/certificate.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/net.h"

#define RECORD_MAX 16384
#define RECORD_FIRST                                                                                         \
    4096 /* the first record after a pause: its reader can begin before a whole large one is there */
#define PAUSE_US    1000000
#define NO_DATA_MAX 32 /* records in a row that carry no data */

struct tls_stream {
    SSL *ssl;
    int fd;
    bool is_open, is_dry, peer_closed, wants_room;
    bool is_broken;    /* nothing more can be said */
    bool has_said_end; /* close_notify */
    bool is_client;
    bool writes_small;    /* records, for the sake of memory */
    bool is_half_written; /* a record is sealed that the socket has not taken */
    uint64_t wrote_us;
    const char *problem;
};

/* --- the BIO --- */

static int on_bio_read(BIO *bio, char *into, int room)
{
    struct tls_stream *stream = BIO_get_data(bio);
    ssize_t got;

    BIO_clear_retry_flags(bio);
    got = stream->is_dry ? -EAGAIN : net_read(stream->fd, into, (size_t)room);
    if (got == -EAGAIN) {
        stream->is_dry = true;
        BIO_set_retry_read(bio);
        return -1;
    }
    if (got > 0)
        stream->is_dry = got < room && !stream->peer_closed;
    return got < 0 ? -1 : (int)got;
}

static int on_bio_write(BIO *bio, const char *bytes, int size)
{
    struct tls_stream *stream = BIO_get_data(bio);
    ssize_t wrote = net_write(stream->fd, bytes, (size_t)size);

    BIO_clear_retry_flags(bio);
    if (wrote == -EAGAIN || wrote == -ENOTCONN) /* a connect that goes on */
        BIO_set_retry_write(bio);
    return wrote < 0 ? -1 : (int)wrote;
}

static long on_bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "drover");
    CHECK(method);
    BIO_meth_set_read(method, on_bio_read);
    BIO_meth_set_write(method, on_bio_write);
    BIO_meth_set_ctrl(method, on_bio_control);
}

/* --- life --- */

static struct tls_stream *stream_new(SSL_CTX *context, int fd)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct tls_stream *stream = mem_zero(sizeof *stream);
    BIO *bio;

    (void)pthread_once(&once, make_method);
    stream->ssl = SSL_new(context);
    bio = BIO_new(method);
    CHECK(stream->ssl && bio); /* memory: as everywhere */
    stream->fd = fd;
    stream->problem = "";
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    SSL_set_bio(stream->ssl, bio, bio);
    SSL_set_read_ahead(stream->ssl, 1);
    SSL_set_mode(stream->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_clear_mode(stream->ssl, SSL_MODE_AUTO_RETRY);
    return stream;
}

struct tls_stream *tls_accept(SSL_CTX *context, int fd)
{
    struct tls_stream *stream = stream_new(context, fd);

    SSL_set_accept_state(stream->ssl);
    return stream;
}

struct tls_stream *tls_connect(SSL_CTX *context, int fd, const char *name)
{
    struct tls_stream *stream = stream_new(context, fd);
    unsigned char ip[16];

    stream->is_client = true;
    SSL_set_connect_state(stream->ssl);
    if (name && (inet_pton(AF_INET, name, ip) == 1 || inet_pton(AF_INET6, name, ip) == 1)) {
        CHECK(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(stream->ssl), name) == 1);
    } else if (name) {
        SSL_set_hostflags(stream->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        (void)SSL_set_tlsext_host_name(stream->ssl, name);
        if (SSL_set1_host(stream->ssl, name) != 1)
            stream->is_broken = true;
    }
    return stream;
}

/* --- the end --- */

void tls_free(struct tls_stream **owner, bool says_goodbye)
{
    struct tls_stream *stream = *owner;
    struct tls_target *target;

    *owner = NULL;
    if (!stream)
        return;
    if (says_goodbye)
        tls_shutdown_write(stream);
    target = SSL_get_app_data(stream->ssl); /* tls_reach */
    if (target &&
        stream->is_open) /* else OpenSSL thinks that a session that was cut is not to be used again */
        SSL_set_shutdown(stream->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(stream->ssl);
    if (target && !stream->is_open) /* perhaps it is what was remembered that the peer does not like */
        tls_target_forget(target);
    tls_target_unref(&target);
    mem_free(stream);
}

SSL *tls_ssl(const struct tls_stream *stream)
{
    return stream->ssl;
}

bool tls_is_open(const struct tls_stream *stream)
{
    return stream->is_open;
}

bool tls_wants_room(const struct tls_stream *stream)
{
    return stream->wants_room;
}

const char *tls_problem(const struct tls_stream *stream)
{
    return stream->problem;
}

void tls_woken(struct tls_stream *stream, short what)
{
    if (what & EV_CLOSED)
        stream->peer_closed = true;
    if (what & (EV_READ | EV_CLOSED))
        stream->is_dry = false;
    if (what & EV_WRITE)
        stream->wants_room = false;
}

/* --- what OpenSSL says --- */

static ssize_t break_off(struct tls_stream *stream, int error)
{
    long verified = SSL_get_verify_result(stream->ssl);
    unsigned long said = ERR_peek_error();
    bool is_http = ERR_GET_LIB(said) == ERR_LIB_SSL && ERR_GET_REASON(said) == SSL_R_HTTP_REQUEST;

    stream->is_broken = true;
    if (!stream->is_open && stream->is_client && verified != X509_V_OK)
        stream->problem = X509_verify_cert_error_string(verified);
    else if (error == SSL_ERROR_SSL)
        stream->problem = certificate_error();
    else
        stream->problem = "the connection ended";
    ERR_clear_error();
    if (is_http && !stream->is_open)
        return -EPROTOTYPE;
    if (stream->is_open)
        return -ECONNRESET;
    return error == SSL_ERROR_SYSCALL ? -ECONNABORTED : -EPROTO;
}

/* -EAGAIN, or what a stream that has failed answers. */
static ssize_t not_done(struct tls_stream *stream, int result)
{
    int error = SSL_get_error(stream->ssl, result);

    if (error == SSL_ERROR_WANT_READ)
        return -EAGAIN;
    if (error == SSL_ERROR_WANT_WRITE) {
        stream->wants_room = true;
        return -EAGAIN;
    }
    return break_off(stream, error);
}

int tls_handshake(struct tls_stream *stream)
{
    int result;

    if (stream->is_broken)
        return -EPROTO;
    ERR_clear_error();
    result = SSL_do_handshake(stream->ssl);
    if (result != 1)
        return (int)not_done(stream, result);
    stream->is_open = true;
    return 0;
}

bool tls_agreed_on(const struct tls_stream *stream, const char *protocol)
{
    const unsigned char *name;
    unsigned size;

    SSL_get0_alpn_selected(stream->ssl, &name, &size);
    return slice_equal((struct slice){(const char *)name, size}, slice_of(protocol));
}

/* True: go on with data. */
static bool opens(struct tls_stream *stream, ssize_t *answer)
{
    *answer = stream->is_broken ? -ECONNRESET : stream->is_open ? 0 : tls_handshake(stream);
    return *answer == 0;
}

bool tls_has_more(const struct tls_stream *stream)
{
    return !stream->is_dry || SSL_has_pending(stream->ssl);
}

ssize_t tls_read(struct tls_stream *stream, void *into, size_t room)
{
    ssize_t answer;

    if (!opens(stream, &answer))
        return answer;
    for (unsigned i = 0; i < NO_DATA_MAX; i++) {
        size_t got = 0;
        ERR_clear_error();
        int result = SSL_read_ex(stream->ssl, into, room, &got);
        if (result == 1)
            return (ssize_t)got;
        if (SSL_get_error(stream->ssl, result) == SSL_ERROR_ZERO_RETURN)
            return 0;
        answer = not_done(stream, result);
        if (answer != -EAGAIN || stream->is_dry || stream->wants_room)
            return answer;
        /* else a record that carried no data: a ticket, a change of keys */
    }
    stream->problem = "records without data, one after the other";
    stream->is_broken = true;
    return -ECONNRESET;
}

/* A record that the socket does not take stays in a buffer as large as the largest: of a crowd's, each is small. */
static void fit_record(struct tls_stream *stream)
{
    bool is_small = blocks_are_scarce();

    if (is_small == stream->writes_small)
        return;
    stream->writes_small = is_small;
    (void)SSL_set_max_send_fragment(stream->ssl, is_small ? RECORD_FIRST : RECORD_MAX);
}

ssize_t tls_write(struct tls_stream *stream, const void *bytes, size_t size)
{
    size_t wrote = 0, total = 0;
    uint64_t now_us = clock_us();
    ssize_t answer;

    if (!opens(stream, &answer))
        return answer;
    if (!stream->is_half_written)
        fit_record(stream);
    while (total < size) {
        bool is_first = size > RECORD_MAX && now_us - stream->wrote_us > PAUSE_US && !stream->is_half_written;
        ERR_clear_error();
        int result = SSL_write_ex(stream->ssl, (const char *)bytes + total,
                                  is_first ? RECORD_FIRST : size - total, &wrote);
        stream->is_half_written = result != 1;
        if (result != 1) {
            answer = not_done(stream, result);
            return total && answer == -EAGAIN ? (ssize_t)total : answer;
        }
        stream->wrote_us = now_us;
        total += wrote;
    }
    return (ssize_t)total;
}

/* Small pieces go together into one record; a large one is sealed from where it lies. */
ssize_t tls_writev(struct tls_stream *stream, const struct iovec *parts, int count)
{
    static _Thread_local char record[RECORD_MAX];
    size_t total = 0, at = 0; /* in parts[0] */

    while (count > 0) {
        const char *from = (const char *)parts[0].iov_base + at;
        size_t size = parts[0].iov_len - at;
        if (size < sizeof record && count > 1) {
            size_t skip = at;
            size = 0;
            for (int i = 0; i < count && size < sizeof record; i++, skip = 0) {
                size_t piece = parts[i].iov_len - skip, room = sizeof record - size;
                piece = piece < room ? piece : room;
                memcpy(record + size, (const char *)parts[i].iov_base + skip, piece);
                size += piece;
            }
            from = record;
        }
        ssize_t wrote = size ? tls_write(stream, from, size) : 0;
        if (wrote < 0)
            return total && wrote == -EAGAIN ? (ssize_t)total : wrote;
        total += (size_t)wrote;
        at += (size_t)wrote;
        while (count > 0 && at >= parts[0].iov_len) {
            at -= parts[0].iov_len;
            parts++;
            count--;
        }
        if ((size_t)wrote < size)
            return (ssize_t)total;
    }
    return (ssize_t)total;
}

void tls_shutdown_write(struct tls_stream *stream)
{
    if (!stream->is_open || stream->is_broken || stream->has_said_end)
        return;
    stream->has_said_end = true;
    ERR_clear_error();
    (void)SSL_shutdown(stream->ssl);
    ERR_clear_error();
}
