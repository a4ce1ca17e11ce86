/* What promises say about how fresh somebody is. */
#include <criterion/criterion.h>

#include "proto/base/fresh.h"

static chd_fresh fresh;

static void promise(uint64_t seq, uint64_t at_ns, uint64_t reached)
{
    const chd_promise made = {seq, at_ns};

    chd_fresh_promise(&fresh, &made, reached);
}

Test(fresh, nothing_is_known_without_a_promise)
{
    chd_fresh_reach(&fresh, UINT64_MAX);
    cr_assert_eq(fresh.at_ns, 0);
}

Test(fresh, a_promise_counts_when_its_number_is_reached)
{
    promise(5, 100, 4);
    cr_assert_eq(fresh.at_ns, 0);
    chd_fresh_reach(&fresh, 4);
    cr_assert_eq(fresh.at_ns, 0);
    chd_fresh_reach(&fresh, 5);
    cr_assert_eq(fresh.at_ns, 100);
    promise(5, 200, 5);
    cr_assert_eq(fresh.at_ns, 200, "at once");
}

Test(fresh, an_older_promise_takes_nothing_back)
{
    promise(5, 200, 5);
    promise(5, 100, 5);
    cr_assert_eq(fresh.at_ns, 200);
    promise(7, 150, 5);
    chd_fresh_reach(&fresh, 7);
    cr_assert_eq(fresh.at_ns, 200);
}

Test(fresh, the_oldest_and_the_newest_promise_are_kept)
{
    promise(10, 100, 0);
    promise(20, 200, 0);
    promise(30, 300, 0);
    chd_fresh_reach(&fresh, 10);
    cr_assert_eq(fresh.at_ns, 100);
    chd_fresh_reach(&fresh, 20);
    cr_assert_eq(fresh.at_ns, 100, "the one between was forgotten");
    chd_fresh_reach(&fresh, 30);
    cr_assert_eq(fresh.at_ns, 300);
}

/* Promises come faster than what they wait for, for as long as it lasts. */
Test(fresh, under_load_it_goes_on_growing)
{
    uint64_t last = 0;

    for (uint64_t i = 1; i < 1000; i++) {
        promise(10 * i, i, 10 * i - 50);
        cr_assert_geq(fresh.at_ns, last);
        last = fresh.at_ns;
        cr_assert_geq(fresh.at_ns + 15, i);
    }
    cr_assert_gt(last, 980);
}

Test(fresh, what_was_reached_in_between_is_not_forgotten)
{
    promise(10, 100, 0);
    promise(20, 200, 0);
    promise(30, 300, 20);
    cr_assert_eq(fresh.at_ns, 200);
}

Test(fresh, broken_promises_never_count)
{
    promise(10, 100, 0);
    promise(20, 200, 0);
    promise(1, 50, 1);
    chd_fresh_break(&fresh);
    chd_fresh_reach(&fresh, UINT64_MAX);
    cr_assert_eq(fresh.at_ns, 50);
}
