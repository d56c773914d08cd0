/* SPDX-License-Identifier: MIT
 *
 * Who a client is, before anything else is heard of it: the address of its connection, or the one that a trusted proxy in front names by
 * the PROXY protocol; and whether that address has too many connections. Loop thread only. */
#include <errno.h>

#include "base/log.h"
#include "http/proxy_protocol.h"
#include "proxy/client.h"
#include "proxy/listener.h"

static bool is_trusted(const struct config *config, const struct address *address)
{
    for (unsigned i = 0; i < config->trusted_count; i++)
        if (network_contains(&config->trusted[i], address))
            return true;
    return false;
}

void client_know_peer(struct client *client, const struct address *address)
{
    const struct config *config = client->proxy->snapshot->config;
    char text[ADDRESS_TEXT];
    size_t size = address_print_ip(address, text);

    size = size < sizeof client->peer.ip ? size : sizeof client->peer.ip;
    memcpy(client->peer.ip, text, size);
    client->peer.ip_size = (uint8_t)size;
    client->peer.is_trusted = is_trusted(config, address);
    client->peer.port_text = client->listener->port_text;
    if (config->limits.connections_per_ip)
        (void)per_ip_key_of(address, &client->key);
}

/* A proxy in front has many clients behind it: it is not counted, who it names is. A unix peer has no address. */
static bool is_one_too_many(struct client *client)
{
    unsigned most = client->proxy->snapshot->config->limits.connections_per_ip;
    static const struct per_ip_key nobody;

    if (!most || client->peer.is_trusted || memcmp(&client->key, &nobody, sizeof nobody) == 0)
        return false;
    client->is_counted = per_ip_take(&client->key, most);
    return !client->is_counted;
}

static void begin(struct client *client)
{
    if (is_one_too_many(client)) {
        client_turn_away(client->proxy, client->listener, client->fd);
        client_close(client);
        return;
    }
    client->state = CLIENT_WAITING;
    if (client->listener->is_tls)
        client_tls_open(client);
    else
        client_h1_advance(client);
}

/* The header is looked at where it lies and taken out when it is whole: what follows is TLS's or HTTP's. */
static enum proxy_header read_header(struct client *client, struct address *named)
{
    char bytes[PROXY_HEADER_MAX];
    ssize_t there = net_peek(client->fd, bytes, sizeof bytes);
    size_t size = 0;
    enum proxy_header header;

    if (there == -EAGAIN)
        return PROXY_MORE;
    header = there > 0 ? proxy_header_read((struct slice){bytes, (size_t)there}, &size, named) : PROXY_BAD;
    if (header == PROXY_MORE && (client->peer_closed || (size_t)there == sizeof bytes))
        return PROXY_BAD;
    if (header == PROXY_DONE && net_read(client->fd, bytes, size) != (ssize_t)size)
        return PROXY_BAD;
    return header;
}

void client_arrive(struct client *client)
{
    struct address named;

    if (!client->listener->proxy_protocol || !client->peer.is_trusted) {
        begin(client);
        return;
    }
    switch (read_header(client, &named)) {
    case PROXY_MORE: return;
    case PROXY_BAD:
        log_debug("%.*s: no PROXY header where one is expected", client->peer.ip_size, client->peer.ip);
        client_close(client);
        return;
    case PROXY_DONE: break;
    }
    if (named.size)
        client_know_peer(client, &named);
    begin(client);
}
