#include <criterion/criterion.h>

#include "proto/base/hlc.h"

#define WALL UINT64_C(1700000000000)

Test(hlc, a_stamp_holds_the_wall_clock_in_its_upper_48_bits)
{
    cr_assert_eq(chd_hlc_next(0, WALL) >> 16, WALL);
    cr_assert_eq(chd_hlc_next(0, WALL) & 0xffff, 0);
}

Test(hlc, stamps_ascend_while_the_wall_clock_stands_still)
{
    uint64_t last = 0;

    for (int i = 0; i < 200000; i++) {
        const uint64_t next = chd_hlc_next(last, WALL);
        cr_assert_gt(next, last);
        last = next;
    }
}

Test(hlc, stamps_ascend_when_the_wall_clock_jumps_back)
{
    const uint64_t before = chd_hlc_next(0, WALL);
    cr_assert_eq(chd_hlc_next(before, WALL - 3600000), before + 1);
}

Test(hlc, a_full_counter_carries_into_the_milliseconds)
{
    const uint64_t full = WALL << 16 | 0xffff;
    cr_assert_eq(chd_hlc_next(full, WALL), (WALL + 1) << 16);
}

Test(hlc, after_seeing_a_stamp_the_next_one_is_above_it)
{
    const uint64_t seen = (WALL + 500) << 16 | 7;
    const uint64_t last = chd_hlc_seen(WALL << 16, seen, WALL);

    cr_assert_eq(last, seen);
    cr_assert_gt(chd_hlc_next(last, WALL), seen);
}

Test(hlc, an_older_stamp_changes_nothing)
{
    const uint64_t last = WALL << 16 | 3;
    cr_assert_eq(chd_hlc_seen(last, 12, WALL), last);
    cr_assert_eq(chd_hlc_seen(last, last, WALL), last);
}

Test(hlc, a_wrong_clock_elsewhere_drags_ours_by_a_minute_at_most)
{
    const uint64_t most = (WALL + CHD_HLC_AHEAD_MS_MAX) << 16;

    cr_assert_eq(chd_hlc_seen(0, most - 1, WALL), most - 1);
    cr_assert_eq(chd_hlc_seen(0, most, WALL), most);
    cr_assert_eq(chd_hlc_seen(0, most + 1, WALL), most);
    cr_assert_eq(chd_hlc_seen(0, UINT64_MAX, WALL), most);
}

Test(hlc, what_we_stamped_ourselves_stays_even_when_it_is_far_ahead)
{
    /* Our own clock was an hour ahead and was set right since. */
    const uint64_t last = (WALL + 3600000) << 16;
    cr_assert_eq(chd_hlc_seen(last, UINT64_MAX, WALL), last);
}
