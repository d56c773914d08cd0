/* SPDX-License-Identifier: MIT
 *
 * A client's TLS: the handshake before its first request, in steps that share the loop fairly; plain HTTP that came to the wrong port.
 * Loop thread only. */
#include <errno.h>

#include "base/log.h"
#include "proxy/client.h"
#include "proxy/listener.h"
#include "proxy/tls.h"

#define HANDSHAKES_A_TURN 8 /* steps: each may be a signature, which is the dearest thing that a loop does */
#define SUBJECT_MAX       2048
#define HANDSHAKES_MAX    2048 /* at once on a loop; the oldest makes room */

static const char plain_on_tls[] =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 68\r\nConnection: "
    "close\r\n\r\n"
    "{\"status\":400,\"error\":\"plain HTTP was sent to a port that speaks TLS\"}\n";

static void leave_handshakes(struct client *client)
{
    struct proxy *proxy = client->proxy;

    if (list_is_empty(&client->handshake_node))
        return;
    list_remove(&client->handshake_node);
    proxy->handshake_count--;
    if (client->is_deferred)
        list_remove(&client->deferred_node);
    client->is_deferred = false;
}

void client_tls_close(struct client *client, bool says_goodbye)
{
    leave_handshakes(client);
    tls_free(&client->tls, says_goodbye);
    tls_contexts_unref(&client->tls_contexts);
    mem_free(client->peer.subject);
    client->peer.subject = NULL;
}

static void make_room(struct proxy *proxy)
{
    while (proxy->handshake_count > HANDSHAKES_MAX) {
        struct client *oldest = list_entry(proxy->handshakes.next, struct client, handshake_node);
        count(&proxy->counters.tls_failed, 1);
        client_close(oldest);
    }
}

void client_tls_open(struct client *client)
{
    struct listener *listener = client->listener;

    if (!listener->tls) { /* said in the log when the contexts could not be made */
        client_close(client);
        return;
    }
    client->state = CLIENT_HANDSHAKE;
    client->peer.is_tls = true;
    client->tls_contexts = tls_contexts_ref(listener->tls_contexts);
    client->tls = tls_accept(tls_listener_context(listener->tls), client->fd);
    list_push_back(&client->proxy->handshakes, &client->handshake_node);
    client->proxy->handshake_count++;
    make_room(client->proxy);
    client_tls_advance(client);
}

/* So many in a turn, first come first served: the rest has turns of its own. */
static bool is_its_turn(struct client *client)
{
    struct proxy *proxy = client->proxy;

    if (client->is_deferred)
        return false;
    if (proxy->handshake_turn != loop_turns(proxy->loop)) {
        proxy->handshake_turn = loop_turns(proxy->loop);
        proxy->handshakes_this_turn = 0;
    }
    if (list_is_empty(&proxy->deferred) && proxy->handshakes_this_turn < HANDSHAKES_A_TURN) {
        proxy->handshakes_this_turn++;
        return true;
    }
    client->is_deferred = true;
    list_push_back(&proxy->deferred, &client->deferred_node);
    task_soon(&proxy->handshake_task, proxy->loop);
    return false;
}

/* Told in its own words; what else it sends is read and thrown away. */
static void answer_plain(struct client *client)
{
    client_tls_close(client, false);
    (void)net_write(client->fd, plain_on_tls, sizeof plain_on_tls - 1);
    client_linger(client);
}

/* The subject of the certificate that was verified, as RFC 4514 writes it: printable ASCII, whatever is in it. False: it is too long to be told. */
static bool learn_subject(struct client *client)
{
    X509 *certificate = SSL_get0_peer_certificate(tls_ssl(client->tls));
    BIO *text = certificate ? BIO_new(BIO_s_mem()) : NULL;
    char *bytes;
    long size = -1;

    if (!certificate)
        return true;
    if (text && X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0)
        size = BIO_get_mem_data(text, &bytes);
    if (size >= 0 && size <= SUBJECT_MAX)
        client->peer.subject = slice_dup((struct slice){bytes, (size_t)size});
    BIO_free(text);
    return client->peer.subject != NULL;
}

static bool speaks_h2(const struct client *client)
{
    const unsigned char *chosen;
    unsigned size;

    SSL_get0_alpn_selected(tls_ssl(client->tls), &chosen, &size);
    return size == 2 && memcmp(chosen, "h2", 2) == 0;
}

static void shaken(struct client *client)
{
    struct proxy *proxy = client->proxy;

    leave_handshakes(client);
    if (!learn_subject(client)) {
        count(&proxy->counters.tls_failed, 1);
        client_close(client);
        return;
    }
    count(&proxy->counters.tls_handshakes, 1);
    if (SSL_session_reused(tls_ssl(client->tls)))
        count(&proxy->counters.tls_resumed, 1);
    client->state = CLIENT_WAITING;
    client->readable = tls_has_more(client->tls);
    if (speaks_h2(client))
        client_h2_open(client);
    else if (client->readable)
        client_h1_advance(client);
}

static void step(struct client *client)
{
    int result = tls_handshake(client->tls);

    if (result == 0) {
        shaken(client);
        return;
    }
    if (result == -EAGAIN) {
        if (tls_wants_room(client->tls))
            watch_writes(&client->watch);
        return;
    }
    count(&client->proxy->counters.tls_failed, 1);
    log_debug("%.*s: TLS: %s", client->peer.ip_size, client->peer.ip, tls_problem(client->tls));
    if (result == -EPROTOTYPE)
        answer_plain(client);
    else
        client_close(client);
}

void client_tls_advance(struct client *client)
{
    if (is_its_turn(client))
        step(client);
}

void client_tls_on_turn(struct task *task)
{
    struct proxy *proxy = container_of(task, struct proxy, handshake_task);

    for (unsigned i = 0; i < HANDSHAKES_A_TURN && !list_is_empty(&proxy->deferred); i++) {
        struct client *client = list_entry(proxy->deferred.next, struct client, deferred_node);
        list_remove(&client->deferred_node);
        client->is_deferred = false;
        step(client);
    }
    if (!list_is_empty(&proxy->deferred))
        task_soon(&proxy->handshake_task, proxy->loop);
}

short client_tls_woken(struct client *client, short what)
{
    bool reads_on = (what & EV_WRITE) && tls_wants_room(client->tls);

    tls_woken(client->tls, what);
    return reads_on ? (short)(what | EV_READ) : what;
}

ssize_t client_tls_read(struct client *client, void *into, size_t room)
{
    ssize_t got = tls_read(client->tls, into, room);

    if (got == -EAGAIN && tls_wants_room(client->tls))
        watch_writes(&client->watch);
    return got;
}
