#include <criterion/criterion.h>

#include "proto/base/mem.h"
#include "tests/support/heap.h"

static bool is_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

Test(mem, null_stands_for_the_c_library)
{
    uint8_t *block = chd_zalloc(NULL, 100, 10);

    cr_assert_not_null(block);
    cr_assert(is_zero(block, 1000));
    chd_free(NULL, block);
    chd_free(NULL, NULL);
}

Test(mem, the_allocator_that_was_given_is_asked)
{
    uint8_t *block = chd_zalloc(heap_mem(), 3, 7);

    cr_assert_not_null(block);
    cr_assert(is_zero(block, 21));
    cr_assert_eq(heap_balance(), 1);
    cr_assert_eq(heap_bytes(), 21);
    cr_assert_eq(heap_calls(), 1);
    chd_free(heap_mem(), block);
    chd_free(heap_mem(), NULL);
    NO_LEAKS();
}

Test(mem, memory_that_comes_again_is_zero_again)
{
    for (int i = 0; i < 10; i++) {
        uint8_t *block = chd_zalloc(heap_mem(), 1, 64);
        cr_assert_not_null(block);
        cr_assert(is_zero(block, 64));
        memset(block, 0xff, 64);
        chd_free(heap_mem(), block);
    }
    NO_LEAKS();
}

Test(mem, blocks_are_aligned_for_any_type)
{
    for (size_t bytes = 1; bytes < 70; bytes++) {
        void *block = chd_zalloc(heap_mem(), 1, bytes);
        cr_assert_eq((uintptr_t)block % _Alignof(max_align_t), 0);
        chd_free(heap_mem(), block);
    }
    NO_LEAKS();
}

Test(mem, a_size_that_overflows_is_out_of_memory)
{
    cr_assert_null(chd_zalloc(heap_mem(), SIZE_MAX / 2, 3));
    cr_assert_null(chd_zalloc(heap_mem(), SIZE_MAX, 1));
    NO_LEAKS();
}

Test(mem, the_heap_fails_the_allocation_it_was_told_to)
{
    heap_fail_nth(2);
    void *first = chd_zalloc(heap_mem(), 1, 1);
    void *second = chd_zalloc(heap_mem(), 1, 1);
    void *third = chd_zalloc(heap_mem(), 1, 1);

    cr_assert_not_null(first);
    cr_assert_null(second);
    cr_assert_not_null(third);
    cr_assert_eq(heap_balance(), 2);
    cr_assert_eq(heap_calls(), 3);
    chd_free(heap_mem(), first);
    chd_free(heap_mem(), third);
    NO_LEAKS();
}

Test(mem, failing_can_be_turned_off)
{
    heap_fail_nth(1);
    heap_fail_nth(0);
    void *block = chd_zalloc(heap_mem(), 1, 1);

    cr_assert_not_null(block);
    chd_free(heap_mem(), block);
    NO_LEAKS();
}
