/* SPDX-License-Identifier: MIT
 *
 * Lines of the access log. The text form is the combined format that log readers know, with six more
 * columns: who answered, seconds in all, seconds in the queue, tries, the failure's word and the request's
 * id. Loop thread only. */
#include "proxy/access_log.h"

#include <poll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/net.h"

#define FLUSH_MS      250
#define FLUSH_SIZE    (16 * 1024)
#define LINE_MAX_SIZE 4000 /* below PIPE_BUF: lines of several loops do not mix in a pipe */
#define PIPE_PIECE    4096

struct access_log {
    struct loop *loop;
    int fd;
    bool is_pipe; /* or a terminal, a socket: may block */
    enum log_format format;
    _Atomic uint64_t *dropped;
    struct buffer lines;
    struct deadline flush_at;
    struct task flush_soon;
    uint64_t stamp_second;
    char stamp[40];
};

/* --- writing out --- */

static bool may_write(const struct access_log *log)
{
    struct pollfd poll_fd = {.fd = log->fd, .events = POLLOUT};

    return !log->is_pipe || (poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLOUT));
}

/* Whole lines, and into a pipe at most PIPE_BUF bytes at once: then poll's word holds, and a line is never
 * torn. */
static size_t next_piece(const struct access_log *log, struct slice rest)
{
    const char *end;

    if (!log->is_pipe || rest.size <= PIPE_PIECE)
        return rest.size;
    end = memrchr(rest.at, '\n', PIPE_PIECE);
    return end ? (size_t)(end - rest.at) + 1 : PIPE_PIECE;
}

static void count_lines(struct access_log *log, struct slice rest)
{
    uint64_t lines = 0;

    for (size_t i = 0; i < rest.size; i++)
        lines += rest.at[i] == '\n';
    atomic_fetch_add_explicit(log->dropped, lines, memory_order_relaxed);
}

static void flush(struct access_log *log)
{
    deadline_stop(&log->flush_at);
    while (buffer_size(&log->lines)) {
        struct slice rest = buffer_slice(&log->lines);
        size_t piece = next_piece(log, rest);
        ssize_t wrote = may_write(log) ? write(log->fd, rest.at, piece) : -1;
        if (wrote <= 0) {
            count_lines(log, rest);
            buffer_release(&log->lines);
            return;
        }
        buffer_consume(&log->lines, (size_t)wrote);
    }
}

static void on_flush_due(void *argument)
{
    flush(argument);
}

static void on_flush_soon(struct task *task)
{
    flush(container_of(task, struct access_log, flush_soon));
}

static void know_descriptor(struct access_log *log, int fd)
{
    struct stat status;

    log->fd = fd;
    log->is_pipe = fstat(fd, &status) != 0 || !S_ISREG(status.st_mode);
}

struct access_log *access_log_new(struct loop *loop, int fd, enum log_format format,
                                  _Atomic uint64_t *dropped)
{
    struct access_log *log = mem_zero(sizeof *log);

    log->loop = loop;
    log->format = format;
    log->dropped = dropped;
    know_descriptor(log, fd);
    deadline_init(&log->flush_at, on_flush_due, log);
    task_init(&log->flush_soon, on_flush_soon);
    return log;
}

void access_log_free(struct access_log **owner)
{
    struct access_log *log = *owner;

    *owner = NULL;
    if (!log)
        return;
    flush(log);
    task_cancel(&log->flush_soon);
    buffer_release(&log->lines);
    mem_free(log);
}

void access_log_move(struct access_log *log, int fd, enum log_format format)
{
    flush(log);
    know_descriptor(log, fd);
    log->format = format;
    log->stamp[0] = '\0'; /* each format has its own */
}

/* --- lines --- */

static struct slice until(struct slice text, char end)
{
    const char *at = memchr(text.at, end, text.size);

    return (struct slice){text.at, at ? (size_t)(at - text.at) : text.size};
}

/* The value of a field in a head that we wrote ourselves: CR LF, colon, space. */
static struct slice find_field(struct slice head, struct slice name)
{
    while (head.size) {
        struct slice line = until(head, '\n');
        size_t skip = line.size < head.size ? line.size + 1 : line.size;
        if (line.size > name.size + 2 && line.at[name.size] == ':' &&
            slice_equal_nocase((struct slice){line.at, name.size}, name))
            return slice_trim((struct slice){line.at + name.size + 1, line.size - name.size - 2});
        head = (struct slice){head.at + skip, head.size - skip};
    }
    return (struct slice){"", 0};
}

struct words {
    struct slice method, target, referer, agent, id;
};

static struct words words_of(struct slice head)
{
    struct words words = {.method = until(head, ' ')};
    size_t skip = words.method.size < head.size ? words.method.size + 1 : head.size;

    words.target = until((struct slice){head.at + skip, head.size - skip}, ' ');
    words.referer = find_field(head, SLICE("Referer"));
    words.agent = find_field(head, SLICE("User-Agent"));
    words.id = find_field(head, SLICE("X-Request-Id"));
    return words;
}

static const char *stamp_of(struct access_log *log, uint64_t wall_us)
{
    time_t second = (time_t)(wall_us / 1000000);
    struct tm parts;

    if (log->stamp_second != (uint64_t)second || !log->stamp[0]) {
        localtime_r(&second, &parts);
        strftime(log->stamp, sizeof log->stamp,
                 log->format == LOG_FORMAT_JSON ? "%Y-%m-%dT%H:%M:%S%z" : "%d/%b/%Y:%H:%M:%S %z", &parts);
        if (log->format == LOG_FORMAT_JSON) { /* RFC 3339 has a colon in the offset */
            size_t end = strlen(log->stamp);
            memmove(log->stamp + end - 1, log->stamp + end - 2, 3);
            log->stamp[end - 2] = ':';
        }
        log->stamp_second = (uint64_t)second;
    }
    return log->stamp;
}

static size_t escape(struct access_log *log, char *into, size_t room, struct slice text, bool dash)
{
    text.size = text.size < 1024 ? text.size : 1024;
    if (text.size == 0 && dash && log->format == LOG_FORMAT_TEXT)
        return str_format(into, room, "-");
    return log->format == LOG_FORMAT_JSON ? str_escape_json(into, room, text) : str_escape(into, room, text);
}

static const char *version_of(const struct access_record *record)
{
    return record->is_h2 ? "2.0" : record->minor ? "1.1" : "1.0";
}

static size_t put_text(char *line, size_t room, const struct access_record *record, const char *stamp,
                       const char *target, const char *referer, const char *agent, const struct words *words)
{
    return str_format(
        line, room, "%.*s - - [%s] \"%.*s %s HTTP/%s\" %u %llu \"%s\" \"%s\" %s %.3f %.3f %u %s %.*s\n",
        (int)record->client.size, record->client.at, stamp, words->method.size ? (int)words->method.size : 1,
        words->method.size ? words->method.at : "-", target, version_of(record), record->status,
        (unsigned long long)record->bytes_sent, referer, agent, record->backend ? record->backend : "-",
        (double)record->duration_us / 1e6, (double)record->wait_us / 1e6, record->tries, record->word,
        words->id.size ? (int)words->id.size : 1, words->id.size ? words->id.at : "-");
}

static size_t put_json(char *line, size_t room, const struct access_record *record, const char *stamp,
                       const char *target, const char *referer, const char *agent, const struct words *words)
{
    return str_format(
        line, room,
        "{\"time\":\"%s\",\"client\":\"%.*s\",\"method\":\"%.*s\",\"target\":\"%s\",\"version\":\"%s\","
        "\"status\":%u,\"bytes_sent\":%llu,\"bytes_received\":%llu,\"referer\":\"%s\",\"user_agent\":\"%s\","
        "\"pool\":\"%s\",\"worker\":\"%s\",\"duration\":%.6f,\"queue\":%.6f,\"tries\":%u,\"error\":\"%s\","
        "\"request_id\":\"%.*s\"}\n",
        stamp, (int)record->client.size, record->client.at, (int)words->method.size, words->method.at, target,
        version_of(record), record->status, (unsigned long long)record->bytes_sent,
        (unsigned long long)record->bytes_received, referer, agent, record->pool ? record->pool : "",
        record->backend ? record->backend : "", (double)record->duration_us / 1e6,
        (double)record->wait_us / 1e6, record->tries, record->word[0] == '-' ? "" : record->word,
        (int)words->id.size, words->id.at);
}

void access_log_write(struct access_log *log, const struct access_record *record)
{
    struct words words = words_of(record->head);
    const char *stamp = stamp_of(log, record->wall_us);
    char target[2048], referer[512], agent[512];
    char *line;
    size_t size;

    words.method.size = words.method.size < 32 ? words.method.size : 32;
    escape(log, target, sizeof target, words.target, true);
    escape(log, referer, sizeof referer, words.referer, true);
    escape(log, agent, sizeof agent, words.agent, true);
    line = buffer_reserve(&log->lines, LINE_MAX_SIZE);
    size = log->format == LOG_FORMAT_JSON
               ? put_json(line, LINE_MAX_SIZE, record, stamp, target, referer, agent, &words)
               : put_text(line, LINE_MAX_SIZE, record, stamp, target, referer, agent, &words);
    buffer_commit(&log->lines, size);
    if (buffer_size(&log->lines) >= FLUSH_SIZE)
        task_at_end(&log->flush_soon, log->loop);
    else if (!deadline_is_running(&log->flush_at))
        deadline_start(&log->flush_at, log->loop, FLUSH_MS);
}
