#include <criterion/criterion.h>

#include "proto/base/prng.h"
#include "proto/core/index.h"
#include "tests/support/heap.h"

#define SLOTS 1027u /* not a multiple of 64 */
#define REFS 700u   /* so many are in the table at most */

/* What should be in the table: the hash of ref i + 1, or nothing. */
typedef struct model {
    chd_index index;
    chd_prng prng;
    uint32_t hash[2 * REFS];
    bool in[2 * REFS];
    uint32_t count;
} model;

static void make(model *m, bool rows)
{
    *m = (model){.prng = chd_prng_seeded(7)};
    cr_assert_eq(chd_index_new(SLOTS, rows, heap_mem(), &m->index), CHD_OK);
}

static void finish(model *m)
{
    chd_index_destroy(heap_mem(), &m->index);
    NO_LEAKS();
}

static bool has(const model *m, uint32_t hash, uint32_t ref)
{
    uint32_t at = UINT32_MAX;
    uint32_t found;

    while ((found = chd_index_next(&m->index, hash, &at)) != 0) {
        if (found == ref) {
            return true;
        }
    }
    return false;
}

static void check(const model *m)
{
    for (uint32_t i = 0; i < CHD_COUNT(m->in); i++) {
        if (m->hash[i] != 0) {
            cr_assert_eq(has(m, m->hash[i], i + 1), m->in[i], "ref %u", i + 1);
        }
    }
}

/* Few hashes in a row, so that many meet; and some at the very end, so that
 * they go around it. */
static uint32_t some_hash(model *m)
{
    const uint32_t near = (uint32_t)chd_prng_below(&m->prng, 200) + 1;
    return chd_prng_below(&m->prng, 2) == 0 ? near
                                            : UINT32_MAX - near * 0x10001u;
}

static void add(model *m, uint32_t i)
{
    m->hash[i] = some_hash(m);
    m->in[i] = true;
    m->count++;
    chd_index_add(&m->index, m->hash[i], i + 1);
}

static void remove_one(model *m, uint32_t i)
{
    chd_index_remove(&m->index, m->hash[i], i + 1);
    m->in[i] = false;
    m->count--;
}

/* Let a free ref take the place of i. */
static void move(model *m, uint32_t i, uint32_t to)
{
    if (!m->in[to]) {
        chd_index_move(&m->index, m->hash[i], i + 1, to + 1);
        m->hash[to] = m->hash[i];
        m->in[to] = true;
        m->in[i] = false;
    }
}

static void churn(bool rows)
{
    model m;

    make(&m, rows);
    for (unsigned step = 0; step < 20000; step++) {
        const uint32_t i = (uint32_t)chd_prng_below(&m.prng, 2 * REFS);
        if (m.in[i] && chd_prng_below(&m.prng, 4) == 0) {
            move(&m, i, (uint32_t)chd_prng_below(&m.prng, 2 * REFS));
        } else if (m.in[i]) {
            remove_one(&m, i);
        } else if (m.count < REFS) {
            add(&m, i);
        }
        if (step % 500 == 0) {
            check(&m);
        }
    }
    check(&m);
    for (uint32_t i = 0; i < CHD_COUNT(m.in); i++) {
        if (m.in[i]) {
            remove_one(&m, i);
        }
    }
    for (uint32_t i = 0; i < SLOTS / 64 * 64; i++) {
        cr_assert_eq(m.index.slots[i].ref, 0, "slot %u", i);
    }
    finish(&m);
}

Test(index, what_is_added_is_found_until_it_is_removed)
{
    churn(false);
}

Test(index, rows_are_as_good)
{
    churn(true);
}

Test(index, a_row_stays_together)
{
    model m;

    make(&m, true);
    for (uint32_t row = 0; row < 12; row++) {
        for (uint32_t near = 0; near < 64; near++) {
            chd_index_add(&m.index, row * 0x14000000u + near,
                          1 + row * 64 + near);
        }
    }
    for (uint32_t slot = 0; slot < SLOTS / 64 * 64; slot++) {
        const uint32_t ref = m.index.slots[slot].ref;
        const uint32_t first = m.index.slots[slot - slot % 64].ref;
        cr_assert(ref == 0 || ref == first + slot % 64);
    }
    finish(&m);
}

/* Whoever chooses what is numbered may choose all of one place. */
Test(index, one_place_of_all_rows_may_overflow)
{
    model m;

    make(&m, true);
    for (uint32_t i = 0; i < REFS; i++) {
        m.hash[i] = 5;
        m.in[i] = true;
        chd_index_add(&m.index, 5, i + 1);
    }
    check(&m);
    for (uint32_t i = 0; i < REFS; i += 2) {
        remove_one(&m, i);
    }
    check(&m);
    finish(&m);
}
