/* SPDX-License-Identifier: MIT
 *
 * The PROXY protocol, versions 1 and 2 (haproxy.org/download/2.9/doc/proxy-protocol.txt): what a proxy in front says first about whose
 * connection it carries. Pure. */
#ifndef DROVER_HTTP_PROXY_PROTOCOL_H
#define DROVER_HTTP_PROXY_PROTOCOL_H

#include "base/address.h"

#define PROXY_HEADER_MAX 2048 /* a version 2 header with what it may carry besides; larger ones are bad */

enum proxy_header { PROXY_MORE, PROXY_DONE, PROXY_BAD };
/* DONE: `*size` bytes were the header. `*client` is the address that it names; its size is 0 when it names none (LOCAL, UNKNOWN,
 * another family): then the connection's own counts. */
enum proxy_header proxy_header_read(struct slice bytes, size_t *size, struct address *client);

#endif
