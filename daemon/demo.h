/* SPDX-License-Identifier: MIT
 *
 * The demo worker's parts: command_demo_worker.c (start, stop, listening), demo_connection.c (HTTP on one
 * connection), demo_pages.c (what the pages answer), demo_websocket.c (the echo), demo_page.c (the page's
 * text). One process, one thread, one loop. */
#ifndef DROVER_DAEMON_DEMO_H
#define DROVER_DAEMON_DEMO_H

#include "base/buffer.h"
#include "base/loop.h"
#include "http/h1.h"

#define DEMO_MESSAGE_MAX (1u << 20) /* of a WebSocket message, and of what waits for a client */

struct demo {
    struct loop *loop;
    char name[80];     /* of the worker: letters, digits and ._- only */
    uint64_t requests; /* answered by this process */
    struct list connections;
    unsigned connection_count;
    bool is_stopping;
    struct head head; /* of the request that is being read; too large for each connection */

    int listener; /* -1 once stopping */
    struct watch listener_watch;
    struct deadline accept_again; /* after the descriptors ran out */
    int signals;
    struct watch signals_watch;
    struct deadline last; /* the end of patience with those who do not leave */
};

enum demo_state {
    DEMO_HEAD, /* a request's head is awaited or half there */
    DEMO_BODY,
    DEMO_WAITING, /* for the deadline: a slow answer, the next event of a stream */
    DEMO_WEBSOCKET,
    DEMO_LINGERING, /* all is said; what still comes is thrown away until the client has closed */
};

struct demo_websocket {
    uint8_t header[14];
    uint8_t header_size;
    uint8_t opcode; /* of the frame under way */
    bool is_final;
    bool in_payload;
    bool close_sent;
    uint8_t message_opcode; /* of the data message under way; 0: none */
    uint8_t control_size;
    uint8_t control[125];
    uint8_t mask[4];
    uint64_t payload_left, payload_at;
    struct buffer message;
};

struct demo_connection;
/* What a path answers. `on_head` and `on_body` may be NULL. */
struct demo_page {
    const char *path;
    void (*on_head)(struct demo_connection *connection, const struct head *head, struct slice bytes);
    void (*on_body)(struct demo_connection *connection, struct slice data);
    void (*on_end)(struct demo_connection *connection); /* the request is whole: answer, or wait for on_due */
    void (*on_due)(struct demo_connection *connection);
};

struct demo_connection {
    uint32_t tag;
    struct demo *demo;
    struct list node;
    int fd;
    struct watch watch;
    struct buffer in, out;
    struct deadline deadline;
    struct task freeing;
    enum demo_state state;
    bool is_readable, is_at_end;
    bool is_last_word_said; /* the deadline is that of the client's leaving */

    /* The request under way. */
    const struct demo_page *page;
    size_t seen;
    struct h1_body body;
    bool keep_alive, is_head_only, is_chunked;
    uint64_t body_bytes;
    unsigned delay_ms, ticks, ticks_left;
    struct demo_websocket websocket;
};

/* demo_connection.c */
void demo_connection_open(struct demo *demo, int fd);          /* owns fd */
void demo_connection_stop(struct demo_connection *connection); /* finishes what it has, then closes */
void demo_connection_drop(struct demo_connection *connection); /* at once; freed at the end of the turn */
void demo_wait(struct demo_connection *connection, unsigned delay_ms);
void demo_linger(struct demo_connection *connection); /* closes once the output is gone */
void demo_count_out(struct demo *demo);               /* command_demo_worker.c: a connection has left */

/* A whole answer; with HEAD its body stays away. */
void demo_respond(struct demo_connection *connection, unsigned status, const char *type, struct slice body);
/* An answer in pieces, as long as it takes. */
void demo_respond_begin(struct demo_connection *connection, const char *type);
void demo_respond_piece(struct demo_connection *connection, struct slice piece);
void demo_respond_end(struct demo_connection *connection);

/* demo_pages.c */
const struct demo_page *demo_page_find(struct slice path_query);
void demo_page_parameters(struct demo_connection *connection, struct slice path_query); /* ms= and ticks= */

/* demo_page.c: the HTML page; caller frees. */
char *demo_page_html(const struct demo *demo);

/* demo_websocket.c */
void demo_websocket_open(struct demo_connection *connection, const struct head *head);
/* false: nothing more can be done with what is there */
bool demo_websocket_read(struct demo_connection *connection);
void demo_websocket_close(struct demo_connection *connection, unsigned code);
void demo_websocket_fini(struct demo_websocket *websocket);

#endif
