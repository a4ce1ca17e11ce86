/* The table of nodes that count for how fresh a node is. */
#include <criterion/criterion.h>

#include "proto/base/hash.h"
#include "proto/base/limits.h"
#include "proto/core/horizon.h"
#include "tests/support/heap.h"

#define SELF 9

static chd_horizon horizon;

static void setup(void)
{
    cr_assert_eq(chd_horizon_init(&horizon, SELF, heap_mem()), CHD_OK);
}

TestSuite(horizon, .init = setup);

static void finish(void)
{
    chd_horizon_fini(&horizon);
    NO_LEAKS();
}

Test(horizon, a_node_that_is_added_counts_from_then_on)
{
    cr_assert_null(chd_horizon_find(&horizon, 77));
    const chd_counted *counted = chd_horizon_add(&horizon, 77, 1000);
    cr_assert_eq(chd_horizon_find(&horizon, 77), counted);
    cr_assert_eq(counted->state, CHD_COUNTING_ALIVE);
    cr_assert_eq(counted->since_ns, 1000);
    cr_assert_eq(counted->alive_ns, 1000);
    cr_assert_eq(counted->fresh.at_ns, 0);
    finish();
}

Test(horizon, the_digest_is_that_of_the_living_in_any_order)
{
    chd_counted *a = chd_horizon_add(&horizon, 77, 1);
    chd_counted *b = chd_horizon_add(&horizon, 78, 1);
    const uint64_t both = chd_mix64(SELF) ^ chd_mix64(77) ^ chd_mix64(78);

    cr_assert_eq(horizon.digest, both);
    chd_horizon_set(&horizon, a, CHD_COUNTING_DEAD);
    cr_assert_eq(horizon.digest, both ^ chd_mix64(77));
    cr_assert_eq(horizon.dead, 1);
    chd_horizon_set(&horizon, a, CHD_COUNTING_NOT);
    cr_assert_eq(horizon.digest, both ^ chd_mix64(77));
    cr_assert_eq(horizon.dead, 0);
    chd_horizon_set(&horizon, b, CHD_COUNTING_LEFT);
    cr_assert_eq(horizon.digest, chd_mix64(SELF));
    chd_horizon_set(&horizon, a, CHD_COUNTING_ALIVE);
    chd_horizon_set(&horizon, b, CHD_COUNTING_ALIVE);
    chd_horizon_set(&horizon, b, CHD_COUNTING_ALIVE);
    cr_assert_eq(horizon.digest, both);
    finish();
}

static void fill(void)
{
    for (uint64_t i = 0; i < CHD_COUNTED_MAX; i++) {
        cr_assert_not_null(chd_horizon_add(&horizon, 100 + i, 10 + i));
    }
    cr_assert_eq(horizon.refused_ns, 0);
}

Test(horizon, who_finds_no_place_is_remembered)
{
    fill();
    cr_assert_null(chd_horizon_add(&horizon, 1, 5000));
    cr_assert_null(chd_horizon_add(&horizon, 2, 6000));
    cr_assert_eq(horizon.refused_ns, 5000, "since the first");
    chd_horizon_forgive(&horizon);
    cr_assert_eq(horizon.refused_ns, 5000, "there is still no room");
    finish();
}

Test(horizon, who_counts_no_more_makes_room_the_longest_silent_first)
{
    fill();
    cr_assert_null(chd_horizon_add(&horizon, 1, 5000));
    chd_horizon_set(&horizon, chd_horizon_find(&horizon, 107),
                    CHD_COUNTING_NOT);
    chd_horizon_set(&horizon, chd_horizon_find(&horizon, 105),
                    CHD_COUNTING_NOT);
    chd_horizon_forgive(&horizon);
    cr_assert_eq(horizon.refused_ns, 0);
    cr_assert_not_null(chd_horizon_add(&horizon, 1, 5001));
    cr_assert_null(chd_horizon_find(&horizon, 105));
    cr_assert_not_null(chd_horizon_find(&horizon, 107));
    cr_assert_eq(chd_horizon_find(&horizon, 1)->fresh.at_ns, 0);
    finish();
}

Test(horizon, the_dead_and_those_who_left_keep_their_place)
{
    fill();
    chd_horizon_set(&horizon, chd_horizon_find(&horizon, 100),
                    CHD_COUNTING_DEAD);
    chd_horizon_set(&horizon, chd_horizon_find(&horizon, 101),
                    CHD_COUNTING_LEFT);
    cr_assert_null(chd_horizon_add(&horizon, 1, 5000));
    finish();
}

Test(horizon, no_memory_is_an_error)
{
    chd_horizon other;

    for (size_t nth = 1; nth <= 2; nth++) {
        heap_fail_nth(nth);
        cr_assert_eq(chd_horizon_init(&other, SELF, heap_mem()), CHD_ENOMEM);
    }
    heap_fail_nth(0);
    finish();
}

Test(horizon, changes_are_counted_and_nothing_else)
{
    chd_counted *counted = chd_horizon_add(&horizon, 77, 1);
    const uint64_t changes = horizon.changes;

    (void)chd_horizon_find(&horizon, 77);
    cr_assert_eq(horizon.changes, changes);
    chd_horizon_set(&horizon, counted, CHD_COUNTING_DEAD);
    cr_assert_gt(horizon.changes, changes);
    finish();
}

Test(horizon, who_takes_the_place_of_another_is_found_and_the_other_is_not)
{
    for (uint64_t i = 0; i < CHD_COUNTED_MAX; i++) {
        cr_assert_not_null(chd_horizon_add(&horizon, 100 + i, 1000 + i));
    }
    chd_horizon_set(&horizon, chd_horizon_find(&horizon, 130),
                    CHD_COUNTING_NOT);
    const chd_counted *counted = chd_horizon_add(&horizon, 7, 5000);
    cr_assert_eq(chd_horizon_find(&horizon, 7), counted);
    cr_assert_null(chd_horizon_find(&horizon, 130));
    cr_assert_eq(chd_horizon_find(&horizon, 131)->node, 131);
    finish();
}
