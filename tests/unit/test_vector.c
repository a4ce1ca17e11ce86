#include <criterion/criterion.h>

#include "proto/base/hash.h"
#include "proto/base/limits.h"
#include "proto/base/prng.h"
#include "proto/core/vector.h"
#include "tests/support/heap.h"

static chd_vector *new_vector(void)
{
    chd_vector *vector;
    const chd_err err = chd_vector_new(heap_mem(), &vector);

    cr_assert_eq(err, CHD_OK);
    return vector;
}

static uint64_t received(const chd_vector *vector, uint64_t id)
{
    const chd_origin *origin = chd_vector_find(vector, id);
    return origin == NULL ? UINT64_MAX : origin->received;
}

Test(vector, survives_being_out_of_memory)
{
    chd_vector *vector;
    chd_err err = CHD_ENOMEM;

    for (size_t nth = 1; err == CHD_ENOMEM; nth++) {
        heap_fail_nth(nth);
        err = chd_vector_new(heap_mem(), &vector);
        cr_assert(err == CHD_OK || (vector == NULL && heap_balance() == 0));
    }
    heap_fail_nth(0);
    chd_vector_destroy(&vector);
    chd_vector_destroy(&vector);
    NO_LEAKS();
}

Test(vector, positions_only_move_forward)
{
    chd_vector *vector = new_vector();

    cr_assert_null(chd_vector_find(vector, 7));
    cr_assert_null(chd_vector_find(vector, 0));
    chd_vector_add(vector, 7, 5, 100);
    cr_assert_eq(received(vector, 7), 5);
    chd_vector_advance(vector, 7, 4);
    cr_assert_eq(received(vector, 7), 5);
    chd_vector_advance(vector, 7, CHD_SEQ_MAX);
    cr_assert_eq(received(vector, 7), CHD_SEQ_MAX);
    chd_vector_destroy(&vector);
    NO_LEAKS();
}

Test(vector, heard_of_and_left_are_remembered_for_those_it_has)
{
    chd_vector *vector = new_vector();

    chd_vector_touch(vector, 7, 100);
    chd_vector_leave(vector, 7);
    cr_assert_null(chd_vector_find(vector, 7));
    chd_vector_add(vector, 7, 0, 0);
    chd_vector_touch(vector, 7, 100);
    chd_vector_touch(vector, 7, 50);
    cr_assert_eq(chd_vector_find(vector, 7)->seen_ns, 100);
    cr_assert_not(chd_vector_find(vector, 7)->left);
    chd_vector_leave(vector, 7);
    cr_assert(chd_vector_find(vector, 7)->left);
    chd_vector_destroy(&vector);
    NO_LEAKS();
}

Test(vector, ranges_are_judged_against_a_position)
{
    static const struct {
        uint64_t received, first, last;
        chd_fit fit;
    } cases[] = {
        {0, 1, 1, CHD_FIT_NEXT},
        {0, 1, 9, CHD_FIT_NEXT},
        {0, 2, 9, CHD_FIT_GAP},
        {5, 6, 6, CHD_FIT_NEXT},
        {5, 5, 6, CHD_FIT_NEXT},
        {5, 1, 6, CHD_FIT_NEXT},
        {5, 1, 5, CHD_FIT_DUPLICATE},
        {5, 5, 5, CHD_FIT_DUPLICATE},
        {5, 7, 7, CHD_FIT_GAP},
        {5, 7, CHD_SEQ_MAX, CHD_FIT_GAP},
        {CHD_SEQ_MAX, 1, CHD_SEQ_MAX, CHD_FIT_DUPLICATE},
        {CHD_SEQ_MAX - 1, CHD_SEQ_MAX, CHD_SEQ_MAX, CHD_FIT_NEXT},
    };

    for (size_t i = 0; i < CHD_COUNT(cases); i++) {
        cr_assert_eq(
            chd_vector_fit(cases[i].received, cases[i].first, cases[i].last),
            cases[i].fit, "case %zu", i);
    }
}

Test(vector, digest_does_not_depend_on_the_way_there)
{
    chd_vector *a = new_vector();
    chd_vector *b = new_vector();

    for (uint64_t id = 1; id <= 100; id++) {
        chd_vector_add(a, id, id, 1);
        chd_vector_add(b, 101 - id, 0, 1);
    }
    cr_assert_neq(chd_vector_digest(a), chd_vector_digest(b));
    cr_assert_eq(chd_vector_digest(b), 0, "origins without events count");
    for (uint64_t id = 1; id <= 100; id++) {
        chd_vector_advance(b, id, id / 2);
        chd_vector_advance(b, id, id);
    }
    cr_assert_eq(chd_vector_digest(a), chd_vector_digest(b));
    chd_vector_destroy(&a);
    chd_vector_destroy(&b);
    NO_LEAKS();
}

Test(vector, digest_is_that_of_the_protocol)
{
    chd_vector *vector = new_vector();

    chd_vector_add(vector, 7, 5, 1);
    chd_vector_add(vector, 8, 0, 1);
    chd_vector_add(vector, 9, 6, 1);
    cr_assert_eq(chd_vector_digest(vector),
                 chd_mix64(7 ^ chd_mix64(5)) ^ chd_mix64(9 ^ chd_mix64(6)));
    chd_vector_destroy(&vector);
    NO_LEAKS();
}

Test(vector, writes_out_every_origin_that_has_events)
{
    static chd_position positions[CHD_ORIGINS_MAX];
    chd_vector *vector = new_vector();

    for (uint64_t id = 1; id <= 1000; id++) {
        chd_vector_add(vector, id, id % 2, 1);
    }
    cr_assert_eq(chd_vector_positions(vector, positions), 500);
    for (size_t i = 0; i < 500; i++) {
        cr_assert_eq(positions[i].origin % 2, 1);
        cr_assert_eq(positions[i].seq, 1);
    }
    chd_vector_destroy(&vector);
    NO_LEAKS();
}

Test(vector, when_full_it_forgets_who_was_silent_longest)
{
    chd_vector *vector = new_vector();

    chd_vector_add(vector, 1, 1, CHD_NEVER_NS); /* the node itself */
    for (uint64_t id = 2; id <= CHD_ORIGINS_MAX; id++) {
        cr_assert_not(chd_vector_is_full(vector));
        chd_vector_add(vector, id, id, 1000 + id);
    }
    cr_assert(chd_vector_is_full(vector));
    chd_vector_touch(vector, 2, 1000000);
    chd_vector_add(vector, 9001, 1, 1000001);
    cr_assert_null(chd_vector_find(vector, 3));
    cr_assert_not_null(chd_vector_find(vector, 1));
    cr_assert_not_null(chd_vector_find(vector, 2));
    /* Hearsay goes before anything that was heard. */
    chd_vector_add(vector, 9002, 1, 0);
    cr_assert_null(chd_vector_find(vector, 4));
    chd_vector_add(vector, 9003, 1, 1000002);
    cr_assert_null(chd_vector_find(vector, 9002));
    cr_assert_not_null(chd_vector_find(vector, 5));
    chd_vector_destroy(&vector);
    NO_LEAKS();
}

/* Forgetting moves entries about; none may get lost. */
Test(vector, forgetting_loses_nobody_else)
{
    chd_prng prng = chd_prng_seeded(3);
    static uint64_t ids[3 * CHD_ORIGINS_MAX];
    chd_vector *vector = new_vector();
    uint64_t digest = 0;

    for (size_t i = 0; i < CHD_COUNT(ids); i++) {
        ids[i] = chd_prng_next(&prng) | 1;
        chd_vector_add(vector, ids[i], i + 1, i + 1);
    }
    for (size_t i = 0; i < CHD_COUNT(ids); i++) {
        const bool kept = i >= CHD_COUNT(ids) - CHD_ORIGINS_MAX;
        cr_assert_eq(received(vector, ids[i]), kept ? i + 1 : UINT64_MAX);
        digest ^= kept ? chd_mix64(ids[i] ^ chd_mix64(i + 1)) : 0;
    }
    cr_assert_eq(chd_vector_digest(vector), digest);
    chd_vector_destroy(&vector);
    NO_LEAKS();
}
