/* SPDX-License-Identifier: MIT
 *
 * The door: is it fit? Probes run on the control thread's loop. */
#ifndef DROVER_HEALTH_HEALTH_H
#define DROVER_HEALTH_HEALTH_H

#include "base/address.h"
#include "base/loop.h"
#include "config/config.h"

struct tls_target;

enum probe_result { PROBE_FIT, PROBE_UNFIT };

/* What a probe asks. Readiness: one whole HTTP response head; 2xx or 3xx at `path`, else any status to HEAD /
 * (behaviour.md section 4: that it accepts proves nothing). Connect only: `connect_only`. */
struct probe_question {
    struct address address;
    const char *path;    /* NULL or "": HEAD / and any status; copied */
    const char *host;    /* for the Host field, NULL: localhost; copied */
    unsigned timeout_ms; /* of the whole check; not 0 */
    bool connect_only;
    enum protocol protocol;    /* that it is asked in */
    struct tls_target *secure; /* by TLS; NULL: plain. The probe takes a reference of its own */
};

/* One check. Calls back exactly once unless probe_cancel'led, never from within probe_start; `why` is a
 * few words when unfit ("refused", "status 500", "no answer in 2000 ms"), valid during the call. The probe
 * is gone when it calls back: forget the pointer there. */
struct probe;
struct probe *probe_start(struct loop *loop, const struct probe_question *question,
                          void (*on_result)(void *argument, enum probe_result result, const char *why),
                          void *argument);
void probe_cancel(struct probe **probe);

/* Between two probes of a worker that started `since_ms` ago and has not answered: 20 ms while requests wait for it,
 * else 50 ms, and longer the longer it takes, so that a slow start costs no CPU and is still seen within a twentieth
 * of its time. */
unsigned health_pace_ms(uint64_t since_ms, bool is_awaited);

/* A backend under watch: probed every interval, its verdict by rise and fall. With fit_at_first the first
 * check comes within an interval (spread, so that a pool is not probed all at once). Without, it comes at
 * once and decides alone, and is always told. `on_change` may stop the watch. */
struct health_watch;
struct health_watch *health_watch_start(struct loop *loop, const struct probe_question *question,
                                        const struct pool_config *config, bool fit_at_first,
                                        void (*on_change)(void *argument, bool fit, const char *why),
                                        void *argument);
void health_watch_stop(struct health_watch **watch);

#endif
