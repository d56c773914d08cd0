/* SPDX-License-Identifier: MIT
 *
 * What calls of gRPC need beside HTTP: how they are told from other requests, and how drover's own answers are said to them. Pure. */
#ifndef DROVER_PROXY_GRPC_H
#define DROVER_PROXY_GRPC_H

#include "http/message.h"
#include "proxy/failure.h"

/* By its Content-Type: application/grpc, with a subtype (+proto) or parameters. gRPC-Web is none. */
bool grpc_is_call(const struct head *head);
/* The number of gRPC's status for a failure that would be answered with this of HTTP's; 0: none, the answer has begun. */
unsigned grpc_status(enum failure failure, unsigned http_status);

#endif
