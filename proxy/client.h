/* SPDX-License-Identifier: MIT
 *
 * A client's connection: accepted by a listener, talked to by client_h1.c or client_h2.c. An idle one holds no buffer.
 *
 *  arriving -> (handshake ->) waiting -> reading head -> exchange -> waiting ...      any -> lingering -> closed
 *                      |         |                       exchange -> tunnel -> closed
 *                      +---------+-> h2 (by ALPN or preface), many exchanges at once */
#ifndef DROVER_PROXY_CLIENT_H
#define DROVER_PROXY_CLIENT_H

#include "base/net.h"
#include "base/tls.h"
#include "proxy/exchange.h"
#include "proxy/per_ip.h"
#include "proxy/tunnel_client.h"

enum client_state {
    CLIENT_ARRIVING,  /* who it is, by a PROXY header perhaps */
    CLIENT_HANDSHAKE, /* TLS; what follows has its time from the same accept */
    CLIENT_WAITING,   /* for the first byte of a request */
    CLIENT_READING,   /* a head */
    CLIENT_EXCHANGE,
    CLIENT_LINGERING, /* answered; reads and throws away until the client has closed (RFC 9112 section 9.6) */
    CLIENT_TUNNEL,
    CLIENT_H2, /* its streams have the exchanges */
    CLIENT_CLOSED,
};

struct client_h2;
struct listener;

struct client {
    uint32_t tag;
    enum client_state state;
    struct proxy *proxy;
    struct list node;
    struct client_stream stream;
    struct tunnel_client tunnel;
    struct client_h2 *h2;      /* NULL: HTTP/1 */
    struct listener *listener; /* referenced */
    struct watch watch;
    int fd;
    struct peer peer;
    struct buffer in, out;
    size_t seen;              /* of `in`, by the head's reader */
    struct h1_body body;      /* of the request */
    struct deadline deadline; /* header, keep_alive, body, send or linger: by state */
    struct task task;         /* goes on in the next turn; frees at the end of one */
    bool readable, peer_closed, at_end, blocked;
    bool body_is_done, closes, is_chunked, response_has_no_body, response_is_whole, is_http10, advancing;
    size_t kernel_holds; /* while blocked: of what we wrote, at the last look */
    uint8_t looks_in_vain;
    uint32_t exchanges; /* so far */

    struct tls_stream *tls;            /* NULL: plain */
    struct tls_contexts *tls_contexts; /* referenced: what `tls` calls back to */
    struct list handshake_node;
    struct list deferred_node;
    bool is_deferred; /* its handshake waits for a turn of its own */
    bool is_counted;  /* of its address, under limits.connections_per_ip */
    struct per_ip_key key;
};

ssize_t client_tls_read(struct client *client, void *into, size_t room);
void client_turn_away(struct proxy *proxy, const struct listener *listener, int fd);

/* client_arrival.c */
void client_know_peer(struct client *client, const struct address *address);
void client_arrive(struct client *client); /* goes on as soon as it is known who it is */

/* client_tls.c */

/* The connection's bytes, sealed or not; as net_read and its kin answer. */
static inline ssize_t client_read(struct client *client, void *into, size_t room)
{
    return client->tls ? client_tls_read(client, into, room) : net_read(client->fd, into, room);
}

static inline ssize_t client_write(struct client *client, const void *bytes, size_t size)
{
    return client->tls ? tls_write(client->tls, bytes, size) : net_write(client->fd, bytes, size);
}

static inline ssize_t client_writev(struct client *client, const struct iovec *parts, int count)
{
    return client->tls ? tls_writev(client->tls, parts, count) : net_writev(client->fd, parts, count);
}

/* After a read that gave `got` of `room` bytes: may there be more before the next event? */
static inline bool client_has_more(const struct client *client, size_t got, size_t room)
{
    return client->tls ? tls_has_more(client->tls) : got == room || client->peer_closed;
}

static inline void client_shutdown_write(struct client *client)
{
    if (client->tls)
        tls_shutdown_write(client->tls);
    net_shutdown_write(client->fd);
}

void client_open(struct proxy *proxy, struct listener *listener, int fd, const struct address *address);
/* its events are told from now on; harmless when they are already */
void client_watch(struct client *client);
void client_close(struct client *client);  /* at once; freed at the end of the turn */
void client_linger(struct client *client); /* all is sent: close so that the client can read it */
void client_drain(struct client *client);  /* drover stops: close when idle */
#define CLIENT_DRAIN_IDLE_MS 500           /* an idle connection stays so long when drover stops */

/* The socket is full, or not any more; only once is told. While it is, `deadline` is that of timeouts.send. */
void client_blocked(struct client *client);
void client_unblocked(struct client *client);
void client_made_progress(struct client *client); /* while blocked: some bytes were taken */
/* has taken nothing for timeouts.send; else it is looked at again later */
bool client_is_stuck(struct client *client);

/* client_tls.c */
void client_tls_open(
    struct client *client); /* begins the handshake: the state is CLIENT_HANDSHAKE, or it is closed */
void client_tls_advance(struct client *client); /* one step of it, now or soon */
void client_tls_on_turn(struct task *task);     /* of the proxy: those that wait for theirs */
short client_tls_woken(struct client *client,
                       short what); /* an event came: before anything else; what it means */
void client_tls_close(struct client *client, bool says_goodbye);

/* client_h1.c */
extern const struct client_ops client_h1_ops;
void client_h1_advance(struct client *client); /* does whatever can be done now */
void client_h1_write(struct client *client);   /* sends what is unsent */
void client_h1_event(struct client *client, short what);
void client_h1_due(struct client *client);
void client_h1_next(struct client *client); /* the exchange is over */

/* client_h1_write.c */
void client_h1_refuse_head(struct client *client, unsigned status, const char *why);

/* client_h2.c */
void client_h2_open(struct client *client);    /* what is in `in` are its first bytes */
bool client_h2_is_preface(struct slice bytes); /* as far as there are any */
void client_h2_advance(struct client *client);
void client_h2_event(struct client *client, short what);
void client_h2_due(struct client *client);
void client_h2_drain(struct client *client);
void client_h2_close(struct client *client); /* its exchanges lose their client */
void client_h2_free(struct client *client);
bool client_h2_is_finished(const struct client *client); /* all was said */

#endif
