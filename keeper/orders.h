/* SPDX-License-Identifier: MIT
 *
 * The small typed messages between an engine and the keeper, over a SOCK_SEQPACKET pair. An order names a
 * pool and a slot, never a command line: an engine that an attacker has taken over cannot make the keeper run
 * what the file does not say. The only header of this folder that the engine side includes. */
#ifndef DROVER_KEEPER_ORDERS_H
#define DROVER_KEEPER_ORDERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ORDER_FDS_MAX 64 /* descriptors that one message may carry */

/* Engine to keeper. */
enum order_kind {
    ORDER_START = 1, /* slot, children: start the worker of pool/number there */
    ORDER_STOP,      /* slot, generation: the pool's stop signal to the leader */
    ORDER_KILL,      /* slot, generation: KILL to the process group */
    ORDER_RETIRE,    /* slot: its process is gone for good: give back its port and socket */
    ORDER_RELOAD,    /* somebody asked by the control socket; `reference` comes back in NEWS_RELOADED */
    ORDER_VALIDATED, /* accepted, and when not: fd 0 is a memfd with the report */
    ORDER_SHUTDOWN,  /* somebody asked by the control socket: as TERM to the keeper */
    ORDER_SERVING,   /* this engine accepts now */
    ORDER_DRAINED,   /* this engine holds nothing any more and may be ended */
    ORDER_MORE,      /* slot, generation: the pool's signals.up to the leader */
    ORDER_FEWER,     /* slot, generation: the pool's signals.down to the leader */
};

/* Keeper to engine. */
enum news_kind {
    NEWS_STARTED = 1,  /* slot, generation, pid; its address: the slot's port or worker_socket_path */
    NEWS_START_FAILED, /* slot, error (errno) */
    NEWS_EXITED,       /* slot, generation, status as waitpid gives it */
    NEWS_VALIDATE,     /* fd 0: a memfd with the new file's bytes; answer with ORDER_VALIDATED */
    NEWS_FILES,    /* fd 0: a memfd with the bytes of the files that it names (config_pack_files), when there
                          are any; before NEWS_LISTENER */
    NEWS_LISTENER, /* index in the new configuration's listeners; fds: its sockets. One each, before
                          NEWS_ADOPT */
    NEWS_ADOPT,    /* the validated configuration is in force now */
    NEWS_RELOADED, /* reference, accepted; when refused fd 0: memfd with the report (also after HUP, reference
                      0) */
    NEWS_STOP,     /* drain and say ORDER_DRAINED, within the shutdown time-out */
    NEWS_STOP_NOW, /* end at once */
    NEWS_REOPEN,   /* USR1: fd 0 is the access log, opened anew (none: it is off or stdout) */
};

struct order {
    uint32_t kind; /* order_kind or news_kind */
    int32_t slot;  /* index in the slot table; -1 none */
    uint32_t generation;
    int32_t pid;
    int32_t status;
    int32_t error;
    uint32_t index;
    uint32_t accepted;
    uint64_t reference;
    uint32_t number;
    uint32_t children; /* of a pool with `signals`: what its process starts with */
    char pool[64];
};

/* Both ends: never blocks the sender for long (the socket's buffer holds hundreds; a full one is waited for
 * at most a second). False when the other end is gone. Received descriptors belong to the receiver. */
bool order_send(int fd, const struct order *order, const int *fds, unsigned fd_count);
/* 1: one received; 0: nothing there; -1: the other end is gone. */
int order_receive(int fd, struct order *order, int *fds, unsigned *fd_count);

/* A sealed memfd with these bytes, or -errno; and its content back (mem_free), NULL on failure. */
int order_memfd(const void *bytes, uint64_t size);
char *order_memfd_read(int fd, uint64_t *size);

/* Where a worker of that slot listens. `port` and `fd`: 127.0.0.1 and the port that is in the slot since
 * before NEWS_STARTED (with `fd` each process has another). `unix`: the socket with this path. */
void worker_socket_path(char into[108], pid_t keeper, int slot, uint32_t generation);
/* The directory of those sockets, at most 80 bytes: set by the keeper before its first fork, so that engines
 * know it too. */
void worker_sockets_in(const char *directory);

#endif
