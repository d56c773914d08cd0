/* SPDX-License-Identifier: MIT
 *
 * Clients of gRPC that get a plain HTTP status make one of theirs of it (doc/http-grpc-status-mapping.md there); what is said here is the same, but where
 * more is known: a time-out is one, and what is too large or not there is told as that. */
#include "proxy/grpc.h"

enum grpc_code {
    GRPC_UNKNOWN = 2,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14, /* clients may try again */
};

bool grpc_is_call(const struct head *head)
{
    static const struct slice name = SLICE("application/grpc");
    const struct field *type = head_find(head, FIELD_CONTENT_TYPE);
    char next;

    if (!type || type->value.size < name.size ||
        !slice_equal_nocase((struct slice){type->value.at, name.size}, name))
        return false;
    next = type->value.size > name.size ? type->value.at[name.size] : ';';
    return next == '+' || next == ';' || next == ' ';
}

unsigned grpc_status(enum failure failure, unsigned http_status)
{
    if (failure == FAILURE_CONNECT_TIMEOUT)
        return GRPC_UNAVAILABLE; /* no deadline of the call's: nothing was asked yet */
    switch (http_status) {
    case 400: return GRPC_INTERNAL;
    case 404:
    case 501: return GRPC_UNIMPLEMENTED;
    case 408:
    case 504: return GRPC_DEADLINE_EXCEEDED;
    case 413:
    case 507: return GRPC_RESOURCE_EXHAUSTED;
    case 0: /* the answer breaks off */
    case 502:
    case 503: return GRPC_UNAVAILABLE;
    default: return GRPC_UNKNOWN;
    }
}
