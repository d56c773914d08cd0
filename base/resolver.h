/* SPDX-License-Identifier: MIT
 *
 * Names to addresses with c-ares on one loop (the control thread's): asynchronous, the hosts file first,
 * then DNS. */
#ifndef DROVER_BASE_RESOLVER_H
#define DROVER_BASE_RESOLVER_H

#include "base/address.h"
#include "base/loop.h"

struct resolver;
struct resolver *resolver_new(struct loop *loop);
void resolver_free(struct resolver **resolver); /* pending questions are dropped without an answer */

/* count 0: not resolved, `why` tells. ttl_s: the least of the records' (0 when it is not known, as for the
 * hosts file). The addresses carry `port`, sorted, each once; IPv6 ones only where there is a route. They
 * are the resolver's until the callback returns. The question has ended when the callback begins; never
 * within resolver_ask. */
typedef void resolver_answer(void *argument, const struct address *addresses, unsigned count, unsigned ttl_s,
                             const char *why);
struct resolver_question;
struct resolver_question *resolver_ask(struct resolver *resolver, const char *name, unsigned port,
                                       resolver_answer *on_answer, void *argument);
void resolver_cancel(struct resolver_question **question);

/* For tests: "127.0.0.1:5353" instead of resolv.conf; also by the environment variable DROVER_DNS. */
void resolver_use_server(struct resolver *resolver, const char *server);

#endif
