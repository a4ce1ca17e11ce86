/* heap.h - a counting allocator for tests of constructors.
 *
 * One heap for the whole process: Criterion runs each test in its own.
 * heap_mem() is what a constructor is given in place of NULL.  To see that it
 * survives being out of memory at every point:
 *
 *     chd_err err = CHD_ENOMEM;
 *     for (size_t nth = 1; err == CHD_ENOMEM; nth++) {
 *         heap_fail_nth(nth);
 *         err = chd_log_new(..., heap_mem(), &log);
 *         cr_assert(err == CHD_OK || heap_balance() == 0);
 *     }
 *     chd_log_destroy(&log);
 *     NO_LEAKS();
 */
#ifndef CHD_TESTS_SUPPORT_HEAP_H
#define CHD_TESTS_SUPPORT_HEAP_H

#include "proto/base/mem.h"

/* Return the allocator.  It zeroes memory, as chd_mem asks, and overwrites
 * what is freed. */
const chd_mem *heap_mem(void);

/* Fail the nth allocation from now on (1 is the next one) and only that one;
 * 0 turns failing off. */
void heap_fail_nth(size_t nth);

/* Return how many blocks are allocated and not freed. */
size_t heap_balance(void);

/* Return how many bytes are allocated and not freed. */
size_t heap_bytes(void);

/* Return how many allocations were asked for, failed ones included. */
size_t heap_calls(void);

/* End the body of every test that allocates with this: Criterion ignores what
 * LeakSanitizer says when the process exits. */
#define NO_LEAKS()                                                             \
    cr_assert(heap_balance() == 0, "%zu blocks, %zu bytes are leaked",         \
              heap_balance(), heap_bytes())

#endif
