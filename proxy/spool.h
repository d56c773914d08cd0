/* SPDX-License-Identifier: MIT
 *
 * Bytes that are too many for memory: an unlinked temporary file, read and written off the loop by a few
 * threads that all loops share. In order, first in first out, and rewindable (a request's body may have to
 * be sent again). Loop thread only. */
#ifndef DROVER_PROXY_SPOOL_H
#define DROVER_PROXY_SPOOL_H

#include "base/loop.h"
#include "base/str.h"

struct spool;

/* on_progress is called on the loop after a step off the loop: bytes may be readable now, room may be
 * there, or it failed. */
struct spool *spool_new(struct loop *loop, uint64_t max_bytes, void (*on_progress)(void *argument),
                        void *argument);
void spool_free(struct spool **spool); /* at any time: steps under way end by themselves and call nobody */
/* Copies. 0; -EFBIG: over max_bytes; or what the disk said before (-ENOSPC ...). Nothing is taken when it
 * is not 0. */
int spool_append(struct spool *spool, struct slice bytes);
/* much waits for the disk: append no more until on_progress */
bool spool_is_congested(const struct spool *spool);
/* The next bytes that are in memory; empty: not there yet (on_progress tells), or none left. Valid until
 * consume or append. */
struct slice spool_peek(struct spool *spool);
void spool_consume(struct spool *spool, size_t size);
void spool_rewind(struct spool *spool);           /* reading starts at the first byte again */
uint64_t spool_unread(const struct spool *spool); /* appended and not consumed yet */
uint64_t spool_size(const struct spool *spool);   /* appended in all */
int spool_error(const struct spool *spool);       /* 0 or -errno */

#endif
