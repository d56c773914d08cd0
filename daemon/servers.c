/* SPDX-License-Identifier: MIT
 *
 * Fixed servers: from rows of the configuration to backends.
 *
 *     row (name or literal) --resolver, TTL--> addresses --match--> spots (slot, backend, watch)
 *                                                   at the end of the turn: lists, on_members
 *
 * Control thread. Owns its questions, spots and their watches. The last good addresses of a name are kept
 * whatever DNS says later; a name that was never resolved gives no backend and is no error. */
#include "daemon/servers.h"

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/tls.h"
#include "health/health.h"

#define TTL_MIN_S     1u
#define TTL_MAX_S     30u
#define RETRY_MAX_S   5u
#define LEAVING_EVERY 250u /* ms: is something still held in the slots of those that leave? */

/* One entry of `servers:`. */
struct row {
    struct servers *servers;
    const struct server_config *config;
    bool is_literal;
    unsigned address_count;
    struct address *addresses;
    unsigned failures; /* in a row */
    struct resolver_question *question;
    struct deadline again;
};

/* One address. */
struct spot {
    struct servers *servers;
    struct address address;
    unsigned weight;
    char *host;                /* for the probe's Host */
    struct tls_target *secure; /* referenced; NULL: plain */
    int slot;
    struct backend *backend;
    struct health_watch *watch;
    bool is_fit;
    bool is_wanted;  /* while rows and spots are matched */
    bool is_leaving; /* not in the file or in DNS any more, its slot may hold something */
};

struct servers {
    struct loop *loop;
    struct resolver *resolver;
    struct config *config;
    const struct pool_config *pool;
    SSL_CTX *context; /* for those with https://; NULL: none, or it could not be made */
    struct slots *slots;
    struct servers_callbacks callbacks;
    void *owner;
    bool is_abandoned;
    bool has_new_context; /* while rows and spots are matched */
    unsigned row_count;
    struct row **rows;
    unsigned spot_count;
    struct spot **spots; /* by slot number */
    struct ticker leaving;
    struct task publish;
    /* What was given out; changes only in publish. */
    unsigned fit_count, all_count;
    struct backend **fit, **all;
    bool *is_fit;
};

static void forget_lists(struct servers *servers)
{
    for (unsigned i = 0; i < servers->all_count; i++)
        backend_unref(&servers->all[i]);
    mem_free(servers->fit);
    mem_free(servers->all);
    mem_free(servers->is_fit);
    servers->fit = servers->all = NULL;
    servers->is_fit = NULL;
    servers->fit_count = servers->all_count = 0;
}

static void make_lists(struct servers *servers)
{
    forget_lists(servers);
    servers->fit = mem_alloc(servers->spot_count * sizeof(struct backend *));
    servers->all = mem_alloc(servers->spot_count * sizeof(struct backend *));
    servers->is_fit = mem_alloc(servers->spot_count * sizeof(bool));
    for (unsigned i = 0; i < servers->spot_count; i++) {
        struct spot *spot = servers->spots[i];
        if (spot->is_leaving)
            continue;
        servers->is_fit[servers->all_count] = spot->is_fit;
        servers->all[servers->all_count++] = backend_ref(spot->backend);
        if (spot->is_fit)
            servers->fit[servers->fit_count++] = spot->backend;
    }
}

static void on_publish(struct task *task)
{
    struct servers *servers = container_of(task, struct servers, publish);

    make_lists(servers);
    servers->callbacks.on_members(servers, servers->owner);
}

/* Once a turn, and at its end: those who hold the lists until on_members may use them in all of the turn. */
static void changed(struct servers *servers)
{
    task_at_end(&servers->publish, servers->loop);
}

static void spot_free(struct spot *spot)
{
    health_watch_stop(&spot->watch);
    backend_unref(&spot->backend);
    tls_target_unref(&spot->secure);
    mem_free(spot->host);
    mem_free(spot);
}

static void on_fitness(void *argument, bool fit, const char *why)
{
    struct spot *spot = argument;

    spot->is_fit = fit;
    if (fit)
        log_info("%s (%s): fit", spot->backend->name, spot->backend->authority);
    else
        log_warning("%s (%s): its probe says that it is not fit: %s", spot->backend->name,
                    spot->backend->authority, why);
    changed(spot->servers);
}

static bool has_probe(const struct pool_config *pool)
{
    return pool->probe_path && *pool->probe_path;
}

/* With a probe a new address has to prove itself first, which takes milliseconds; without, it is taken as
 * fit. */
static void watch_spot(struct spot *spot)
{
    const struct pool_config *pool = spot->servers->pool;

    health_watch_stop(&spot->watch);
    if (!has_probe(pool)) {
        spot->is_fit = true;
        return;
    }
    struct probe_question question = {
        .address = spot->address,
        .path = pool->probe_path,
        .host = spot->host,
        .timeout_ms = pool->probe_timeout,
        .secure = spot->secure,
        .protocol = pool->protocol,
    };
    spot->watch = health_watch_start(spot->servers->loop, &question, pool, spot->is_fit, on_fitness, spot);
}

static void close_backend(struct spot *spot)
{
    struct servers *servers = spot->servers;

    backend_close(spot->backend);
    servers->callbacks.on_backend_gone(servers, spot->backend, servers->owner);
    backend_unref(&spot->backend);
}

static void leave(struct spot *spot)
{
    log_info("%s (%s): removed", spot->backend->name, spot->backend->authority);
    spot->is_leaving = true;
    spot->is_fit = false;
    health_watch_stop(&spot->watch);
    close_backend(spot);
    changed(spot->servers);
}

/* By TLS, when the row says so. */
static void secure(struct spot *spot, const struct server_config *config)
{
    const char *name = spot->servers->pool->tls_name ? spot->servers->pool->tls_name : config->host;

    tls_target_unref(&spot->secure);
    if (config->is_tls)
        spot->secure = tls_target_new(spot->servers->context, name);
}

/* A backend never changes: another weight, another way to speak to it, or an address that comes back, is another backend in the same
 * slot. */
static void renew(struct spot *spot, const struct server_config *config)
{
    bool has_changed = spot->backend || spot->is_leaving;

    if (spot->backend)
        close_backend(spot);
    spot->weight = config->weight;
    spot->is_leaving = false;
    secure(spot, config);
    spot->backend = backend_new(spot->servers->slots, spot->slot, &spot->address, config->weight);
    backend_secure(spot->backend, spot->secure);
    if (has_changed)
        watch_spot(spot);
    changed(spot->servers);
}

static bool is_number_taken(const struct servers *servers, unsigned number)
{
    for (unsigned i = 0; i < servers->spot_count; i++)
        if (servers->slots->slot[servers->spots[i]->slot].number == number)
            return true;
    return false;
}

static unsigned spot_number(const struct spot *spot)
{
    return spot->servers->slots->slot[spot->slot].number;
}

static void add_spot(struct servers *servers, const struct address *address,
                     const struct server_config *config)
{
    unsigned number = 1, at = servers->spot_count;

    while (is_number_taken(servers, number))
        number++;
    int slot = slots_claim(servers->slots, servers->pool->name, number, false);
    if (slot < 0) {
        log_error("%s: no slot is free for %s (all pools together have at most %d)", servers->pool->name,
                  config->text, SLOTS_MAX);
        return;
    }
    struct spot *spot = mem_zero(sizeof *spot);
    spot->servers = servers;
    spot->address = *address;
    spot->host = config->unix_path ? NULL : mem_dup(config->text);
    spot->slot = slot;
    spot->is_wanted = true;
    servers->spots = mem_resize(servers->spots, (servers->spot_count + 1) * sizeof(struct spot *));
    for (; at > 0 && spot_number(servers->spots[at - 1]) > number; at--)
        servers->spots[at] = servers->spots[at - 1];
    servers->spots[at] = spot;
    servers->spot_count++;
    renew(spot, config);
    watch_spot(spot);
    log_info("%s: %s is at %s", spot->backend->name, config->text, spot->backend->authority);
}

static struct spot *find_spot(const struct servers *servers, const struct address *address)
{
    for (unsigned i = 0; i < servers->spot_count; i++)
        if (address_equal(&servers->spots[i]->address, address))
            return servers->spots[i];
    return NULL;
}

static void want_address(struct servers *servers, const struct address *address,
                         const struct server_config *config)
{
    struct spot *spot = find_spot(servers, address);

    if (!spot) {
        add_spot(servers, address, config);
        return;
    }
    if (spot->is_wanted) /* named twice: the first entry's weight counts */
        return;
    spot->is_wanted = true;
    if (spot->is_leaving || spot->weight != config->weight || (spot->secure != NULL) != config->is_tls ||
        (spot->secure && servers->has_new_context))
        renew(spot, config);
}

static void release_left(void *argument)
{
    struct servers *servers = argument;
    unsigned kept = 0, leaving = 0;

    for (unsigned i = 0; i < servers->spot_count; i++) {
        struct spot *spot = servers->spots[i];
        if (spot->is_leaving && atomic_load(&servers->slots->counts[spot->slot]) == 0) {
            slots_release(servers->slots, spot->slot);
            spot_free(spot);
            continue;
        }
        leaving += spot->is_leaving;
        servers->spots[kept++] = spot;
    }
    servers->spot_count = kept;
    if (leaving == 0)
        ticker_stop(&servers->leaving);
}

static void match(struct servers *servers)
{
    bool is_leaving = false;

    for (unsigned i = 0; i < servers->spot_count; i++)
        servers->spots[i]->is_wanted = false;
    for (unsigned i = 0; i < servers->row_count && !servers->is_abandoned; i++) {
        const struct row *row = servers->rows[i];
        for (unsigned j = 0; j < row->address_count; j++)
            want_address(servers, &row->addresses[j], row->config);
    }
    for (unsigned i = 0; i < servers->spot_count; i++) {
        struct spot *spot = servers->spots[i];
        if (!spot->is_wanted && !spot->is_leaving)
            leave(spot);
        is_leaving |= spot->is_leaving;
    }
    if (is_leaving)
        ticker_start(&servers->leaving, servers->loop, LEAVING_EVERY, release_left, servers);
}

static void take_addresses(struct row *row, const struct address *addresses, unsigned count)
{
    row->addresses = mem_resize(row->addresses, count * sizeof *addresses);
    memcpy(row->addresses, addresses, count * sizeof *addresses);
    row->address_count = count;
}

static void on_answer(void *argument, const struct address *addresses, unsigned count, unsigned ttl_s,
                      const char *why)
{
    struct row *row = argument;
    struct servers *servers = row->servers;
    unsigned wait_s = ttl_s < TTL_MIN_S ? TTL_MIN_S : ttl_s > TTL_MAX_S ? TTL_MAX_S : ttl_s;

    row->question = NULL;
    if (count == 0) {
        if (row->failures == 0)
            log_warning("%s: %s cannot be resolved: %s%s", servers->pool->name, row->config->host, why,
                        row->address_count > 0 ? "; its last addresses stay" : "");
        row->failures++;
        wait_s = row->failures < RETRY_MAX_S ? row->failures : RETRY_MAX_S;
    } else {
        if (row->failures > 0)
            log_info("%s: %s is resolved again", servers->pool->name, row->config->host);
        row->failures = 0;
        take_addresses(row, addresses, count);
        match(servers);
    }
    deadline_start(&row->again, servers->loop, wait_s * 1000);
}

static void ask(void *argument)
{
    struct row *row = argument;

    row->question =
        resolver_ask(row->servers->resolver, row->config->host, row->config->port, on_answer, row);
}

static bool find_literal(struct address *address, const struct server_config *config)
{
    if (!config->unix_path)
        return address_from_ip(address, slice_of(config->host), config->port);
    char *text = mem_print("unix:%s", config->unix_path);
    bool is_valid = address_parse(address, slice_of(text));
    mem_free(text);
    return is_valid;
}

static struct row *row_new(struct servers *servers, const struct server_config *config)
{
    struct row *row = mem_zero(sizeof *row);
    struct address literal;

    row->servers = servers;
    row->config = config;
    deadline_init(&row->again, ask, row);
    row->is_literal = find_literal(&literal, config);
    if (row->is_literal)
        take_addresses(row, &literal, 1);
    return row;
}

static void row_free(struct row *row)
{
    resolver_cancel(&row->question);
    deadline_stop(&row->again);
    mem_free(row->addresses);
    mem_free(row);
}

/* What the old row of the same name knows is kept. */
static void inherit(struct row *row, struct row *const *old, unsigned count)
{
    for (unsigned i = 0; i < count && !row->is_literal; i++) {
        if (old[i]->is_literal || strcmp(old[i]->config->host, row->config->host) != 0 ||
            old[i]->config->port != row->config->port)
            continue;
        if (old[i]->address_count > 0)
            take_addresses(row, old[i]->addresses, old[i]->address_count);
        row->failures = old[i]->failures;
        return;
    }
}

/* Rows as the pool's configuration has them; names are asked for at once. */
static void make_rows(struct servers *servers)
{
    struct row **old = servers->rows;
    unsigned old_count = servers->row_count;

    servers->row_count = servers->pool->server_count;
    servers->rows = mem_alloc(servers->row_count * sizeof *old);
    for (unsigned i = 0; i < servers->row_count; i++) {
        servers->rows[i] = row_new(servers, &servers->pool->servers[i]);
        inherit(servers->rows[i], old, old_count);
    }
    for (unsigned i = 0; i < old_count; i++)
        row_free(old[i]);
    mem_free(old);
    for (unsigned i = 0; i < servers->row_count; i++)
        if (!servers->rows[i]->is_literal)
            ask(servers->rows[i]);
}

static void free_rows(struct servers *servers)
{
    for (unsigned i = 0; i < servers->row_count; i++)
        row_free(servers->rows[i]);
    mem_free(servers->rows);
    servers->rows = NULL;
    servers->row_count = 0;
}

/* The file was tried when the configuration was loaded; what the system trusts may not be there. */
static void make_context(struct servers *servers)
{
    const struct pool_config *pool = servers->pool;
    bool is_needed = false;

    SSL_CTX_free(servers->context);
    servers->context = NULL;
    for (unsigned i = 0; i < pool->server_count; i++)
        is_needed |= pool->servers[i].is_tls;
    if (!is_needed)
        return;
    servers->context = tls_client_context((struct slice){pool->tls_ca.bytes, pool->tls_ca.size},
                                          pool->tls_verify, pool->protocol == PROTOCOL_H2);
    if (!servers->context) {
        log_error(
            "%s: nobody is trusted: the certificates of this machine cannot be read (tls.ca names others)",
            pool->name);
        servers->context = SSL_CTX_new(TLS_client_method()); /* verifies, and trusts nobody */
        CHECK(servers->context);
        SSL_CTX_set_verify(servers->context, SSL_VERIFY_PEER, NULL);
    }
}

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_same_tls(const struct pool_config *a, const struct pool_config *b)
{
    return a->tls_verify == b->tls_verify && a->protocol == b->protocol &&
           is_same_text(a->tls_name, b->tls_name) &&
           slice_equal((struct slice){a->tls_ca.bytes, a->tls_ca.size},
                       (struct slice){b->tls_ca.bytes, b->tls_ca.size});
}

struct servers *servers_new(struct loop *loop, struct resolver *resolver, struct config *config,
                            const struct pool_config *pool, struct slots *slots,
                            const struct servers_callbacks *callbacks, void *owner)
{
    struct servers *servers = mem_zero(sizeof *servers);

    servers->loop = loop;
    servers->resolver = resolver;
    servers->config = config_ref(config);
    servers->pool = pool;
    servers->slots = slots;
    servers->callbacks = *callbacks;
    servers->owner = owner;
    task_init(&servers->publish, on_publish);
    make_context(servers);
    make_rows(servers);
    match(servers);
    make_lists(servers); /* who made it may ask at once; on_members follows at the end of the turn */
    return servers;
}

void servers_free(struct servers **servers)
{
    struct servers *ending = *servers;

    if (!ending)
        return;
    *servers = NULL;
    task_cancel(&ending->publish);
    ticker_stop(&ending->leaving);
    free_rows(ending);
    forget_lists(ending);
    for (unsigned i = 0; i < ending->spot_count; i++)
        spot_free(ending->spots[i]);
    mem_free(ending->spots);
    SSL_CTX_free(ending->context);
    config_unref(&ending->config);
    mem_free(ending);
}

static bool is_same_probe(const struct pool_config *a, const struct pool_config *b)
{
    if (has_probe(a) != has_probe(b))
        return false;
    return !has_probe(a) || (strcmp(a->probe_path, b->probe_path) == 0 && a->protocol == b->protocol &&
                             a->probe_interval == b->probe_interval && a->probe_timeout == b->probe_timeout &&
                             a->probe_rise == b->probe_rise && a->probe_fall == b->probe_fall);
}

void servers_adopt(struct servers *servers, struct config *config, const struct pool_config *pool)
{
    struct config *old = servers->config;
    bool is_same = is_same_probe(servers->pool, pool);

    servers->has_new_context = !servers->context || !is_same_tls(servers->pool, pool);
    servers->config = config_ref(config);
    servers->pool = pool;
    servers->is_abandoned = false;
    if (servers->has_new_context)
        make_context(servers);
    make_rows(servers);
    match(servers);
    servers->has_new_context = false;
    for (unsigned i = 0; i < servers->spot_count && !is_same; i++)
        if (!servers->spots[i]->is_leaving)
            watch_spot(servers->spots[i]);
    config_unref(&old);
    changed(servers);
}

void servers_abandon(struct servers *servers)
{
    servers->is_abandoned = true;
    free_rows(servers);
    match(servers);
}

bool servers_is_empty(const struct servers *servers)
{
    return servers->spot_count == 0;
}

struct backend *const *servers_backends(const struct servers *servers, unsigned *count)
{
    *count = servers->fit_count;
    return servers->fit;
}

struct backend **servers_all(const struct servers *servers, unsigned *count, const bool **is_fit)
{
    *count = servers->all_count;
    *is_fit = servers->is_fit;
    return servers->all;
}
