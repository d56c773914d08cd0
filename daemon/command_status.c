/* SPDX-License-Identifier: MIT
 *
 * `drover status [--json]`: how the running drover is. Serves as a container's HEALTHCHECK: exit 1 when not
 * healthy. */
#include <stdio.h>

#include "base/mem.h"
#include "daemon/commands.h"
#include "daemon/control_client.h"
#include "daemon/status_table.h"

#define ANSWER_MS 5000

static void print_json(const json_t *status)
{
    json_dumpf(status, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    fputc('\n', stdout);
}

static void print_table(const json_t *status)
{
    char *text = status_table(status);

    fputs(text, stdout);
    mem_free(text);
}

static int show(const json_t *reply, bool as_json)
{
    const json_t *status = json_object_get(reply, "status");

    if (!json_is_object(status)) {
        fputs("drover: the answer is not understood\n", stderr);
        return EXIT_FAILED;
    }
    if (as_json)
        print_json(status);
    else
        print_table(status);
    return json_is_true(json_object_get(reply, "healthy")) ? EXIT_GOOD : EXIT_FAILED;
}

int command_status(const struct command_line *line)
{
    struct control_target target;
    int status = EXIT_WRONG_USE;

    if (control_target_find(&target, line)) {
        json_t *request = json_pack("{s:s}", "command", "status"), *reply;
        status = control_ask(target.path, request, ANSWER_MS, &reply, NULL);
        if (status == EXIT_GOOD)
            status = show(reply, line->json);
        json_decref(reply);
        json_decref(request);
    }
    control_target_fini(&target);
    return status;
}
