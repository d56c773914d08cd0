/* SPDX-License-Identifier: MIT
 *
 * A reload in its order:
 *
 *   HUP, ORDER_RELOAD, a changed certificate -> begin: the file's bytes -> NEWS_VALIDATE -> (engine) -> ORDER_VALIDATED
 *     -> prepare: parsed here too, with the files that it names, compared, access log and new listeners opened
 *     -> adopt: NEWS_FILES, NEWS_LISTENER each, NEWS_ADOPT, NEWS_REOPEN -> NEWS_RELOADED
 *
 * Whatever refuses it leaves everything as it was. Keeper's thread. */
#include "keeper/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/net.h"
#include "keeper/parent.h"

#define VALIDATE_TIMEOUT_MS 15000

static void askers_add(struct askers *askers, uint64_t reference)
{
    if (reference != 0 && askers->count < RELOAD_ASKERS_MAX)
        askers->references[askers->count++] = reference;
}

/* Each line of a report is a line of the log. */
static void log_report(enum log_level level, const char *text)
{
    for (const char *end; text && *text; text = *end ? end + 1 : end) {
        end = strchrnul(text, '\n');
        log_line(level, "%.*s", (int)(end - text), text);
    }
}

static void answer(struct engine *engine, uint64_t reference, bool accepted, int report)
{
    struct order news = {.kind = NEWS_RELOADED, .slot = -1, .accepted = accepted, .reference = reference};

    (void)engine_tell(engine, &news, &report, report >= 0 ? 1 : 0);
}

/* The present reload is over. */
static void finish(struct keeper *keeper, bool accepted, const char *report)
{
    struct reload *reload = &keeper->reload;
    struct engine *engine = reload->engine ? reload->engine : engines_serving(keeper);
    int fd = report && *report ? order_memfd(report, strlen(report)) : -1;

    log_report(accepted ? LOG_WARNING : LOG_ERROR, report);
    if (accepted)
        log_info("reloaded");
    else
        log_error("reload refused: everything stays as it was");
    /* Engines hear of every reload; who asked by the control socket also gets his own reference. */
    if (engine) {
        answer(engine, 0, accepted, fd);
        for (unsigned i = 0; i < reload->present.count; i++)
            answer(engine, reload->present.references[i], accepted, fd);
    }
    net_close(&fd);
    mem_free(reload->bytes);
    reload->bytes = NULL;
    reload->engine = NULL;
    reload->present.count = 0;
}

void reload_ask(struct keeper *keeper, uint64_t reference)
{
    if (keeper->stage != STAGE_RUNNING)
        return;
    keeper->reload.is_wanted = true;
    keeper->reload.is_for_files = false;
    askers_add(&keeper->reload.next, reference);
}

void reload_look_at_files(struct keeper *keeper)
{
    struct reload *reload = &keeper->reload;
    uint64_t now;

    if (keeper->stage != STAGE_RUNNING || reload->engine || reload->is_wanted)
        return;
    now = config_files_stamp(keeper->config);
    if (now == reload->files_seen && now != reload->files_tried &&
        now != config_files_stamp_read(keeper->config)) {
        log_info("files that the configuration names have changed: reading them");
        reload->is_wanted = reload->is_for_files = true;
    }
    reload->files_seen = now;
}

/* The bytes to go by: the file's, or, when only files that it names changed, those in force: what else has been written into it meanwhile
 * nobody has asked for. */
static bool take_bytes(struct keeper *keeper)
{
    struct reload *reload = &keeper->reload;
    struct config_report report = {0};
    char *found = NULL;

    if (reload->is_for_files) {
        reload->size = reload->in_force ? reload->in_force_size : keeper->options->size;
        reload->bytes = slice_dup(
            (struct slice){reload->in_force ? reload->in_force : keeper->options->bytes, reload->size});
        return true;
    }
    if (!keeper->options->path) {
        finish(keeper, false, "the configuration came from the command line: there is no file to read anew");
        return false;
    }
    if (!config_find(keeper->options->path, &found, &reload->bytes, &reload->size, &report)) {
        finish(keeper, false, report.text);
        config_report_fini(&report);
        return false;
    }
    mem_free(found);
    config_report_fini(&report);
    return true;
}

static void begin(struct keeper *keeper, struct engine *engine)
{
    struct reload *reload = &keeper->reload;

    reload->present = reload->next;
    reload->next.count = 0;
    reload->is_wanted = false;
    reload->engine = engine;
    reload->files_tried = config_files_stamp(keeper->config);
    if (!take_bytes(keeper))
        return;
    struct order news = {.kind = NEWS_VALIDATE, .slot = -1};
    int fd = order_memfd(reload->bytes, reload->size);
    reload->give_up_ms = clock_ms() + VALIDATE_TIMEOUT_MS;
    if (fd < 0)
        finish(keeper, false, strerror(-fd));
    else if (!engine_tell(engine, &news, &fd, 1))
        finish(keeper, false, "the engine does not answer");
    net_close(&fd);
}

void reload_step(struct keeper *keeper, uint64_t now_ms)
{
    struct reload *reload = &keeper->reload;

    if (reload->engine && now_ms >= reload->give_up_ms)
        finish(keeper, false, "the engine did not say in time whether the configuration is right");
    if (reload->engine || !reload->is_wanted || keeper->stage != STAGE_RUNNING)
        return;
    struct engine *engine = engines_serving(keeper);
    if (engine)
        begin(keeper, engine);
}

/* All that may be refused, without a change to what runs. */
struct adoption {
    struct config *config;
    struct listener *listeners;
    int access_log;
    int files; /* memfd for NEWS_FILES; -1: it names none */
};

static bool pack_files(struct adoption *adoption)
{
    size_t size;
    char *block = config_pack_files(adoption->config, &size);

    adoption->files = size ? order_memfd(block, size) : -1;
    explicit_bzero(block, size);
    mem_free(block);
    return size == 0 || adoption->files >= 0;
}

static bool prepare(struct keeper *keeper, struct adoption *adoption, char *error, size_t room)
{
    adoption->access_log = access_log_open(adoption->config);
    if (adoption->access_log < -1) {
        str_format(error, room, "access_log: cannot open %s: %s", adoption->config->access_log,
                   strerror(-(adoption->access_log + 1)));
        return false;
    }
    if (!pack_files(adoption))
        str_format(error, room, "listen: cannot hand the certificates over: %s", strerror(-adoption->files));
    else
        adoption->listeners =
            listeners_for(adoption->config, keeper->listeners, keeper->listener_count, error, room);
    if (!adoption->listeners) {
        net_close(&adoption->access_log);
        net_close(&adoption->files);
    }
    return adoption->listeners != NULL;
}

static void hand_over(struct keeper *keeper, int files)
{
    struct engine *engine = keeper->reload.engine;
    struct order news = {.kind = NEWS_FILES, .slot = -1};

    if (files >= 0)
        (void)engine_tell(engine, &news, &files, 1);
    news.kind = NEWS_LISTENER;
    for (unsigned i = 0; i < keeper->listener_count; i++) {
        news.index = i;
        (void)engine_tell(engine, &news, keeper->listeners[i].sockets.fds,
                          keeper->listeners[i].sockets.count);
    }
    news = (struct order){.kind = NEWS_ADOPT, .slot = -1};
    (void)engine_tell(engine, &news, NULL, 0);
    news = (struct order){.kind = NEWS_REOPEN, .slot = -1};
    (void)engine_tell(engine, &news, &keeper->access_log, keeper->access_log >= 0 ? 1 : 0);
}

static void adopt(struct keeper *keeper, struct adoption *adoption)
{
    struct listener *removed = keeper->listeners;
    unsigned removed_count = keeper->listener_count;

    keeper->listeners = adoption->listeners;
    keeper->listener_count = adoption->config->listen_count;
    net_close(&keeper->access_log);
    keeper->access_log = adoption->access_log;
    config_unref(&keeper->config);
    keeper->config = adoption->config;
    hand_over(keeper, adoption->files);
    net_close(&adoption->files);
    mem_free(keeper->reload.in_force);
    keeper->reload.in_force = keeper->reload.bytes;
    keeper->reload.in_force_size = keeper->reload.size;
    keeper->reload.bytes = NULL;
    /* The engine has its own descriptors of what is no longer in the file, and closes them when it adopts. */
    for (unsigned i = 0; i < removed_count; i++)
        listener_close(&removed[i]);
    mem_free(removed);
}

void reload_validated(struct keeper *keeper, struct engine *engine, bool accepted, int report_fd)
{
    struct reload *reload = &keeper->reload;
    struct config_report report = {0};
    char error[512], *text;
    uint64_t size;

    if (reload->engine != engine)
        return; /* not asked, or given up since */
    if (keeper->stage != STAGE_RUNNING) {
        finish(keeper, false, "drover is stopping");
        return;
    }
    if (!accepted) {
        text = report_fd >= 0 ? order_memfd_read(report_fd, &size) : NULL;
        finish(keeper, false, text ? text : "the engine refused it");
        mem_free(text);
        return;
    }
    struct adoption adoption = {.access_log = -1, .files = -1};
    adoption.config = config_load(keeper->config->path, reload->bytes, reload->size, &report);
    if (adoption.config)
        config_compare_fixed(keeper->config, adoption.config, &report);
    if (!adoption.config || report.errors > 0) {
        finish(keeper, false, report.text);
    } else if (!prepare(keeper, &adoption, error, sizeof error)) {
        text = mem_print("%s%s: %s\n", report.text ? report.text : "", keeper->config->path, error);
        finish(keeper, false, text);
        mem_free(text);
    } else {
        adopt(keeper, &adoption);
        adoption.config = NULL;
        finish(keeper, true, report.text);
    }
    config_unref(&adoption.config);
    config_report_fini(&report);
}

void reload_engine_ended(struct keeper *keeper, struct engine *engine)
{
    if (keeper->reload.engine == engine)
        finish(keeper, false, "the engine ended while it read the configuration");
    keeper->reload.next.count = 0; /* those who asked by the control socket asked that engine */
}

void reload_free(struct keeper *keeper)
{
    mem_free(keeper->reload.bytes);
    mem_free(keeper->reload.in_force);
    keeper->reload.bytes = keeper->reload.in_force = NULL;
}

int access_log_open(const struct config *config)
{
    if (!config->access_log || strcmp(config->access_log, "stdout") == 0)
        return -1;
    /* O_NONBLOCK: a fifo that nobody reads must not hold us. */
    int fd =
        open(config->access_log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
    return fd < 0 ? -errno - 1 : fd;
}

void access_log_reopen(struct keeper *keeper)
{
    struct order news = {.kind = NEWS_REOPEN, .slot = -1};
    int fd = access_log_open(keeper->config);

    if (fd < -1) {
        log_error("access_log: cannot open %s anew: %s", keeper->config->access_log, strerror(-(fd + 1)));
        return;
    }
    net_close(&keeper->access_log);
    keeper->access_log = fd;
    for (unsigned i = 0; i < ENGINES_MAX; i++)
        (void)engine_tell(&keeper->engines.all[i], &news, &fd, fd >= 0 ? 1 : 0);
    log_info("logs reopened");
}
