/* SPDX-License-Identifier: MIT
 *
 * Addresses of workers. Keeper's thread; the guard removes the directory when the keeper cannot. */
#include "keeper/endpoints.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/net.h"
#include "keeper/orders.h"

#define BACKLOG        2048
#define DIRECTORY_ROOM 81 /* leaves place for a slot and a generation in the 107 bytes of a socket's path */

static char directory[DIRECTORY_ROOM]; /* "" until it was made */
static pid_t made_by;
static gid_t engine_group;
static bool engine_is_another; /* user than we are */

/* Removes the files in a directory, which somebody else may own: nothing is followed, nothing is descended
 * into. */
static void remove_files(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *files = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!files) {
        net_close(&fd);
        return;
    }
    while ((entry = readdir(files)))
        if (entry->d_name[0] != '.')
            (void)unlinkat(fd, entry->d_name, 0);
    (void)closedir(files);
    (void)unlinkat(parent, name, AT_REMOVEDIR);
}

static void remove_tree(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *slots = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!slots) {
        net_close(&fd);
        return;
    }
    while ((entry = readdir(slots)))
        if (entry->d_name[0] != '.')
            remove_files(fd, entry->d_name);
    (void)closedir(slots);
    (void)rmdir(path);
}

/* A directory of that name that is ours and new. One of an earlier drover with our process id is cleared
 * away. */
static bool make_at(const char *path, mode_t mode)
{
    struct stat status;

    if (mkdir(path, mode) < 0) {
        if (errno != EEXIST || lstat(path, &status) < 0 || !S_ISDIR(status.st_mode) ||
            status.st_uid != geteuid())
            return false;
        remove_tree(path);
        if (mkdir(path, mode) < 0)
            return false;
    }
    return chmod(path, mode) == 0; /* whatever the umask is */
}

bool endpoints_directory_make(pid_t keeper, const struct identity *engine, char *error, size_t room)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    /* Workers of several users pass through it to a directory each. */
    mode_t mode = geteuid() == 0 ? 0711 : 0700;
    char paths[3][DIRECTORY_ROOM] = {"", "", ""};

    if (geteuid() == 0)
        str_format(paths[0], DIRECTORY_ROOM, "/run/drover-%d", (int)keeper);
    else if (runtime && runtime[0] == '/' && strlen(runtime) < DIRECTORY_ROOM - 24)
        str_format(paths[1], DIRECTORY_ROOM, "%s/drover-%d", runtime, (int)keeper);
    str_format(paths[2], DIRECTORY_ROOM, "/tmp/drover-%d-%d", (int)geteuid(), (int)keeper);
    engine_group = engine ? engine->gid : getegid();
    engine_is_another = engine && engine->uid != geteuid();
    for (unsigned i = 0; i < 3; i++) {
        if (!paths[i][0] || !make_at(paths[i], mode))
            continue;
        str_format(directory, sizeof directory, "%s", paths[i]);
        made_by = keeper;
        worker_sockets_in(directory);
        return true;
    }
    str_format(error, room, "cannot make a directory for the workers' sockets: %s: %s", paths[2],
               strerror(errno));
    return false;
}

void endpoints_directory_remove(void)
{
    if (directory[0])
        remove_tree(directory);
}

static int prepare_port(struct endpoint *endpoint, const struct pool_config *pool, unsigned number)
{
    struct address address;
    unsigned port = pool->first_port > 0 ? pool->first_port + number - 1 : 0;

    if (endpoint->reserved >= 0)
        return 0; /* the slot's since before */
    if (port > 65535)
        return -ERANGE;
    if (!address_from_ip(&address, SLICE("127.0.0.1"), port))
        return -EINVAL;
    int fd = net_listen(&address, NET_REUSEADDR | NET_BIND_ONLY, 0);
    if (fd < 0)
        return fd;
    int error = net_local_address(fd, &address);
    if (error < 0) {
        net_close(&fd);
        return error;
    }
    endpoint->reserved = fd;
    endpoint->port = address_port(&address);
    return 0;
}

static int prepare_listener(struct endpoint *endpoint)
{
    struct address address;

    if (!address_from_ip(&address, SLICE("127.0.0.1"), 0))
        return -EINVAL;
    int fd = net_listen(&address, 0, BACKLOG);
    if (fd < 0)
        return fd;
    int error = net_local_address(fd, &address);
    if (error < 0) {
        net_close(&fd);
        return error;
    }
    endpoint->listener = fd;
    endpoint->port = address_port(&address);
    return 0;
}

/* A directory for each slot: the worker's user makes its socket there, the engine's group reaches it. */
static int prepare_path(struct endpoint *endpoint, int slot, uint32_t generation, const struct identity *user)
{
    char path[DIRECTORY_ROOM + 16];

    if (!directory[0])
        return -ENOENT;
    str_format(path, sizeof path, "%s/%d", directory, slot);
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return -errno;
    if (geteuid() == 0 && lchown(path, user ? user->uid : geteuid(), engine_group) < 0)
        return -errno;
    if (chmod(path, geteuid() == 0 ? 0710 : 0700) < 0)
        return -errno;
    worker_socket_path(endpoint->path, made_by, slot, generation);
    (void)unlink(endpoint->path); /* generations start anew when a slot does */
    return 0;
}

int endpoint_prepare(struct endpoint *endpoint, const struct pool_config *pool, unsigned number, int slot,
                     uint32_t generation, const struct identity *user)
{
    int error;

    if (endpoint->is_set && (endpoint->kind != pool->bind || endpoint->first_port != pool->first_port))
        endpoint_give_back(endpoint);
    if (!endpoint->is_set)
        *endpoint = (struct endpoint){.is_set = true,
                                      .kind = pool->bind,
                                      .first_port = pool->first_port,
                                      .reserved = -1,
                                      .listener = -1};
    endpoint_process_ended(endpoint);
    switch (pool->bind) {
    case BIND_PORT: error = prepare_port(endpoint, pool, number); break;
    case BIND_FD: error = prepare_listener(endpoint); break;
    case BIND_UNIX: error = prepare_path(endpoint, slot, generation, user); break;
    case BIND_NONE: error = 0; break;
    default: error = -EINVAL; break;
    }
    return error;
}

bool endpoint_is_open(const struct endpoint *endpoint, uid_t worker)
{
    struct stat status;
    char path[32];

    if (!engine_is_another || endpoint->kind != BIND_UNIX || !endpoint->path[0])
        return true;
    /* The directory is the worker's, who may put there what it likes: only its own socket is touched, by
     * descriptor. */
    int fd = open(endpoint->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    str_format(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode) && status.st_uid == worker)
        (void)chmod(path, 0666);
    net_close(&fd);
    return true;
}

void endpoint_process_ended(struct endpoint *endpoint)
{
    if (!endpoint->is_set)
        return;
    if (endpoint->listener >= 0) {
        /* What sits in its backlog may be a POST that was answered with an error already: the next process
         * must not read it, nor a grandchild that still has the descriptor. */
        (void)shutdown(endpoint->listener, SHUT_RDWR);
        net_close(&endpoint->listener);
        endpoint->port = 0;
    }
    if (endpoint->path[0]) {
        (void)unlink(endpoint->path);
        endpoint->path[0] = 0;
    }
}

void endpoint_give_back(struct endpoint *endpoint)
{
    if (!endpoint->is_set)
        return;
    endpoint_process_ended(endpoint);
    net_close(&endpoint->reserved);
    *endpoint = (struct endpoint){.reserved = -1, .listener = -1};
}
