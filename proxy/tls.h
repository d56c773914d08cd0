/* SPDX-License-Identifier: MIT
 *
 * What the listeners of a configuration serve TLS with: an OpenSSL context for each pair, chosen by the name that a client asks for.
 * Made by the control thread, immutable afterwards, counted; any thread may hold one. */
#ifndef DROVER_PROXY_TLS_H
#define DROVER_PROXY_TLS_H

#include <openssl/ssl.h>

#include "proxy/proxy.h"

struct tls_listener;

/* NULL: plain HTTP. Not referenced: hold the contexts. */
struct tls_listener *tls_contexts_of(const struct tls_contexts *contexts, const struct address *address);
/* Exact, then by wildcard, then the first. Any case, with or without the final dot. */
SSL_CTX *tls_listener_choose(const struct tls_listener *listener, const char *asked);
SSL_CTX *tls_listener_context(
    const struct tls_listener *listener); /* the first pair's; its name callback knows the others */

#endif
