/* SPDX-License-Identifier: MIT
 *
 * The resolver over c-ares: its sockets on our loop, its clock a deadline that runs while a question does.
 * The loop's thread only. The resolver owns the questions; each ends with its answer, with resolver_cancel
 * or with the resolver. Answers are given from a task: c-ares has some at once (numbers, the hosts file)
 * and must not be entered again. */
#include "base/resolver.h"

#include <ares.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/net.h"

#define TRY_MS         2000 /* to wait for one name server, twice each */
#define TRIES          2
#define TICK_MS        100 /* how exactly the above is kept */
#define ADDRESSES_MOST 1024
#define TTL_MOST_S     86400

struct resolver {
    struct loop *loop;
    ares_channel channel;
    struct list sockets;     /* struct dns_socket */
    struct list questions;   /* struct resolver_question */
    struct deadline tick;    /* runs while `asked` > 0 */
    unsigned asked;          /* questions that c-ares has */
    struct timespec read_at; /* resolv.conf's time when the channel was made */
    char *server;            /* instead of resolv.conf's, or NULL */
};

/* A socket of c-ares; there while c-ares wants to hear of it. */
struct dns_socket {
    struct list node;
    struct event event;
    struct resolver *resolver;
    int fd;
};

struct resolver_question {
    struct list node;
    struct resolver *resolver;
    resolver_answer *on_answer; /* NULL: nobody wants to know any more */
    void *argument;
    unsigned port;
    bool is_asked; /* c-ares holds a pointer to us */
    struct task answer;
    struct address *addresses;
    unsigned count, ttl_s;
    int status; /* of c-ares */
};

static void process(struct resolver *resolver, int read_fd, int write_fd)
{
    ares_process_fd(resolver->channel, read_fd, write_fd);
    if (resolver->asked > 0 && !deadline_is_running(&resolver->tick))
        deadline_start(&resolver->tick, resolver->loop, TICK_MS);
}

static void on_tick(void *argument)
{
    process(argument, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void on_socket_event(int fd, short what, void *argument)
{
    struct dns_socket *ready = argument;

    process(ready->resolver, what & EV_READ ? fd : ARES_SOCKET_BAD, what & EV_WRITE ? fd : ARES_SOCKET_BAD);
}

static struct dns_socket *find_socket(struct resolver *resolver, int fd)
{
    list_each_safe (node, after, &resolver->sockets) {
        struct dns_socket *found = list_entry(node, struct dns_socket, node);
        if (found->fd == fd)
            return found;
    }
    return NULL;
}

/* c-ares tells what it waits for on each of its sockets; nothing when it is about to close it. */
static void on_socket_state(void *argument, ares_socket_t fd, int wants_read, int wants_write)
{
    struct resolver *resolver = argument;
    struct dns_socket *known = find_socket(resolver, fd);
    short what = (short)((wants_read ? EV_READ : 0) | (wants_write ? EV_WRITE : 0) | EV_PERSIST);

    if (known)
        event_del(&known->event);
    if (!wants_read && !wants_write) {
        if (known)
            list_remove(&known->node);
        mem_free(known);
        return;
    }
    if (!known) {
        known = mem_zero(sizeof *known);
        known->resolver = resolver;
        known->fd = fd;
        list_push_back(&resolver->sockets, &known->node);
    }
    CHECK(event_assign(&known->event, loop_base(resolver->loop), fd, what, on_socket_event, known) == 0);
    CHECK(event_add(&known->event, NULL) == 0);
}

static struct timespec resolv_conf_time(void)
{
    struct stat status;

    return stat("/etc/resolv.conf", &status) == 0 ? status.st_mtim : (struct timespec){0};
}

static void open_channel(struct resolver *resolver)
{
    struct ares_options options = {.timeout = TRY_MS,
                                   .tries = TRIES,
                                   .lookups = (char[]){"fb"}, /* the hosts file, then DNS */
                                   .sock_state_cb = on_socket_state,
                                   .sock_state_cb_data = resolver};

    resolver->read_at = resolv_conf_time();
    CHECK(ares_init_options(&resolver->channel, &options,
                            ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                                ARES_OPT_SOCK_STATE_CB) == ARES_SUCCESS);
    if (resolver->server)
        (void)ares_set_servers_ports_csv(resolver->channel, resolver->server);
}

/* A laptop that changes its network has another name server in the same file. */
static void reopen_when_changed(struct resolver *resolver)
{
    struct timespec now = resolv_conf_time();

    if (resolver->asked > 0 ||
        (now.tv_sec == resolver->read_at.tv_sec && now.tv_nsec == resolver->read_at.tv_nsec))
        return;
    ares_destroy(resolver->channel);
    open_channel(resolver);
}

struct resolver *resolver_new(struct loop *loop)
{
    struct resolver *resolver = mem_zero(sizeof *resolver);

    CHECK(ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS);
    resolver->loop = loop;
    list_init(&resolver->sockets);
    list_init(&resolver->questions);
    deadline_init(&resolver->tick, on_tick, resolver);
    resolver->server = mem_dup(getenv("DROVER_DNS"));
    open_channel(resolver);
    return resolver;
}

static void question_free(struct resolver_question *question)
{
    task_cancel(&question->answer);
    list_remove(&question->node);
    mem_free(question->addresses);
    mem_free(question);
}

void resolver_free(struct resolver **resolver)
{
    struct resolver *ending = *resolver;

    if (!ending)
        return;
    *resolver = NULL;
    list_each_safe (node, after, &ending->questions) {
        struct resolver_question *question = list_entry(node, struct resolver_question, node);
        resolver_cancel(&question);
    }
    ares_destroy(ending->channel); /* gives back the questions that it had */
    ares_library_cleanup();
    deadline_stop(&ending->tick);
    CHECK(list_is_empty(&ending->questions) && list_is_empty(&ending->sockets));
    mem_free(ending->server);
    mem_free(ending);
}

void resolver_use_server(struct resolver *resolver, const char *server)
{
    mem_free(resolver->server);
    resolver->server = mem_dup(server);
    CHECK(ares_set_servers_ports_csv(resolver->channel, server) == ARES_SUCCESS);
}

/* Is there a route? On a machine without IPv6 the AAAA records of the world are of no use. */
static bool has_route(const struct address *address)
{
    int fd = socket(address->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && connect(fd, &address->any, address->size) == 0; /* sends nothing */

    net_close(&fd);
    return has;
}

static int compare(const void *left, const void *right)
{
    const struct address *a = left, *b = right;

    if (a->any.sa_family != b->any.sa_family)
        return a->any.sa_family == AF_INET ? -1 : 1;
    if (a->any.sa_family == AF_INET)
        return memcmp(&a->v4.sin_addr, &b->v4.sin_addr, sizeof a->v4.sin_addr);
    return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof a->v6.sin6_addr);
}

/* Sorted, each once; IPv6 without a route only when there is nothing else. */
static void tidy_addresses(struct resolver_question *question)
{
    struct address *all = question->addresses;
    unsigned kept = 0;

    qsort(all, question->count, sizeof *all, compare);
    bool has_v4 = question->count > 0 && all[0].any.sa_family == AF_INET;
    for (unsigned i = 0; i < question->count; i++) {
        if (kept > 0 && compare(&all[i], &all[kept - 1]) == 0)
            continue;
        if (has_v4 && all[i].any.sa_family == AF_INET6 && !has_route(&all[i]))
            continue;
        all[kept++] = all[i];
    }
    question->count = kept;
}

static void add_address(struct resolver_question *question, const struct ares_addrinfo_node *node)
{
    struct address *address = &question->addresses[question->count];

    memset(address, 0, sizeof *address);
    if (node->ai_family == AF_INET && node->ai_addrlen == sizeof address->v4) {
        memcpy(&address->v4, node->ai_addr, sizeof address->v4);
        address->v4.sin_port = htons((uint16_t)question->port);
    } else if (node->ai_family == AF_INET6 && node->ai_addrlen == sizeof address->v6) {
        memcpy(&address->v6, node->ai_addr, sizeof address->v6);
        address->v6.sin6_port = htons((uint16_t)question->port);
    } else {
        return;
    }
    address->size = (socklen_t)node->ai_addrlen;
    question->count++;
}

static void keep_answer(struct resolver_question *question, const struct ares_addrinfo *info)
{
    int ttl_s = TTL_MOST_S;

    question->addresses = mem_alloc(ADDRESSES_MOST * sizeof *question->addresses);
    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next) {
        if (question->count == ADDRESSES_MOST)
            break;
        add_address(question, node);
        ttl_s = node->ai_ttl < ttl_s ? node->ai_ttl : ttl_s;
    }
    for (const struct ares_addrinfo_cname *name = info->cnames; name; name = name->next)
        ttl_s = name->ttl < ttl_s ? name->ttl : ttl_s;
    question->ttl_s = ttl_s > 0 ? (unsigned)ttl_s : 0;
    tidy_addresses(question);
}

/* c-ares is done with the question: now, or inside the call that asked. */
static void on_answered(void *argument, int status, int timeouts, struct ares_addrinfo *info)
{
    struct resolver_question *question = argument;
    (void)timeouts;

    question->is_asked = false;
    question->resolver->asked--;
    if (question->on_answer) {
        question->status = status;
        if (status == ARES_SUCCESS)
            keep_answer(question, info);
        task_soon(&question->answer, question->resolver->loop);
    } else {
        question_free(question);
    }
    if (info)
        ares_freeaddrinfo(info);
}

static void give_answer(struct task *task)
{
    struct resolver_question *question = container_of(task, struct resolver_question, answer);
    const char *why = question->count > 0                ? NULL
                      : question->status == ARES_SUCCESS ? "the name has no addresses"
                                                         : ares_strerror(question->status);

    list_remove(&question->node); /* resolver_free from the callback must not meet it */
    question->on_answer(question->argument, question->addresses, question->count, question->ttl_s, why);
    question_free(question);
}

struct resolver_question *resolver_ask(struct resolver *resolver, const char *name, unsigned port,
                                       resolver_answer *on_answer, void *argument)
{
    struct resolver_question *question = mem_zero(sizeof *question);
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_flags = ARES_AI_NOSORT};

    question->resolver = resolver;
    question->on_answer = on_answer;
    question->argument = argument;
    question->port = port;
    task_init(&question->answer, give_answer);
    list_push_back(&resolver->questions, &question->node);
    reopen_when_changed(resolver);
    question->is_asked = true;
    resolver->asked++;
    ares_getaddrinfo(resolver->channel, name, NULL, &hints, on_answered, question);
    if (resolver->asked > 0 && !deadline_is_running(&resolver->tick))
        deadline_start(&resolver->tick, resolver->loop, TICK_MS);
    return question;
}

void resolver_cancel(struct resolver_question **question)
{
    struct resolver_question *ending = *question;

    if (!ending)
        return;
    *question = NULL;
    ending->on_answer = NULL;
    if (!ending->is_asked) /* else c-ares still points to it and will give it back */
        question_free(ending);
}
