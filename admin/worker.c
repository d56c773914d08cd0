/* SPDX-License-Identifier: MIT
 *
 * One worker (or fixed server) as JSON. What it reads of the slot is written by other processes and threads
 * meanwhile: each value is one atomic, and the last output is copied before it is looked at. Control
 * thread. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "admin/report.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/memory_limit.h"

#define LINES_MOST 20

#define read_relaxed(field) atomic_load_explicit(&(field), memory_order_relaxed)

static const char *const state_names[] = {
    [WORKER_ABSENT] = "absent",     [WORKER_STARTING] = "starting", [WORKER_HEALTHY] = "healthy",
    [WORKER_DRAINING] = "draining", [WORKER_STOPPING] = "stopping", [WORKER_BACKOFF] = "backoff",
};

const char *report_slot_status(const struct report_slot *at)
{
    uint32_t state = at->slot->is_worker ? read_relaxed(at->slot->state) : WORKER_HEALTHY;

    if (state >= sizeof state_names / sizeof state_names[0])
        state = WORKER_ABSENT; /* the mapping is shared with a process that may have been damaged */
    if (state == WORKER_HEALTHY && !at->is_background &&
        (!at->is_fit || !at->backend || backend_is_ejected(at->backend)))
        return "ejected";
    return state_names[state];
}

json_t *report_text(struct slice text)
{
    json_t *string = json_stringn(text.at, text.size);

    if (string)
        return string;
    size_t room = 6 * text.size + 3; /* not UTF-8: what is no character is replaced */
    char *escaped = mem_alloc(room);
    size_t size = 1 + str_escape_json(escaped + 1, room - 2, text);
    escaped[0] = escaped[size++] = '"';
    string = json_loadb(escaped, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    mem_free(escaped);
    return string ? string : json_string("?");
}

static double seconds_since(uint64_t since_us)
{
    uint64_t now_us = clock_us();

    return since_us == 0 || now_us < since_us ? 0 : (double)((now_us - since_us) / 100000) / 10;
}

static json_t *address_of(const struct report_slot *at)
{
    uint32_t port = read_relaxed(at->slot->port);

    if (at->backend)
        return report_text(slice_of(at->backend->authority));
    return port > 0 ? json_sprintf("127.0.0.1:%u", port) : json_null();
}

/* What the last process of the slot left with. NULL: none has ended yet. */
static json_t *last_exit(const struct slot *slot)
{
    int status = read_relaxed(slot->exit_status);
    uint32_t ended = read_relaxed(slot->generation);

    if (read_relaxed(slot->pid) != 0 && ended > 0)
        ended--; /* the newest still runs */
    if (ended == 0)
        return NULL;
    if (read_relaxed(slot->exit_reason) == ENDING_MEMORY) {
        char held[MEMORY_TEXT];
        memory_text(held, read_relaxed(slot->exit_memory));
        return json_sprintf("killed for memory at %s", held);
    }
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        return json_sprintf("ended by signal %d (%s)%s", WTERMSIG(status), name ? name : "?",
                            WCOREDUMP(status) ? ", core dumped" : "");
    }
    return json_sprintf("exited with status %d", WEXITSTATUS(status));
}

/* The slice after the first of the last `most` lines of `text` begins. */
static struct slice last_lines(struct slice text, unsigned most)
{
    size_t at = text.size;

    while (at > 0) {
        if (text.at[at - 1] == '\n' && at < text.size && --most == 0)
            break;
        at--;
    }
    return (struct slice){text.at + at, text.size - at};
}

static json_t *last_output(const struct slot *slot)
{
    char copy[SLOT_OUTPUT_MAX];
    size_t size = atomic_load_explicit(&slot->output_size, memory_order_acquire);
    json_t *lines = json_array();

    size = size < sizeof copy ? size : sizeof copy;
    memcpy(copy, slot->output, size);
    struct slice rest = last_lines((struct slice){copy, size}, LINES_MOST);
    while (rest.size > 0) {
        const char *end = memchr(rest.at, '\n', rest.size);
        struct slice line = {rest.at, end ? (size_t)(end - rest.at) : rest.size};
        json_array_append_new(lines, report_text(line));
        rest.at += line.size + (end != NULL);
        rest.size -= line.size + (end != NULL);
    }
    return lines;
}

static void put_process(json_t *object, const struct report_slot *at, bool is_public)
{
    const struct slot *slot = at->slot;
    int32_t pid = slot->is_worker ? read_relaxed(slot->pid) : 0;

    if (!is_public && slot->is_worker)
        json_object_set_new(object, "worker_id", pid > 0 ? json_integer(pid) : json_null());
    if (!is_public)
        json_object_set_new(object, "address", address_of(at));
    json_object_set_new(object, "status", json_string(report_slot_status(at)));
    if (slot->is_worker)
        json_object_set_new(object, "uptime",
                            json_real(pid > 0 ? seconds_since(read_relaxed(slot->started_us)) : 0));
}

/* For those who look after it: how the places are used, and why it does not run. */
static void put_detail(json_t *object, const struct report_slot *at, uint64_t counts)
{
    const struct slot *slot = at->slot;
    json_t *ended = slot->is_worker ? last_exit(slot) : NULL;

    json_object_set_new(object, "requests_in_flight", json_integer(counts_requests(counts)));
    json_object_set_new(object, "tunnels", json_integer(counts_tunnels(counts)));
    if (!slot->is_worker)
        return;
    json_object_set_new(object, "starts", json_integer(read_relaxed(slot->generation)));
    json_object_set_new(object, "crashes", json_integer(read_relaxed(slot->crashes)));
    bool is_failing = read_relaxed(slot->crashes) > 0 || read_relaxed(slot->state) == WORKER_BACKOFF;
    if (ended && is_failing)
        json_object_set(object, "last_exit", ended);
    if (is_failing)
        json_object_set_new(object, "output", last_output(slot));
    json_decref(ended);
}

json_t *report_slot_object(const struct admin_source *source, const struct report_slot *at,
                           enum report_detail detail)
{
    const struct slot *slot = at->slot;
    uint64_t counts = read_relaxed(source->slots->counts[at->index]);
    json_t *object = json_object();

    json_object_set_new(object, "name", report_text(slice_of(slot->name)));
    put_process(object, at, detail == REPORT_PUBLIC);
    json_object_set_new(object, "active_connections",
                        json_integer(counts_requests(counts) + counts_tunnels(counts)));
    json_object_set_new(object, "requests", json_integer((json_int_t)read_relaxed(slot->requests)));
    json_object_set_new(object, "fails", json_integer((json_int_t)read_relaxed(slot->fails)));
    if (slot->is_worker && read_relaxed(slot->children) > 0)
        json_object_set_new(object, "children", json_integer(read_relaxed(slot->children) - 1));
    if (slot->is_worker)
        json_object_set_new(object, "memory", json_integer((json_int_t)read_relaxed(slot->memory)));
    if (detail == REPORT_FULL)
        put_detail(object, at, counts);
    return object;
}

json_t *report_slot_page(const struct admin_source *source, const struct report_slot *at, bool is_public)
{
    json_t *object = report_slot_object(source, at, is_public ? REPORT_PUBLIC : REPORT_PLAIN);

    json_object_set_new(object, "pool", report_text(slice_of(at->slot->pool)));
    if (!at->slot->is_worker)
        return object;
    json_object_set_new(object, "starts", json_integer(read_relaxed(at->slot->generation)));
    json_object_set_new(object, "crashes", json_integer(read_relaxed(at->slot->crashes)));
    if (!is_public) {
        json_t *ended = last_exit(at->slot);
        json_object_set_new(object, "last_exit", ended ? ended : json_null());
        json_object_set_new(object, "output", last_output(at->slot));
    }
    return object;
}
