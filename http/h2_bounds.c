/* SPDX-License-Identifier: MIT
 *
 * What a peer of HTTP/2 may cost us: frames that are legal and cheap for it are paid for out of buckets of tokens, and what we have to say to it does
 * not pile up without end. One thread. */
#include "http/h2_connection.h"

/* What is legal and cheap for the peer: burst, and so many a second. An honest peer is far below; one that is above is told
 * ENHANCE_YOUR_CALM and closed. */
#define CHEAP_BURST    500 /* PING, SETTINGS, PRIORITY, empty DATA, WINDOW_UPDATE, frames that nobody knows */
#define CHEAP_A_SECOND 100
#define RESETS_BURST                                                                                         \
    200 /* of streams: by the peer, or by us because of what the peer did (CVE-2023-44487, CVE-2025-8671) */
#define RESETS_A_SECOND 20
#define ASKED_TIMES     5 /* who is asked by many clients over one connection may say so much more */

#define UNSAID_MAX                                                                                           \
    5000 /* frames without payload, of all kinds, waiting to be sent: the peer asks and does not listen */

static void budget_init(struct h2_budget *budget, unsigned most, unsigned a_second)
{
    *budget = (struct h2_budget){.left = most, .most = most, .a_second = a_second};
}

static void budget_refill(struct h2_budget *budget, uint64_t now_us)
{
    uint64_t tokens;

    if (now_us <= budget->since_us)
        return;
    tokens = (now_us - budget->since_us) * budget->a_second / 1000000;
    if (tokens == 0)
        return;
    budget->since_us = now_us;
    h2_budget_refund(budget, tokens < budget->most ? (unsigned)tokens : budget->most);
}

bool h2_budget_take(struct h2_budget *budget)
{
    if (budget->left == 0)
        return false;
    budget->left--;
    return true;
}

void h2_budget_refund(struct h2_budget *budget, unsigned tokens)
{
    budget->left = budget->most - budget->left > tokens ? budget->left + tokens : budget->most;
}

void h2_bounds_init(struct h2 *h2)
{
    unsigned times = h2->options.role == H2_ASKS ? ASKED_TIMES : 1;

    h2->scan.skip = h2->options.role == H2_ANSWERS ? H2_PREFACE_SIZE : 0;
    budget_init(&h2->cheap, CHEAP_BURST * times, CHEAP_A_SECOND * times);
    budget_init(&h2->resets, RESETS_BURST * times, RESETS_A_SECOND * times);
}

void h2_bounds_refill(struct h2 *h2, uint64_t now_us)
{
    budget_refill(&h2->cheap, now_us);
    budget_refill(&h2->resets, now_us);
}

int h2_have_enough(struct h2 *h2, const char *why)
{
    h2->problem = why;
    h2->ends_with = H2_ENHANCE_YOUR_CALM;
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static void scan(struct h2 *h2, struct slice bytes)
{
    struct h2_scan *at = &h2->scan;

    while (bytes.size > 0) {
        size_t size = at->skip ? at->skip : sizeof at->head - at->size;
        size = size < bytes.size ? size : bytes.size;
        if (at->skip) {
            at->skip -= (uint32_t)size;
        } else {
            memcpy(at->head + at->size, bytes.at, size);
            at->size += (uint8_t)size;
        }
        bytes = (struct slice){bytes.at + size, bytes.size - size};
        if (at->size < sizeof at->head)
            continue;
        h2->seen += at->head[3] != NGHTTP2_CONTINUATION;
        at->skip = (uint32_t)at->head[0] << 16 | (uint32_t)at->head[1] << 8 | at->head[2];
        at->size = 0;
    }
}

/* What nghttp2 has passed over is of streams that are closed. */
static bool charge_for_untold(struct h2 *h2)
{
    for (; h2->told < h2->seen; h2->told++)
        if (!h2_budget_take(&h2->cheap))
            return false;
    return true;
}

static bool is_of_closed(struct h2 *h2, int32_t id)
{
    return id <= nghttp2_session_get_last_proc_stream_id(h2->session) && !h2_find(h2, id);
}

int h2_on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *head, void *argument)
{
    struct h2 *h2 = argument;

    (void)session;
    h2->told += head->type != NGHTTP2_CONTINUATION;
    switch (head->type) {
    case NGHTTP2_DATA: h2->data_was_empty = true; return 0;
    case NGHTTP2_HEADERS:
        return is_of_closed(h2, head->stream_id) && !h2_budget_take(&h2->cheap)
                   ? h2_have_enough(h2, "too many heads of streams that are closed")
                   : 0;
    case NGHTTP2_CONTINUATION: return 0; /* nghttp2 counts them */
    case NGHTTP2_WINDOW_UPDATE:
        if (h2->updates == 0)
            return h2_budget_take(&h2->cheap) ? 0 : h2_have_enough(h2, "too many frames that do nothing");
        h2->updates--;
        return 0;
    case NGHTTP2_RST_STREAM:
        return h2_budget_take(&h2->resets) ? 0 : h2_have_enough(h2, "streams are opened and reset too fast");
    default: return h2_budget_take(&h2->cheap) ? 0 : h2_have_enough(h2, "too many frames that do nothing");
    }
}

bool h2_bounds_hold(struct h2 *h2, struct slice bytes)
{
    scan(h2, bytes);
    if (!charge_for_untold(h2))
        return (void)h2_have_enough(h2, "too many frames of streams that are closed"), false;
    if (nghttp2_session_get_outbound_queue_size(h2->session) > UNSAID_MAX)
        return (void)h2_have_enough(h2, "more and more to be said to a peer that does not read"), false;
    return true;
}
