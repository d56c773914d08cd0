/* SPDX-License-Identifier: MIT
 *
 * Backends under watch: a check every interval, the verdict by rise and fall. On the control thread's
 * loop; a watch owns its probe and its copies of the question's texts. */
#include "health/health.h"

#include "base/backoff.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/tls.h"
#include "health/verdict.h"

#define WATCH_TAG 0x57415443u

struct health_watch {
    uint32_t tag;
    struct loop *loop;
    struct probe_question question;
    unsigned interval_ms;
    struct verdict verdict;
    struct probe *probe;      /* NULL between two checks */
    struct deadline deadline; /* the next check */
    void (*on_change)(void *argument, bool fit, const char *why);
    void *argument;
};

static void on_result(void *argument, enum probe_result result, const char *why)
{
    struct health_watch *watch = tagged((struct health_watch *)argument, WATCH_TAG);

    watch->probe = NULL;
    deadline_start(&watch->deadline, watch->loop, watch->interval_ms);
    if (verdict_add(&watch->verdict, result == PROBE_FIT))
        watch->on_change(watch->argument, result == PROBE_FIT, why); /* may stop the watch */
}

static void check_now(void *argument)
{
    struct health_watch *watch = tagged((struct health_watch *)argument, WATCH_TAG);

    watch->probe = probe_start(watch->loop, &watch->question, on_result, watch);
}

struct health_watch *health_watch_start(struct loop *loop, const struct probe_question *question,
                                        const struct pool_config *config, bool fit_at_first,
                                        void (*on_change)(void *argument, bool fit, const char *why),
                                        void *argument)
{
    struct health_watch *watch = mem_zero(sizeof *watch);

    watch->tag = WATCH_TAG;
    watch->loop = loop;
    watch->question = *question;
    watch->question.path = mem_dup(question->path);
    watch->question.host = mem_dup(question->host);
    watch->question.secure = tls_target_ref(question->secure);
    watch->interval_ms = config->probe_interval ? config->probe_interval : 1;
    verdict_init(&watch->verdict, config->probe_rise, config->probe_fall, fit_at_first, !fit_at_first);
    watch->on_change = on_change;
    watch->argument = argument;
    deadline_init(&watch->deadline, check_now, watch);
    if (fit_at_first)
        deadline_start(&watch->deadline, loop, 1 + random_u32() % watch->interval_ms);
    else
        check_now(watch);
    return watch;
}

void health_watch_stop(struct health_watch **watch)
{
    struct health_watch *ending = *watch;

    if (!ending)
        return;
    *watch = NULL;
    probe_cancel(&tagged(ending, WATCH_TAG)->probe);
    deadline_stop(&ending->deadline);
    mem_free((char *)(uintptr_t)ending->question.path);
    mem_free((char *)(uintptr_t)ending->question.host);
    tls_target_unref(&ending->question.secure);
    ending->tag = 0;
    mem_free(ending);
}
