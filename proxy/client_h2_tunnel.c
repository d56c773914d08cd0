/* SPDX-License-Identifier: MIT
 *
 * A WebSocket on a stream of an HTTP/2 client (RFC 8441): DATA frames carry its bytes, END_STREAM is the end of a direction. What the client may send ahead of the
 * tunnel is the stream's window. Loop thread only. */
#include <errno.h>

#include "proxy/client_h2.h"
#include "proxy/tunnel.h"

static struct client_h2_stream *stream_of(const struct tunnel_client *tunnel)
{
    return (struct client_h2_stream *)(void *)((char *)(uintptr_t)tunnel -
                                               offsetof(struct client_h2_stream, tunnel));
}

void client_h2_tunnel_data(struct client_h2_stream *stream, struct slice data)
{
    buffer_append(&stream->in, data.at, data.size);
    if (stream->tunnel.tunnel)
        tunnel_on_client(stream->tunnel.tunnel, EV_READ);
}

void client_h2_tunnel_ended(struct client_h2_stream *stream)
{
    if (stream->tunnel.tunnel)
        tunnel_on_client(stream->tunnel.tunnel, EV_READ);
}

void client_h2_tunnel_has_room(struct client_h2_stream *stream)
{
    if (!stream->awaits_room || h2_stream_unsent(&stream->h2) >= water_low())
        return;
    stream->awaits_room = false;
    tunnel_on_client(stream->tunnel.tunnel, EV_WRITE);
}

static ssize_t tunnel_read(struct tunnel_client *tunnel, void *into, size_t room)
{
    struct client_h2_stream *stream = stream_of(tunnel);
    size_t size = buffer_size(&stream->in);

    if (size == 0)
        return stream->body_is_done ? 0 : -EAGAIN;
    size = size < room ? size : room;
    memcpy(into, buffer_bytes(&stream->in), size);
    buffer_consume(&stream->in, size);
    h2_took(stream->connection->h2, &stream->h2, size);
    client_h2_write_soon(stream->connection);
    return (ssize_t)size;
}

static bool tunnel_has_more(const struct tunnel_client *tunnel, size_t got, size_t room)
{
    const struct client_h2_stream *stream = stream_of(tunnel);

    (void)got;
    (void)room;
    return buffer_size(&stream->in) > 0 || stream->body_is_done;
}

static ssize_t tunnel_write(struct tunnel_client *tunnel, const void *bytes, size_t size)
{
    struct client_h2_stream *stream = stream_of(tunnel);
    size_t unsent = h2_stream_unsent(&stream->h2);

    if (unsent >= water_high())
        return -EAGAIN;
    h2_data(stream->connection->h2, &stream->h2, (struct slice){bytes, size});
    client_h2_stream_has_unsent(stream);
    client_h2_write_soon(stream->connection);
    return (ssize_t)size;
}

static void tunnel_await_room(struct tunnel_client *tunnel)
{
    stream_of(tunnel)->awaits_room = true;
}

static void tunnel_shutdown_write(struct tunnel_client *tunnel)
{
    struct client_h2_stream *stream = stream_of(tunnel);

    h2_end(stream->connection->h2, &stream->h2, SLICE(""));
    client_h2_stream_has_unsent(stream);
    client_h2_write_soon(stream->connection);
}

/* What was written is still delivered; what the client still sends is not wanted. */
static void tunnel_close(struct tunnel_client *tunnel)
{
    struct client_h2_stream *stream = stream_of(tunnel);

    if (stream->connection->is_closed || !stream->h2.id)
        return;
    h2_took(stream->connection->h2, &stream->h2, stream->h2.untaken);
    buffer_release(&stream->in);
    if (stream->h2.end_is_told && !stream->body_is_done)
        client_h2_stream_end(stream, H2_NO_ERROR);
    else
        tunnel_shutdown_write(tunnel);
}

const struct tunnel_client_ops client_h2_tunnel_ops = {
    .read = tunnel_read,
    .has_more = tunnel_has_more,
    .write = tunnel_write,
    .await_room = tunnel_await_room,
    .shutdown_write = tunnel_shutdown_write,
    .close = tunnel_close,
};
