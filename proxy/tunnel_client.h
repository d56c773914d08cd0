/* SPDX-License-Identifier: MIT
 *
 * The client's side of a tunnel, as the tunnel sees it: a whole connection in HTTP/1, one of its streams in HTTP/2. */
#ifndef DROVER_PROXY_TUNNEL_CLIENT_H
#define DROVER_PROXY_TUNNEL_CLIENT_H

#include <stdbool.h>
#include <sys/types.h>

struct tunnel;
struct tunnel_client;

struct tunnel_client_ops {
    /* as net_read and net_write; tunnel_on_client tells when to try again */
    ssize_t (*read)(struct tunnel_client *client, void *into, size_t room);
    ssize_t (*write)(struct tunnel_client *client, const void *bytes, size_t size);
    /* after a read that gave `got` of `room` bytes: may there be more now? */
    bool (*has_more)(const struct tunnel_client *client, size_t got, size_t room);
    void (*await_room)(struct tunnel_client *client); /* write gave -EAGAIN */
    void (*shutdown_write)(struct tunnel_client *client);
    void (*close)(struct tunnel_client *client); /* the tunnel is over; `tunnel` is NULL already */
};

/* Embedded in its owner's. */
struct tunnel_client {
    const struct tunnel_client_ops *ops;
    struct tunnel *tunnel; /* NULL: none */
};

#endif
