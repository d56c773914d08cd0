/* SPDX-License-Identifier: MIT
 *
 * Listening sockets of this loop: accepting, bounded by limits.connections. The sockets are bound by the
 * keeper; here is a copy of the descriptor. */
#ifndef DROVER_PROXY_LISTENER_H
#define DROVER_PROXY_LISTENER_H

#include "proxy/local.h"

struct listener {
    uint32_t tag;
    unsigned references; /* its clients, and the list while it accepts */
    struct proxy *proxy;
    struct list node;
    struct watch watch;
    struct deadline pause; /* out of descriptors: accept nothing for a moment */
    int fd;
    struct address address;
    char port_text[8];
    bool is_tls;                       /* never plain, also when there is no context */
    struct tls_listener *tls;          /* of `tls_contexts` */
    struct tls_contexts *tls_contexts; /* referenced */
    unsigned expose_count;
    char **expose; /* of `config` */
    bool http2, websocket_over_http2;
    bool proxy_protocol;   /* trusted proxies say first whose connection it is */
    unsigned redirect;     /* to https at this port; 0: off */
    const char *acme;      /* of `config` */
    bool answers_itself;   /* some requests: one of the three is set */
    struct config *config; /* referenced for expose and acme */
    unsigned next_loop;    /* a unix listener deals its connections out */
};

void listener_start(struct proxy *proxy, const struct listen_config *config, struct config *owner, int fd);
void listener_adopt(struct listener *listener, const struct listen_config *config, struct config *owner);
void listener_accept_at_once(struct listener *listener); /* who has said nothing yet, too */
void listener_accept_last(
    struct listener *listener);                /* who has connected already: a close would reset them */
void listener_stop(struct listener *listener); /* accepts no more; lives on until its last client is gone */
struct listener *listener_ref(struct listener *listener);
void listener_unref(struct listener *listener);
bool listener_exposes(const struct listener *listener, struct slice path);

#endif
