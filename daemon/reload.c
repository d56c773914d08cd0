/* SPDX-License-Identifier: MIT
 *
 * A reload on the engine's side: validate the bytes that the keeper read, take the new listeners, then
 * adopt all of it at once. Control thread. */
#include "base/log.h"
#include "base/mem.h"
#include "base/net.h"
#include "daemon/engine.h"

static void say_validated(struct engine *engine, bool accepted, const char *report)
{
    struct order order = {.kind = ORDER_VALIDATED, .slot = -1, .accepted = accepted};
    int fd = report ? order_memfd(report, strlen(report)) : -1;

    orders_out(engine, &order, &fd, fd >= 0 ? 1 : 0);
    net_close(&fd);
}

/* The listeners of a reload that was given up. */
static void drop_incoming(struct engine *engine)
{
    for (unsigned i = 0; i < engine->incoming_count; i++)
        for (unsigned k = 0; k < engine->incoming[i].count; k++)
            net_close(&engine->incoming[i].fds[k]);
    mem_free(engine->incoming);
    engine->incoming = NULL;
    engine->incoming_count = 0;
}

void reload_validate(struct engine *engine, int fd)
{
    struct config_report report = {0};
    uint64_t size = 0;
    char *bytes = fd >= 0 ? order_memfd_read(fd, &size) : NULL;

    drop_incoming(engine);
    config_unref(&engine->next_config);
    engine->next_config = bytes ? config_load_unread(engine->config->path, bytes, size, &report) : NULL;
    if (engine->next_config)
        config_compare_fixed(engine->config, engine->next_config, &report);
    if (report.errors)
        config_unref(&engine->next_config);
    say_validated(engine, engine->next_config != NULL, report.text);
    config_report_fini(&report);
    mem_free(bytes);
}

/* Certificates and keys: the keeper may read them, and has tried them. */
void reload_files(struct engine *engine, int fd)
{
    uint64_t size = 0;
    char *bytes = fd >= 0 && engine->next_config ? order_memfd_read(fd, &size) : NULL;

    if (!bytes || !config_unpack_files(engine->next_config, bytes, size))
        log_error("reload: the certificates that the keeper handed over are not the configuration's");
    if (bytes)
        explicit_bzero(bytes, size);
    mem_free(bytes);
}

/* What cannot be served from leaves the certificates as they are. */
static void adopt_tls(struct engine *engine)
{
    struct tls_contexts *previous = engine->tls,
                        *next = tls_contexts_new(engine->config, engine->start->tickets);

    if (!next)
        return;
    engine->tls = next;
    tls_contexts_unref(&previous);
}

void reload_listener(struct engine *engine, unsigned index, const int *fds, unsigned fd_count)
{
    unsigned expected = engine->next_config ? engine->next_config->listen_count : 0;

    if (!engine->incoming) {
        engine->incoming = mem_zero((expected + 1) * sizeof *engine->incoming);
        engine->incoming_count = expected;
    }
    if (index >= engine->incoming_count) {
        for (unsigned i = 0; i < fd_count; i++)
            net_close(&(int){fds[i]});
        return;
    }
    engine->incoming[index].count = fd_count;
    memcpy(engine->incoming[index].fds, fds, fd_count * sizeof *fds);
}

static bool is_listening(const struct engine *engine, const struct address *address)
{
    for (unsigned i = 0; i < engine->listener_count; i++)
        if (address_equal(&engine->listening[i], address))
            return true;
    return false;
}

static bool is_listed(const struct config *config, const struct address *address)
{
    for (unsigned i = 0; i < config->listen_count; i++)
        if (address_equal(&config->listens[i].address, address))
            return true;
    return false;
}

static void unlisten(struct engine *engine, const struct address *address)
{
    for (unsigned i = 0; i < engine->carrier_count; i++)
        proxy_unlisten(engine->proxies[i], address);
}

/* What is listened on already stays as it is (we have its sockets), unless other loops are to accept: then
 * they are dealt out anew. What waits in a backlog waits there meanwhile: the keeper holds the sockets. */
static void change_listeners(struct engine *engine, bool deals_anew)
{
    struct config *config = engine->config;

    for (unsigned i = 0; i < engine->listener_count; i++)
        if (deals_anew || !is_listed(config, &engine->listening[i]))
            unlisten(engine, &engine->listening[i]);
    for (unsigned i = 0; i < engine->incoming_count; i++) {
        struct listener_sockets *sockets = &engine->incoming[i];
        if (sockets->count && (deals_anew || !is_listening(engine, &config->listens[i].address)))
            engine_listen(engine, i, sockets);
        else
            for (unsigned k = 0; k < sockets->count; k++)
                net_close(&sockets->fds[k]);
    }
    mem_free(engine->listening);
    engine->listener_count = config->listen_count;
    engine->listening = mem_zero((config->listen_count + 1) * sizeof *engine->listening);
    for (unsigned i = 0; i < config->listen_count; i++)
        engine->listening[i] = config->listens[i].address;
    mem_free(engine->incoming);
    engine->incoming = NULL;
    engine->incoming_count = 0;
}

void reload_adopt(struct engine *engine)
{
    struct config *previous = engine->config;
    bool deals_anew;

    if (!engine->next_config)
        return;
    commands_tick(engine); /* who waits for a rollout is told what came of it before that is forgotten */
    engine->config = engine->next_config;
    engine->next_config = NULL;
    adopt_tls(engine);
    parts_adopt(engine, engine->config);
    parts_publish(engine); /* before the loops and listeners: they serve from the new snapshot */
    deals_anew = engine_adopt_threads(engine);
    change_listeners(engine, deals_anew);
    config_unref(&previous);
}
