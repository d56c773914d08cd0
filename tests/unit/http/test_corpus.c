/* SPDX-License-Identifier: MIT
 *
 * Every message of tests/strictness, whole and byte by byte, through the readers: accepted or refused as
 * the corpus wants and as drover prefers, and the same whichever way the bytes were cut. Needs no network;
 * run.py there does the same to the whole program. */
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/h1.h"
#include "tests/unit/unit.h"

static const struct h1_limits limits = {.head_bytes = 32768, .fields = 100};
static struct head head;

/* What became of a message, or of the first of several. */
struct outcome {
    enum { OUTCOME_MORE, OUTCOME_DONE, OUTCOME_BAD } kind;
    unsigned status; /* of the refusal */
    size_t used;     /* bytes of it that were looked at for good: head and body */
    size_t payload;
};

static json_t *load(const char *path, FILE **file)
{
    static char line[2 << 20];

    if (!*file)
        *file = fopen(path, "r");
    ck_assert_msg(*file != NULL, "%s: run from the top of the tree", path);
    if (!fgets(line, sizeof(line), *file)) {
        fclose(*file);
        *file = NULL;
        return NULL;
    }
    json_t *json = json_loads(line, 0, NULL);
    ck_assert_ptr_nonnull(json);
    return json;
}

static const char *text_of(json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text ? text : "";
}

static struct slice raw_of(json_t *json)
{
    const char *encoded = text_of(json, "raw_b64");
    size_t size = strlen(encoded);
    unsigned char *raw = malloc(size + 1);
    int decoded = EVP_DecodeBlock(raw, (const unsigned char *)encoded, (int)size);

    ck_assert_int_ge(decoded, 0);
    while (size > 0 && encoded[size - 1] == '=')
        size--, decoded--;
    return (struct slice){(char *)raw, (size_t)decoded};
}

static enum h1_verdict read_head(struct slice bytes, size_t step, bool response, enum method method,
                                 struct h1_error *error)
{
    enum h1_verdict verdict = H1_MORE;
    size_t seen = 0;

    for (size_t size = step < bytes.size ? step : bytes.size; verdict == H1_MORE && size > 0; size += step) {
        if (size > bytes.size)
            size = bytes.size;
        /* A copy of exactly these bytes, so that reading beyond them is seen. */
        char *copy = memcpy(malloc(size), bytes.at, size);
        struct slice part = {copy, size};
        verdict = response ? h1_read_response(&head, part, &seen, &limits, method, error)
                           : h1_read_request(&head, part, &seen, &limits, error);
        free(copy);
        if (size == bytes.size)
            break;
    }
    return verdict;
}

static struct outcome read_message(struct slice bytes, size_t step, bool response, enum method method)
{
    struct outcome outcome = {.kind = OUTCOME_MORE};
    struct h1_error error;
    struct h1_body body;
    enum body_event event = BODY_MORE;

    switch (read_head(bytes, step, response, method, &error)) {
    case H1_MORE: return outcome;
    case H1_BAD:
        outcome.kind = OUTCOME_BAD;
        outcome.status = error.status;
        ck_assert_ptr_nonnull(error.why);
        return outcome;
    case H1_DONE: break;
    }
    h1_body_init(&body, head.framing, head.content_length);
    size_t at = head.size;
    do {
        struct slice in = {bytes.at + at, bytes.size - at < step ? bytes.size - at : step}, data;
        size_t size = in.size;
        event = h1_body_next(&body, &in, &data);
        at += size - in.size;
        outcome.payload += event == BODY_DATA ? data.size : 0;
    } while ((event == BODY_MORE && at < bytes.size) || event == BODY_DATA);
    outcome.kind = event == BODY_END ? OUTCOME_DONE : event == BODY_BAD ? OUTCOME_BAD : OUTCOME_MORE;
    outcome.status = event == BODY_BAD ? 400 : 0;
    outcome.used = at;
    h1_body_fini(&body);
    return outcome;
}

static bool status_is_listed(json_t *json, unsigned status)
{
    json_t *list = json_object_get(json, "status");

    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_integer_value(json_array_get(list, i)) == (json_int_t)status)
            return true;
    return json_is_true(json_object_get(json, "any_answer"));
}

static void judge_request(json_t *json, struct outcome outcome)
{
    const char *id = text_of(json, "id"), *expect = text_of(json, "expect"),
               *prefer = text_of(json, "prefer");

    if (strcmp(expect, "accept") == 0)
        ck_assert_msg(outcome.kind == OUTCOME_DONE, "%s: not accepted (%u)", id, outcome.status);
    if (strcmp(expect, "reject") == 0 || strcmp(prefer, "reject") == 0) {
        bool waits = outcome.kind == OUTCOME_MORE;
        if (waits)
            ck_assert_msg(json_is_true(json_object_get(json, "timeout_ok")), "%s: waits for more", id);
        ck_assert_msg(waits || outcome.kind == OUTCOME_BAD, "%s: accepted", id);
    }
    if (strcmp(prefer, "accept") == 0)
        ck_assert_msg(outcome.kind == OUTCOME_DONE, "%s: refused with %u", id, outcome.status);
    if (outcome.kind == OUTCOME_BAD && strcmp(expect, "accept") != 0)
        ck_assert_msg(status_is_listed(json, outcome.status), "%s: status %u", id, outcome.status);
}

START_TEST(every_request_of_the_corpus_is_judged_as_it_wants_however_it_is_cut)
{
    FILE *file = NULL;
    json_t *json;
    unsigned count = 0;

    while ((json = load("tests/strictness/cases.jsonl", &file)) != NULL) {
        struct slice raw = raw_of(json);
        struct outcome whole = read_message(raw, raw.size + 1, false, METHOD_OTHER);
        judge_request(json, whole);
        for (size_t step = 1; step <= 7; step += 3) {
            struct outcome cut = read_message(raw, step, false, METHOD_OTHER);
            ck_assert_msg(cut.kind == whole.kind && cut.status == whole.status && cut.used == whole.used &&
                              cut.payload == whole.payload,
                          "%s: whole %d %u, in steps of %zu %d %u", text_of(json, "id"), (int)whole.kind,
                          whole.status, step, (int)cut.kind, cut.status);
        }
        if (getenv("CORPUS_SHOW"))
            printf("%-40s %-24s %-8s %d %u\n", text_of(json, "id"), text_of(json, "expect"),
                   text_of(json, "prefer"), (int)whole.kind, whole.status);
        free((char *)raw.at);
        json_decref(json);
        count++;
    }
    ck_assert_uint_gt(count, 400);
}
END_TEST

static void judge_response(json_t *json, struct outcome outcome)
{
    const char *id = text_of(json, "id"), *expect = text_of(json, "expect");

    if (strcmp(expect, "relay") == 0)
        ck_assert_msg(outcome.kind != OUTCOME_BAD, "%s: refused", id);
    if (strcmp(expect, "502") == 0)
        ck_assert_msg(outcome.kind != OUTCOME_DONE, "%s: taken as good", id);
    if (strcmp(expect, "abort") == 0)
        ck_assert_msg(outcome.kind != OUTCOME_DONE, "%s: taken as complete", id);
}

START_TEST(every_response_of_the_corpus_is_judged_as_it_wants_however_it_is_cut)
{
    FILE *file = NULL;
    json_t *json;
    unsigned count = 0;

    while ((json = load("tests/strictness/backend_responses.jsonl", &file)) != NULL) {
        struct slice raw = raw_of(json);
        enum method method = strcmp(text_of(json, "method"), "HEAD") == 0 ? METHOD_HEAD : METHOD_GET;
        struct outcome whole = read_message(raw, raw.size + 1, true, method);
        judge_response(json, whole);
        struct outcome cut = read_message(raw, 1, true, method);
        ck_assert_msg(cut.kind == whole.kind && cut.status == whole.status && cut.used == whole.used,
                      "%s: differs byte by byte", text_of(json, "id"));
        if (getenv("CORPUS_SHOW"))
            printf("%-40s %-24s %d %u\n", text_of(json, "id"), text_of(json, "expect"), (int)whole.kind,
                   whole.status);
        free((char *)raw.at);
        json_decref(json);
        count++;
    }
    ck_assert_uint_gt(count, 60);
}
END_TEST

UNIT_MAIN("http/corpus", every_request_of_the_corpus_is_judged_as_it_wants_however_it_is_cut,
          every_response_of_the_corpus_is_judged_as_it_wants_however_it_is_cut)
