/* SPDX-License-Identifier: MIT
 *
 * Nanoseconds to read one head, best of some rounds, one thread. From the top of the tree:
 *
 *     gcc -std=gnu11 -O2 -I. -D_GNU_SOURCE -o micro_http bench/micro_http.c \
 *         $(find http -name '*.c') base/{str,mem,check}.c -lcrypto
 */
#include <stdio.h>
#include <time.h>

#include "http/h1.h"

#define ROUNDS 20
#define READS  20000

static struct head head;

static const char small[] = "GET / HTTP/1.1\r\n"
                            "Host: 127.0.0.1:8080\r\n"
                            "\r\n";

static const char browser[] =
    "GET /dashboard/items?page=2&sort=name HTTP/1.1\r\n"
    "Host: app.example.org\r\n"
    "Connection: keep-alive\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/120.0.0.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,"
    "*/*;q=0.8\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "Referer: https://app.example.org/dashboard\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
    "Cookie: sid=8f14e45fceea167a5a36dedd4bea2543; theme=dark; _ga=GA1.2.1234567890.1700000000\r\n"
    "\r\n";

static const char response[] = "HTTP/1.1 200 OK\r\n"
                               "date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
                               "server: uvicorn\r\n"
                               "content-length: 1234\r\n"
                               "content-type: application/json\r\n"
                               "x-request-id: 0123456789abcdef\r\n"
                               "\r\n";

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void read_one(struct slice bytes, bool is_response)
{
    static const struct h1_limits limits = {.head_bytes = 32768, .fields = 100};
    struct h1_error error;
    size_t seen = 0;
    enum h1_verdict verdict = is_response ? h1_read_response(&head, bytes, &seen, &limits, METHOD_GET, &error)
                                          : h1_read_request(&head, bytes, &seen, &limits, &error);
    if (verdict != H1_DONE)
        printf("not read: %d %s\n", (int)verdict, verdict == H1_BAD ? error.why : "");
}

static void measure(const char *name, struct slice bytes, bool is_response)
{
    double best = 1e18;

    for (unsigned round = 0; round < ROUNDS; round++) {
        double start = now();
        for (unsigned i = 0; i < READS; i++)
            read_one(bytes, is_response);
        double spent = (now() - start) / READS;
        best = spent < best ? spent : best;
    }
    printf("%-20s %5zu bytes %2u fields %7.1f ns\n", name, bytes.size, head.field_count, best);
}

/* All three in turn, as traffic comes: what the branch predictor learned from one does not fit the next. */
static void measure_mixed(void)
{
    double best = 1e18;

    for (unsigned round = 0; round < ROUNDS; round++) {
        double start = now();
        for (unsigned i = 0; i < READS; i++) {
            read_one(SLICE(small), false);
            read_one(SLICE(browser), false);
            read_one(SLICE(response), true);
        }
        double spent = (now() - start) / READS;
        best = spent < best ? spent : best;
    }
    printf("%-20s %26s %7.1f ns\n", "one of each", "", best);
}

int main(void)
{
    measure("small GET", SLICE(small), false);
    measure("browser request", SLICE(browser), false);
    measure("response", SLICE(response), true);
    measure_mixed();
    return 0;
}
