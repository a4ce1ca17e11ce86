#include <criterion/criterion.h>

#include "proto/base/limits.h"
#include "proto/core/hold.h"
#include "tests/support/heap.h"

static bool keep(chd_hold *hold, uint64_t origin, uint64_t first,
                 const char *text)
{
    const chd_held held = {.origin = origin, .first = first, .last = first + 1};
    return chd_hold_add(hold, &held, chd_bytes_str(text));
}

Test(hold, messages_come_back_in_order_by_origin)
{
    chd_hold hold;
    cr_assert_eq(chd_hold_init(&hold, heap_mem()), CHD_OK);

    cr_assert(keep(&hold, 1, 30, "thirty"));
    cr_assert(keep(&hold, 2, 5, "other"));
    cr_assert(keep(&hold, 1, 20, "twenty"));
    const chd_held *next = chd_hold_next(&hold, 1, 10);
    cr_assert_eq(next->first, 20);
    cr_assert(
        chd_bytes_equal(chd_hold_bytes(&hold, next), chd_bytes_str("twenty")));
    cr_assert_eq(chd_hold_next(&hold, 1, 21)->first, 30);
    cr_assert_null(chd_hold_next(&hold, 1, 31));
    cr_assert_null(chd_hold_next(&hold, 3, 0));
    chd_hold_fini(&hold);
    NO_LEAKS();
}

Test(hold, dropping_keeps_the_others_whole)
{
    chd_hold hold;
    cr_assert_eq(chd_hold_init(&hold, heap_mem()), CHD_OK);

    cr_assert(keep(&hold, 1, 10, "aaaa"));
    cr_assert(keep(&hold, 2, 10, "bb"));
    cr_assert(keep(&hold, 1, 20, "cccccc"));
    chd_hold_drop(&hold, 1, 11);
    cr_assert_eq(hold.count, 2);
    cr_assert_eq(hold.used, 8);
    cr_assert(chd_bytes_equal(chd_hold_bytes(&hold, chd_hold_next(&hold, 1, 0)),
                              chd_bytes_str("cccccc")));
    cr_assert(chd_bytes_equal(chd_hold_bytes(&hold, chd_hold_next(&hold, 2, 0)),
                              chd_bytes_str("bb")));
    chd_hold_drop(&hold, 1, 21);
    chd_hold_drop(&hold, 2, 11);
    cr_assert_eq(hold.used, 0);
    chd_hold_fini(&hold);
    NO_LEAKS();
}

Test(hold, a_full_hold_refuses)
{
    chd_hold hold;
    static uint8_t big[CHD_HOLD_BYTES_MAX];
    const chd_held held = {.origin = 1, .first = 1, .last = 1};
    cr_assert_eq(chd_hold_init(&hold, heap_mem()), CHD_OK);

    cr_assert(chd_hold_add(&hold, &held, chd_bytes_of(big, sizeof(big))));
    cr_assert(!keep(&hold, 1, 2, "x"));
    chd_hold_drop(&hold, 1, 1);
    for (uint64_t i = 0; i < CHD_HOLD_MESSAGES_MAX; i++) {
        cr_assert(keep(&hold, 1, 10 * i + 1, "x"));
    }
    cr_assert(!keep(&hold, 1, 1, "x"));
    chd_hold_fini(&hold);
    NO_LEAKS();
}
