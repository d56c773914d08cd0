/* SPDX-License-Identifier: MIT */
#include "proxy/retry.h"

#define TRIES_MAX 16 /* of every kind: stale links are not counted, but do not go on for ever */

enum retry_answer retry_decide(const struct retry_question *question)
{
    if (!failures[question->failure].try_another || question->client_was_told || question->tries >= TRIES_MAX)
        return RETRY_NO;
    if (question->age_max_ms && question->age_ms >= question->age_max_ms)
        return RETRY_NO;
    if (question->wrote && (!method_is_idempotent(question->method) || !question->body_is_held))
        return RETRY_NO;
    if (question->failure == FAILURE_STALE || question->failure == FAILURE_UNPROCESSED)
        return RETRY_FREE;
    if (question->retries >= question->retries_max)
        return RETRY_NO;
    if (question->worker_exited && question->wrote)
        return RETRY_ONCE;
    return RETRY_COUNTED;
}
