/* SPDX-License-Identifier: MIT
 *
 * One check: connect, ask, read one whole response head, in HTTP/1 or HTTP/2. On the control thread's loop; owns its socket.
 * Whatever goes wrong makes the answer UNFIT with the reason in words; one deadline bounds all of it, and
 * PROBE_HEAD_MAX what is read. */
#include <errno.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/net.h"
#include "base/tls.h"
#include "health/health.h"
#include "http/h1.h"
#include "http/h2.h"

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
    size_t seen;   /* of h1_read_response */
    struct h2 *h2; /* NULL: HTTP/1 */
    struct h2_stream stream;
    struct head *head;                         /* scratch of `h2` */
    enum { UNDECIDED, IS_FIT, IS_UNFIT } word; /* that the last events gave */
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
    h2_free(&probe->h2);
    mem_free(probe->head);
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

/* Sets `word` when this was the final head. */
static void judge(struct probe *probe, const struct head *head)
{
    if (head->status < 200 && head->status != 101)
        return;
    if (probe->any_status ? head->status != 101 : head->status >= 200 && head->status < 400) {
        probe->word = IS_FIT;
        return;
    }
    str_format(probe->why, sizeof probe->why, "status %u", head->status);
    probe->word = IS_UNFIT;
}

/* True when the check is over. */
static bool has_concluded(struct probe *probe)
{
    if (probe->word == UNDECIDED)
        return false;
    conclude(probe, probe->word == IS_FIT ? PROBE_FIT : PROBE_UNFIT);
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
            judge(probe, &head);
            if (has_concluded(probe))
                return true;
            buffer_consume(&probe->in, head.size);
            probe->seen = 0;
        }
    }
}

/* --- HTTP/2 --- */

static void on_response(void *owner, struct h2_stream *stream, const struct head *head)
{
    (void)stream;
    judge(owner, head);
}

static void on_data(void *owner, struct h2_stream *stream, struct slice data)
{
    (void)owner;
    (void)stream;
    (void)data;
}

static void on_end(void *owner, struct h2_stream *stream, struct slice trailers)
{
    (void)owner;
    (void)stream;
    (void)trailers;
}

static void on_sent(void *owner, struct h2_stream *stream, bool is_all)
{
    (void)owner;
    (void)stream;
    (void)is_all;
}

/* A reset is an answer too, where any will do: some servers of gRPC reset whatever is no call. */
static void on_closed(void *owner, struct h2_stream *stream, uint32_t code)
{
    struct probe *probe = owner;

    (void)stream;
    if (probe->word != UNDECIDED)
        return;
    str_format(probe->why, sizeof probe->why, "closed without an answer: HTTP/2 error %u", code);
    probe->word = probe->any_status && code != H2_REFUSED_STREAM ? IS_FIT : IS_UNFIT;
}

static const struct h2_events h2_events = {.on_response = on_response,
                                           .on_data = on_data,
                                           .on_end = on_end,
                                           .on_sent = on_sent,
                                           .on_closed = on_closed};

static void open_h2(struct probe *probe, const char *path, const char *host)
{
    struct h2_options options = {.role = H2_ASKS,
                                 .stream_window = 65535,
                                 .connection_window = 65535,
                                 .limits = {PROBE_HEAD_MAX, HEAD_FIELDS_MAX, true}};
    struct h2_target target = {.method = SLICE("GET"),
                               .scheme = probe->secure ? SLICE("https") : SLICE("http"),
                               .authority = slice_of(host),
                               .path = slice_of(path)};
    const struct h2_field fields[] = {{SLICE("user-agent"), SLICE("drover-probe"), false},
                                      {SLICE("accept"), SLICE("*/*"), false}};

    options.scratch = probe->head = mem_zero(sizeof *probe->head);
    probe->h2 = h2_new(&options, &h2_events, probe);
    CHECK(h2_request(probe->h2, &probe->stream, METHOD_GET, &target, fields, 2, true));
}

/* 0, or as net_write answers. */
static int agree_on_h2(struct probe *probe)
{
    int result;

    if (!probe->tls || tls_is_open(probe->tls))
        return 0;
    result = tls_handshake(probe->tls);
    if (result == 0 && !tls_agreed_on(probe->tls, "h2")) {
        str_format(probe->why, sizeof probe->why, "it does not speak HTTP/2 (ALPN)");
        return -EPROTO;
    }
    if (result < 0 && result != -EAGAIN)
        str_format(probe->why, sizeof probe->why, "%s", tls_problem(probe->tls));
    return result;
}

/* Whatever is to be said now. False: the check is over. */
static bool say_h2(struct probe *probe)
{
    struct iovec parts[H2_PARTS];
    ssize_t done = agree_on_h2(probe);

    while (done >= 0) {
        unsigned count = h2_unsent(probe->h2, parts, H2_PARTS);
        if (count == 0)
            return true;
        done = probe_write(probe, parts[0].iov_base, parts[0].iov_len); /* there is little of it */
        h2_sent(probe->h2, done > 0 ? (size_t)done : 0);
    }
    if (done == -EAGAIN)
        return true;
    if (!*probe->why)
        str_format(probe->why, sizeof probe->why, "%s", error_words((int)-done));
    conclude(probe, PROBE_UNFIT);
    return false;
}

/* True when the check is over. */
static bool take_h2(struct probe *probe)
{
    bool good = h2_receive(probe->h2, buffer_slice(&probe->in), clock_us());

    buffer_release(&probe->in);
    if (has_concluded(probe))
        return true;
    if (!good) {
        str_format(probe->why, sizeof probe->why, "unreadable answer: %s", h2_problem(probe->h2));
        conclude(probe, PROBE_UNFIT);
        return true;
    }
    return !say_h2(probe);
}

/* --- either --- */

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
        if (probe->h2 ? take_h2(probe) : read_heads(probe))
            return;
        if (buffer_size(&probe->in) > PROBE_HEAD_MAX)
            break;
    }
    unfit(probe, "answer without an end");
}

static void ask(struct probe *probe)
{
    if (probe->h2) {
        if (say_h2(probe) && (!probe->tls || tls_is_open(probe->tls)))
            read_answer(probe);
        return;
    }
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
    if (question->protocol == PROTOCOL_H2) {
        open_h2(probe, probe->any_status ? "/" : question->path, host);
        return;
    }
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
    if (!question->connect_only)
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
