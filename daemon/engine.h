/* SPDX-License-Identifier: MIT
 *
 * The inside of an engine: what engine.c, parts.c, readiness.c, orders_in.c and reload.c share. Control
 * thread only, but for the loops' own threads, which touch nothing of this. */
#ifndef DROVER_DAEMON_ENGINE_H
#define DROVER_DAEMON_ENGINE_H

#include <pthread.h>

#include "admin/admin.h"
#include "base/resolver.h"
#include "daemon/daemon.h"
#include "daemon/servers.h"
#include "health/health.h"
#include "proxy/proxy.h"
#include "workers/fleet.h"
#include "workers/statsd.h"

struct engine;

/* One pool of the configuration with whoever fills it: a fleet of workers, or fixed servers. */
struct part {
    struct engine *engine;
    struct list node;                 /* when it is leaving: no longer in the file, its workers drain */
    const struct pool_config *config; /* of the engine's configuration; NULL when leaving */
    char name[64];
    struct pool_config *former; /* what is known of a pool that left the file before this engine; owned */
    struct fleet *fleet;
    struct servers *servers;
    struct statsd_totals reported; /* with `measure: statsd` */
    struct pool *pool;             /* the newest set */
    _Atomic bool is_waiting_told;  /* the control thread knows, or is about to, that somebody waits */
    unsigned close_turn;           /* the loop that is first asked to close a tunnel */
    bool is_dirty;                 /* its backends changed since `pool` was made */
};

/* One loop with its thread and its proxy. */
struct carrier {
    struct engine *engine;
    struct loop *loop;
    struct proxy *proxy;
    pthread_t thread;
    struct ticker beat;
    unsigned index;
};

struct engine {
    const struct engine_start *start;
    struct slots *slots;
    struct config *config;      /* in force */
    struct config *next_config; /* validated; NEWS_ADOPT makes it the one in force */
    struct loop *loop;          /* the control thread's */
    struct resolver *resolver;
    struct snapshot *snapshot;
    struct tls_contexts *tls; /* of `config`'s listeners */
    unsigned part_count;
    struct part **parts; /* in the order of config->pools */
    struct list leaving;
    unsigned carrier_count; /* that were started; one that `threads` no longer asks for serves what it has */
    _Atomic unsigned active_count; /* the first ones, which accept */
    struct carrier *carriers;
    struct proxy **proxies;  /* of the carriers, by index */
    unsigned listener_count; /* what is listened on now, as config->listens */
    struct address *listening;
    struct listener_sockets *incoming; /* of NEWS_LISTENER, until NEWS_ADOPT */
    unsigned incoming_count;
    struct list checks; /* readiness.c */
    struct room *room;  /* of all fleets */
    struct admin *admin;
    struct admin_source source;
    struct admin_pool *source_pools;
    struct list reload_waiting;  /* `drover reload` commands */
    struct list rollout_waiting; /* who waits for the end of rollouts */
    uint64_t next_reference;
    struct watch orders;
    struct watch statsd;
    char *statsd_packet; /* STATSD_PACKET_MAX; NULL when off */
    uint64_t statsd_told_us;
    struct ticker beat, tick, second;
    unsigned seconds; /* of `second` */
    struct task publish;
    unsigned still_draining;
    bool is_stopping;
};

/* parts.c */
void parts_open(struct engine *engine);
/* the configuration in force is another one now */
void parts_adopt(struct engine *engine, struct config *config);
void parts_close(struct engine *engine);
/* leaving ones too, behind the others; NULL */
struct part *parts_find(struct engine *engine, const char *pool);
struct part *parts_of_slot(struct engine *engine, int slot); /* whose worker sits there */
void parts_changed(struct part *part); /* the next snapshot is made at the end of this turn */
void parts_publish(struct engine *engine);
void parts_tick(struct engine *engine);    /* several times a second */
void pages_publish(struct engine *engine); /* what `expose:` shows */

/* readiness.c */
void readiness_wanted(struct part *part, int slot, uint32_t generation, const struct address *address,
                      bool wanted);
void readiness_awaited(struct part *part); /* somebody waits for its workers */
void readiness_gone(struct part *part, struct backend *backend);
void readiness_members(struct part *part);  /* each member has its live probe, where probe.path is set */
void readiness_adopt(struct part *part);    /* probe: may have changed */
void readiness_tick(struct engine *engine); /* ejected workers whose time is up get their connect probe */
void readiness_close(struct engine *engine);

/* orders_in.c */
void orders_in_event(evutil_socket_t fd, short what, void *argument);
bool orders_out(struct engine *engine, const struct order *order, const int *fds, unsigned fd_count);

/* statsd_in.c */
void statsd_open(struct engine *engine);
void statsd_close(struct engine *engine);

/* commands_in.c: the control socket's commands */
extern const struct admin_callbacks commands_in;
void commands_reloaded(struct engine *engine, uint64_t reference, bool accepted, const char *report);
void commands_tick(struct engine *engine); /* several times a second */
void commands_close(struct engine *engine);

/* reload.c */
void reload_validate(struct engine *engine, int fd);
void reload_files(struct engine *engine, int fd);
void reload_listener(struct engine *engine, unsigned index, const int *fds, unsigned fd_count);
void reload_adopt(struct engine *engine);

/* engine.c */
void engine_listen(struct engine *engine, unsigned index, const struct listener_sockets *sockets);
bool engine_adopt_threads(struct engine *engine); /* true when other loops accept from now on */
void engine_drain(struct engine *engine);

#endif
