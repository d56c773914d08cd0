/* SPDX-License-Identifier: MIT
 *
 * What is decided is kept, with its numbers, and counted. */
#include "tests/unit/workers/fleet_world.h"

static const struct fleet_decision *last(void)
{
    const struct fleet_decision *found = NULL, *next;

    for (unsigned i = 0; (next = fleet_decision_at(world.fleet, i)); i++)
        found = next;
    ck_assert_ptr_nonnull(found);
    return found;
}

static const char *words(const struct fleet_decision *decision)
{
    static char text[FLEET_DECISION_TEXT];

    fleet_decision_text(decision, name, text, sizeof text);
    return text;
}

START_TEST(who_goes_is_kept_with_what_it_held)
{
    hold(1, 2, 3);
    for (unsigned number = 2; number <= 4; number++)
        hold(number, 1, 9);
    atomic_store(&web(1)->memory, 50000000);
    fleet_scale(world.fleet, 3, 3);
    ck_assert_int_eq(last()->kind, DECISION_RETIRE);
    ck_assert_str_eq(last()->worker, "web.1");
    ck_assert_str_eq(words(last()),
                     "web.1: retire (too many): 4 are there, 3 wanted; it holds 2 requests and 3 "
                     "tunnels, 50 MB, started 20 s ago");
    ck_assert_int_eq(fleet_decision_at(world.fleet, 0)->kind, DECISION_SIZE);
    ck_assert_str_eq(words(fleet_decision_at(world.fleet, 0)), "web: 4 -> 3 workers (by hand)");
}
END_TEST

START_TEST(an_ejection_is_kept_once_and_the_second_in_a_row_replaces)
{
    uint32_t generation = atomic_load(&web(2)->generation);

    world.file.pool.max_fails = 3;
    atomic_store(&web(2)->fails, 7);
    for (unsigned i = 0; i < 5; i++)
        ck_assert(!fleet_worker_ejected(world.fleet, slot_of(2), generation, 1));
    ck_assert_uint_eq(fleet_counters(world.fleet)->decisions[DECISION_EJECTION], 1);
    ck_assert_str_eq(words(last()),
                     "web.2: ejection (failures): 1. time in a row; at most 3 failures within 0 "
                     "ms; 7 failures and 0 requests in its slot so far");
    ck_assert(!fleet_worker_ejected(world.fleet, slot_of(2), generation, 0)); /* back */
    ck_assert(!fleet_worker_ejected(world.fleet, slot_of(2), generation, 1));
    ck_assert(fleet_worker_ejected(world.fleet, slot_of(2), generation, 2));
    ck_assert(fleet_worker_ejected(world.fleet, slot_of(2), generation, 2));
    ck_assert_uint_eq(fleet_counters(world.fleet)->decisions[DECISION_EJECTION], 3);
    ck_assert_uint_eq(fleet_counters(world.fleet)->decisions[DECISION_REPLACE], 1);
    ck_assert_int_eq(last()->kind, DECISION_REPLACE);
}
END_TEST

START_TEST(starts_and_ends_are_counted)
{
    const struct fleet_counters *counters = fleet_counters(world.fleet);

    ck_assert_uint_eq(counters->starts, 4);
    ck_assert_uint_eq(counters->exits, 0);
    ends(1, SIGSEGV);
    keeper_obeys();
    ck_assert_uint_eq(counters->crashes, 1);
    ends(1, 1 << 8);
    ck_assert_uint_eq(counters->starts, 5);
    ck_assert_uint_eq(counters->crashes, 2);
    ck_assert_uint_eq(counters->failed_starts, 1);
    fleet_scale(world.fleet, 2, 2);
    pass(1 * S);
    ck_assert_int_eq(state(2), WORKER_STOPPING);
    ends(2, 0);
    ck_assert_uint_eq(counters->exits, 3);
    ck_assert_uint_eq(counters->crashes, 2);
}
END_TEST

START_TEST(they_are_counted_by_kind_and_reason)
{
    static const struct fleet_tally wanted[] = {{DECISION_SIZE, "by hand", 5},
                                                {DECISION_RETIRE, "too many", 1},
                                                {DECISION_SIZE, "by hand: as the file says", 1}};

    ck_assert_ptr_null(fleet_tally_at(world.fleet, 0));
    for (unsigned i = 0; i < 2; i++) {
        fleet_scale(world.fleet, 5, 5);
        fleet_scale(world.fleet, 5, 5);
    }
    fleet_scale(world.fleet, 4, 4);
    fleet_scale_clear(world.fleet);
    for (unsigned i = 0; i < 3; i++) {
        const struct fleet_tally *tally = fleet_tally_at(world.fleet, i);
        ck_assert_ptr_nonnull(tally);
        ck_assert_int_eq(tally->kind, wanted[i].kind);
        ck_assert_str_eq(tally->why, wanted[i].why);
        ck_assert_uint_eq(tally->count, wanted[i].count);
    }
    ck_assert_ptr_null(fleet_tally_at(world.fleet, 3));
}
END_TEST

int main(void)
{
    return RUN("workers/decisions", set_up_healthy, who_goes_is_kept_with_what_it_held,
               an_ejection_is_kept_once_and_the_second_in_a_row_replaces, starts_and_ends_are_counted,
               they_are_counted_by_kind_and_reason) != 0;
}
