/* SPDX-License-Identifier: MIT */
#include "proxy/per_ip.h"

#include <pthread.h>

#include "tests/unit/unit.h"

static struct per_ip_key key_of(const char *ip)
{
    struct address address;
    struct per_ip_key key;

    ck_assert(address_from_ip(&address, slice_of(ip), 80));
    ck_assert(per_ip_key_of(&address, &key));
    return key;
}

START_TEST(no_address_has_more_than_its_share)
{
    struct per_ip_key one = key_of("203.0.113.7"), other = key_of("203.0.113.8");

    ck_assert(per_ip_take(&one, 2) && per_ip_take(&one, 2));
    ck_assert(!per_ip_take(&one, 2));
    ck_assert(per_ip_take(&other, 2));
    per_ip_release(&one);
    ck_assert(per_ip_take(&one, 2));
    ck_assert_uint_eq(per_ip_count(&one), 2);
    per_ip_release(&one);
    per_ip_release(&one);
    per_ip_release(&other);
    ck_assert_uint_eq(per_ip_count(&one), 0);
}
END_TEST

START_TEST(an_ipv6_client_is_its_network_and_a_mapped_one_is_ipv4)
{
    struct per_ip_key one = key_of("2001:db8:1:2::1"), same = key_of("2001:db8:1:2:ffff::9"),
                      other = key_of("2001:db8:1:3::1");
    struct per_ip_key v4 = key_of("203.0.113.7"), mapped = key_of("::ffff:203.0.113.7");
    struct address local = {.local = {.sun_family = AF_UNIX}};
    struct per_ip_key none;

    ck_assert_mem_eq(&one, &same, sizeof one);
    ck_assert(memcmp(&one, &other, sizeof one) != 0);
    ck_assert_mem_eq(&v4, &mapped, sizeof v4);
    ck_assert(!per_ip_key_of(&local, &none));
}
END_TEST

#define THREADS 4
#define ROUNDS  20000

static void *take_and_release(void *argument)
{
    unsigned *held = argument;

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct per_ip_key key = {{i % 300, 1}};
        if (per_ip_take(&key, THREADS)) {
            ++*held;
            per_ip_release(&key);
        }
    }
    return NULL;
}

START_TEST(threads_agree_on_the_counts)
{
    pthread_t threads[THREADS];
    unsigned held[THREADS] = {0};

    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_and_release, &held[i]), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_uint_eq(held[i], ROUNDS); /* never more at once than there are threads */
    }
    for (unsigned i = 0; i < 300; i++)
        ck_assert_uint_eq(per_ip_count(&(struct per_ip_key){{i, 1}}), 0);
}
END_TEST

UNIT_MAIN("proxy/per_ip", no_address_has_more_than_its_share,
          an_ipv6_client_is_its_network_and_a_mapped_one_is_ipv4, threads_agree_on_the_counts)
