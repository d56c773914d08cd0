/* SPDX-License-Identifier: MIT */
#include "daemon/arithmetic.h"

#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/unit.h"

#define MIB (UINT64_C(1) << 20)

static char web[] = "web", jobs[] = "jobs", program[] = "uvicorn";
static char *command[] = {program, NULL};
static struct pool_config pools[2];
static struct config config;
static struct arithmetic at;

/* Half a gigabyte and two CPUs, by cgroups. */
static void begin(void)
{
    pools[0] = (struct pool_config){.name = web,
                                    .is_launched = true,
                                    .command = command,
                                    .workers_min = 1,
                                    .workers = 5,
                                    .is_sized = true,
                                    .is_auto = true,
                                    .concurrency = 10,
                                    .queue_length = 1024};
    pools[1] = (struct pool_config){.name = jobs, .is_launched = true, .command = command, .workers = 2};
    config = (struct config){.pool_count = 1, .pools = pools, .limits.connections = 16384};
    at = (struct arithmetic){.config = &config,
                             .cpus = {.usable = 2, .affinity = 8, .quota = 2, .quota_from = "/cg/cpu.max"}};
    at.memory.least = at.memory.tight = (struct memory_place){512 * MIB, 12 * MIB, "/cg/memory.max"};
}

static char *text_of(struct buffer *page)
{
    char *text = slice_dup(buffer_slice(page));

    buffer_release(page);
    return text;
}

static void pool_says(const struct pool_config *pool, const char *wanted)
{
    struct buffer page = {0};

    arithmetic_pool(&page, &at, pool);
    char *text = text_of(&page);
    ck_assert_msg(strstr(text, wanted) != NULL, "no\n%s\nin\n%s", wanted, text);
    mem_free(text);
}

START_TEST(it_is_told_who_bounds_cpus_and_memory)
{
    struct buffer page = {0};

    begin();
    arithmetic_machine(&page, &at);
    char *text = text_of(&page);
    ck_assert_str_eq(
        text, "  CPUs: 2 (affinity 8, quota 2 by /cg/cpu.max)\n"
              "  memory: 512m by /cg/memory.max, 500m of it left now; limits.connections 16384 x 1k = 16m\n");
    mem_free(text);
    at.cpus = (struct cpus){.usable = 4, .affinity = 4};
    arithmetic_machine(&page, &at);
    text = text_of(&page);
    ck_assert_ptr_nonnull(strstr(text, "CPUs: 4 (affinity 4, no quota)"));
    mem_free(text);
}
END_TEST

START_TEST(a_pool_has_one_block_with_all_its_numbers)
{
    begin();
    pool_says(&pools[0], "  pool web: uvicorn\n"
                         "    workers: 1 to 5, as the demand needs (max auto: 2 x 2 CPUs + 1 = 5; fewer "
                         "while memory allows fewer)\n"
                         "    memory allows: 512m - 64m for the rest: 2 of 150m each, until one is measured; "
                         "what does not fit is not started\n"
                         "    requests at once: 5 x 10 (concurrency) = 50, 1024 more may wait\n"
                         "    memory at that: 5 x 150m = 750m of workers (15m a request), drover's own up to "
                         "1074 x 128k = 134m\n");
}
END_TEST

START_TEST(a_bound_of_its_own_and_neighbours_are_told)
{
    begin();
    config.pool_count = 2;
    pools[1].memory_pool = 200 * MIB;
    pool_says(&pools[1], "workers: 2\n    memory allows: 512m - 64m for the rest, memory.pool 200m: 1 of "
                         "150m each, until one is "
                         "measured (shared by 2 pools); what does not fit");
    pool_says(&pools[1], "requests at once: no bound (concurrency 0) but limits.connections\n");
    pool_says(&pools[1], "2 x 150m = 300m of workers, drover's own up to 16384 x 128k = 2.0g\n");
}
END_TEST

START_TEST(fixed_servers_have_no_workers)
{
    begin();
    pools[1] = (struct pool_config){.name = jobs, .server_count = 3, .concurrency = 2, .queue_length = 4};
    pool_says(&pools[1],
              "  pool jobs: 3 servers\n    requests at once: 3 x 2 (concurrency) = 6, 4 more may wait\n"
              "    memory at that: drover's own up to 10 x 128k = 1.2m\n");
}
END_TEST

UNIT_MAIN("daemon/arithmetic", it_is_told_who_bounds_cpus_and_memory,
          a_pool_has_one_block_with_all_its_numbers, a_bound_of_its_own_and_neighbours_are_told,
          fixed_servers_have_no_workers)
