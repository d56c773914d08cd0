/* SPDX-License-Identifier: MIT
 *
 * May a request be sent again? Pure; the rule is behaviour.md section 4 and RFC 9110 section 9.2.2. */
#ifndef DROVER_PROXY_RETRY_H
#define DROVER_PROXY_RETRY_H

#include "http/message.h"
#include "proxy/failure.h"

struct retry_question {
    enum failure failure;
    enum method method;
    bool wrote; /* any byte of the request reached the link */
    bool body_is_held;
    bool client_was_told; /* any byte, an interim response too */
    bool worker_exited;
    unsigned retries, retries_max; /* those that counted so far */
    unsigned tries;                /* all, the stale ones too */
    uint64_t age_ms, age_max_ms;   /* since the request came; 0 = no bound */
};
enum retry_answer {
    RETRY_NO,
    RETRY_FREE,    /* again, not counted, the same worker too (a stale link) */
    RETRY_COUNTED, /* another worker, if the pool's budget allows */
    RETRY_ONCE,    /* another worker, without the budget, and never again */
};
enum retry_answer retry_decide(const struct retry_question *question);

#endif
