#include <criterion/criterion.h>

#include "proto/base/prng.h"
#include "proto/core/window.h"

Test(window, events_in_order_move_the_base)
{
    chd_window window = {.base = 0};

    for (uint64_t seq = 1; seq <= 100; seq++) {
        cr_assert_eq(chd_window_judge(&window, seq), CHD_SEEN_NEXT);
        chd_window_mark(&window, seq);
        cr_assert_eq(window.base, seq);
    }
    cr_assert_eq(chd_window_judge(&window, 100), CHD_SEEN_BEFORE);
}

Test(window, what_is_behind_a_gap_is_remembered_and_absorbed)
{
    chd_window window = {.base = 10, .high = 10};

    chd_window_mark(&window, 12);
    chd_window_mark(&window, 14);
    cr_assert_eq(window.base, 10);
    cr_assert_eq(chd_window_judge(&window, 12), CHD_SEEN_BEFORE);
    cr_assert_eq(chd_window_judge(&window, 13), CHD_SEEN_AHEAD);
    cr_assert_eq(chd_window_next(&window), 12);
    chd_window_mark(&window, 11);
    cr_assert_eq(window.base, 12, "12 was here already");
    chd_window_advance(&window, 13);
    cr_assert_eq(window.base, 14, "so was 14");
    cr_assert_eq(chd_window_next(&window), 0);
}

Test(window, its_end_is_the_last_number_that_can_be_marked)
{
    chd_window window = {.base = 7, .high = 7};
    const uint64_t end = 7 + CHD_WINDOW_SEQS;

    cr_assert_eq(chd_window_judge(&window, end - 1), CHD_SEEN_AHEAD);
    cr_assert_eq(chd_window_judge(&window, end), CHD_SEEN_AHEAD);
    cr_assert_eq(chd_window_judge(&window, end + 1), CHD_SEEN_BEYOND);
    chd_window_mark(&window, end);
    cr_assert_eq(chd_window_judge(&window, end), CHD_SEEN_BEFORE);
    cr_assert_eq(window.base, 7);
}

Test(window, advancing_past_everything_forgets_the_marks)
{
    chd_window window = {.base = 0};

    chd_window_mark(&window, 5);
    chd_window_advance(&window, 5000);
    cr_assert_eq(window.base, 5000);
    /* 5 + 4096 uses the same bit */
    cr_assert_eq(chd_window_judge(&window, 5 + 2 * CHD_WINDOW_SEQS),
                 CHD_SEEN_AHEAD);
    chd_window_advance(&window, 10);
    cr_assert_eq(window.base, 5000, "it never goes back");
}

Test(window, any_order_gives_the_same_end)
{
    chd_prng prng = chd_prng_seeded(1);

    for (int round = 0; round < 200; round++) {
        chd_window window = {.base = 1000, .high = 1000};
        uint64_t left[64];
        size_t count = 1 + chd_prng_below(&prng, 64);
        for (size_t i = 0; i < count; i++) {
            left[i] = 1001 + i;
        }
        const uint64_t end = 1000 + count;
        while (count > 0) {
            const size_t i = chd_prng_below(&prng, count);
            cr_assert_neq(chd_window_judge(&window, left[i]), CHD_SEEN_BEFORE);
            chd_window_mark(&window, left[i]);
            cr_assert_eq(chd_window_judge(&window, left[i]), CHD_SEEN_BEFORE);
            left[i] = left[--count];
        }
        cr_assert_eq(window.base, end);
        cr_assert_eq(window.high, end);
        for (size_t i = 0; i < CHD_COUNT(window.bits); i++) {
            cr_assert_eq(window.bits[i], 0, "a mark was left over");
        }
    }
}
