/* SPDX-License-Identifier: MIT
 *
 * How many connections each client address has, over all loops of this engine. Any thread. */
#ifndef DROVER_PROXY_PER_IP_H
#define DROVER_PROXY_PER_IP_H

#include "base/address.h"

/* An IPv6 client is its /64: whoever has one address there has all of them. */
struct per_ip_key {
    uint64_t parts[2];
};
bool per_ip_key_of(const struct address *address, struct per_ip_key *key); /* false: a unix peer has none */
bool per_ip_take(const struct per_ip_key *key,
                 unsigned most); /* false: it has `most` already, nothing is taken */
void per_ip_release(const struct per_ip_key *key);
unsigned per_ip_count(const struct per_ip_key *key);

#endif
