/* SPDX-License-Identifier: MIT
 *
 * A pool's immutable sets, and taking and giving up places. Any thread; taking and releasing take no lock
 * unless somebody waits. */
#include "balancer/policy.h"

/* So that comparing by cross-multiplication fits 64 bits (least_conn.c). */
#define COST_MAX (UINT64_C(1) << 20)

static struct pool_shared *shared_new(void)
{
    struct pool_shared *shared = lines_alloc(sizeof *shared);
    pthread_mutex_init(&shared->mutex, NULL);
    list_init(&shared->queue);
    budget_init(&shared->budget);
    atomic_store(&shared->references, 1);
    return shared;
}

void shared_unref(struct pool_shared **shared)
{
    struct pool_shared *mine = *shared;
    *shared = NULL;
    if (!mine || atomic_fetch_sub_explicit(&mine->references, 1, memory_order_acq_rel) != 1)
        return;
    CHECK(list_is_empty(&mine->queue));
    pthread_mutex_destroy(&mine->mutex);
    free(mine);
}

static void costs_init(struct pool *pool)
{
    const struct pool_config *config = pool->config;
    uint64_t request = config->target_tunnels, tunnel = config->target_concurrency;
    if (request == 0) { /* no target for tunnels: they count for nothing */
        request = 1;
        tunnel = 0;
    }
    while (request > COST_MAX || tunnel > COST_MAX) {
        request = request / 2 + request % 2;
        tunnel /= 2;
    }
    pool->request_cost = request;
    pool->tunnel_cost = tunnel;
    pool->bound = config->concurrency * request;
}

static unsigned slot_number(const struct backend *backend)
{
    return backend->slots->slot[backend->slot].number;
}

static void backends_init(struct pool *pool, struct backend *const *backends, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        CHECK(backends[i]->slots == pool->slots);
        if (!backends[i]->shared)
            backends[i]->shared = shared_ref(pool->shared);
        CHECK(backends[i]->shared == pool->shared);
        unsigned at = i;
        for (; at > 0 && slot_number(pool->backends[at - 1]) > slot_number(backends[i]); at--)
            pool->backends[at] = pool->backends[at - 1];
        pool->backends[at] = backend_ref(backends[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        pool->slot_numbers[i] = (uint16_t)pool->backends[i]->slot;
        pool->has_weights |= pool->backends[i]->weight != pool->backends[0]->weight;
    }
    pool->is_even = !pool->has_weights && pool->config->slow_start == 0;
    pool->is_packed = pool->config->is_sized;
    pool->count = count;
}

struct pool *pool_new(struct config *config, const struct pool_config *pool_config, struct slots *slots,
                      unsigned engine, struct pool *previous, struct backend *const *backends, unsigned count)
{
    CHECK(engine < ENGINES_MAX);
    CHECK(!previous || strcmp(previous->config->name, pool_config->name) == 0);
    struct pool *pool =
        lines_alloc(sizeof *pool + count * (sizeof *pool->backends + sizeof *pool->slot_numbers));
    pool->slot_numbers = (uint16_t *)(void *)(pool->backends + count);
    atomic_store(&pool->references, 1);
    pool->config_owner = config ? config_ref(config) : NULL;
    pool->config = pool_config;
    pool->slots = slots;
    pool->engine = engine;
    costs_init(pool);
    if (previous) {
        pool->shared = shared_ref(previous->shared);
    } else {
        pool->shared = shared_new();
        pool->shared->current = pool;
    }
    backends_init(pool, backends, count);
    if (pool_config->affinity.cookie)
        affinity_init(pool);
    return pool;
}

void pool_widen(struct pool *pool, unsigned times)
{
    pool->bound *= times;
}

struct pool *pool_ref(struct pool *pool)
{
    atomic_fetch_add_explicit(&pool->references, 1, memory_order_relaxed);
    return pool;
}

void pool_unref(struct pool **pool)
{
    struct pool *mine = *pool;
    *pool = NULL;
    if (!mine || atomic_fetch_sub_explicit(&mine->references, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_lock(&mine->shared->mutex);
    if (mine->shared->current == mine)
        mine->shared->current = NULL;
    pthread_mutex_unlock(&mine->shared->mutex);
    for (unsigned i = 0; i < mine->count; i++)
        backend_unref(&mine->backends[i]);
    if (mine->config_owner)
        config_unref(&mine->config_owner);
    shared_unref(&mine->shared);
    free(mine->tokens);
    free(mine);
}

void pool_publish(struct pool *pool, uint64_t now_us)
{
    pthread_mutex_lock(&pool->shared->mutex);
    pool->shared->current = pool;
    pthread_mutex_unlock(&pool->shared->mutex);
    queue_kick(pool->shared, now_us);
}

void pool_tick(struct pool *pool, uint64_t now_us)
{
    budget_roll(pool->shared, now_us);
    queue_kick(pool->shared, now_us);
}

static bool choose(const struct pool *pool, const struct pick *pick, struct choice *choice)
{
    if (pick->affinity) {
        enum affinity_choice bound = affinity_choose(pool, pick, choice);
        if (bound != AFFINITY_FREE)
            return bound == AFFINITY_TAKE;
    }
    switch (pool->config->balance) {
    case BALANCE_LEAST_CONN: return least_conn_choose(pool, pick, choice);
    case BALANCE_RANDOM_TWO: return random_two_choose(pool, pick, choice);
    case BALANCE_HASH: return hash_choose(pool, pick, choice);
    }
    UNREACHABLE();
}

/* One more at the backend, if its counts still are what the choice saw. Who closes a backend closes first
 * and looks at its counts then; here it is the other way round: so nobody is given a place at a backend
 * whose end was decided by its counts. */
static bool count_up(struct pool *pool, struct backend *backend, uint64_t word, enum place_kind kind)
{
    _Atomic uint64_t *counts = &pool->slots->counts[backend->slot];
    uint64_t one = UINT64_C(1) << lane_shift(pool->engine, kind);
    if (!atomic_compare_exchange_strong(counts, &word, word + one))
        return false;
    if (!atomic_load(&backend->closed))
        return true;
    atomic_fetch_sub(counts, one);
    return false;
}

bool pool_take_any(struct pool *pool, const struct pick *pick, struct place *place)
{
    struct choice choice;
    while (choose(pool, pick, &choice)) { /* again only when somebody else took or released meanwhile */
        struct backend *backend = pool->backends[choice.index];
        if (choice.is_trial && !trial_begin(backend, pick->now_us))
            continue;
        if (!count_up(pool, backend, choice.word, pick->kind)) {
            if (choice.is_trial)
                trial_end(backend);
            continue;
        }
        if (pool->config->balance == BALANCE_LEAST_CONN)
            least_conn_taken(pool, choice.index, pick->now_us);
        place->backend = backend_ref(backend);
        place->shared = pool->shared;
        place->engine = pool->engine;
        place->kind = pick->kind;
        place->is_trial = choice.is_trial;
        return true;
    }
    return false;
}

bool pool_has_room(const struct pool *pool, uint64_t now_us)
{
    bool is_trial;
    for (unsigned i = 0; i < pool->count; i++) {
        uint64_t word = pool_word(pool, i);
        if ((word_has_room(pool, PLACE_REQUEST, word) || word_has_room(pool, PLACE_TUNNEL, word)) &&
            backend_is_usable(pool->backends[i], now_us, &is_trial))
            return true;
    }
    return false;
}

enum pick_result pool_take(struct pool *pool, const struct pick *pick, struct place *place)
{
    if (atomic_load(&pool->shared->waiting) > 0)
        return PICK_WAIT;
    return pool_take_any(pool, pick, place) ? PICK_TAKEN : PICK_WAIT;
}

void place_becomes_request(struct place *place)
{
    CHECK(place->backend && place->kind == PLACE_TUNNEL);
    _Atomic uint64_t *counts = &place->backend->slots->counts[place->backend->slot];
    uint64_t request = UINT64_C(1) << lane_shift(place->engine, PLACE_REQUEST);
    uint64_t tunnel = UINT64_C(1) << lane_shift(place->engine, PLACE_TUNNEL);
    uint64_t word = atomic_load(counts);
    do {
        if (lane_of(word, place->engine, PLACE_REQUEST) == LANE_MAX)
            return; /* stays counted as a tunnel */
    } while (!atomic_compare_exchange_weak(counts, &word, word - tunnel + request));
    place->kind = PLACE_REQUEST;
}

void place_release(struct place *place, uint64_t now_us)
{
    struct backend *backend = place->backend;
    if (!backend)
        return;
    if (place->is_trial)
        trial_end(backend);
    unsigned shift = lane_shift(place->engine, place->kind);
    uint64_t word = atomic_fetch_sub(&backend->slots->counts[backend->slot], UINT64_C(1) << shift);
    CHECK(lane_of(word, place->engine, place->kind) > 0);
    queue_kick(place->shared, now_us);
    place->is_trial = false;
    place->shared = NULL;
    backend_unref(&place->backend);
}
