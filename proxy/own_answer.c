/* SPDX-License-Identifier: MIT
 *
 * In this order: a challenge must be answered wherever its asker comes in, a page that is exposed is exposed, all else on a listener with
 * `redirect` goes to https. Loop thread only; a challenge's file is small and on a local disk, and read on the spot. */
#include "proxy/own_answer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/target.h"
#include "proxy/listener.h"

#define CHALLENGES    "/.well-known/acme-challenge/"
#define CHALLENGE_MAX 4096
#define TOKEN_MAX     128

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

static bool answer_challenge(struct client *client, const struct head *head)
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
    if (size < 0)
        client_h1_answer(client, head, 404, "text/plain", SLICE("there is no such challenge\n"), "");
    else
        client_h1_answer(client, head, 200, "text/plain", (struct slice){text, (size_t)size}, "");
    return true;
}

static bool answer_exposed(struct client *client, const struct head *head)
{
    struct slice path = path_of(head->path_query);
    const struct exposed_page *page;

    if (client->listener->expose_count == 0 || !is_reading(head) || !listener_exposes(client->listener, path))
        return false;
    page = proxy_find_page(client->proxy, path);
    if (!page)
        return false;
    client_h1_answer(client, head, page->status, "application/json", (struct slice){page->body, page->size},
                     "Cache-Control: no-store\r\n");
    return true;
}

/* 308, not 301: a POST stays a POST. */
static bool answer_redirect(struct client *client, const struct head *head)
{
    struct slice host = authority_host(head->host);
    char port[8] = "";

    if (!client->listener->redirect)
        return false;
    if (host.size == 0) {
        client_h1_answer(client, head, 400, "text/plain",
                         SLICE("without a Host there is no place to go to\n"), "");
        return true;
    }
    if (client->listener->redirect != 443)
        str_format(port, sizeof port, ":%u", client->listener->redirect);
    char *location =
        mem_print("Location: https://%.*s%s%.*s\r\n", (int)host.size, host.at, port,
                  head->path_query.at[0] == '/' ? (int)head->path_query.size : 0, head->path_query.at);
    client_h1_answer(client, head, 308, NULL, SLICE(""), location);
    mem_free(location);
    return true;
}

bool own_answer(struct client *client, const struct head *head)
{
    return answer_challenge(client, head) || answer_exposed(client, head) || answer_redirect(client, head);
}
