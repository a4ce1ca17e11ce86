#include <criterion/criterion.h>
#include <stdio.h>

#include "proto/base/hash.h"
#include "proto/base/prng.h"

static int compare(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

Test(hash, the_same_bytes_and_seed_give_the_same_hash)
{
    const uint8_t here[] = "0123456789abcdef!";
    uint8_t there[32] = {0};

    memcpy(there + 3, here, sizeof(here));
    for (size_t len = 0; len <= sizeof(here); len++) {
        cr_assert_eq(chd_hash(7, chd_bytes_of(here, len)),
                     chd_hash(7, chd_bytes_of(there + 3, len)), "%zu", len);
    }
}

Test(hash, another_seed_gives_another_hash)
{
    const chd_bytes topic = chd_bytes_str("episodes");
    cr_assert_neq(chd_hash(1, topic), chd_hash(2, topic));
}

Test(hash, nothing_at_all_has_a_hash)
{
    const chd_bytes nothing = {NULL, 0};
    cr_assert_eq(chd_hash(1, nothing), chd_hash(1, chd_bytes_str("")));
}

Test(hash, zeros_at_the_end_count)
{
    const uint8_t zeros[32] = {0};

    for (size_t i = 0; i <= sizeof(zeros); i++) {
        for (size_t j = 0; j < i; j++) {
            cr_assert_neq(chd_hash(0, chd_bytes_of(zeros, i)),
                          chd_hash(0, chd_bytes_of(zeros, j)), "%zu %zu", i, j);
        }
    }
}

Test(hash, each_bit_of_the_input_moves_about_half_of_the_output)
{
    chd_prng prng = chd_prng_seeded(1);

    for (size_t len = 1; len <= 20; len++) {
        uint8_t bytes[20];
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (uint8_t)chd_prng_next(&prng);
        }
        const uint64_t before = chd_hash(9, chd_bytes_of(bytes, len));
        int moved = 0;
        for (size_t bit = 0; bit < 8 * len; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            moved += __builtin_popcountll(
                before ^ chd_hash(9, chd_bytes_of(bytes, len)));
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        const double share = moved / (64.0 * 8.0 * (double)len);
        cr_assert(share > 0.42 && share < 0.58, "%zu: %f", len, share);
    }
}

Test(hash, keys_that_count_up_do_not_collide)
{
    enum { KEYS = 100000 };
    static uint64_t hashes[KEYS];

    for (size_t i = 0; i < KEYS; i++) {
        char key[32];
        const int len = snprintf(key, sizeof(key), "episode:%zu", i);
        hashes[i] = chd_hash(3, chd_bytes_of(key, (size_t)len));
    }
    qsort(hashes, KEYS, sizeof(hashes[0]), compare);
    for (size_t i = 1; i < KEYS; i++) {
        cr_assert_neq(hashes[i - 1], hashes[i]);
    }
}

Test(hash, low_bits_spread_keys_over_a_table)
{
    enum { SLOTS = 256, KEYS = SLOTS * 100 };
    uint32_t used[SLOTS] = {0};

    for (uint64_t i = 0; i < KEYS; i++) {
        used[chd_hash(5, chd_bytes_of(&i, sizeof(i))) % SLOTS]++;
    }
    for (size_t i = 0; i < SLOTS; i++) {
        cr_assert(used[i] > 50 && used[i] < 150, "slot %zu: %u", i, used[i]);
    }
}

Test(hash, mixing_a_word_can_be_undone)
{
    /* The finaliser is a bijection, so different words stay different: with
     * the inverses of its multipliers it can be run backwards. */
    chd_prng prng = chd_prng_seeded(2);

    for (int i = 0; i < 1000; i++) {
        const uint64_t word = chd_prng_next(&prng);
        uint64_t x = chd_mix64(word);
        x ^= x >> 31 ^ x >> 62;
        x *= UINT64_C(0x319642b2d24d8ec3);
        x ^= x >> 27 ^ x >> 54;
        x *= UINT64_C(0x96de1b173f119089);
        x ^= x >> 30 ^ x >> 60;
        cr_assert_eq(x, word);
    }
}
