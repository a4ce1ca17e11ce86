#include <criterion/criterion.h>

#include "proto/core/pace.h"
#include "tests/support/heap.h"

Test(pace, bytes_in_flight_close_it_and_landing_opens_it)
{
    chd_pace pace;
    cr_assert_eq(chd_pace_init(&pace, heap_mem()), CHD_OK);

    chd_pace_sent(&pace, 10, CHD_PACE_BYTES_MAX - 1);
    cr_assert(chd_pace_is_open(&pace));
    chd_pace_sent(&pace, 20, 1);
    cr_assert(!chd_pace_is_open(&pace));
    chd_pace_landed(&pace, 9);
    cr_assert(!chd_pace_is_open(&pace), "the message ends at 10");
    chd_pace_landed(&pace, 10);
    cr_assert(chd_pace_is_open(&pace));
    cr_assert_eq(chd_pace_bytes(&pace), 1);
    chd_pace_landed(&pace, 20);
    cr_assert_eq(chd_pace_bytes(&pace), 0);
    chd_pace_fini(&pace);
    NO_LEAKS();
}

Test(pace, messages_in_flight_are_counted_too)
{
    chd_pace pace;
    cr_assert_eq(chd_pace_init(&pace, heap_mem()), CHD_OK);

    for (uint64_t i = 1; i <= CHD_PACE_MESSAGES_MAX; i++) {
        cr_assert(chd_pace_is_open(&pace), "message %lu", (unsigned long)i);
        chd_pace_sent(&pace, i, 1);
    }
    cr_assert(!chd_pace_is_open(&pace));
    chd_pace_landed(&pace, 1);
    cr_assert(chd_pace_is_open(&pace));
    chd_pace_fini(&pace);
    NO_LEAKS();
}
