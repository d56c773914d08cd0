/* SPDX-License-Identifier: MIT
 *
 * A client's connection: accepted by a listener, talked to by client_h1.c (later also client_h2.c). An idle
 * one holds no buffer.
 *
 *     waiting -> reading head -> exchange -> waiting ...      any -> lingering -> closed
 *                                exchange -> tunnel -> closed */
#ifndef DROVER_PROXY_CLIENT_H
#define DROVER_PROXY_CLIENT_H

#include "proxy/exchange.h"

enum client_state {
    CLIENT_WAITING, /* for the first byte of a request */
    CLIENT_READING, /* a head */
    CLIENT_EXCHANGE,
    CLIENT_LINGERING, /* answered; reads and throws away until the client has closed (RFC 9112 section 9.6) */
    CLIENT_TUNNEL,
    CLIENT_CLOSED,
};

struct tunnel;
struct listener;

struct client {
    uint32_t tag;
    enum client_state state;
    struct proxy *proxy;
    struct list node;
    struct client_stream stream;
    struct tunnel *tunnel;
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
};

void client_open(struct proxy *proxy, struct listener *listener, int fd, const struct address *address);
/* its events are told from now on; harmless when they are already */
void client_watch(struct client *client);
void client_close(struct client *client);  /* at once; freed at the end of the turn */
void client_linger(struct client *client); /* all is sent: close so that the client can read it */
void client_drain(struct client *client);  /* drover stops: close when idle */

/* client_h1.c */
extern const struct client_ops client_h1_ops;
void client_h1_advance(struct client *client); /* does whatever can be done now */
void client_h1_write(struct client *client);   /* sends what is unsent */
void client_h1_event(evutil_socket_t fd, short what, void *argument);
void client_h1_due(void *argument);
/* has taken nothing for timeouts.send; else it is looked at again later */
bool client_h1_is_stuck(struct client *client);
void client_h1_next(struct client *client); /* the exchange is over */

/* client_h1_write.c: our own answers without an exchange */
void client_h1_refuse_head(struct client *client, unsigned status, const char *why);
void client_h1_page(struct client *client, const struct head *head, const struct exposed_page *page);
void client_h1_options(struct client *client, const struct head *head);

#endif
