/* SPDX-License-Identifier: MIT
 *
 * Temporary files, off the loop: each spool has at most one write and one read under way; a few threads,
 * shared by all loops, carry them out and post the result back. A spool that is freed meanwhile lives on
 * until its steps are back. Loop thread, but for `work`. */
#include "proxy/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/mem.h"
#include "proxy/proxy.h"

#define READ_SIZE   (64 * 1024)  /* read back at once, ahead of its taker: kept in memory for each spool */
#define CONGESTED   (256 * 1024) /* waiting for the disk */
#define THREADS_MAX 8

enum step_kind { STEP_WRITE, STEP_READ };

struct step {
    struct message message;
    struct step *next; /* in the threads' queue */
    struct spool *spool;
    enum step_kind kind;
    bool is_busy;
    int fd;
    uint64_t at; /* in the file */
    size_t size;
    struct buffer data; /* what is written, or room for what is read */
    int error;          /* 0 or -errno */
};

struct spool {
    struct loop *loop;
    uint64_t max_bytes;
    void (*on_progress)(void *argument);
    void *argument;
    int fd;
    int error;
    bool is_freed;
    uint64_t appended, written; /* so many bytes in all; so many of them are in the file */
    uint64_t consumed, fetched; /* so many were taken; so many were read back up to now */
    struct buffer tail;         /* appended and not on its way to the disk yet */
    struct buffer ready;        /* read back: [consumed, fetched) */
    struct step write, read;
};

static struct {
    pthread_mutex_t mutex; /* guards first, last, stops, lost */
    pthread_cond_t some;
    struct step *first, **last;
    bool stops;
    struct step *lost; /* done when their loop had ended */
    unsigned thread_count;
    pthread_t threads[THREADS_MAX];
    char *directory;
} office = {.mutex = PTHREAD_MUTEX_INITIALIZER, .some = PTHREAD_COND_INITIALIZER};

/* --- the threads --- */

/* All of it, or -errno. */
static int carry_out(const struct step *step)
{
    char *bytes = buffer_bytes(&step->data);

    for (size_t done = 0; done < step->size;) {
        ssize_t moved = step->kind == STEP_WRITE
                            ? pwrite(step->fd, bytes + done, step->size - done, (off_t)(step->at + done))
                            : pread(step->fd, bytes + done, step->size - done, (off_t)(step->at + done));
        if (moved < 0 && errno == EINTR)
            continue;
        if (moved <= 0)
            return moved < 0 ? -errno : -EIO; /* what we wrote must be there */
        done += (size_t)moved;
    }
    return 0;
}

static void on_step_done(struct message *message);

/* The end of a spool that was freed, once no step of it is under way. */
static void destroy(struct spool *spool)
{
    if (!spool->is_freed || spool->write.is_busy || spool->read.is_busy)
        return;
    if (spool->fd >= 0)
        close(spool->fd);
    buffer_release(&spool->write.data);
    buffer_release(&spool->read.data);
    mem_free(spool);
}

/* Its spool is freed by the thread that was its loop's; what is left of it goes in spools_stop. */
static void lose(struct step *step)
{
    pthread_mutex_lock(&office.mutex);
    step->next = office.lost;
    office.lost = step;
    pthread_mutex_unlock(&office.mutex);
}

static void *work(void *argument)
{
    (void)argument;
    for (;;) {
        struct step *step;
        pthread_mutex_lock(&office.mutex);
        while (!office.first && !office.stops)
            pthread_cond_wait(&office.some, &office.mutex);
        step = office.first;
        if (step) {
            office.first = step->next;
            if (!office.first)
                office.last = &office.first;
        }
        pthread_mutex_unlock(&office.mutex);
        if (!step)
            return NULL;
        step->error = carry_out(step);
        step->message.deliver = on_step_done;
        if (!loop_post(step->spool->loop, &step->message))
            lose(step);
    }
}

void spools_start(const char *directory, unsigned threads)
{
    const char *chosen = directory ? directory : getenv("TMPDIR");

    office.directory = mem_dup(chosen && chosen[0] ? chosen : "/tmp");
    office.first = NULL;
    office.last = &office.first;
    office.stops = false;
    office.thread_count = threads < THREADS_MAX ? threads : THREADS_MAX;
    for (unsigned i = 0; i < office.thread_count; i++)
        CHECK(pthread_create(&office.threads[i], NULL, work, NULL) == 0);
}

void spools_stop(void)
{
    pthread_mutex_lock(&office.mutex);
    office.stops = true;
    pthread_cond_broadcast(&office.some);
    pthread_mutex_unlock(&office.mutex);
    for (unsigned i = 0; i < office.thread_count; i++)
        pthread_join(office.threads[i], NULL);
    office.thread_count = 0;
    while (office.lost) {
        struct step *step = office.lost;
        office.lost = step->next;
        step->is_busy = false;
        destroy(step->spool);
    }
    mem_free(office.directory);
    office.directory = NULL;
}

/* --- steps --- */

static void submit(struct spool *spool, struct step *step, enum step_kind kind, uint64_t at, size_t size)
{
    step->spool = spool;
    step->kind = kind;
    step->is_busy = true;
    step->fd = spool->fd;
    step->at = at;
    step->size = size;
    step->next = NULL;
    pthread_mutex_lock(&office.mutex);
    *office.last = step;
    office.last = &step->next;
    pthread_cond_signal(&office.some);
    pthread_mutex_unlock(&office.mutex);
}

static void write_on(struct spool *spool)
{
    if (spool->write.is_busy || buffer_size(&spool->tail) == 0 || spool->error)
        return;
    spool->write.data = spool->tail;
    spool->tail = (struct buffer){0};
    submit(spool, &spool->write, STEP_WRITE, spool->written, buffer_size(&spool->write.data));
}

static void read_on(struct spool *spool)
{
    uint64_t left = spool->written - spool->fetched;
    const size_t most = blocks_are_scarce() ? BLOCK_MODEST : READ_SIZE;

    if (spool->read.is_busy || left == 0 || buffer_size(&spool->ready) || spool->error)
        return;
    (void)buffer_reserve(&spool->read.data, most);
    submit(spool, &spool->read, STEP_READ, spool->fetched, left < most ? (size_t)left : most);
}

/* Ahead of its taker: not for each of a crowd. */
static void prefetch(struct spool *spool)
{
    if (!blocks_are_scarce())
        read_on(spool);
}

static void take_result(struct spool *spool, struct step *step)
{
    if (step->error) {
        spool->error = step->error;
    } else if (step->kind == STEP_WRITE) {
        spool->written += step->size;
    } else if (step->at == spool->fetched) { /* else it was rewound meanwhile */
        buffer_commit(&step->data, step->size);
        spool->ready = step->data;
        step->data = (struct buffer){0};
        spool->fetched += step->size;
    }
    buffer_release(&step->data);
}

static void on_step_done(struct message *message)
{
    struct step *step = container_of(message, struct step, message);
    struct spool *spool = step->spool;

    step->is_busy = false;
    if (spool->is_freed) {
        destroy(spool);
        return;
    }
    take_result(spool, step);
    write_on(spool);
    prefetch(spool);
    spool->on_progress(spool->argument);
}

/* --- the door --- */

static int open_unlinked(void)
{
    int fd = open(office.directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    char path[512];

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
        return fd >= 0 ? fd : -errno;
    str_format(path, sizeof path, "%s/drover-XXXXXX", office.directory);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    (void)unlink(path);
    return fd;
}

struct spool *spool_new(struct loop *loop, uint64_t max_bytes, void (*on_progress)(void *argument),
                        void *argument)
{
    struct spool *spool = mem_zero(sizeof *spool);

    spool->loop = loop;
    spool->max_bytes = max_bytes;
    spool->on_progress = on_progress;
    spool->argument = argument;
    spool->fd = open_unlinked();
    if (spool->fd < 0)
        spool->error = spool->fd;
    return spool;
}

void spool_free(struct spool **owner)
{
    struct spool *spool = *owner;

    *owner = NULL;
    if (!spool)
        return;
    spool->is_freed = true;
    buffer_release(&spool->tail);
    buffer_release(&spool->ready);
    destroy(spool);
}

int spool_append(struct spool *spool, struct slice bytes)
{
    if (spool->error)
        return spool->error;
    if (bytes.size > spool->max_bytes || spool->appended > spool->max_bytes - bytes.size)
        return -EFBIG;
    buffer_append(&spool->tail, bytes.at, bytes.size);
    spool->appended += bytes.size;
    write_on(spool);
    return 0;
}

bool spool_is_congested(const struct spool *spool)
{
    return buffer_size(&spool->tail) >= CONGESTED;
}

struct slice spool_peek(struct spool *spool)
{
    if (buffer_size(&spool->ready) == 0)
        read_on(spool);
    return buffer_slice(&spool->ready);
}

void spool_consume(struct spool *spool, size_t size)
{
    buffer_consume(&spool->ready, size);
    spool->consumed += size;
    prefetch(spool);
}

void spool_rewind(struct spool *spool)
{
    buffer_release(&spool->ready);
    spool->consumed = spool->fetched = 0;
    prefetch(spool);
}

uint64_t spool_unread(const struct spool *spool)
{
    return spool->appended - spool->consumed;
}

uint64_t spool_size(const struct spool *spool)
{
    return spool->appended;
}

int spool_error(const struct spool *spool)
{
    return spool->error;
}
