/* SPDX-License-Identifier: MIT
 *
 * In this order: a challenge must be answered wherever its asker comes in, a page that is exposed is exposed, all else on a listener with
 * `redirect` goes to https. Loop thread only; a challenge's file is small and on a local disk, and read on the spot. */
#include "proxy/own_answer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/target.h"
#include "proxy/listener.h"

#define CHALLENGES    "/.well-known/acme-challenge/"
#define CHALLENGE_MAX 4096
#define TOKEN_MAX     128
#define OWN_LINE_MAX  2048 /* of a request's line in the log */

static struct slice path_of(struct slice path_query)
{
    const char *query = memchr(path_query.at, '?', path_query.size);

    return (struct slice){path_query.at, query ? (size_t)(query - path_query.at) : path_query.size};
}

static bool is_reading(const struct head *head)
{
    return head->method == METHOD_GET || head->method == METHOD_HEAD;
}

/* RFC 8555 section 8.3: base64url, so that no token can lead out of the directory. */
static bool is_token(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.at[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
              c == '_'))
            return false;
    }
    return text.size > 0 && text.size <= TOKEN_MAX;
}

/* Its size, or -errno. */
static ssize_t read_challenge(const char *directory, struct slice token, char into[CHALLENGE_MAX])
{
    char *path = mem_print("%s/%.*s", directory, (int)token.size, token.at);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat found;
    ssize_t size = fd < 0 ? -errno : -EINVAL;

    mem_free(path);
    if (fd >= 0 && fstat(fd, &found) == 0 && S_ISREG(found.st_mode) && found.st_size <= CHALLENGE_MAX)
        size = read(fd, into, CHALLENGE_MAX);
    if (fd >= 0)
        (void)close(fd);
    return size;
}

static bool answer_challenge(struct client *client, struct client_stream *stream, const struct head *head)
{
    struct slice path = path_of(head->path_query), start = SLICE(CHALLENGES);
    char text[CHALLENGE_MAX];
    ssize_t size = -ENOENT;

    if (!client->listener->acme || !is_reading(head) || !slice_starts(path, start))
        return false;
    path.at += start.size;
    path.size -= start.size;
    if (is_token(path))
        size = read_challenge(client->listener->acme, path, text);
    stream->ops->reply(stream, head,
                       &(struct reply){.status = size < 0 ? 404 : 200,
                                       .type = "text/plain",
                                       .body = size < 0 ? SLICE("there is no such challenge\n")
                                                        : (struct slice){text, (size_t)size},
                                       .more = ""});
    return true;
}

static bool answer_exposed(struct client *client, struct client_stream *stream, const struct head *head)
{
    struct slice path = path_of(head->path_query);
    const struct exposed_page *page;

    if (client->listener->expose_count == 0 || !is_reading(head) || !listener_exposes(client->listener, path))
        return false;
    page = proxy_find_page(client->proxy, path);
    if (!page)
        return false;
    stream->ops->reply(stream, head,
                       &(struct reply){.status = page->status,
                                       .type = "application/json",
                                       .body = {page->body, page->size},
                                       .more = "Cache-Control: no-store\r\n"});
    return true;
}

/* 308, not 301: a POST stays a POST. */
static bool answer_redirect(struct client *client, struct client_stream *stream, const struct head *head)
{
    struct slice host = authority_host(head->host);
    char port[8] = "";

    if (!client->listener->redirect)
        return false;
    if (host.size == 0) {
        stream->ops->reply(stream, head,
                           &(struct reply){.status = 400,
                                           .type = "text/plain",
                                           .body = SLICE("without a Host there is no place to go to\n"),
                                           .more = ""});
        return true;
    }
    if (client->listener->redirect != 443)
        str_format(port, sizeof port, ":%u", client->listener->redirect);
    char *location =
        mem_print("Location: https://%.*s%s%.*s\r\n", (int)host.size, host.at, port,
                  head->path_query.at[0] == '/' ? (int)head->path_query.size : 0, head->path_query.at);
    stream->ops->reply(stream, head, &(struct reply){.status = 308, .body = SLICE(""), .more = location});
    mem_free(location);
    return true;
}

/* RFC 9110 section 7.6.2: with Max-Forwards: 0 the answer is ours. */
static bool answer_options(struct client_stream *stream, const struct head *head)
{
    const struct field *left = head->method == METHOD_OPTIONS ? head_find(head, FIELD_MAX_FORWARDS) : NULL;
    uint64_t number;

    if (!left || !slice_to_u64(left->value, &number) || number > 0)
        return false;
    stream->ops->reply(stream, head, &(struct reply){.status = 200, .body = SLICE(""), .more = OWN_ALLOW});
    return true;
}

bool own_answer(struct client *client, struct client_stream *stream, const struct head *head)
{
    if (client->listener->answers_itself &&
        (answer_challenge(client, stream, head) || answer_exposed(client, stream, head) ||
         answer_redirect(client, stream, head)))
        return true;
    return answer_options(stream, head);
}

void own_error(struct reply *error, char body[OWN_ERROR_MAX], unsigned status, const char *word, bool json)
{
    struct slice reason = status_reason(status);
    size_t size = json
                      ? str_format(body, OWN_ERROR_MAX, "{\"status\":%u,\"error\":\"%s\"}\n", status, word)
                      : str_format(body, OWN_ERROR_MAX,
                                   "<!doctype html><title>%u %.*s</title><h1>%u %.*s</h1><p>%s</p>\n", status,
                                   (int)reason.size, reason.at, status, (int)reason.size, reason.at, word);

    *error = (struct reply){.status = status,
                            .type = json ? "application/json" : "text/html; charset=utf-8",
                            .body = {body, size},
                            .more = status == 503   ? "Retry-After: 1\r\n"
                                    : status == 405 ? OWN_ALLOW
                                                    : ""};
}

void own_log(struct client *client, const struct head *head, unsigned status, size_t size, const char *word)
{
    struct proxy *proxy = client->proxy;
    struct access_record record = {.wall_us = clock_wall_us(),
                                   .client = {client->peer.ip, client->peer.ip_size},
                                   .head = {"", 0},
                                   .minor = head ? head->minor : 1,
                                   .is_h2 = client->h2 != NULL,
                                   .status = status,
                                   .bytes_sent = size,
                                   .word = word};
    char line[OWN_LINE_MAX];

    count(&proxy->counters.requests, 1);
    count(status < 400   ? &proxy->counters.responses_2xx
          : status < 500 ? &proxy->counters.responses_4xx
                         : &proxy->counters.responses_5xx,
          1);
    if (!proxy->log_is_on)
        return;
    if (head) {
        size_t line_size = str_format(line, sizeof line, "%.*s %.*s", (int)head->method_text.size,
                                      head->method_text.at, (int)head->target.size, head->target.at);
        record.head = (struct slice){line, line_size};
    }
    access_log_write(proxy->log, &record);
}
