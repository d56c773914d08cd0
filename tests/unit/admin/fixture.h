/* SPDX-License-Identifier: MIT
 *
 * A drover for the tests of admin/ that is made by hand: pool web with three healthy workers, pool legacy with
 * two servers. The fleet and the proxies are the few numbers that admin/ asks them for. */
#ifndef DROVER_TESTS_UNIT_ADMIN_FIXTURE_H
#define DROVER_TESTS_UNIT_ADMIN_FIXTURE_H

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "admin/admin.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/net.h"
#include "tests/unit/unit.h"

#define MAYBE   __attribute__((unused))
#define WORKERS 3
#define SERVERS 2
#define WAIT_MS 20000

struct fleet {
    unsigned wanted;
    bool is_overridden, is_resting, is_held, is_up;
    const char *memory_note;
    unsigned decision_count;
    struct fleet_decision decisions[3];
    struct fleet_counters counters;
    unsigned tally_count;
    struct fleet_tally tallies[3];
};
struct proxy {
    struct proxy_counters counters;
    struct histogram latency;
};

unsigned fleet_wanted(const struct fleet *fleet)
{
    return fleet->wanted;
}
bool fleet_is_sized(const struct fleet *fleet, unsigned *min, unsigned *max)
{
    *min = *max = fleet->wanted;
    return false;
}
bool fleet_is_resting(const struct fleet *fleet)
{
    return fleet->is_resting;
}
bool fleet_memory_note(const struct fleet *fleet, char *into, size_t size)
{
    if (fleet->memory_note)
        str_format(into, size, "%s", fleet->memory_note);
    return fleet->memory_note != NULL;
}
bool fleet_is_held(const struct fleet *fleet)
{
    return fleet->is_held;
}
bool fleet_is_up(const struct fleet *fleet)
{
    return fleet->is_up;
}
const char *fleet_name(const struct fleet *fleet)
{
    (void)fleet;
    return "web";
}
const struct fleet_decision *fleet_decision_at(const struct fleet *fleet, unsigned index)
{
    return index < fleet->decision_count ? &fleet->decisions[index] : NULL;
}
void fleet_decision_text(const struct fleet_decision *decision, const char *pool, char *into, size_t size)
{
    str_format(into, size, "%s: %u -> %u (%s)", pool, decision->before, decision->wanted, decision->why);
}
const char *fleet_decision_kind_word(enum fleet_decision_kind kind)
{
    return kind == DECISION_SIZE ? "size" : "recycle";
}
const struct fleet_tally *fleet_tally_at(const struct fleet *fleet, unsigned index)
{
    return index < fleet->tally_count ? &fleet->tallies[index] : NULL;
}
const struct fleet_counters *fleet_counters(const struct fleet *fleet)
{
    return &fleet->counters;
}
bool fleet_is_overridden(const struct fleet *fleet)
{
    return fleet->is_overridden;
}
const struct proxy_counters *proxy_counters(const struct proxy *proxy)
{
    return &proxy->counters;
}
const struct histogram *proxy_latency(const struct proxy *proxy)
{
    return &proxy->latency;
}

static struct {
    struct config config;
    struct pool_config pool_configs[2];
    struct listen_config listen;
    struct fleet fleet;
    struct proxy proxy_objects[2];
    struct proxy *proxies[2];
    struct slots *slots;
    struct backend *workers[WORKERS], *servers[SERVERS];
    bool server_is_fit[SERVERS];
    struct admin_pool pools[2];
    struct admin_source source;
} drover;

static struct slot *worker_slot(unsigned number)
{
    return &drover.slots->slot[drover.workers[number - 1]->slot];
}

static struct backend *new_backend(const char *pool, unsigned number, bool is_worker, unsigned port)
{
    struct address address;

    CHECK(address_from_ip(&address, SLICE("127.0.0.1"), port));
    return backend_new(drover.slots, slots_claim(drover.slots, pool, number, is_worker), &address, 1);
}

static void fill_worker(unsigned number)
{
    drover.workers[number - 1] = new_backend("web", number, true, 8000 + number);
    struct slot *slot = worker_slot(number);
    slot->pid = (int32_t)(4710 + number);
    slot->generation = 1;
    slot->port = 8000 + number;
    slot->started_us = clock_us() - 3000000;
    slot->state = WORKER_HEALTHY;
    slot->requests = 100 * number;
    slot->memory = 52428800;
}

static void fill_config(void)
{
    static char web[] = "web", legacy[] = "legacy", path[] = "../shop/drover.yaml", directory[] = "/srv/shop",
                page[] = "/health/worker", *expose[] = {page};

    drover.pool_configs[0] = (struct pool_config){
        .name = web, .is_launched = true, .workers = WORKERS, .max_fails = 1, .fail_timeout = 10000};
    drover.pool_configs[1] =
        (struct pool_config){.name = legacy, .server_count = SERVERS, .max_fails = 1, .fail_timeout = 10000};
    CHECK(address_from_ip(&drover.listen.address, SLICE("0.0.0.0"), 8000));
    drover.listen.expose_count = 1;
    drover.listen.expose = expose;
    drover.config = (struct config){.path = path,
                                    .directory = directory,
                                    .listen_count = 1,
                                    .listens = &drover.listen,
                                    .admin_is_on = true};
    CHECK(address_from_ip(&drover.config.admin, SLICE("127.0.0.1"), 9900));
}

static MAYBE void drover_init(void)
{
    fill_config();
    drover.slots = slots_new();
    for (unsigned i = 1; i <= WORKERS; i++)
        fill_worker(i);
    for (unsigned i = 1; i <= SERVERS; i++) {
        drover.servers[i - 1] = new_backend("legacy", i, false, 7000 + i);
        drover.server_is_fit[i - 1] = true;
    }
    drover.fleet = (struct fleet){.wanted = WORKERS};
    drover.pools[0] = (struct admin_pool){
        .config = &drover.pool_configs[0],
        .fleet = &drover.fleet,
        .pool = pool_new(NULL, &drover.pool_configs[0], drover.slots, 0, NULL, drover.workers, WORKERS),
    };
    drover.pools[1] = (struct admin_pool){
        .config = &drover.pool_configs[1],
        .pool = pool_new(NULL, &drover.pool_configs[1], drover.slots, 0, NULL, drover.servers, SERVERS),
        .server_count = SERVERS,
        .servers = drover.servers,
        .server_is_fit = drover.server_is_fit,
    };
    drover.proxies[0] = &drover.proxy_objects[0];
    drover.proxies[1] = &drover.proxy_objects[1];
    drover.source = (struct admin_source){
        .config = &drover.config,
        .slots = drover.slots,
        .started_us = clock_us() - 5000000,
        .is_ready = true,
        .pool_count = 2,
        .pools = drover.pools,
        .proxy_count = 2,
        .proxies = drover.proxies,
        .version = "0.1.0",
    };
}

static MAYBE void drover_fini(void)
{
    pool_unref(&drover.pools[0].pool);
    pool_unref(&drover.pools[1].pool);
    for (unsigned i = 0; i < WORKERS; i++)
        backend_unref(&drover.workers[i]);
    for (unsigned i = 0; i < SERVERS; i++)
        backend_unref(&drover.servers[i]);
    slots_free_all(&drover.slots);
}

/* The worker's process has gone, and it is no longer chosen. */
static MAYBE void lose_worker(unsigned number, enum worker_state state)
{
    struct backend *left[WORKERS];
    struct slot *slot = worker_slot(number);
    unsigned count = 0;

    slot->pid = state == WORKER_BACKOFF ? 0 : (int32_t)slot->pid;
    slot->state = state;
    for (unsigned i = 0; i < drover.pools[0].pool->count; i++) {
        struct backend *backend = drover.pools[0].pool->backends[i];
        if (backend != drover.workers[number - 1])
            left[count++] = backend;
    }
    struct pool *next =
        pool_new(NULL, &drover.pool_configs[0], drover.slots, 0, drover.pools[0].pool, left, count);
    pool_unref(&drover.pools[0].pool);
    drover.pools[0].pool = next;
}

/* The loop of a test whose other end is this same thread: one turn, in which nothing has to happen. */
static MAYBE void turn(struct loop *loop)
{
    event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
    loop_settle(loop);
}

/* What the other end said until `enough` was among it (NULL: never) or the end of the stream; the loop goes on meanwhile. NUL at its end. */
static MAYBE const char *hear(struct loop *loop, int fd, const char *enough)
{
    static char got[1 << 20];
    size_t size = 0;
    uint64_t due_ms = clock_ms() + WAIT_MS;

    for (;;) {
        ck_assert_msg(clock_ms() < due_ms, "nothing came");
        turn(loop);
        ssize_t more = net_read(fd, got + size, sizeof got - 1 - size);
        if (more == -EAGAIN) {
            struct pollfd one = {.fd = fd, .events = POLLIN};
            poll(&one, 1, 1); /* short: the loop may have to do something first */
            continue;
        }
        size += more > 0 ? (size_t)more : 0;
        got[size] = 0;
        if (more <= 0 || (enough && strstr(got, enough)))
            return got;
    }
}

#endif
