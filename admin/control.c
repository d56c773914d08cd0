/* SPDX-License-Identifier: MIT
 *
 * The control socket. The file's mode keeps others out; who connects is asked for once more, so that a
 * directory that is too open gives nothing away. A few connections at a time, each with a deadline. An
 * admin_request outlives its connection when the client leaves before the answer: its answer then goes
 * nowhere. Control thread. */
#include "admin/control.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin/report.h"
#include "base/buffer.h"
#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/net.h"

#define TAG              0x6374726c
#define CONNECTIONS_MOST 16
#define AWAITING_MOST    12 /* of them; a rollout may take long, and `drover status` is a health check */
#define LINE_MOST        4096
#define READ_MS          5000   /* for the line */
#define WAIT_MS          120000 /* for whoever carries the command out */
#define WRITE_MS         10000  /* for the client to take the answer */
#define ACCEPT_AGAIN_MS  200

struct control {
    struct loop *loop;
    const struct admin_source *source;
    const struct admin_callbacks *callbacks;
    void *owner;
    int listener;
    uid_t uid; /* of who opened the socket: drover's own user, whatever the engine runs as */
    struct watch watch;
    struct deadline accept_again;
    struct list connections;
    unsigned connection_count;
};

enum control_state { READING_LINE, AWAITING_ANSWER, WRITING_ANSWER };

struct control_connection {
    uint32_t tag;
    struct control *control;
    struct list node;
    int fd;
    struct watch watch;
    struct deadline deadline;
    struct task going, freeing;
    enum control_state state;
    struct buffer in, out;
    struct admin_request *request; /* while AWAITING_ANSWER */
};

struct admin_request {
    struct control_connection *connection; /* NULL: the client is gone */
};

static void on_freeing(struct task *task)
{
    struct control_connection *connection = container_of(task, struct control_connection, freeing);

    buffer_release(&connection->in);
    buffer_release(&connection->out);
    mem_free(connection);
}

static void drop(struct control_connection *connection)
{
    if (connection->fd < 0)
        return;
    if (connection->request)
        connection->request->connection = NULL;
    connection->request = NULL;
    watch_close(&connection->watch);
    net_close(&connection->fd);
    deadline_stop(&connection->deadline);
    task_cancel(&connection->going);
    list_remove(&connection->node);
    connection->control->connection_count--;
    task_at_end(&connection->freeing, connection->control->loop);
}

/* Takes the reference to `tree`. */
static void say_tree(struct control_connection *connection, json_t *tree)
{
    char *text = json_dumps(tree, JSON_COMPACT | JSON_REAL_PRECISION(12));

    CHECK(text);
    buffer_print(&connection->out, "%s\n", text);
    free(text);
    json_decref(tree);
    connection->state = WRITING_ANSWER;
    deadline_start(&connection->deadline, connection->control->loop, WRITE_MS);
    task_at_end(&connection->going, connection->control->loop);
}

static void say(struct control_connection *connection, bool ok, const char *text)
{
    json_t *tree = json_pack("{s:b}", "ok", ok);

    if (text)
        json_object_set_new(tree, "text", report_text(slice_of(text)));
    say_tree(connection, tree);
}

void admin_reply(struct admin_request *request, bool ok, const char *text)
{
    struct control_connection *connection = request->connection;

    mem_free(request);
    if (!connection)
        return;
    connection->request = NULL;
    say(connection, ok, text);
}

static struct admin_request *await_answer(struct control_connection *connection)
{
    struct admin_request *request = mem_zero(sizeof *request);

    request->connection = connection;
    connection->request = request;
    connection->state = AWAITING_ANSWER;
    deadline_start(&connection->deadline, connection->control->loop, WAIT_MS);
    return request;
}

/* The named word of a command. NULL when it is missing: it was answered. */
static const char *word_of(struct control_connection *connection, const json_t *command, const char *name)
{
    const char *word = json_string_value(json_object_get(command, name));
    char text[64];

    if (word && *word)
        return word;
    str_format(text, sizeof text, "\"%s\" is missing", name);
    say(connection, false, text);
    return NULL;
}

static void on_status(struct control_connection *connection, const json_t *command)
{
    unsigned http_status;
    json_t *status = status_tree(connection->control->source, &http_status);
    (void)command;

    say_tree(connection,
             json_pack("{s:b, s:b, s:o}", "ok", 1, "healthy", http_status == 200, "status", status));
}

static void on_scale(struct control_connection *connection, const json_t *command)
{
    const struct control *control = connection->control;
    const char *pool = word_of(connection, command, "pool");
    const char *size = pool ? word_of(connection, command, "size") : NULL;

    if (size)
        control->callbacks->on_scale(control->owner, await_answer(connection), pool, size);
}

static void on_why(struct control_connection *connection, const json_t *command)
{
    const char *pool = json_string_value(json_object_get(command, "pool"));
    char *text = decisions_text(connection->control->source, pool);

    say(connection, text != NULL, text ? text : "no pool of workers has that name");
    mem_free(text);
}

static void on_drain(struct control_connection *connection, const json_t *command)
{
    const struct control *control = connection->control;
    const char *worker = word_of(connection, command, "worker");

    if (worker)
        control->callbacks->on_drain(control->owner, await_answer(connection), worker);
}

static void on_restart(struct control_connection *connection, const json_t *command)
{
    const struct control *control = connection->control;
    const char *pool = word_of(connection, command, "pool");
    bool surge = !json_is_false(json_object_get(command, "surge"));

    if (pool)
        control->callbacks->on_restart(control->owner, await_answer(connection), pool, surge);
}

static unsigned count_awaiting(const struct control *control)
{
    unsigned count = 0;

    list_each_safe (node, after, &control->connections)
        count += list_entry(node, struct control_connection, node)->state == AWAITING_ANSWER;
    return count;
}

/* As long as it takes, unless the client leaves. */
static void on_wait(struct control_connection *connection, const json_t *command)
{
    const struct control *control = connection->control;
    const char *pool = json_string_value(json_object_get(command, "pool"));

    if (count_awaiting(control) >= AWAITING_MOST) {
        say(connection, false, "too many commands wait already; `drover why` tells how it goes");
        return;
    }
    struct admin_request *request = await_answer(connection);
    deadline_stop(&connection->deadline);
    control->callbacks->on_wait(control->owner, request, pool);
}

static void on_reload(struct control_connection *connection, const json_t *command)
{
    const struct control *control = connection->control;
    (void)command;

    control->callbacks->on_reload(control->owner, await_answer(connection));
}

static void on_stop(struct control_connection *connection, const json_t *command)
{
    const struct control *control = connection->control;
    (void)command;

    control->callbacks->on_stop(control->owner, await_answer(connection));
}

static const struct {
    const char *name;
    void (*run)(struct control_connection *connection, const json_t *command);
} handlers[] = {
    {"status", on_status},   {"scale", on_scale}, {"why", on_why},       {"drain", on_drain},
    {"restart", on_restart}, {"wait", on_wait},   {"reload", on_reload}, {"stop", on_stop},
};

static void run(struct control_connection *connection, const json_t *command)
{
    const char *name = json_string_value(json_object_get(command, "command"));

    for (size_t i = 0; name && i < sizeof handlers / sizeof handlers[0]; i++) {
        if (strcmp(name, handlers[i].name) == 0) {
            handlers[i].run(connection, command);
            return;
        }
    }
    say(connection, false,
        name ? "unknown command: is this drover older than the one that asks?"
             : "expected {\"command\": ...}");
}

static void take_line(struct control_connection *connection, struct slice line)
{
    json_error_t error;
    json_t *command = json_loadb(line.at, line.size, JSON_REJECT_DUPLICATES, &error);

    if (command)
        run(connection, command);
    else
        say(connection, false, "expected one line of JSON");
    json_decref(command);
}

static void read_line(struct control_connection *connection)
{
    struct buffer *in = &connection->in;

    while (connection->state == READING_LINE) {
        char *room = buffer_reserve(in, LINE_MOST);
        ssize_t size = net_read(connection->fd, room, LINE_MOST - buffer_size(in));
        if (size == -EAGAIN) {
            buffer_settle(in);
            return;
        }
        if (size < 0 || (size == 0 && buffer_size(in) == 0)) {
            drop(connection);
            return;
        }
        buffer_commit(in, (size_t)size);
        const char *end = memchr(buffer_bytes(in), '\n', buffer_size(in));
        if (end || size == 0)
            take_line(connection, (struct slice){buffer_bytes(in),
                                                 end ? (size_t)(end - buffer_bytes(in)) : buffer_size(in)});
        else if (buffer_size(in) >= LINE_MOST)
            say(connection, false, "the line is too long");
    }
    buffer_release(in);
}

static void write_answer(struct control_connection *connection)
{
    while (buffer_size(&connection->out) > 0) {
        ssize_t written =
            net_write(connection->fd, buffer_bytes(&connection->out), buffer_size(&connection->out));
        if (written == -EAGAIN)
            return;
        if (written < 0)
            break;
        buffer_consume(&connection->out, (size_t)written);
    }
    drop(connection); /* a unix socket gives its reader what is in it after the close */
}

static void on_going(struct task *task)
{
    write_answer(container_of(task, struct control_connection, going));
}

/* Closed, not only at its end of writing: who pipes a line in may have said all he wanted. */
static bool client_is_gone(int fd)
{
    struct pollfd one = {.fd = fd};

    return poll(&one, 1, 0) > 0 && (one.revents & (POLLHUP | POLLERR));
}

static void on_event(int fd, short what, void *argument)
{
    struct control_connection *connection = tagged(argument, TAG);

    if (connection->state == READING_LINE && (what & (EV_READ | EV_CLOSED)))
        read_line(connection);
    else if (connection->state == WRITING_ANSWER)
        write_answer(connection);
    else if (connection->state == AWAITING_ANSWER && client_is_gone(fd))
        drop(connection);
}

static void on_due(void *argument)
{
    drop(tagged((struct control_connection *)argument, TAG));
}

static bool peer_is_allowed(const struct control *control, int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == control->uid);
}

static void open_connection(struct control *control, int fd)
{
    struct control_connection *connection = mem_zero(sizeof *connection);

    *connection = (struct control_connection){.tag = TAG, .control = control, .fd = fd};
    list_push_back(&control->connections, &connection->node);
    control->connection_count++;
    task_init(&connection->freeing, on_freeing);
    task_init(&connection->going, on_going);
    deadline_init(&connection->deadline, on_due, connection);
    deadline_start(&connection->deadline, control->loop, READ_MS);
    watch_open(&connection->watch, control->loop, fd, on_event, connection);
}

static void refuse(int fd, struct slice answer)
{
    (void)net_write(fd, answer.at,
                    answer.size); /* it has room: nothing was written yet; who is gone needs none */
    net_close(&fd);
}

static void on_connection(int fd, short what, void *argument)
{
    struct control *control = argument;
    (void)what;

    for (unsigned i = 0; i < CONNECTIONS_MOST; i++) {
        int accepted = net_accept(fd, NULL);
        if (accepted == -EAGAIN)
            return;
        if (accepted < 0) {
            log_warning("control: accept: %s", strerror(-accepted));
            watch_pause(&control->watch);
            deadline_start(&control->accept_again, control->loop, ACCEPT_AGAIN_MS);
            return;
        }
        if (!peer_is_allowed(control, accepted))
            refuse(accepted,
                   SLICE("{\"ok\":false,\"text\":\"only root and the user of drover may do that\"}\n"));
        else if (control->connection_count >= CONNECTIONS_MOST)
            refuse(accepted, SLICE("{\"ok\":false,\"text\":\"too many commands at once\"}\n"));
        else
            open_connection(control, accepted);
    }
}

static void on_accept_again(void *argument)
{
    struct control *control = argument;

    watch_resume(&control->watch);
}

/* The credentials of a listening socket are those of who called listen: the keeper, with the user that
 * drover was started as. */
static uid_t owner_of(int listener)
{
    struct ucred keeper;
    socklen_t size = sizeof keeper;

    return getsockopt(listener, SOL_SOCKET, SO_PEERCRED, &keeper, &size) == 0 ? keeper.uid : geteuid();
}

struct control *control_open(struct loop *loop, int listener, const struct admin_source *source,
                             const struct admin_callbacks *callbacks, void *owner)
{
    struct control *control = mem_zero(sizeof *control);

    *control = (struct control){
        .loop = loop, .source = source, .callbacks = callbacks, .owner = owner, .listener = listener};
    list_init(&control->connections);
    deadline_init(&control->accept_again, on_accept_again, control);
    if (listener >= 0) {
        control->uid = owner_of(listener);
        watch_open_readable(&control->watch, loop, listener, on_connection, control);
    }
    return control;
}

void control_close(struct control **control)
{
    struct control *closing = *control;

    if (!closing)
        return;
    *control = NULL;
    deadline_stop(&closing->accept_again);
    watch_close(&closing->watch);
    net_close(&closing->listener);
    list_each_safe (node, after, &closing->connections)
        drop(list_entry(node, struct control_connection, node));
    if (!loop_is_mine(closing->loop))
        loop_settle(closing->loop); /* there is no turn at whose end they would go */
    mem_free(closing);
}
