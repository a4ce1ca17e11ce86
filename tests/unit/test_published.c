/* What clients published: ranges, and what is forgotten. */
#include <criterion/criterion.h>

#include "proto/core/published.h"
#include "tests/support/heap.h"

static chd_published *make(void)
{
    chd_published *table = NULL;

    cr_assert_eq(chd_published_new(1, heap_mem(), &table), CHD_OK);
    return table;
}

Test(published, a_number_is_new_once)
{
    static const uint64_t order[] = {5, 6, 9, 7, 1, 8, 3, 2, 4, 10};
    chd_published *table = make();

    for (size_t i = 0; i < CHD_COUNT(order); i++) {
        cr_assert(chd_published_note(table, 7, order[i]));
        for (size_t n = 0; n <= i; n++) {
            cr_assert_not(chd_published_note(table, 7, order[n]));
        }
        cr_assert(chd_published_note(table, 8, order[i]), "another client");
    }
    chd_published_destroy(&table);
    chd_published_destroy(&table);
    NO_LEAKS();
}

Test(published, what_lies_between_two_numbers_is_not_taken_for_known)
{
    chd_published *table = make();

    cr_assert(chd_published_note(table, 7, 10));
    cr_assert(chd_published_note(table, 7, 12));
    cr_assert(chd_published_note(table, 7, 1));
    cr_assert(chd_published_note(table, 7, 11));
    for (uint64_t number = 2; number < 10; number++) {
        cr_assert(chd_published_note(table, 7, number));
    }
    chd_published_destroy(&table);
    NO_LEAKS();
}

Test(published, without_a_number_nothing_is_known)
{
    chd_published *table = make();

    cr_assert(chd_published_note(table, 7, 0));
    cr_assert(chd_published_note(table, 7, 0));
    chd_published_destroy(&table);
    NO_LEAKS();
}

/* Too many holes: the lowest range goes, and is new again. */
Test(published, the_newest_ranges_are_kept)
{
    const uint64_t last = 2 * (CHD_PUBLISHED_RANGES_MAX + 1);
    chd_published *table = make();

    for (uint64_t number = 2; number <= last; number += 2) {
        cr_assert(chd_published_note(table, 7, number));
    }
    for (uint64_t number = 4; number <= last; number += 2) {
        cr_assert_not(chd_published_note(table, 7, number));
    }
    cr_assert(chd_published_note(table, 7, 2), "forgotten");
    cr_assert(chd_published_note(table, 7, 2), "and below all others");
    cr_assert(chd_published_note(table, 7, 5), "which closes a hole");
    cr_assert_not(chd_published_note(table, 7, 5));
    cr_assert_not(chd_published_note(table, 7, last));
    chd_published_destroy(&table);
    NO_LEAKS();
}

Test(published, who_was_quiet_for_longest_is_forgotten)
{
    chd_published *table = make();

    for (uint64_t client = 1; client <= 20 * CHD_PUBLISHERS_MAX; client++) {
        cr_assert(chd_published_note(table, client, 1));
        cr_assert_eq(chd_published_note(table, UINT64_MAX, 1), client == 1,
                     "it publishes all the time");
    }
    cr_assert(chd_published_note(table, 1, 1));
    chd_published_destroy(&table);
    NO_LEAKS();
}

Test(published, what_was_accepted_is_remembered)
{
    chd_published *table = make();

    cr_assert_eq(chd_published_accepted(table, 7), 0);
    chd_published_accept(table, 7, 5);
    chd_published_accept(table, 7, 3);
    cr_assert_eq(chd_published_accepted(table, 7), 5);
    cr_assert_eq(chd_published_accepted(table, 8), 0);
    cr_assert(chd_published_note(table, 7, 5), "not delivered yet");
    chd_published_destroy(&table);
    NO_LEAKS();
}

Test(published, every_failing_allocation_is_survived)
{
    chd_published *table = NULL;
    chd_err err = CHD_ENOMEM;

    for (size_t nth = 1; err == CHD_ENOMEM; nth++) {
        heap_fail_nth(nth);
        err = chd_published_new(1, heap_mem(), &table);
        cr_assert(err == CHD_OK || (table == NULL && heap_balance() == 0));
    }
    heap_fail_nth(0);
    chd_published_destroy(&table);
    NO_LEAKS();
}
