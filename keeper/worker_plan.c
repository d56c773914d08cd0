/* SPDX-License-Identifier: MIT
 *
 * What a worker is started with: made of its pool's configuration and its endpoint. Pure, but for the look at commands. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "keeper/seats.h"

/* Drover's own, of no meaning to a worker or harmful to it: uvicorn and gunicorn would multiply by WEB_CONCURRENCY, and a notification from a
 * worker would be taken for drover's. */
static const char *const own_names[] = {"WEB_CONCURRENCY", "PORT",          "SOCKET",       "WORKER",      "LISTEN_FDS",
                                        "LISTEN_PID",      "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"};

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

void worker_environment(struct environment *environment, char *const *inherited, const struct pool_config *pool,
                        const char *name, const struct endpoint *endpoint, const struct identity *user)
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
        environment_put(environment, CHILD_LISTEN_PID_ROOM);
    }
    for (unsigned i = 0; i < pool->environment_count; i++) {
        char *entry = config_worker_text(pool->environment[i], words.port, words.socket, name);
        environment_put(environment, entry);
        mem_free(entry);
    }
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

static int look(const char *path)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return errno;
    if (S_ISDIR(status.st_mode))
        return EISDIR;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? errno : 0;
}

/* 0 or errno: as execvp would find it, from the worker's directory and with its PATH. */
static int find_command(const struct pool_config *pool, const char *command)
{
    struct environment environment;
    int found = ENOENT;

    if (strchr(command, '/')) {
        char *path = command[0] == '/' ? mem_dup(command) : mem_print("%s/%s", pool->directory, command);
        found = look(path);
        mem_free(path);
        return found;
    }
    environment_init(&environment, environ);
    for (unsigned i = 0; i < pool->environment_count; i++)
        environment_put(&environment, pool->environment[i]);
    const char *path = environment_get(&environment, "PATH");
    for (const char *at = path ? path : "/bin:/usr/bin"; found != 0 && at;) {
        size_t size = strcspn(at, ":");
        char *candidate = size == 0       ? mem_print("%s/%s", pool->directory, command)
                          : at[0] == '/' ? mem_print("%.*s/%s", (int)size, at, command)
                                          : mem_print("%s/%.*s/%s", pool->directory, (int)size, at, command);
        int error = look(candidate);
        if (error == 0 || found == ENOENT)
            found = error == ENOTDIR ? ENOENT : error;
        mem_free(candidate);
        at = at[size] == ':' ? at + size + 1 : NULL;
    }
    environment_fini(&environment);
    return found;
}

static bool pool_is_startable(const struct pool_config *pool, char *error, size_t room)
{
    struct identity identity;
    struct stat status;

    if (pool->user) {
        int result = identity_find(&identity, pool->user);
        if (result < 0)
            str_format(error, room, "pools.%s.user: cannot find '%s': %s", pool->name, pool->user,
                       result == -ENOENT ? "no such user" : strerror(-result));
        else if (geteuid() != 0 && geteuid() != identity.uid)
            str_format(error, room, "pools.%s.user: only root can start workers as '%s'", pool->name, pool->user);
        if (result < 0 || (geteuid() != 0 && geteuid() != identity.uid))
            return false;
    }
    int result = stat(pool->directory, &status) < 0 ? errno : S_ISDIR(status.st_mode) ? 0 : ENOTDIR;
    if (result != 0) {
        str_format(error, room, "pools.%s.directory: %s: %s", pool->name, pool->directory, strerror(result));
        return false;
    }
    result = strchr(pool->command[0], '$') ? 0 : find_command(pool, pool->command[0]);
    if (result != 0)
        str_format(error, room, "pools.%s.command: cannot run '%s': %s", pool->name, pool->command[0],
                   result == ENOENT && !strchr(pool->command[0], '/') ? "no such command in PATH" : strerror(result));
    return result == 0;
}

bool workers_are_startable(const struct config *config, char *error, size_t room)
{
    for (unsigned i = 0; i < config->pool_count; i++)
        if (config->pools[i].is_launched && !pool_is_startable(&config->pools[i], error, room))
            return false;
    return true;
}
