#include "tests/support/heap.h"

#include <stdlib.h>
#include <string.h>

/* Before each block stands its size, in a unit that keeps any alignment. */
typedef union block {
    size_t bytes;
    max_align_t align;
} block;

static struct {
    size_t balance;
    size_t bytes;
    size_t calls;
    size_t fail_in; /* allocations until the failing one; 0: none fails */
} heap;

static void *heap_zalloc(void *arg, size_t count, size_t bytes)
{
    (void)arg;
    heap.calls++;
    if (heap.fail_in > 0) {
        heap.fail_in--;
        if (heap.fail_in == 0) {
            return NULL;
        }
    }
    if (bytes > 0 && count > (SIZE_MAX - sizeof(block)) / bytes) {
        return NULL;
    }

    block *made = calloc(1, sizeof(block) + count * bytes);
    if (made == NULL) {
        return NULL;
    }
    made->bytes = count * bytes;
    heap.balance++;
    heap.bytes += made->bytes;
    return made + 1;
}

static void heap_free(void *arg, void *ptr)
{
    (void)arg;
    if (ptr == NULL) {
        return;
    }
    block *gone = (block *)ptr - 1;
    heap.balance--;
    heap.bytes -= gone->bytes;
    memset(ptr, 0xa5, gone->bytes);
    free(gone);
}

const chd_mem *heap_mem(void)
{
    static const chd_mem mem = {heap_zalloc, heap_free, NULL};
    return &mem;
}

void heap_fail_nth(size_t nth)
{
    heap.fail_in = nth;
}

size_t heap_balance(void)
{
    return heap.balance;
}

size_t heap_bytes(void)
{
    return heap.bytes;
}

size_t heap_calls(void)
{
    return heap.calls;
}
