#include <criterion/criterion.h>

#include "proto/core/recent.h"
#include "tests/support/heap.h"

#define COUNT 67u /* not a multiple of eight */

static chd_recent make(void)
{
    chd_recent recent;

    cr_assert_eq(chd_recent_new(COUNT, heap_mem(), &recent), CHD_OK);
    return recent;
}

static void finish(chd_recent *recent)
{
    chd_recent_destroy(heap_mem(), recent);
    NO_LEAKS();
}

/* What is known of a hash must be these, the newest first. */
static void expect(const chd_recent *recent, uint32_t hash, const char *refs)
{
    uint32_t at = 0;

    for (; *refs != '\0'; refs++) {
        cr_assert_eq(chd_recent_next(recent, hash, &at), (uint32_t)*refs);
    }
    cr_assert_eq(chd_recent_next(recent, hash, &at), 0);
}

Test(recent, the_newest_of_a_hash_comes_first)
{
    chd_recent recent = make();

    expect(&recent, 0, "");
    chd_recent_add(&recent, 0, 'a');
    chd_recent_add(&recent, 1, 'b');
    chd_recent_add(&recent, 0, 'c');
    expect(&recent, 0, "ca");
    expect(&recent, 1, "b");
    expect(&recent, 2, "");
    finish(&recent);
}

Test(recent, what_leaves_or_moves_is_found_no_more_or_there)
{
    chd_recent recent = make();

    chd_recent_add(&recent, 7, 'a');
    chd_recent_add(&recent, 7, 'b');
    chd_recent_add(&recent, 7, 'c');
    chd_recent_remove(&recent, 7, 'b');
    expect(&recent, 7, "ca");
    chd_recent_move(&recent, 7, 'a', 'd');
    expect(&recent, 7, "cd");
    chd_recent_remove(&recent, 7, 'a');
    chd_recent_move(&recent, 7, 'b', 'e');
    expect(&recent, 7, "cd");
    finish(&recent);
}

Test(recent, the_oldest_of_a_full_line_is_forgotten_and_no_other_line_suffers)
{
    chd_recent recent = make();

    chd_recent_add(&recent, UINT32_MAX, 'z');
    for (uint32_t i = 0; i < 9; i++) {
        chd_recent_add(&recent, 5, 'a' + i);
    }
    expect(&recent, 5, "ihgfedcb");
    chd_recent_remove(&recent, 5, 'a');
    expect(&recent, 5, "ihgfedcb");
    expect(&recent, UINT32_MAX, "z");
    finish(&recent);
}

Test(recent, without_memory_it_says_so)
{
    chd_recent recent;

    heap_fail_nth(1);
    cr_assert_eq(chd_recent_new(COUNT, heap_mem(), &recent), CHD_ENOMEM);
    NO_LEAKS();
}
