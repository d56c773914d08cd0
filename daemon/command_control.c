/* SPDX-License-Identifier: MIT
 *
 * The commands that tell a running drover something, or ask it: scale, why, drain, restart, reload,
 * stop. */
#include <stdio.h>

#include "base/net.h"
#include "daemon/commands.h"
#include "daemon/control_client.h"

#define ANSWER_MS   10000
#define RELOAD_MS   60000   /* the file is read and checked by both processes first */
#define STOP_MS     3600000 /* where the file tells no bound */
#define STOP_ADD_MS 10000   /* beyond `timeouts.shutdown`: KILL, and what the keeper still has to do */

int command_scale(const struct command_line *line)
{
    json_t *request = json_pack("{s:s, s:s, s:s}", "command", "scale", "pool", line->arguments[0], "size",
                                line->arguments[1]);

    return control_command(line, request, ANSWER_MS, NULL);
}

int command_why(const struct command_line *line)
{
    json_t *request = json_pack("{s:s}", "command", "why");

    if (line->argument_count > 0)
        json_object_set_new(request, "pool", json_string(line->arguments[0]));
    return control_command(line, request, ANSWER_MS, NULL);
}

int command_drain(const struct command_line *line)
{
    return control_command(line, json_pack("{s:s, s:s}", "command", "drain", "worker", line->arguments[0]),
                           ANSWER_MS, NULL);
}

/* Gives the order and waits until it is done by all that it concerns: who leaves (Ctrl-C) does not stop it. Takes both
 * references. */
static int order_and_wait(const struct command_line *line, json_t *order, unsigned timeout_ms,
                          const char *done, json_t *wait)
{
    struct control_target target;
    int status = EXIT_WRONG_USE;

    if (control_target_find(&target, line)) {
        status = control_tell(target.path, order, timeout_ms, done);
        (void)fflush(stdout);
        if (status == EXIT_GOOD && !line->no_wait)
            status = control_await(target.path, wait);
    }
    json_decref(order);
    json_decref(wait);
    control_target_fini(&target);
    return status;
}

int command_restart(const struct command_line *line)
{
    const char *pool = line->arguments[0];
    json_t *order =
        json_pack("{s:s, s:s, s:b}", "command", "restart", "pool", pool, "surge", (int)!line->no_surge);

    return order_and_wait(line, order, ANSWER_MS, NULL,
                          json_pack("{s:s, s:s}", "command", "wait", "pool", pool));
}

int command_reload(const struct command_line *line)
{
    return order_and_wait(line, json_pack("{s:s}", "command", "reload"), RELOAD_MS, "reloaded",
                          json_pack("{s:s}", "command", "wait"));
}

static int stop_and_wait(const struct control_target *target)
{
    unsigned timeout_ms = target->shutdown_ms > 0 ? target->shutdown_ms + STOP_ADD_MS : STOP_MS;
    json_t *request = json_pack("{s:s}", "command", "stop"), *reply;
    int keeper;
    int status = control_ask(target->path, request, ANSWER_MS, &reply, &keeper);

    if (status == EXIT_GOOD && !json_is_true(json_object_get(reply, "ok"))) {
        const char *text = json_string_value(json_object_get(reply, "text"));
        fprintf(stderr, "drover: %s\n", text ? text : "refused");
        status = EXIT_FAILED;
    } else if (status == EXIT_GOOD && !control_wait_gone(target->path, keeper, timeout_ms)) {
        fprintf(stderr, "drover: still stopping after %u s\n", timeout_ms / 1000);
        status = EXIT_FAILED;
    }
    net_close(&keeper);
    json_decref(reply);
    json_decref(request);
    return status;
}

int command_stop(const struct command_line *line)
{
    struct control_target target;
    int status = EXIT_WRONG_USE;

    if (control_target_find(&target, line))
        status = stop_and_wait(&target);
    control_target_fini(&target);
    return status;
}
