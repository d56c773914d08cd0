/* SPDX-License-Identifier: MIT
 *
 * A TLS stream over a non-blocking, edge-triggered descriptor: the record layer reads and writes straight between the socket and the
 * caller's bytes. It answers as net_read and net_write do, so that whoever has one goes the same way with or without. One thread. */
#ifndef DROVER_BASE_TLS_H
#define DROVER_BASE_TLS_H

#include <openssl/ssl.h>
#include <sys/uio.h>

#include "base/str.h"

struct tls_stream;

/* Whom to connect to by TLS: a context, the name that is asked for and verified, and some sessions of the past, so that the next
 * handshake is shorter. Counted; any thread (tls_target.c). */
struct tls_target;
/* A context for connecting: peers are verified by `ca` (PEM; empty: those that the system trusts), or not at all. NULL: `ca` cannot be
 * read. The caller frees it (SSL_CTX_free). `speaks_h2`: HTTP/2 is asked for by ALPN instead of HTTP/1.1. */
SSL_CTX *tls_client_context(struct slice ca, bool verifies, bool speaks_h2);
struct tls_target *tls_target_new(SSL_CTX *context,
                                  const char *name);          /* references the context, copies the name */
struct tls_target *tls_target_ref(struct tls_target *target); /* NULL gives NULL */
void tls_target_unref(struct tls_target **target);
/* Over a descriptor that is connected, or will be. The stream holds a reference. */
struct tls_stream *tls_reach(struct tls_target *target, int fd);
void tls_target_forget(struct tls_target *target); /* its sessions */

/* The descriptor stays the caller's. The context is referenced. */
struct tls_stream *tls_accept(SSL_CTX *context, int fd);
/* `name`: asked for by SNI and verified, a host's name or IP; NULL: neither. */
struct tls_stream *tls_connect(SSL_CTX *context, int fd, const char *name);
/* `says_goodbye`: a close_notify goes out if it can, so that the peer knows that this was all. Before the descriptor is closed. */
void tls_free(struct tls_stream **stream, bool says_goodbye);

/* Called with every event of the descriptor, first: EV_READ, EV_WRITE, EV_CLOSED. */
void tls_woken(struct tls_stream *stream, short what);
/* 0: done; -EAGAIN: goes on with the next event; -EPROTOTYPE: the peer speaks plain HTTP; else it has failed: tls_problem says why. */
int tls_handshake(struct tls_stream *stream);
bool tls_is_open(const struct tls_stream *stream); /* the handshake is done */
/* As net_read: 0 only after the peer's close_notify; an end without one is -ECONNRESET. */
ssize_t tls_read(struct tls_stream *stream, void *into, size_t room);
/* False: whatever has come was read, the next event tells of more. */
bool tls_has_more(const struct tls_stream *stream);
/* As net_write; after -EAGAIN the same bytes, perhaps with more behind them, have to be offered again. */
ssize_t tls_write(struct tls_stream *stream, const void *bytes, size_t size);
ssize_t tls_writev(struct tls_stream *stream, const struct iovec *parts, int count);
bool tls_agreed_on(const struct tls_stream *stream, const char *protocol); /* by ALPN */
/* The handshake or a read cannot go on before the socket takes more: EV_WRITE is wanted. */
bool tls_wants_room(const struct tls_stream *stream);
void tls_shutdown_write(struct tls_stream *stream); /* close_notify; reading goes on */
SSL *tls_ssl(const struct tls_stream *stream);
const char *tls_problem(const struct tls_stream *stream); /* a few words */

#endif
