/* SPDX-License-Identifier: MIT
 *
 * The door: moving requests and responses. One proxy per loop; all its connections live and die on that
 * loop's thread. Functions marked (any thread) post to the loop; the others run on it, or before it runs. */
#ifndef DROVER_PROXY_PROXY_H
#define DROVER_PROXY_PROXY_H

#include "balancer/balancer.h"
#include "base/histogram.h"
#include "base/loop.h"
#include "base/ticket_keys.h"
#include "config/config.h"

/* What the listeners of a configuration serve TLS with (tls.c): immutable, counted, of any thread. NULL, said
 * in the log: it cannot be made. Without `tickets` nobody's handshake is shortened. */
struct tls_contexts;
struct tls_contexts *tls_contexts_new(const struct config *config, const struct ticket_keys *tickets);
struct tls_contexts *tls_contexts_ref(struct tls_contexts *contexts);
void tls_contexts_unref(struct tls_contexts **contexts);

/* The immutable configuration, routes and pools that a loop serves from. pools[i] is that of
 * config->pools[i]. Any thread. */
struct snapshot {
    _Atomic uint32_t references;
    struct config *config;
    struct tls_contexts *tls; /* NULL: every listener is plain */
    unsigned pool_count;
    struct pool *pools[];
};
/* takes its own references */
struct snapshot *snapshot_new(struct config *config, struct pool *const *pools);
/* Before it is shared; takes a reference of its own. */
void snapshot_serve_tls(struct snapshot *snapshot, struct tls_contexts *contexts);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot **snapshot);

/* A finished response that listeners with `expose:` give out; made by the control thread, immutable. */
struct exposed_page {
    _Atomic uint32_t references;
    char path[64];
    unsigned status;
    size_t size;
    char body[];
};
struct exposed_page *exposed_page_new(const char *path, unsigned status, struct slice body);
void exposed_page_unref(struct exposed_page **page);

/* Counts of one loop: written by it alone, read by anybody. A new counter needs a name here, and a row in
 * admin/metrics_traffic.c and docs/metrics.md. (The formatter would indent each row deeper than the one before.) */
/* clang-format off */
#define PROXY_COUNTERS(X) \
    X(connections_accepted) X(connections_refused) X(requests) X(responses_1xx) X(responses_2xx) \
    X(responses_3xx) X(responses_4xx) X(responses_5xx) X(tunnels_opened) X(tunnels_closed) \
    X(links_opened) X(links_reused) X(links_stale) X(retries) X(queued) X(queue_full) X(queue_timeout) \
    X(no_worker) X(client_gone) X(bytes_from_clients) X(bytes_to_clients) X(log_lines_dropped) \
    X(tls_handshakes) X(tls_resumed) X(tls_failed) X(affinity_set) X(affinity_moved) \
    X(h2_connections) X(h2_resets) X(h2_refused) X(h2_broken)
/* clang-format on */
struct proxy_counters {
#define X(name) _Atomic uint64_t name;
    PROXY_COUNTERS(X)
#undef X
};

/* The threads that read and write temporary files for all loops: once an engine, around the loops' life.
 * NULL: $TMPDIR, else /tmp. */
void spools_start(const char *directory, unsigned threads);
void spools_stop(void); /* after the loops have ended, before they are freed */

struct proxy;
struct proxy_options {
    unsigned index;                     /* of the loop: 0 ... */
    const _Atomic unsigned *loop_count; /* loops that accept: those of `siblings` below it */
    unsigned column;                    /* the engine's */
    struct slots *slots;
    int access_log; /* the proxy's own; -1: stdout when the configuration says so */
    /* all loops' proxies, by index: for dealing out the connections of a unix listener */
    struct proxy **siblings;
};
struct proxy *proxy_new(struct loop *loop, struct snapshot *snapshot, const struct proxy_options *options);
void proxy_free(struct proxy **proxy); /* after its loop has ended */
/* (any thread) fd: level-triggered accept; index in config->listens; owned by the proxy */
void proxy_listen(struct proxy *proxy, unsigned listener, int fd);
/* (any thread) stops accepting there; what it carries goes on */
void proxy_unlisten(struct proxy *proxy, const struct address *address);
/* (any thread) from now on new requests are served from this */
void proxy_adopt(struct proxy *proxy, struct snapshot *snapshot);
/* (any thread) replaces the page of that path */
void proxy_expose(struct proxy *proxy, struct exposed_page *page);
/* (any thread) closes its idle links */
void proxy_forget_backend(struct proxy *proxy, struct backend *backend);
/* (any thread) Closes the tunnels on this backend, the oldest first and at most so many, at a frame boundary
 * with 1012, spread evenly over `over_ms`. */
void proxy_close_tunnels(struct proxy *proxy, struct backend *backend, unsigned most, unsigned over_ms);
/* (any thread) Stops accepting, answers with Connection: close, closes idle connections, sends 1001 to
 * tunnels; what is left `within_ms` later is cut. on_drained is called on the loop's thread once nothing is
 * left. */
void proxy_drain(struct proxy *proxy, unsigned within_ms, void (*on_drained)(void *argument), void *argument);
void proxy_reopen_log(struct proxy *proxy, int fd);                     /* (any thread) the proxy owns fd */
const struct proxy_counters *proxy_counters(const struct proxy *proxy); /* any thread */
const struct histogram *proxy_latency(const struct proxy *proxy);       /* any thread: request times, µs */

#endif
