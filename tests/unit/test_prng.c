#include <criterion/criterion.h>
#include <signal.h>

#include "proto/base/prng.h"

Test(prng, draws_the_published_numbers_of_splitmix64)
{
    static const uint64_t of_zero[] = {
        UINT64_C(0xe220a8397b1dcdaf),
        UINT64_C(0x6e789e6aa1b965f4),
        UINT64_C(0x06c45d188009454f),
    };
    static const uint64_t of_1234567[] = {
        UINT64_C(6457827717110365317),
        UINT64_C(3203168211198807973),
        UINT64_C(9817491932198370423),
    };
    chd_prng zero = chd_prng_seeded(0);
    chd_prng other = chd_prng_seeded(1234567);

    for (size_t i = 0; i < CHD_COUNT(of_zero); i++) {
        cr_assert_eq(chd_prng_next(&zero), of_zero[i]);
        cr_assert_eq(chd_prng_next(&other), of_1234567[i]);
    }
}

Test(prng, the_same_seed_draws_the_same_numbers)
{
    chd_prng a = chd_prng_seeded(42);
    chd_prng b = chd_prng_seeded(42);

    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(chd_prng_next(&a), chd_prng_next(&b));
    }
}

Test(prng, numbers_below_a_bound_are_below_it_and_all_occur)
{
    chd_prng prng = chd_prng_seeded(3);
    uint32_t seen[10] = {0};

    for (int i = 0; i < 10000; i++) {
        const uint64_t n = chd_prng_below(&prng, CHD_COUNT(seen));
        cr_assert_lt(n, CHD_COUNT(seen));
        seen[n]++;
    }
    for (size_t i = 0; i < CHD_COUNT(seen); i++) {
        cr_assert(seen[i] > 800 && seen[i] < 1200, "%zu: %u", i, seen[i]);
    }
}

Test(prng, below_one_is_always_zero)
{
    chd_prng prng = chd_prng_seeded(4);

    for (int i = 0; i < 100; i++) {
        cr_assert_eq(chd_prng_below(&prng, 1), 0);
    }
}

Test(prng, below_nothing_is_a_programmers_error, .signal = SIGABRT)
{
    chd_prng prng = chd_prng_seeded(5);
    (void)chd_prng_below(&prng, 0);
}
