/* SPDX-License-Identifier: MIT
 *
 * What a worker is started with: made of its pool's configuration and its endpoint. Pure. */
#include "base/mem.h"
#include "keeper/seats.h"

/* Drover's own, of no meaning to a worker or harmful to it: uvicorn and gunicorn would multiply by
 * WEB_CONCURRENCY, and a notification from a worker would be taken for drover's. */
static const char *const own_names[] = {"WEB_CONCURRENCY", "PORT",        "SOCKET",         "WORKER",
                                        "LISTEN_FDS",      "LISTEN_PID",  "LISTEN_FDNAMES", "NOTIFY_SOCKET",
                                        "WATCHDOG_USEC",   "WATCHDOG_PID"};

struct words {
    char port_text[16];
    const char *port, *socket; /* NULL: it has none */
};

static void words_of(struct words *words, const struct endpoint *endpoint)
{
    *words = (struct words){{0}, NULL, NULL};
    if (endpoint->kind == BIND_PORT) {
        str_format(words->port_text, sizeof words->port_text, "%u", endpoint->port);
        words->port = words->port_text;
    }
    if (endpoint->kind == BIND_UNIX)
        words->socket = endpoint->path;
}

/* `gunicorn --bind fd://3` would take the descriptor a second time when LISTEN_PID told it to, and fail. */
static bool names_its_descriptor(const struct pool_config *pool)
{
    for (unsigned i = 0; i < pool->argument_count; i++)
        if (strstr(pool->command[i], "fd://"))
            return true;
    return false;
}

void worker_environment(struct environment *environment, char *const *inherited,
                        const struct pool_config *pool, const char *name, const struct endpoint *endpoint,
                        const struct identity *user)
{
    struct words words;

    words_of(&words, endpoint);
    environment_init(environment, inherited);
    for (size_t i = 0; i < sizeof own_names / sizeof own_names[0]; i++)
        environment_unset(environment, own_names[i]);
    if (user) {
        environment_set(environment, "USER", user->name);
        environment_set(environment, "LOGNAME", user->name);
        environment_set(environment, "HOME", user->home);
    }
    environment_set(environment, "PORT", words.port);
    environment_set(environment, "SOCKET", words.socket);
    environment_set(environment, "WORKER", name);
    if (endpoint->kind == BIND_FD) {
        environment_put(environment, "LISTEN_FDS=1");
        if (!names_its_descriptor(pool))
            environment_put(environment, CHILD_LISTEN_PID_ROOM);
    }
    for (unsigned i = 0; i < pool->environment_count; i++) {
        char *entry = config_worker_text(pool->environment[i], words.port, words.socket, name);
        environment_put(environment, entry);
        mem_free(entry);
    }
}

void worker_children(struct environment *environment, unsigned children)
{
    char text[16];

    if (children == 0 || environment_get(environment, "WEB_CONCURRENCY"))
        return;
    str_format(text, sizeof text, "%u", children);
    environment_set(environment, "WEB_CONCURRENCY", text);
}

char **worker_command(const struct pool_config *pool, const char *name, const struct endpoint *endpoint)
{
    char **command = mem_zero((pool->argument_count + 1) * sizeof *command);
    struct words words;

    words_of(&words, endpoint);
    for (unsigned i = 0; i < pool->argument_count; i++)
        command[i] = config_worker_text(pool->command[i], words.port, words.socket, name);
    return command;
}

void worker_command_free(char **command)
{
    for (char **word = command; *word; word++)
        mem_free(*word);
    mem_free(command);
}
