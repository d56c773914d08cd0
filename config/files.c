/* SPDX-License-Identifier: MIT
 *
 * Reading files whole, and the bytes of those that a configuration names: packed in the keeper, which may read
 * keys, and unpacked in an engine, which may not. One thread. */
#include "config/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/mem.h"

bool file_read(const char *path, size_t most, char **bytes, size_t *size)
{
    char *into = mem_alloc(most + 1);
    size_t have = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : 1;

    while (got > 0 && have < most) {
        got = read(fd, into + have, most - have);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            have += (size_t)got;
    }
    int status = errno;
    if (fd >= 0)
        close(fd);
    errno = status;
    if (got < 0) {
        mem_free(into);
        return false;
    }
    *bytes = mem_resize(into, have + 1);
    (*bytes)[have] = 0;
    *size = have;
    return true;
}

/* All files, in the order of the configuration. */
static void each_file(struct config *config, void (*visit)(struct file_config *file, void *argument),
                      void *argument)
{
    for (unsigned i = 0; i < config->listen_count; i++) {
        struct tls_config *tls = &config->listens[i].tls;
        visit(&tls->single.certificate, argument);
        visit(&tls->single.key, argument);
        visit(&tls->single.ocsp, argument);
        visit(&tls->client_ca, argument);
        for (unsigned k = 0; k < tls->pair_count; k++) {
            visit(&tls->pairs[k].certificate, argument);
            visit(&tls->pairs[k].key, argument);
            visit(&tls->pairs[k].ocsp, argument);
        }
    }
    for (unsigned i = 0; i < config->pool_count; i++) {
        visit(&config->pools[i].tls_ca, argument);
        visit(&config->pools[i].affinity.key, argument);
    }
}

/* What a key was lies in no freed memory. */
static void fini(struct file_config *file, void *argument)
{
    (void)argument;
    if (file->bytes)
        explicit_bzero(file->bytes, file->size);
    mem_free(file->bytes);
    mem_free(file->path);
    *file = (struct file_config){0};
}

void files_fini(struct config *config)
{
    each_file(config, fini, NULL);
}

static void pack(struct file_config *file, void *argument)
{
    struct buffer *into = argument;
    uint64_t size = file->size;

    if (!file->path)
        return;
    buffer_append(into, &size, sizeof size);
    buffer_append(into, file->bytes, file->size);
}

char *config_pack_files(const struct config *config, size_t *size)
{
    struct buffer into = {0};

    each_file((struct config *)(uintptr_t)config, pack, &into);
    char *block = mem_alloc(buffer_size(&into) + 1);
    *size = buffer_size(&into);
    if (*size) {
        memcpy(block, buffer_bytes(&into), *size);
        explicit_bzero(buffer_bytes(&into), *size);
    }
    buffer_release(&into);
    return block;
}

struct unpacking {
    struct slice rest;
    bool takes, fits; /* the first pass only looks */
};

static void unpack(struct file_config *file, void *argument)
{
    struct unpacking *unpacking = argument;
    uint64_t size;

    if (!file->path || !unpacking->fits)
        return;
    unpacking->fits = unpacking->rest.size >= sizeof size;
    if (!unpacking->fits)
        return;
    memcpy(&size, unpacking->rest.at, sizeof size);
    unpacking->rest.at += sizeof size;
    unpacking->rest.size -= sizeof size;
    unpacking->fits = unpacking->rest.size >= size;
    if (!unpacking->fits)
        return;
    if (unpacking->takes) {
        mem_free(file->bytes);
        file->bytes = slice_dup((struct slice){unpacking->rest.at, size});
        file->size = size;
    }
    unpacking->rest.at += size;
    unpacking->rest.size -= size;
}

bool config_unpack_files(struct config *config, const char *bytes, size_t size)
{
    struct unpacking look = {.rest = {bytes, size}, .fits = true}, take = look;

    each_file(config, unpack, &look);
    if (!look.fits || look.rest.size > 0)
        return false;
    take.takes = true;
    each_file(config, unpack, &take);
    return true;
}

uint64_t file_stamp(const char *path)
{
    struct stat found;
    uint64_t parts[5] = {0};

    if (stat(path, &found) == 0) {
        parts[0] = (uint64_t)found.st_ino;
        parts[1] = (uint64_t)found.st_size;
        parts[2] = (uint64_t)found.st_mtim.tv_sec;
        parts[3] = (uint64_t)found.st_mtim.tv_nsec;
        parts[4] = (uint64_t)found.st_dev;
    }
    return slice_hash((struct slice){(const char *)parts, sizeof parts});
}

static void add(uint64_t *sum, uint64_t one)
{
    uint64_t parts[2] = {*sum, one};

    *sum = slice_hash((struct slice){(const char *)parts, sizeof parts});
}

static void add_present(struct file_config *file, void *argument)
{
    if (file->path)
        add(argument, file_stamp(file->path));
}

static void add_read(struct file_config *file, void *argument)
{
    if (file->path)
        add(argument, file->stamp);
}

static uint64_t sum(const struct config *config, void (*visit)(struct file_config *file, void *argument))
{
    uint64_t total = 0;

    each_file((struct config *)(uintptr_t)config, visit, &total);
    return total;
}

uint64_t config_files_stamp(const struct config *config)
{
    return sum(config, add_present);
}

uint64_t config_files_stamp_read(const struct config *config)
{
    return sum(config, add_read);
}
