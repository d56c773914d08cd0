/* SPDX-License-Identifier: MIT
 *
 * One check: connect, ask, read one whole response head. On the control thread's loop; owns its socket.
 * Whatever goes wrong makes the answer UNFIT with the reason in words; one deadline bounds all of it, and
 * PROBE_HEAD_MAX what is read. */
#include <errno.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/net.h"
#include "base/tls.h"
#include "health/health.h"
#include "http/h1.h"

#define PROBE_TAG      0x50524f42u
#define PROBE_HEAD_MAX 32768u /* all heads together, interim ones included */
#define READ_SIZE      4096u
#define WHY_MAX        96

enum probe_step { CONNECTING, ASKING, READING };

struct probe {
    uint32_t tag;
    enum probe_step step;
    struct loop *loop;
    int fd;
    struct tls_target *secure; /* referenced */
    struct tls_stream *tls;
    struct watch watch;
    struct deadline deadline;
    struct task failed; /* the socket could not even be made: told in the next turn */
    unsigned timeout_ms;
    bool connect_only;
    bool any_status;
    char *request;
    size_t request_size, sent;
    struct buffer in;
    size_t seen; /* of h1_read_response */
    char why[WHY_MAX];
    void (*on_result)(void *argument, enum probe_result result, const char *why);
    void *argument;
};

static void probe_free(struct probe *probe)
{
    watch_close(&probe->watch);
    deadline_stop(&probe->deadline);
    task_cancel(&probe->failed);
    tls_free(&probe->tls, false);
    tls_target_unref(&probe->secure);
    net_close(&probe->fd);
    buffer_release(&probe->in);
    mem_free(probe->request);
    probe->tag = 0;
    mem_free(probe);
}

/* The last act of every check. The probe goes first, so that the owner may start the next one from its
 * callback. */
static void conclude(struct probe *probe, enum probe_result result)
{
    void (*on_result)(void *argument, enum probe_result result, const char *why) = probe->on_result;
    void *argument = probe->argument;
    char why[WHY_MAX];

    memcpy(why, probe->why, sizeof why);
    probe_free(probe);
    on_result(argument, result, result == PROBE_FIT ? "" : why);
}

static ssize_t probe_read(struct probe *probe, void *into, size_t room)
{
    return probe->tls ? tls_read(probe->tls, into, room) : net_read(probe->fd, into, room);
}

static ssize_t probe_write(struct probe *probe, const void *bytes, size_t size)
{
    return probe->tls ? tls_write(probe->tls, bytes, size) : net_write(probe->fd, bytes, size);
}

static void unfit(struct probe *probe, const char *why)
{
    str_format(probe->why, sizeof probe->why, "%s", why);
    conclude(probe, PROBE_UNFIT);
}

static const char *error_words(int error)
{
    const char *words;

    switch (error) {
    case ECONNREFUSED: return "refused";
    case ENOENT: return "no socket there";
    case EAGAIN: return "its backlog is full";
    case ECONNRESET:
    case EPIPE: return "reset";
    default: words = strerrordesc_np(error); return words ? words : "unknown error";
    }
}

/* True when this was the final head: `conclude` was called then. */
static bool judge(struct probe *probe, const struct head *head)
{
    if (head->status < 200 && head->status != 101)
        return false;
    if (probe->any_status ? head->status != 101 : head->status >= 200 && head->status < 400) {
        conclude(probe, PROBE_FIT);
        return true;
    }
    str_format(probe->why, sizeof probe->why, "status %u", head->status);
    conclude(probe, PROBE_UNFIT);
    return true;
}

/* Heads that are whole by now. True when the check is over. */
static bool read_heads(struct probe *probe)
{
    static const struct h1_limits limits = {PROBE_HEAD_MAX, HEAD_FIELDS_MAX, true};
    struct head head; /* 12 KB, and the stack is the cheapest place for it */
    struct h1_error error;

    for (;;) {
        switch (h1_read_response(&head, buffer_slice(&probe->in), &probe->seen, &limits,
                                 probe->any_status ? METHOD_HEAD : METHOD_GET, &error)) {
        case H1_MORE: return false;
        case H1_BAD:
            str_format(probe->why, sizeof probe->why, "unreadable answer: %s", error.why);
            conclude(probe, PROBE_UNFIT);
            return true;
        case H1_DONE:
            if (judge(probe, &head))
                return true;
            buffer_consume(&probe->in, head.size);
            probe->seen = 0;
        }
    }
}

static void read_answer(struct probe *probe)
{
    size_t total = 0;

    /* Nobody needs more than this in one wake-up: a worker that sends without end must not hold the
     * control thread. */
    while (total <= 2 * PROBE_HEAD_MAX) {
        ssize_t size = probe_read(probe, buffer_reserve(&probe->in, READ_SIZE), READ_SIZE);
        if (size == -EAGAIN)
            return;
        if (size == 0)
            return unfit(probe, "closed without an answer");
        if (size < 0)
            return unfit(probe, error_words((int)-size));
        buffer_commit(&probe->in, (size_t)size);
        total += (size_t)size;
        if (read_heads(probe))
            return;
        if (buffer_size(&probe->in) > PROBE_HEAD_MAX)
            break;
    }
    unfit(probe, "answer without an end");
}

static void ask(struct probe *probe)
{
    while (probe->sent < probe->request_size) {
        ssize_t size = probe_write(probe, probe->request + probe->sent, probe->request_size - probe->sent);
        if (size == -EAGAIN)
            return;
        if (size < 0)
            return unfit(probe, probe->tls ? tls_problem(probe->tls) : error_words((int)-size));
        probe->sent += (size_t)size;
    }
    probe->step = READING;
    read_answer(probe);
}

static void on_socket(int fd, short what, void *argument)
{
    struct probe *probe = tagged((struct probe *)argument, PROBE_TAG);
    (void)fd;

    if (probe->tls)
        tls_woken(probe->tls, what);
    if (probe->step == READING)
        return read_answer(probe);
    if (probe->step == CONNECTING) {
        int error = net_connect_result(probe->fd);
        if (error < 0)
            return unfit(probe, error_words(-error));
        if (probe->connect_only)
            return conclude(probe, PROBE_FIT);
        probe->step = ASKING;
        if (probe->secure)
            probe->tls = tls_reach(probe->secure, probe->fd);
    }
    ask(probe);
}

static void on_due(void *argument)
{
    struct probe *probe = tagged((struct probe *)argument, PROBE_TAG);

    str_format(probe->why, sizeof probe->why, "no %s in %u ms",
               probe->step == CONNECTING ? "connection" : "answer", probe->timeout_ms);
    conclude(probe, PROBE_UNFIT);
}

static void on_failed(struct task *task)
{
    conclude(container_of(task, struct probe, failed), PROBE_UNFIT);
}

static void write_request(struct probe *probe, const struct probe_question *question)
{
    const char *host = question->host && *question->host ? question->host : "localhost";

    probe->any_status = !question->path || !*question->path;
    probe->request =
        mem_print("%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: drover-probe\r\nAccept: */*\r\n"
                  "Connection: close\r\n\r\n",
                  probe->any_status ? "HEAD" : "GET", probe->any_status ? "/" : question->path, host);
    probe->request_size = strlen(probe->request);
}

struct probe *probe_start(struct loop *loop, const struct probe_question *question,
                          void (*on_result)(void *argument, enum probe_result result, const char *why),
                          void *argument)
{
    struct probe *probe = mem_zero(sizeof *probe);

    CHECK(question->timeout_ms > 0);
    probe->tag = PROBE_TAG;
    probe->loop = loop;
    probe->timeout_ms = question->timeout_ms;
    probe->connect_only = question->connect_only;
    probe->secure = tls_target_ref(question->secure);
    probe->on_result = on_result;
    probe->argument = argument;
    task_init(&probe->failed, on_failed);
    deadline_init(&probe->deadline, on_due, probe);
    write_request(probe, question);
    probe->fd = net_connect(&question->address);
    if (probe->fd < 0) {
        str_format(probe->why, sizeof probe->why, "%s", error_words(-probe->fd));
        task_soon(&probe->failed, loop);
        return probe;
    }
    watch_open(&probe->watch, loop, probe->fd, on_socket, probe);
    deadline_start(&probe->deadline, loop, probe->timeout_ms);
    return probe;
}

void probe_cancel(struct probe **probe)
{
    if (*probe)
        probe_free(tagged(*probe, PROBE_TAG));
    *probe = NULL;
}
