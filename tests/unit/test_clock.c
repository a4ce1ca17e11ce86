#include <criterion/criterion.h>

#include "proto/base/clock.h"

Test(clock, a_span_later_is_the_sum)
{
    cr_assert_eq(chd_after(5, 7), 12);
    cr_assert_eq(chd_after(0, 0), 0);
    cr_assert_eq(CHD_SECOND, 1000 * CHD_MS);
}

Test(clock, never_stays_never)
{
    cr_assert_eq(chd_after(CHD_NEVER_NS, 0), CHD_NEVER_NS);
    cr_assert_eq(chd_after(0, CHD_NEVER_NS), CHD_NEVER_NS);
    cr_assert_eq(chd_after(CHD_NEVER_NS, CHD_NEVER_NS), CHD_NEVER_NS);
}

Test(clock, a_sum_that_overflows_is_never)
{
    cr_assert_eq(chd_after(CHD_NEVER_NS - 10, 9), CHD_NEVER_NS - 1);
    cr_assert_eq(chd_after(CHD_NEVER_NS - 10, 10), CHD_NEVER_NS);
    cr_assert_eq(chd_after(CHD_NEVER_NS - 10, 11), CHD_NEVER_NS);
}

Test(clock, a_span_has_elapsed_from_its_last_nanosecond_on)
{
    cr_assert(!chd_elapsed(109, 100, 10));
    cr_assert(chd_elapsed(110, 100, 10));
    cr_assert(chd_elapsed(111, 100, 10));
    cr_assert(chd_elapsed(100, 100, 0));
}

Test(clock, nothing_elapses_from_the_future)
{
    cr_assert(!chd_elapsed(99, 100, 0));
    cr_assert(!chd_elapsed(0, CHD_NEVER_NS - 1, 1));
}

Test(clock, an_endless_span_never_elapses)
{
    cr_assert(!chd_elapsed(CHD_NEVER_NS - 1, 0, CHD_NEVER_NS));
    cr_assert(!chd_elapsed(CHD_NEVER_NS - 1, CHD_NEVER_NS, 0));
}

Test(clock, the_past_is_as_long_ago_as_it_is_and_the_future_zero)
{
    cr_assert_eq(chd_since(110, 100), 10);
    cr_assert_eq(chd_since(100, 100), 0);
    cr_assert_eq(chd_since(99, 100), 0);
    cr_assert_eq(chd_since(5, CHD_NEVER_NS), 0);
}
