/* SPDX-License-Identifier: MIT
 *
 * The drover.yaml that `drover init` writes: short, commented, for the app that was found. Looks at the
 * directory only. */
#include "base/buffer.h"
#include "base/mem.h"
#include "config/app.h"
#include "config/config.h"

static const char head[] =
    "# drover.yaml: %s\n"
    "# Check it with `drover check`, see it as decided with `drover check --print`; run it with `drover`.\n"
    "# All options: docs/options.md, or `drover manual`.\n"
    "\n"
    "# user: www-data              # carry traffic as this user when started as root\n"
    "\n"
    "listen:\n"
    "  - 0.0.0.0:8000              # PORT in the environment replaces the port\n"
    "\n"
    "# admin: 127.0.0.1:9900       # /health/worker, /health/live, /health/ready\n"
    "# trusted_proxies: []         # whose X-Forwarded-* are believed, e.g. [10.0.0.0/8]\n"
    "# access_log: stdout          # off | stdout | PATH\n"
    "# log_format: text            # text | json\n"
    "\n"
    "# timeouts: {response: 60s, tunnel: 1h, drain: 30s, shutdown: 25s}\n"
    "# limits: {body: 10m, connections: 16384}\n"
    "\n"
    "pools:\n"
    "  web:\n";

static const char launched[] =
    "    workers: auto             # a number, or auto: by CPUs and memory; WEB_CONCURRENCY replaces it\n"
    "    # environment: {LOG_LEVEL: info}\n"
    "    # user: app               # the workers' user, when started as root\n"
    "    # queue: {length: 1024, timeout: 10s}\n"
    "    # probe: {path: /healthz, interval: 5s}\n"
    "    # stop: {signal: TERM, timeout: 30s}\n";

static const char background[] =
    "\n"
    "  # What works beside it and answers no requests: a queue's consumer, a scheduler.\n"
    "  # jobs:\n"
    "  #   kind: background\n"
    "  #   command: celery -A tasks worker\n"
    "  #   workers: 1              # of one there are never two processes at a time\n"
    "  #   after: [web]            # started when web is up, ended before it\n";

static const char nothing_found[] =
    "    # What the workers run. $PORT, $SOCKET and $WORKER are filled in for each of them:\n"
    "    # command: uvicorn main:app --uds $SOCKET\n"
    "    # command: gunicorn wsgi:app --bind unix:$SOCKET --threads 8\n"
    "    # command: node server.js        # with `bind: port`: it listens on process.env.PORT\n"
    "    # workers: auto\n"
    "    #\n"
    "    # Until there is a command, backends that drover does not launch:\n"
    "    servers:\n"
    "      - 127.0.0.1:8080\n";

/* A Python program may be there as a module only. What is not here yet is started through env, so that the
 * file can be checked before it is installed. */
static void append_program(struct buffer *into, const char *directory, const char *name, bool is_python)
{
    bool found, has_python = false;
    char *program = app_program(directory, name, &found);

    if (!found && is_python)
        mem_free(app_program(directory, "python3", &has_python));
    if (!found && !has_python)
        buffer_print(
            into, "    # %s was not found when this was written: install it; then the `env` can go.\n", name);
    buffer_print(into, "    command: %s%s",
                 found        ? ""
                 : has_python ? "python3 -m "
                              : "/usr/bin/env ",
                 program);
    mem_free(program);
}

static void append_command(struct buffer *into, const char *directory, const struct app *app)
{
    switch (app->kind) {
    case APP_ASGI:
        append_program(into, directory, "uvicorn", true);
        buffer_print(into, " %s --uds $SOCKET --forwarded-allow-ips '*'\n", app->target);
        break;
    case APP_WSGI:
        append_program(into, directory, "gunicorn", true);
        buffer_print(into,
                     " %s --bind unix:$SOCKET --threads 8 --forwarded-allow-ips '*'\n"
                     "    concurrency: 8            # as many requests as threads; more wait in the queue\n",
                     app->target);
        break;
    case APP_NODE:
        append_program(into, directory, app->target ? "node" : "npm", false);
        buffer_print(
            into, " %s\n    bind: port                # the app listens on process.env.PORT of 127.0.0.1\n",
            app->target ? app->target : "start");
        break;
    case APP_RACK:
        append_program(into, directory, "puma", false);
        buffer_print(into,
                     " --bind unix://$SOCKET --threads 5:5 config.ru\n"
                     "    concurrency: 5            # as many requests as threads; more wait in the queue\n");
        break;
    case APP_NONE: break;
    }
}

char *config_sample(const char *directory)
{
    struct buffer into = {0};
    struct app app;

    app_find(&app, directory);
    char *found = app.kind == APP_NONE ? mem_dup("no app was found here, so this is a template")
                                       : mem_print("the %s app of %s", app.framework, app.file);
    buffer_print(&into, head, found);
    if (app.kind == APP_NONE) {
        buffer_print(&into, "%s", nothing_found);
    } else {
        append_command(&into, directory, &app);
        buffer_print(&into, "%s", launched);
    }
    buffer_print(&into, "%s", background);
    char *text = slice_dup(buffer_slice(&into));
    mem_free(found);
    app_fini(&app);
    buffer_release(&into);
    return text;
}
