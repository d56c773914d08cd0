/* SPDX-License-Identifier: MIT
 *
 * How many requests of a client connection were cancelled and still hold their place at a worker: they count against what it may have open, so that
 * opening and resetting streams fills no worker. Outlives the connection. One loop. */
#ifndef DROVER_PROXY_HELD_H
#define DROVER_PROXY_HELD_H

struct held;

struct held *held_new(void);
struct held *held_ref(struct held *held);
void held_unref(struct held **held); /* NULL is fine */
unsigned held_count(const struct held *held);
/* One more, until held_give, with a reference of its own. NULL gives NULL. */
struct held *held_take(struct held *held);
void held_give(struct held **held); /* NULL is fine */

#endif
