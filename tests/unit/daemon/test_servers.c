/* SPDX-License-Identifier: MIT
 *
 * Fixed servers with a DNS server and an app of the test's own, all on one loop. */
#include "daemon/servers.h"

#include <check.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/net.h"
#include "tests/unit/daemon/dns_server.h"

#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define BAD  "HTTP/1.1 503 Oh\r\nContent-Length: 0\r\n\r\n"

struct file { /* never freed: it starts with more references than anybody takes */
    struct config config;
    struct pool_config pool;
    struct server_config rows[4];
};

static struct {
    struct loop *loop;
    struct resolver *resolver;
    struct dns_server dns;
    struct slots *slots;
    struct servers *servers;
    struct file file, next_file;
    unsigned members_calls, gone_calls;
    int app; /* a listener that answers each connection with `answer` */
    unsigned app_port;
    struct watch app_watch;
    const char *answer;
    struct ticker limit;
} world;

static void on_members(struct servers *servers, void *owner)
{
    ck_assert_ptr_eq(servers, world.servers);
    ck_assert_ptr_eq(owner, &world);
    world.members_calls++;
    loop_stop(world.loop);
}

static void on_backend_gone(struct servers *servers, struct backend *backend, void *owner)
{
    (void)servers;
    (void)owner;
    ck_assert(atomic_load(&backend->closed));
    world.gone_calls++;
}

static const struct servers_callbacks callbacks = {on_members, on_backend_gone};

static void on_limit(void *argument)
{
    (void)argument;
    ck_abort_msg("nothing happened");
}

static void on_accept(int fd, short what, void *argument)
{
    (void)what;
    (void)argument;
    int peer = net_accept(fd, NULL);
    (void)net_write(peer, world.answer, strlen(world.answer));
    net_shutdown_write(peer);
    net_close(&peer);
}

static void open_app(void)
{
    struct address address;

    ck_assert(address_from_ip(&address, SLICE("127.0.0.1"), 0));
    world.app = net_listen(&address, 0, 16);
    ck_assert_int_ge(world.app, 0);
    ck_assert_int_eq(net_local_address(world.app, &address), 0);
    world.app_port = address_port(&address);
    watch_open_readable(&world.app_watch, world.loop, world.app, on_accept, NULL);
    world.answer = GOOD;
}

static void write_file(struct file *file)
{
    static char name[] = "legacy";

    memset(file, 0, sizeof *file);
    atomic_store(&file->config.references, 1000000);
    file->pool = (struct pool_config){.name = name,
                                      .servers = file->rows,
                                      .probe_interval = 20,
                                      .probe_timeout = 1000,
                                      .probe_rise = 2,
                                      .probe_fall = 2};
}

static void write_row(struct file *file, const char *host, unsigned port, unsigned weight)
{
    struct server_config *row = &file->rows[file->pool.server_count++];

    *row =
        (struct server_config){.host = mem_dup(host), .port = port, .weight = weight, .text = mem_dup(host)};
}

static void erase_file(struct file *file)
{
    for (unsigned i = 0; i < file->pool.server_count; i++) {
        mem_free(file->rows[i].host);
        mem_free(file->rows[i].text);
    }
}

static void set_up(void)
{
    memset(&world, 0, sizeof world);
    log_set_level(LOG_ERROR + 1);
    world.loop = loop_new("test");
    world.slots = slots_new();
    dns_open(&world.dns, world.loop);
    world.resolver = resolver_new(world.loop);
    resolver_use_server(world.resolver, world.dns.text);
    open_app();
    write_file(&world.file);
    write_file(&world.next_file);
    ticker_start(&world.limit, world.loop, 20000, on_limit, NULL);
}

static void tear_down(void)
{
    servers_free(&world.servers);
    resolver_free(&world.resolver);
    ticker_stop(&world.limit);
    dns_close(&world.dns);
    watch_close(&world.app_watch);
    net_close(&world.app);
    slots_free_all(&world.slots);
    loop_free(&world.loop);
    blocks_fini();
    ck_assert_uint_eq(atomic_load(&world.file.config.references), 1000000);
    erase_file(&world.file);
    erase_file(&world.next_file);
}

static void open_servers(void)
{
    world.servers = servers_new(world.loop, world.resolver, &world.file.config, &world.file.pool, world.slots,
                                &callbacks, &world);
}

static void adopt(void)
{
    servers_adopt(world.servers, &world.next_file.config, &world.next_file.pool);
}

/* Until on_members was called once more. */
static void next_change(void)
{
    unsigned before = world.members_calls;

    while (world.members_calls == before)
        loop_run(world.loop);
}

static void stop_loop(void *argument)
{
    (void)argument;
    loop_stop(world.loop);
}

static void pass_ms(unsigned ms)
{
    struct deadline deadline;

    deadline_init(&deadline, stop_loop, NULL);
    deadline_start(&deadline, world.loop, ms);
    while (deadline_is_running(&deadline))
        loop_run(world.loop);
}

static unsigned fit(void)
{
    unsigned count;

    servers_backends(world.servers, &count);
    return count;
}

static unsigned all(void)
{
    unsigned count;
    const bool *is_fit;

    servers_all(world.servers, &count, &is_fit);
    return count;
}

static const struct backend *nth(unsigned i)
{
    unsigned count;
    const bool *is_fit;
    struct backend **backends = servers_all(world.servers, &count, &is_fit);

    ck_assert_uint_lt(i, count);
    return backends[i];
}

START_TEST(literal_addresses_are_there_at_once)
{
    write_row(&world.file, "10.0.0.6", 8000, 2);
    write_row(&world.file, "::1", 8001, 1);
    open_servers();
    ck_assert_uint_eq(fit(), 2);
    ck_assert_str_eq(nth(0)->name, "legacy.1");
    ck_assert_str_eq(nth(0)->authority, "10.0.0.6:8000");
    ck_assert_uint_eq(nth(0)->weight, 2);
    ck_assert(!nth(0)->is_worker);
    ck_assert_str_eq(nth(1)->authority, "[::1]:8001");
    next_change();
}
END_TEST

START_TEST(a_unix_socket_is_an_address_too)
{
    static char path[] = "/run/app.sock", text[] = "unix:/run/app.sock";

    world.file.rows[0] = (struct server_config){.unix_path = path, .weight = 1, .text = text};
    world.file.pool.server_count = 1;
    open_servers();
    ck_assert_uint_eq(fit(), 1);
    ck_assert(address_is_unix(&nth(0)->address));
    world.file.rows[0].text = NULL;
}
END_TEST

START_TEST(a_name_gives_a_backend_for_each_address)
{
    world.dns.v4[0] = "10.0.0.6";
    world.dns.v4[1] = "10.0.0.7";
    write_row(&world.file, "api", 8000, 3);
    open_servers();
    ck_assert_uint_eq(fit(), 0);
    next_change();
    while (fit() == 0)
        next_change();
    ck_assert_uint_eq(fit(), 2);
    ck_assert_uint_eq(nth(1)->weight, 3);
}
END_TEST

START_TEST(a_name_that_cannot_be_resolved_yet_is_no_error)
{
    world.dns.is_missing = true;
    write_row(&world.file, "api", 8000, 1);
    open_servers();
    pass_ms(300);
    ck_assert_uint_eq(fit(), 0);
    world.dns.is_missing = false;
    world.dns.v4[0] = "10.0.0.6";
    while (fit() == 0)
        next_change();
    ck_assert_str_eq(nth(0)->authority, "10.0.0.6:8000");
}
END_TEST

START_TEST(a_name_that_moves_is_followed_after_its_ttl)
{
    world.dns.v4[0] = "10.0.0.6";
    write_row(&world.file, "api", 8000, 1);
    open_servers();
    while (fit() == 0)
        next_change();
    world.dns.v4[0] = "10.0.0.9";
    next_change();
    ck_assert_uint_eq(fit(), 1);
    ck_assert_str_eq(nth(0)->authority, "10.0.0.9:8000");
    ck_assert_uint_eq(world.gone_calls, 1);
}
END_TEST

START_TEST(when_dns_fails_the_last_addresses_stay)
{
    world.dns.v4[0] = "10.0.0.6";
    write_row(&world.file, "api", 8000, 1);
    open_servers();
    while (fit() == 0)
        next_change();
    unsigned asked = world.dns.asked;
    world.dns.is_missing = true;
    pass_ms(2500);
    ck_assert_uint_gt(world.dns.asked, asked);
    ck_assert_uint_eq(fit(), 1);
    ck_assert_uint_eq(world.gone_calls, 0);
}
END_TEST

START_TEST(an_address_that_is_named_twice_is_one_backend)
{
    world.dns.v4[0] = "10.0.0.6";
    write_row(&world.file, "10.0.0.6", 8000, 5);
    write_row(&world.file, "api", 8000, 1);
    open_servers();
    pass_ms(300);
    ck_assert_uint_eq(fit(), 1);
    ck_assert_uint_eq(nth(0)->weight, 5);
}
END_TEST

START_TEST(an_address_that_stays_in_the_file_keeps_its_backend)
{
    write_row(&world.file, "10.0.0.6", 8000, 1);
    write_row(&world.file, "10.0.0.7", 8000, 1);
    open_servers();
    next_change();
    const struct backend *kept = nth(1);
    write_row(&world.next_file, "10.0.0.8", 8000, 1);
    write_row(&world.next_file, "10.0.0.7", 8000, 1);
    adopt();
    next_change();
    ck_assert_uint_eq(fit(), 2);
    ck_assert_ptr_eq(nth(0), kept);
    ck_assert_str_eq(nth(1)->authority, "10.0.0.8:8000");
    ck_assert_str_eq(nth(1)->name, "legacy.3");
    ck_assert_uint_eq(world.gone_calls, 1);
    ck_assert(!atomic_load(&kept->closed));
}
END_TEST

START_TEST(the_lists_stand_until_the_end_of_the_turn)
{
    write_row(&world.file, "10.0.0.6", 8000, 1);
    open_servers();
    next_change();
    const struct backend *old = nth(0);
    write_row(&world.next_file, "10.0.0.7", 8000, 1);
    adopt();
    ck_assert_ptr_eq(nth(0), old);
    ck_assert(atomic_load(&old->closed));
}
END_TEST

START_TEST(another_weight_is_another_backend_in_the_same_slot)
{
    write_row(&world.file, "10.0.0.6", 8000, 1);
    open_servers();
    next_change();
    int slot = nth(0)->slot;
    write_row(&world.next_file, "10.0.0.6", 8000, 7);
    adopt();
    next_change();
    ck_assert_uint_eq(fit(), 1);
    ck_assert_uint_eq(nth(0)->weight, 7);
    ck_assert_int_eq(nth(0)->slot, slot);
    ck_assert_uint_eq(world.gone_calls, 1);
}
END_TEST

START_TEST(a_removed_address_gives_its_slot_back_when_nothing_is_held_there)
{
    write_row(&world.file, "10.0.0.6", 8000, 1);
    open_servers();
    next_change();
    int slot = nth(0)->slot;
    atomic_store(&world.slots->counts[slot], 1);
    adopt(); /* no servers at all */
    next_change();
    ck_assert_uint_eq(all(), 0);
    pass_ms(600);
    ck_assert_int_eq(slots_find(world.slots, "legacy", 1, false), slot);
    atomic_store(&world.slots->counts[slot], 0);
    pass_ms(600);
    ck_assert_int_eq(slots_find(world.slots, "legacy", 1, false), -1);
}
END_TEST

START_TEST(an_address_that_comes_back_while_its_slot_is_held_takes_it_again)
{
    write_row(&world.file, "10.0.0.6", 8000, 1);
    open_servers();
    next_change();
    int slot = nth(0)->slot;
    atomic_store(&world.slots->counts[slot], 1);
    adopt();
    next_change();
    servers_adopt(world.servers, &world.file.config, &world.file.pool);
    next_change();
    ck_assert_uint_eq(fit(), 1);
    ck_assert_int_eq(nth(0)->slot, slot);
    ck_assert(!atomic_load(&nth(0)->closed));
}
END_TEST

START_TEST(an_abandoned_pool_is_empty_when_nothing_is_held)
{
    write_row(&world.file, "10.0.0.6", 8000, 1);
    open_servers();
    next_change();
    int slot = nth(0)->slot;
    atomic_store(&world.slots->counts[slot], 1);
    servers_abandon(world.servers);
    pass_ms(600);
    ck_assert_uint_eq(fit(), 0);
    ck_assert(!servers_is_empty(world.servers));
    atomic_store(&world.slots->counts[slot], 0);
    pass_ms(600);
    ck_assert(servers_is_empty(world.servers));
}
END_TEST

START_TEST(with_a_probe_a_server_joins_when_it_answers_and_leaves_when_it_does_not)
{
    static char path[] = "/up";

    world.file.pool.probe_path = path;
    write_row(&world.file, "127.0.0.1", world.app_port, 1);
    open_servers();
    ck_assert_uint_eq(fit(), 0);
    ck_assert_uint_eq(all(), 1);
    while (fit() == 0)
        next_change();
    world.answer = BAD;
    next_change();
    ck_assert_uint_eq(fit(), 0);
    ck_assert_uint_eq(all(), 1);
    world.answer = GOOD;
    next_change();
    ck_assert_uint_eq(fit(), 1);
}
END_TEST

START_TEST(a_probe_that_is_taken_out_of_the_file_makes_all_fit)
{
    static char path[] = "/up";

    world.answer = BAD;
    world.file.pool.probe_path = path;
    write_row(&world.file, "127.0.0.1", world.app_port, 1);
    open_servers();
    pass_ms(200);
    ck_assert_uint_eq(fit(), 0);
    write_row(&world.next_file, "127.0.0.1", world.app_port, 1);
    adopt();
    next_change();
    ck_assert_uint_eq(fit(), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("servers");
    TCase *tests = tcase_create("servers");

    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, literal_addresses_are_there_at_once);
    tcase_add_test(tests, a_unix_socket_is_an_address_too);
    tcase_add_test(tests, a_name_gives_a_backend_for_each_address);
    tcase_add_test(tests, a_name_that_cannot_be_resolved_yet_is_no_error);
    tcase_add_test(tests, a_name_that_moves_is_followed_after_its_ttl);
    tcase_add_test(tests, when_dns_fails_the_last_addresses_stay);
    tcase_add_test(tests, an_address_that_is_named_twice_is_one_backend);
    tcase_add_test(tests, an_address_that_stays_in_the_file_keeps_its_backend);
    tcase_add_test(tests, the_lists_stand_until_the_end_of_the_turn);
    tcase_add_test(tests, another_weight_is_another_backend_in_the_same_slot);
    tcase_add_test(tests, a_removed_address_gives_its_slot_back_when_nothing_is_held_there);
    tcase_add_test(tests, an_address_that_comes_back_while_its_slot_is_held_takes_it_again);
    tcase_add_test(tests, an_abandoned_pool_is_empty_when_nothing_is_held);
    tcase_add_test(tests, with_a_probe_a_server_joins_when_it_answers_and_leaves_when_it_does_not);
    tcase_add_test(tests, a_probe_that_is_taken_out_of_the_file_makes_all_fit);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
