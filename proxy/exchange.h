/* SPDX-License-Identifier: MIT
 *
 * One request and its response: two streams, and it knows neither HTTP/1 nor HTTP/2. The picture is at the
 * head of exchange.c. */
#ifndef DROVER_PROXY_EXCHANGE_H
#define DROVER_PROXY_EXCHANGE_H

#include <sys/uio.h>

#include "proxy/failure.h"
#include "proxy/local.h"
#include "proxy/spool.h"

struct exchange;
struct held;
struct tunnel_client;
struct link_stream;

struct reply {
    unsigned status;
    const char *type; /* NULL: none */
    struct slice body;
    const char *more; /* further fields, each with its CR LF */
};

/* What an exchange asks of the client's side. Nothing here frees the exchange but by exchange_delivered. */
struct client_stream;
struct client_ops {
    void (*interim)(struct client_stream *stream, const struct head *head);
    /* collected, sent by the next of the following */
    void (*head)(struct client_stream *stream, const struct head *head);
    /* takes all; what cannot be sent now is kept */
    void (*data)(struct client_stream *stream, struct slice data);
    void (*flush)(struct client_stream *stream);
    /* exchange_delivered follows, now or later */
    void (*end)(struct client_stream *stream, struct slice trailers);
    void (*answer)(struct client_stream *stream, unsigned status, const char *word); /* our own; likewise */
    void (*cut)(struct client_stream *stream);    /* the client must see that it broke off */
    void (*resume)(struct client_stream *stream); /* the request's body may go on */
    size_t (*unsent)(const struct client_stream *stream);
    /* An answer that is no worker's, without an exchange, whole, with its line in the log. */
    void (*reply)(struct client_stream *stream, const struct head *head, const struct reply *reply);
    /* For a tunnel, which has the stream from now on; `in`: what the client has sent already, `out`: what it has not taken yet. */
    struct tunnel_client *(*give_up)(struct client_stream *stream, struct buffer *in, struct buffer *out);
};
struct client_stream {
    const struct client_ops *ops;
    struct exchange *exchange; /* NULL between requests */
    bool waits_for_go;         /* exchange_go sends the request on its way, not exchange_open */
    struct held *held; /* counts what is cancelled and still held; NULL: one at a time needs no count */
};

/* Who asks, as far as an exchange needs it; lives as long as the client connection. */
struct peer {
    char ip[46];
    uint8_t ip_size;
    bool is_trusted; /* its X-Forwarded-* are believed */
    bool is_tls;
    char *
        subject; /* of its verified certificate (RFC 4514), owned by the connection; NULL: none was asked for */
    const char *port_text; /* of the listener, for X-Forwarded-Port; empty: a unix socket's */
};

enum exchange_state {
    EXCHANGE_COLLECTING, /* the whole request's body is awaited (buffering) */
    EXCHANGE_WAITING,    /* for a place */
    EXCHANGE_CONNECTING,
    EXCHANGE_SENDING,    /* the request is written, the response's head awaited */
    EXCHANGE_RELAYING,   /* the head has gone to the client, its body follows */
    EXCHANGE_DELIVERING, /* the response is whole here; the client has not taken all of it */
    EXCHANGE_DONE,
};

#define TRIED_MAX 8

struct exchange {
    uint32_t tag;
    enum exchange_state state;
    struct proxy *proxy;
    struct snapshot *snapshot;
    struct pool *pool; /* the snapshot's */
    struct client_stream *stream;
    const struct peer *peer;
    struct link_stream *link_stream; /* while a worker is asked */
    struct wait *wait;               /* in the queue */

    /* The request, rendered for the worker; kept for another try and for the log. */
    struct buffer head; /* without the framing fields and the empty line until `head_is_closed` */
    uint32_t head_at;   /* sent up to here */
    bool head_is_closed;
    struct buffer body; /* as framed for the worker */
    uint32_t body_at;
    struct spool *spool; /* what follows `body`, when it is collected and large */
    bool body_is_held;   /* all of it is still here */
    bool body_is_whole;  /* the client has sent its end */
    bool is_buffered;    /* by route or pool: requests whole, responses ahead of a slow client in a file */
    bool collects;
    bool wrote; /* to the present link, any byte */

    enum method method;
    uint8_t minor;
    char *request_trailers; /* to an HTTP/2 worker */
    bool to_h2;             /* the pool speaks it: bodies go without chunks */
    bool is_grpc;           /* asked of such a pool */
    bool is_h2;             /* the client's */
    bool is_websocket, expects_continue, wants_json, client_half_closed, ended, is_tunnel;
    enum framing framing; /* of the request */
    uint64_t content_length, received, sent;
    char websocket_accept[28];
    uint64_t hash;
    uint64_t affinity; /* whom its cookie names; 0: nobody who is there */
    bool had_cookie;   /* of affinity, whatever it said */
    bool is_https;     /* to its client */
    char real[46];     /* the client's address, behind trusted proxies too */
    uint8_t real_size;

    struct spool *response_spool; /* ahead of a slow client */
    char *late_trailers;          /* of a response that is in the spool */

    unsigned status;
    enum failure failure;
    uint8_t tries, retries, tried_count;
    struct backend *tried[TRIED_MAX];
    struct backend *backend; /* the last one asked */
    struct backend *suspect; /* who ended its connection under this request: did it die of it? */
    bool suspect_broke;      /* on a fresh link, which proves more than a stale one */
    uint64_t opened_us, wall_us, waited_us;
    uint64_t first_us;        /* its first try: timeouts.response bounds all of them together */
    uint64_t exit_awaited_us; /* since when */
    struct deadline deadline; /* in the queue, or until a worker's exit is noticed */
    struct task free_task;
};

/* False also when a length of 0 says that nothing follows. */
static inline bool head_has_body(const struct head *head)
{
    return head->framing != FRAMING_NONE && (head->framing != FRAMING_LENGTH || head->content_length > 0);
}

/* From the client's side. The head is only read during the call. NULL: it was answered already
 * (stream->ops->answer was called). */
struct exchange *exchange_open(struct proxy *proxy, struct client_stream *stream, const struct peer *peer,
                               const struct head *head);
void exchange_go(struct exchange *exchange);
/* A piece of the request's body. False: enough for now, wait for `resume`. The exchange may have ended. */
bool exchange_body(struct exchange *exchange, struct slice data);
void exchange_body_end(struct exchange *exchange, struct slice trailers);
void exchange_body_failed(struct exchange *exchange, enum failure failure); /* bad framing, stalled */
void exchange_client_half_closed(struct exchange *exchange);
void exchange_client_gone(struct exchange *exchange);
void exchange_client_drained(struct exchange *exchange); /* what was unsent is below WATER_LOW */
void exchange_delivered(struct exchange *exchange);      /* the client has it all: the exchange ends here */
bool exchange_wants_body(const struct exchange *exchange);

/* From the link's side. */
/* what is to be written to the link now */
unsigned exchange_unsent(struct exchange *exchange, struct iovec parts[3]);
void exchange_sent(struct exchange *exchange, size_t size);
bool exchange_request_is_sent(const struct exchange *exchange);
/* all that has come is sent, and more is to come */
bool exchange_awaits_client(const struct exchange *exchange);
void exchange_on_interim(struct exchange *exchange, const struct head *head);
/* False: this head cannot be relayed (an unasked 101): FAILURE_UNREADABLE. On a 101 the exchange has ended
 * and the link is the tunnel's. */
bool exchange_on_head(struct exchange *exchange, const struct head *head);
/* What is left of timeouts.response for this try; 0: no bound. */
unsigned exchange_response_ms(const struct exchange *exchange);
/* false: the client is slow, read no more until link_stream_resume */
bool exchange_on_data(struct exchange *exchange, struct slice data);
void exchange_on_end(struct exchange *exchange, struct slice trailers);
/* the link and its place are gone already */
void exchange_on_failure(struct exchange *exchange, enum failure failure);

/* exchange.c, for its other parts only. */
void exchange_enter(struct exchange *exchange, enum exchange_state next);
void exchange_dispatch(struct exchange *exchange);
void exchange_try_again(struct exchange *exchange);                  /* after `failure`, or not */
void exchange_start(struct exchange *exchange, struct place *place); /* a place is held: on with it */
void exchange_refuse(struct exchange *exchange, enum failure failure);
void exchange_finish(struct exchange *exchange);
void exchange_pump(struct exchange *exchange); /* response spool to client */
void exchange_log(struct exchange *exchange);
void exchange_becomes_tunnel(struct exchange *exchange); /* ends it; the tunnel writes the log line */

/* exchange_bind.c: what the pool's `balance` and `affinity` go by, read from the request's head. */
void exchange_bind(struct exchange *exchange, const struct head *head);
/* The response's head goes to the client, with whom it stays where that is news. */
void exchange_give_head(struct exchange *exchange, const struct head *head);
#define BINDING_ROOM 256 /* the fields that tell so, which head->size does not know of */

/* exchange_queue.c */
void exchange_join_queue(struct exchange *exchange, const struct pick *pick);
void exchange_leave_queue(struct exchange *exchange);
void exchange_on_wait_due(void *argument);
/* Nothing happens until its worker's exit is noticed, which exchange_try_again follows, or it is refused. */
void exchange_await_exit(struct exchange *exchange);

#endif
