/* SPDX-License-Identifier: MIT
 *
 * Handshakes one after the other: connect, shake hands, one GET with Connection: close, until the other side closes.
 *
 *     tls_load full|resumed PORT SECONDS
 *
 * `resumed` comes back with the ticket of the connection before. Prints one line of JSON. */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TIMES_MAX 1000000

static SSL_SESSION *ticket;
static double times[TIMES_MAX];

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int on_ticket(SSL *ssl, SSL_SESSION *given)
{
    (void)ssl;
    SSL_SESSION_free(ticket);
    ticket = given;
    return 1;
}

static int connect_to(unsigned port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* 1: as it should be. */
static int come_and_go(SSL_CTX *context, unsigned port, int resumes)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\n\r\n";
    char answer[4096];
    int fd = connect_to(port), got, total = 0, good;
    SSL *ssl;

    if (fd < 0)
        return 0;
    ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    int expects = resumes && ticket;
    if (expects)
        SSL_set_session(ssl, ticket);
    good = SSL_connect(ssl) == 1 && SSL_write(ssl, request, sizeof request - 1) > 0;
    while (good && (got = SSL_read(ssl, answer + total, (int)sizeof answer - total)) > 0)
        total += got;
    good =
        good && total > 12 && memcmp(answer, "HTTP/1.1 200", 12) == 0 && SSL_session_reused(ssl) == expects;
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
    ERR_clear_error();
    return good;
}

static int compare(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;

    return (one > other) - (one < other);
}

int main(int count, char **words)
{
    int resumes = count == 4 && strcmp(words[1], "resumed") == 0;
    unsigned done = 0, errors = 0;

    if (count != 4)
        return 2;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_ticket);
    double start = now_s(), end = start + atof(words[3]), before = start;
    while (before < end && done < TIMES_MAX) {
        errors += !come_and_go(context, (unsigned)atoi(words[2]), resumes);
        double after = now_s();
        times[done++] = after - before;
        before = after;
    }
    qsort(times, done, sizeof *times, compare);
    printf("{\"requests\": %u, \"errors\": %u, \"seconds\": %.3f, \"p99_us\": %.0f}\n", done, errors,
           before - start, times[done ? (done - 1) * 99 / 100 : 0] * 1e6);
    SSL_SESSION_free(ticket);
    SSL_CTX_free(context);
    return 0;
}
