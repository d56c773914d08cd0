/* SPDX-License-Identifier: MIT */
#include "proxy/failure.h"

const struct failure_row failures[FAILURES] = {
    [FAILURE_NONE] = {"-", 200, false, false},
    [FAILURE_BAD_REQUEST] = {"bad_request", 400, false, false},
    [FAILURE_BODY_TOO_LARGE] = {"body_too_large", 413, false, false},
    [FAILURE_CLIENT_TIMEOUT] = {"client_timeout", 408, false, false},
    [FAILURE_CLIENT_GONE] = {"client_gone", 499, false, false},
    [FAILURE_QUEUE_FULL] = {"queue_full", 503, false, false},
    [FAILURE_QUEUE_TIMEOUT] = {"queue_timeout", 503, false, false},
    [FAILURE_NO_WORKER] = {"no_worker", 503, false, false},
    [FAILURE_REFUSED] = {"refused", 502, true, true},
    [FAILURE_CONNECT_TIMEOUT] = {"connect_timeout", 504, true, true},
    [FAILURE_STALE] = {"stale", 502, false, true},
    [FAILURE_CLOSED] = {"closed", 502, true, true},
    [FAILURE_UNPROCESSED] = {"unprocessed", 503, false, true},
    [FAILURE_REFUSED_STREAM] = {"refused_stream", 503, true, true},
    [FAILURE_UNREADABLE] = {"unreadable", 502, true, false},
    [FAILURE_NO_WEBSOCKET] = {"no_websocket", 502, false, false},
    [FAILURE_RESPONSE_TIMEOUT] = {"response_timeout", 504, true, false},
    [FAILURE_BROKEN] = {"broken", 0, false, false},
    [FAILURE_STALLED] = {"stalled", 0, false, false},
    [FAILURE_SLOW_CLIENT] = {"slow_client", 0, false, false},
    [FAILURE_NO_DESCRIPTOR] = {"no_descriptor", 503, false, false},
    [FAILURE_WEBSOCKET_TO_H2] = {"websocket_to_h2", 501, false, false},
    [FAILURE_DISK] = {"disk", 507, false, false},
    [FAILURE_STOPPING] = {"stopping", 503, false, false},
};
