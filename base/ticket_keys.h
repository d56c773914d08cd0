/* SPDX-License-Identifier: MIT
 *
 * The keys that TLS tickets are sealed with: one ring in shared memory, made and turned by the keeper, read by every loop of
 * every engine. So a ticket is good on whichever loop its client comes back, and across an engine's restart. */
#ifndef DROVER_BASE_TICKET_KEYS_H
#define DROVER_BASE_TICKET_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#define TICKET_KEY_SECONDS 43200 /* a key seals for so long, and opens for as long again */

struct ticket_key {
    unsigned char name[16], cipher[32], mac[32];
};
struct ticket_keys;

struct ticket_keys *ticket_keys_new(void); /* with a first key */
void ticket_keys_free(struct ticket_keys **keys);
void ticket_keys_tick(struct ticket_keys *keys,
                      uint64_t now_ms);          /* the keeper's: a new key when it is time */
void ticket_keys_turn(struct ticket_keys *keys); /* a new key now */
void ticket_keys_newest(const struct ticket_keys *keys, struct ticket_key *into);
/* The key of that name, while it still opens; is_newest: tickets need not be given anew. */
bool ticket_keys_find(const struct ticket_keys *keys, const unsigned char name[16], struct ticket_key *into,
                      bool *is_newest);

#endif
